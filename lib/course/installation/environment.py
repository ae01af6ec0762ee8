"""The virtual environment of a checkout, and the files in it that say how far its installation got."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from lib.course.installation.messages import InstallError, say

LAB_SETTINGS = {
    # The table of contents scrolls to a far heading only where all cells are drawn (jupyterlab #15215, #17202); with
    # "defer" a click is lost while they are still being drawn, up to twenty seconds after opening.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # A notebook saved with its widgets' state shows them, and what they drew, when it is opened again.
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}
"""What JupyterLab does here unless the reader's own settings say otherwise."""


class Environment:
    """`.venv` of the project in `root`.

    A stamp in it says that an install was completed, and of what. A marker says that one is under way: "creating" while
    the interpreter is being copied, so that half a pip is never gone on with, then "installing".
    """

    def __init__(self, root: Path):
        self.root = root
        self.folder = root / ".venv"
        self.stamp = self.folder / "workbench-stamp.json"
        self.under_way = self.folder / "workbench-install-under-way"
        self.log = self.folder / "setup.log"
        scripts, executable = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        self.python = self.folder / scripts / executable

    def files(self) -> str:
        """Hash of the two files that say what is installed."""
        parts = [(self.root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def key(self) -> str:
        """Hash of what determines the installation: the two files, this Python, and where the project lies."""
        parts = [(self.root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
        parts += [sys.version.encode(), str(self.root).encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def read_stamp(self) -> dict | None:
        """What was installed, None when nothing was, when the stamp is damaged or something was interrupted since."""
        if self.under_way.exists() or not self.python.exists():
            return None
        try:
            stamp = json.loads(self.stamp.read_text())
            return stamp if {"key", "gpu"} <= set(stamp) else None
        except (OSError, ValueError, TypeError):
            return None

    def is_complete(self, wants_gpu: bool) -> bool:
        """Whether the stamp is that of this project and Python, and nothing was interrupted since."""
        stamp = self.read_stamp()
        return stamp is not None and stamp["key"] == self.key() and (stamp["gpu"] or not wants_gpu)

    def write_stamp(self, gpu: bool) -> None:
        self.stamp.write_text(json.dumps({"key": self.key(), "files": self.files(), "gpu": gpu}))
        self.under_way.unlink()

    def is_ours_to_change(self) -> bool:
        """Whether this user may write here, and `.venv` is not a link to one that belongs to another checkout."""
        return os.access(self.root, os.W_OK) and not self.folder.is_symlink()

    def was_interrupted(self) -> bool:
        return self.under_way.exists()

    def write_lab_settings(self) -> None:
        """Write JupyterLab's settings into the environment, where they are not there already."""
        file = self.folder / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
        text = json.dumps(LAB_SETTINGS, indent=1) + "\n"
        try:
            if file.is_file() and file.read_text() == text:
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        except OSError as error:  # the course works without them
            say(f"JupyterLab's settings could not be written ({error.strerror}); its table of contents may not scroll.")

    def site_packages(self) -> Path:
        if os.name == "nt":
            return self.folder / "Lib" / "site-packages"
        return self.folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    def runs_this_python(self) -> bool:
        """Whether the environment's interpreter starts, is of the version that runs now, and has a whole pip."""
        if self.under_way.exists() and self.under_way.read_text() == "creating":
            return False
        question = "import sys; from pip._internal.cli.main import main; print(sys.version)"
        try:
            answer = subprocess.run([str(self.python), "-I", "-c", question], capture_output=True, text=True)
        except OSError:
            return False
        return answer.returncode == 0 and answer.stdout.strip() == sys.version.strip()

    def create(self) -> None:
        """Make the environment anew. Raises InstallError when Python lacks what that needs."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.under_way.write_text("creating")
        try:
            venv.create(self.folder, with_pip=True)
        except subprocess.CalledProcessError as error:
            hint = "on Debian and Ubuntu `apt install python3-venv` brings what is missing"
            raise InstallError(f"{sys.executable} could not create .venv: {hint}.") from error
