"""Widgets: one output, live or still, and a returned object whose controls can be moved."""

from __future__ import annotations

import base64
import queue
import time
import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from lib.workbench import explore
from lib.workbench.run import ROOT

VIEW = "application/vnd.jupyter.widget-view+json"
CELL = """
import lib.workbench.plots as plots
from lib.workbench import explore

def drawn(layers=3, kind="a"):
    fig, ax = plots.figure()
    ax.plot(range(layers))
    return fig

view = explore(drawn, layers=(1, 9), kind=["a", "b"])
view
"""


def described(layers=8, ratio=4, moe=True, name="x"):
    return f"<b>{layers} {ratio} {moe} {name}</b>"


def drawn(layers=8):
    fig, ax = plt.subplots()
    ax.plot(range(layers))
    return fig


CONTROLS = {"layers": (1, 32), "ratio": {"1:3": 4, "1:7": 8}, "moe": True, "name": "x"}


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
        view.widgets["hole"].cells[2][0].value = False
        assert view.result == "<b>## ## .#</b>"
        assert (
            view.widgets["hole"].cells[2][0].style.button_color != view.widgets["hole"].cells[0][0].style.button_color
        )
    with pytest.raises(ValueError, match=r"^hole has the shape \(2, 2\); allowed is \(3, 2\)$"):
        view.set(hole=np.ones((2, 2), dtype=bool))
    with pytest.raises(TypeError, match=r"a boolean matrix$"):
        explore(painted, hole=np.ones((2, 2)))


def test_moving_a_control_gives_the_functions_new_result(mode):
    view = explore(described, **CONTROLS)
    assert view.result == "<b>8 4 True x</b>"
    assert view.set(layers=3, ratio=8, moe=False, name="y") == view.result == "<b>3 8 False y</b>"
    assert dict(view.values) == {"layers": 3, "ratio": 8, "moe": False, "name": "y"}


def test_a_live_widget_follows_its_front_end_and_shows_the_result(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(described, **CONTROLS)
    assert type(view.widgets["layers"]).__name__ == "IntSlider"
    view.widgets["layers"].value = 5
    view.widgets["ratio"].value = 8
    assert view.result == "<b>5 8 True x</b>" == view._box.children[1].value


def test_a_live_figure_is_redrawn_in_place(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(drawn, layers=(1, 9))
    picture = view._box.children[1]
    before = picture.value
    view.widgets["layers"].value = 2
    assert view._box.children[1] is picture
    assert picture.value != before and bytes(picture.value).startswith(b"\x89PNG")


def test_an_error_under_a_moved_control_is_shown_below_it(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(lambda n=1: f"<i>{10 // n}</i>", n=(0, 5))
    view.widgets["n"].value = 0
    assert "n = 0: ZeroDivisionError" in view._box.children[1].value
    view.widgets["n"].value = 5
    assert view._box.children[1].value == "<i>2</i>"


def test_the_output_has_the_view_only_while_live_and_the_still_always(mode):
    html, picture = explore(described, **CONTROLS).bundle, explore(drawn, layers=(1, 9)).bundle
    assert (VIEW in html, VIEW in picture) == ((True, True) if mode == "live" else (False, False))
    assert "<b>8 4 True x</b>" in html["text/html"]
    assert "Still at layers = 8, ratio = 1:3, moe = True, name = x" in html["text/html"]
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG") and "text/html" not in picture
    assert "Still at layers = 8" in picture["text/plain"]


def test_the_still_makes_no_widget(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "still")
    assert explore(described, **CONTROLS).widgets == {}


def test_outside_a_notebook_the_caption_is_printed_once(capsys, monkeypatch):
    monkeypatch.delenv("WORKBENCH_WIDGETS", raising=False)
    explore(described, **CONTROLS)
    assert capsys.readouterr().out.count("Still at") == 1


def test_figures_are_closed_and_nothing_warns(mode):
    open_before = plt.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explore(drawn, layers=(1, 9)).set(layers=4)
    assert plt.get_fignums() == open_before


def test_moving_controls_changes_no_later_random_number(mode):
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    view = explore(lambda n=1: f"<i>{np.random.rand(n)}</i>", n=(1, 5))
    first = view.result
    assert view.set(n=2) != first and view.set(n=1) == first
    assert np.random.rand() == expected


@pytest.mark.parametrize(
    ("form", "initial"),
    [
        ((1, 9), 5),
        ((0.0, 1.0), 0.5),
        ((0, 10, 4), 4),
        ([16, 64, 256], 16),
        ({"one": 1, "two": 2}, 1),
        (True, True),
        ("t", "t"),
    ],
)
def test_controls_without_a_default_start_at_the_middle_or_the_first(form, initial, mode):
    view = explore(lambda control: f"<i>{control}</i>", control=form)
    assert view.values["control"] == pytest.approx(initial)
    if mode == "live":
        assert view.widgets["control"].value == pytest.approx(initial)


@pytest.mark.parametrize("form", [(9, 1), (1, 2, 0), [], None, 3, (1, "a"), (1, 2, 3, 4)])
def test_another_form_of_control_is_refused_by_name(form):
    with pytest.raises((ValueError, TypeError), match="layers is"):
        explore(described, layers=form)


def test_values_out_of_reach_are_refused_and_nothing_moves(mode):
    view = explore(described, **CONTROLS)
    wrong = {"layers": 99, "ratio": 5, "moe": "yes", "name": 3}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"{name} is {value!r}; allowed"):
            view.set(**{name: value})
    with pytest.raises(ValueError, match="'depth' is not a control; the controls are layers"):
        view.set(depth=3)
    assert view.result == "<b>8 4 True x</b>"
    with pytest.raises(ValueError, match="layers is 8"):
        explore(described, layers=(1, 4))
    with pytest.raises(ValueError, match="at least one"):
        explore(described)


def test_an_unknown_mode_is_refused(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "maybe")
    with pytest.raises(ValueError, match="allowed are auto, live and still"):
        explore(described, layers=(1, 9))


def test_a_notebook_executed_by_a_program_holds_the_still_alone_and_its_page_shows_it(monkeypatch):
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("WORKBENCH_WIDGETS", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    assert len(outputs) == 1 and set(outputs[0].data) == {"image/png", "text/plain"}
    assert "widgets" not in notebook.metadata
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('src="data:image/png;base64') == 1


def test_a_live_front_end_gets_one_output_whose_fallback_nbconvert_shows(monkeypatch):
    from jupyter_client.manager import start_new_kernel
    from nbconvert import HTMLExporter

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("WORKBENCH_WIDGETS", raising=False)
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        request, outputs, deadline = client.execute(CELL, allow_stdin=True), [], time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                message = client.get_iopub_msg(timeout=5)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] in ("display_data", "execute_result", "stream", "error"):
                outputs.append(nbformat.v4.output_from_msg(message))
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert len(outputs) == 1 and set(outputs[0].data) == {VIEW, "image/png", "text/plain"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL, outputs=outputs)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('src="data:image/png;base64') == 1 and "widget-view+json" not in page
