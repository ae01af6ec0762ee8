"""The course as a reader meets it: JupyterLab in a headless browser."""

from __future__ import annotations

import re
import time

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lib.course.notebook_file import read, text_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]
in_both_themes = pytest.mark.parametrize("page", ["JupyterLab Light", "JupyterLab Dark"], indirect=True)
WIDGET_CELL = """
from lib.workbench import curves, figure, widgets

def line(slope=1.0):
    fig, ax = figure()
    curves(ax, {"hybrid": [0, slope]}, title="A line to move", x="time (s)", y="height (m)")
    return fig

widgets.explore(line, slope=(0.0, 4.0, 0.5));
"""
PICTURE = ".jp-OutputArea-output img"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
EXERCISE_CELL = """
from lib.workbench import exercise

@exercise("twice")
def check(double):
    assert double(3) == 6, "three twice is six"

def my_double(x):
    return 2 * x

check(my_double)
"""


def test_a_slider_redraws_its_figure_in_place(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.open(page.lab.write("slider.ipynb", new_code_cell(WIDGET_CELL)))
    page.run_all()
    page.wait_for(lambda: page.found(".jp-OutputArea-output .widget-slider"), "the slider")
    assert len(page.found(PICTURE)) == 1, "the still must not stand beside the live view"
    source = f"return document.querySelector('{PICTURE}')?.src"  # one look: the view is redrawn
    before = page.ask(source)
    time.sleep(1)  # the view, too, is drawn twice
    page.ask("document.querySelector('.noUi-handle').focus()")
    ActionChains(page.browser).send_keys(Keys.ARROW_RIGHT).perform()
    page.wait_for(lambda: page.ask(source) not in (before, None), "the figure to change")


def test_notebook_00_runs_top_to_bottom_and_shows_its_map(page):
    page.open("00_start_here.ipynb")
    page.run_all()
    page.wait_for(lambda: "16 KiB hold 4096" in page.text(), "the ledger's rows")
    errors = page.found(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
    assert not [error.text for error in errors]


def test_opening_and_saving_a_stored_notebook_changes_nothing(page):
    copy, original = (page.lab.root / folder / "00_start_here.ipynb" for folder in ("work", "notebooks"))
    copy.write_bytes(original.read_bytes())
    page.open("00_start_here.ipynb")
    page.command("docmanager:save")
    saved = read(copy)
    assert saved["metadata"].pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {}) == {}  # an empty place for them
    assert text_of(saved) == original.read_text()


def test_a_link_leads_to_the_next_notebook_and_its_bar_back_to_the_map(page):
    page.open("00_start_here.ipynb")
    title_of_the_tab = (
        "return document.querySelector('#jp-main-dock-panel .lm-mod-current .lm-TabBar-tabLabel').innerText"
    )
    page.ask("document.querySelector(\".jp-Notebook a[href*='01_jamba.ipynb']\").click()")
    page.wait_for(lambda: page.ask(title_of_the_tab) == "01_jamba.ipynb", "notebook 01")
    assert (page.lab.work / "01_jamba.ipynb").exists()


@in_both_themes
def test_a_far_heading_of_the_table_of_contents_scrolls_and_nothing_pops_up(page, request):
    page.open("10_var.ipynb")
    page.command("toc:show-panel")
    headings = ".jp-TableOfContents .jp-tocItem-content"
    page.wait_for(lambda: len(page.found(headings)) > 20, "the table of contents")
    far = page.found(headings)[-1]
    heading = far.text.strip()
    far.click()
    place = """
        const view = document.querySelector('.jp-Notebook').closest('.jp-NotebookPanel').getBoundingClientRect();
        const all = [...document.querySelectorAll('.jp-Notebook :is(h1, h2, h3)')];
        const place = all.find(each => each.innerText.includes(arguments[0]))?.getBoundingClientRect();
        return Boolean(place) && place.top >= view.top && place.bottom <= view.bottom;
    """
    page.wait_for(lambda: page.ask(place, heading), f"the heading {heading!r} to be in view", 15)
    assert page.found(".Toastify__toast") == []
    assert is_dark(page) == ("Dark" in request.node.callspec.params["page"])


@in_both_themes
def test_a_saved_widget_comes_back_with_its_picture(page):
    page.open(page.lab.write("saved.ipynb", new_code_cell(WIDGET_CELL)))
    page.run_all()
    page.wait_for(lambda: page.found(".widget-slider") and page.found(PICTURE), "the slider and its picture")
    page.leave()
    page.open("saved.ipynb")
    page.wait_for(lambda: page.found(".widget-slider") and page.found(PICTURE), "the slider and its picture again")
    assert page.ask(f"return document.querySelector('{PICTURE}').naturalWidth") > 100
    assert "model not found" not in page.text()


@in_both_themes
def test_a_right_answer_is_praised_without_an_error_and_the_solution_stays_hidden(page):
    solution = "def double_solution(x):\n    return x + x  # the_secret\n\n\ncheck(double_solution, required=True)"
    folded = {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "tags": ["solution"]}
    cells = new_markdown_cell("# Twice"), new_code_cell(EXERCISE_CELL), new_code_cell(solution, metadata=folded)
    page.open(page.lab.write("exercise.ipynb", *cells))
    page.run_all()
    page.wait_for(lambda: page.text().count("correct") == 2, "the checker's answer to both")
    assert page.found(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']") == []
    assert "Traceback" not in page.text() and "AssertionError" not in page.text()
    assert "the_secret" not in page.text()
    assert contrast(page, "correct") >= 4.5


def is_dark(page) -> bool:
    return page.ask("return document.body.dataset.jpThemeLight") == "false"


def contrast(page, word: str) -> float:
    """The contrast (WCAG 2.1, 1.4.3) of the first output that holds `word` against the notebook's background."""
    colours = page.ask(
        """
        const output = [...document.querySelectorAll('.jp-OutputArea-output p')];
        const text = output.find(each => each.innerText.includes(arguments[0]));
        const behind = document.querySelector('.jp-Notebook');
        return [getComputedStyle(text).color, getComputedStyle(behind).backgroundColor];
        """,
        word,
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Of `rgb(1, 2, 3)`, or of `color(srgb 0.1 0.2 0.3)` as mixed colours are reported."""
    whole = 1 if "srgb" in colour else 255
    parts = [float(part) / whole for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
