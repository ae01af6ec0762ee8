"""JupyterLab as `make lab` starts it, and a headless browser that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from lib.course import workspace
from lib.course.installation.environment import LAB_SETTINGS
from lib.workbench.course import Course

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    "--headless=new --no-sandbox --disable-dev-shm-usage --disable-gpu --window-size=1300,1000 "
    "--disable-background-networking --disable-component-update --disable-sync --no-first-run"
)
READY = """
    const context = window.jupyterapp?.shell.currentWidget?.context;
    return Boolean(context?.isReady && context.contentsModel && context.sessionContext.isReady)
        && context.sessionContext.session?.kernel?.status === 'idle';
"""


class Lab:
    """A running JupyterLab whose root holds `work/`, with the settings that set-up writes."""

    def __init__(self, root: Path) -> None:
        self.root, self.work = root, root / "work"
        self.user_settings = root / "user-settings"
        shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".*"))
        workspace.prepare(Course(root))
        (root / "settings").mkdir()
        (root / "settings" / "overrides.json").write_text(json.dumps(LAB_SETTINGS))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"

    def start(self) -> subprocess.Popen:
        options = {
            "IdentityProvider.token": "test",
            "LabApp.app_settings_dir": self.root / "settings",
            "LabApp.expose_app_in_browser": True,
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.address.rpartition(":")[2],
            "ServerApp.root_dir": self.root,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        return subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT), "JUPYTERLAB_SETTINGS_DIR": str(self.user_settings)},
            start_new_session=True,
        )

    def choose_theme(self, theme: str) -> None:
        file = self.user_settings / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"theme": theme}))

    def answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"{self.address}/api?token=test", timeout=2).status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def write(self, name: str, *cells: nbformat.NotebookNode) -> str:
        """Put a notebook of these cells into `work/`; its name."""
        notebook = nbformat.v4.new_notebook(cells=list(cells))
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        nbformat.write(notebook, self.work / name)
        return name


class Page:
    """The browser's window on that JupyterLab."""

    def __init__(self, lab: Lab, browser) -> None:
        self.lab, self.browser = lab, browser

    def open(self, notebook: str) -> None:
        """Show one notebook of `work/` alone, and wait for its cells and its kernel."""
        self.browser.get(f"{self.lab.address}/lab/tree/work/{notebook}?token=test&reset")
        self.wait_for(lambda: self.found(".jp-Notebook .jp-Cell"), f"{notebook} to open")
        self.wait_for(lambda: self.ask(READY), "the file and the kernel")

    def command(self, name: str, **arguments: object) -> None:
        """Run one of JupyterLab's commands, as a menu entry or a key does, and wait until it is done."""
        script = "const done = arguments[2]; window.jupyterapp.commands.execute(arguments[0], arguments[1])"
        answer = self.browser.execute_async_script(
            f"{script}.then(() => done(null), error => done(String(error)))", name, arguments
        )
        assert answer is None, answer

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def leave(self) -> None:
        """Save, shut the kernel down and close the page, as a reader does in the evening."""
        self.command("docmanager:save")
        request = urllib.request.Request(f"{self.lab.address}/api/sessions?token=test")
        for session in json.load(urllib.request.urlopen(request)):
            ending = urllib.request.Request(
                f"{self.lab.address}/api/sessions/{session['id']}?token=test", method="DELETE"
            )
            urllib.request.urlopen(ending)
        self.browser.get("about:blank")

    def found(self, selector: str) -> list:
        from selenium.webdriver.common.by import By

        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def ask(self, script: str, *arguments: object) -> object:
        return self.browser.execute_script(script, *arguments)

    def text(self) -> str:
        """What a reader sees of the notebook."""
        return str(self.ask("return document.querySelector('.jp-Notebook').innerText"))

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds} s for {what}")
            time.sleep(0.2)


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"))
    server = running.start()
    try:
        deadline = time.monotonic() + 90
        while not running.answers():
            assert time.monotonic() < deadline and server.poll() is None, "JupyterLab did not start"
            time.sleep(0.3)
        yield running
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # the server and its kernels
        server.wait()


@pytest.fixture
def page(lab, request) -> Iterator[Page]:
    """A page in the theme that the test is parametrised with, the light one without."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    lab.choose_theme(getattr(request, "param", "JupyterLab Light"))
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in CHROMIUM.split():
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(60)
    try:
        yield Page(lab, driver)
    finally:
        driver.quit()
