"""The course as a reader meets it: JupyterLab in a headless browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]
ROOT = Path(__file__).resolve().parents[2]
WIDGET_CELL = """
from lib.workbench import curves, figure, widgets

def line(slope=1.0):
    fig, ax = figure()
    curves(ax, {"hybrid": [0, slope]}, title="A line to move", x="time (s)", y="height (m)")
    return fig

widgets.explore(line, slope=(0.0, 4.0, 0.5));
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a folder with notebook 00 and one with a slider; gives the address and the token."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", folder)
    slider = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WIDGET_CELL)])
    slider.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(slider, folder / "slider.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=test"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *arguments, f"--ServerApp.root_dir={folder}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/api?token=test"), 60, "JupyterLab to answer")
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token=test&reset"
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # the server and its kernels
        server.wait()


@pytest.fixture
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    flags = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1300,1000")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    for flag in (*flags, *quiet):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def test_a_slider_redraws_its_figure_in_place(lab, browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    run_all_cells(lab, browser, "slider.ipynb")
    wait_for(lambda: found(browser, ".jp-OutputArea-output .widget-slider"), 60, "the slider")
    picture = found(browser, ".jp-OutputArea-output img")
    assert len(picture) == 1, "the still must not stand beside the live view"
    source = "return document.querySelector('.jp-OutputArea-output img')?.src"  # one look: the view is redrawn
    before = browser.execute_script(source)
    time.sleep(1)  # the view, too, is drawn twice
    browser.execute_script("document.querySelector('.noUi-handle').focus()")
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    wait_for(lambda: browser.execute_script(source) not in (before, None), 30, "the figure to change")


def test_notebook_00_runs_top_to_bottom_and_shows_its_map(lab, browser):
    run_all_cells(lab, browser, "00_start_here.ipynb")
    shown = "return document.querySelector('.jp-Notebook').innerText.includes('16 KiB hold 4096')"
    wait_for(lambda: browser.execute_script(shown), 90, "the ledger's rows")
    errors = found(browser, ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
    assert not [error.text for error in errors]


def run_all_cells(lab: str, browser, notebook: str) -> None:
    """Open the notebook and run it cell by cell with Shift+Enter, as a reader does."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get(lab.format(notebook))
    wait_for(lambda: found(browser, ".jp-Notebook .jp-Cell"), 60, "the notebook")
    wait_for(lambda: found(browser, ".jp-Notebook-ExecutionIndicator[data-status='idle']"), 60, "the kernel")
    time.sleep(2)  # the front end draws the cells anew once the kernel is there
    wait_for(lambda: click_first(browser, ".jp-Notebook .jp-Cell"), 30, "a cell to click")
    count = len(nbformat.read(ROOT / "notebooks" / notebook, 4).cells) if notebook[0].isdigit() else 1
    for _ in range(count):
        ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
        time.sleep(0.2)


def click_first(browser, selector: str) -> bool:
    """Click unless the front end has just drawn the element anew."""
    from selenium.common.exceptions import WebDriverException

    try:
        found(browser, selector)[0].click()
    except (IndexError, WebDriverException):
        return False
    return True


def found(browser, selector: str) -> list:
    from selenium.webdriver.common.by import By

    return browser.find_elements(By.CSS_SELECTOR, selector)


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=2).status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def wait_for(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(0.3)
