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

from lib.workbench import curves, explore, figure, html_table
from lib.workbench.run import ROOT
from lib.workbench.widgets import slider, text

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
    assert view.result == "<b>5 8 True x</b>" == view._shown.value


def test_a_live_figure_is_redrawn_in_place(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(drawn, layers=(1, 9))
    picture = view._shown
    before = picture.value
    view.widgets["layers"].value = 2
    assert view._shown is picture
    assert picture.value != before and bytes(picture.value).startswith(b"\x89PNG")


def test_an_error_under_a_moved_control_is_told_and_the_last_picture_stays(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(lambda n=1: f"<i>{10 // n}</i>", n=(0, 5))
    view.widgets["n"].value = 0
    assert "n = 0: ZeroDivisionError" in view._status.value
    assert view._shown.value == view.result == "<i>10</i>"
    view.widgets["n"].value = 5
    assert view._shown.value == "<i>2</i>" and view._status.value == ""


def test_a_wrong_text_gives_the_functions_own_sentence(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")

    def numbers(sides="1 2"):
        if not sides.replace(" ", "").isdigit():
            raise ValueError(f"sides must be whole numbers, got {sides!r}")
        return f"<b>{sides}</b>"

    view = explore(numbers, sides=text(label="sides of the maps"))
    view.widgets["sides"].value = "1 apple"
    assert "sides of the maps = 1 apple: sides must be whole numbers" in view._status.value
    assert "ValueError" not in view._status.value and view._shown.value == "<b>1 2</b>"


def test_descriptions_stand_in_one_column_and_tracks_are_alike(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(described, layers=slider(1, 32, label="number of layers in all"), ratio=(1, 9), moe=True, name="x")
    assert len({widget.style.description_width for widget in view.widgets.values()}) == 1
    assert len({widget.layout.width for widget in view.widgets.values()}) == 1
    column, whole = (
        int(text[:-2]) for text in (view.widgets["ratio"].style.description_width, view.widgets["ratio"].layout.width)
    )
    assert whole - column >= 320 + 60 and column >= 7 * len("number of layers in all")


def test_reset_moves_every_control_back_and_computes_once(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    calls = []
    view = explore(lambda a=1, b=2: calls.append((a, b)) or f"<b>{a} {b}</b>", a=(0, 5), b=(0, 5))
    view.set(a=4, b=5)
    view._box.children[1].children[0].click()
    assert calls == [(1, 2), (4, 5), (1, 2)]
    assert (view.widgets["a"].value, view.widgets["b"].value, view.result) == (1, 2, "<b>1 2</b>")


@pytest.mark.parametrize(("seconds", "busy"), [(0.3, True), (0.0, False)])
def test_a_slow_function_says_that_it_computes(monkeypatch, seconds, busy):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    clock = iter([seconds * tick for tick in range(100)])
    monkeypatch.setattr("lib.workbench.widgets.time.perf_counter", lambda: next(clock))
    said = []
    view = explore(lambda n=1: said.append(view._status.value if n > 1 else "") or f"<b>{n}</b>", n=(1, 5))
    view.widgets["n"].value = 2
    assert ("computing ..." in said[-1]) is busy and view._status.value == ""
    assert view.widgets["n"].continuous_update is not busy


def test_a_live_picture_fits_the_cell_and_says_what_it_shows(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")

    def wide(layers=2):
        fig, ax = figure(width=13)
        curves(ax, {"hybrid": range(layers)}, title="A line to move", x="time (s)", y="height (m)")
        return fig

    view = explore(wide, layers=(1, 9))
    picture = view._shown
    assert (picture.layout.width, picture.layout.max_width) == ("900px", "100%")
    assert picture.tooltip is None, "ipywidgets 8.1 shows no image that has one"
    assert view._alternative.startswith("A line to move: height (m) against time (s). Still at layers = 2")


def test_a_saved_state_holds_the_controls_and_the_picture(monkeypatch):
    from ipywidgets.embed import dependency_state

    monkeypatch.setenv("WORKBENCH_WIDGETS", "live")
    view = explore(drawn, layers=(1, 9))
    state = dependency_state(view._box)
    names = [model["model_name"] for model in state.values()]
    assert view.bundle[VIEW]["model_id"] in state and {"IntSliderModel", "ImageModel"} <= set(names)
    (image,) = (model for model in state.values() if model["model_name"] == "ImageModel")
    assert base64.b64decode(image["buffers"][0]["data"]).startswith(b"\x89PNG")
    assert base64.b64decode(view.bundle["image/png"]).startswith(b"\x89PNG")


def test_a_table_has_its_plain_twin_in_the_still(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "still")
    bundle = explore(lambda n=1: html_table(["n"], [[n]]), n=(1, 3)).bundle
    assert "<table>" in bundle["text/html"] and bundle["text/plain"].startswith("n\n1\nStill at n = 1")


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


def test_an_unknown_mode_is_refused(monkeypatch):
    monkeypatch.setenv("WORKBENCH_WIDGETS", "maybe")
    with pytest.raises(ValueError, match="must be auto, live or still, got 'maybe'"):
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
