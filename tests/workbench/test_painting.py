"""A grid to paint on: a click turns one cell, clear turns all off, a value set shows."""

from __future__ import annotations

import numpy as np
import pytest

from lib.workbench import explore
from lib.workbench.painting import DARK, LIGHT, painting


@pytest.fixture(params=["live", "still"])
def mode(request, monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", request.param)
    return request.param


def test_a_grid_is_painted_on(mode):
    def painted(hole):
        return "<b>" + " ".join("".join("#" if cell else "." for cell in row) for row in hole) + "</b>"

    view = explore(painted, hole=np.eye(3, 2, dtype=bool))
    assert view.result == "<b>#. .# ..</b>" and "2 of 6 painted" in view.bundle["text/plain"]
    assert view.set(hole=np.ones((3, 2), dtype=bool)) == view.result == "<b>## ## ##</b>"
    if mode == "live":
        cells = view.widgets["hole"].cells
        cells[2][0].click()
        assert view.result == "<b>## ## .#</b>"
        assert (cells[2][0].style.button_color, cells[0][0].style.button_color) == (LIGHT, DARK)
        cells[2][0].click()
        assert view.result == "<b>## ## ##</b>" and cells[2][0].style.button_color == DARK
        assert cells[2][0].tooltip == "row 3, column 1"
    with pytest.raises(ValueError, match=r"^hole must have the shape \(3, 2\), got \(2, 2\)$"):
        view.set(hole=np.ones((2, 2), dtype=bool))
    with pytest.raises(TypeError, match=r"^hole: initial must be a boolean matrix, got shape \(2, 2\) of float64$"):
        explore(painted, hole=np.ones((2, 2)))


def test_clear_turns_all_off_and_every_change_is_told_once():
    board, told = painting("hole", ((True, False), (True, True))), []
    board.observe(lambda change: told.append(change["new"]), "value")
    caption, _ = board.children
    board.cells[0][1].click()
    caption.children[1].click()
    assert told == [((True, True), (True, True)), ((False, False), (False, False))]
    assert {button.style.button_color for row in board.cells for button in row} == {LIGHT}


def test_the_board_has_a_button_a_cell_row_after_row():
    board = painting("hole", ((True, False, True), (False, False, True)))
    _, grid = board.children
    shown = [button.style.button_color == DARK for button in grid.children]
    assert shown == [True, False, True, False, False, True]
    assert [button.tooltip for button in grid.children][3] == "row 2, column 1"
