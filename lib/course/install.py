"""Create or complete `.venv` with the tested versions; `make` runs this with the machine's own Python.

Standard library only, since no package exists yet. A stamp in `.venv` makes every later call return at once; a marker
says that an install was under way, so that the next call mends what an interruption left half-written.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)
LAB_SETTINGS = {
    # The table of contents scrolls to a far heading only where all cells are drawn (jupyterlab #15215, #17202); with
    # "defer" a click is lost while they are still being drawn, up to twenty seconds after opening.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # A notebook saved with its widgets' state shows them, and what they drew, when it is opened again.
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}
"""What JupyterLab does here unless the reader's own settings say otherwise."""
ORACLE_ENVIRONMENT = {"MAMBA_SKIP_CUDA_BUILD": "TRUE", "MAMBA_FORCE_BUILD": "TRUE"}


class InstallError(Exception):
    """What went wrong and what to do about it, in one sentence."""


class Environment:
    """The virtual environment of the project in `root`, and the files that say how far its installation got."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = root / ".venv"
        self.stamp = self.folder / "workbench-stamp.json"
        self.under_way = self.folder / "workbench-install-under-way"
        scripts, executable = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        self.python = self.folder / scripts / executable

    def key(self) -> str:
        """Hash of what determines the installation: the two files, this Python, and where the project lies."""
        parts = [(self.root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
        parts += [sys.version.encode(), str(self.root).encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def is_complete(self, wants_gpu: bool) -> bool:
        """Whether the stamp is that of this project and Python, and nothing was interrupted since."""
        if self.under_way.exists() or not self.python.exists():
            return False
        try:
            stamp = json.loads(self.stamp.read_text())
            return stamp["key"] == self.key() and (stamp["gpu"] or not wants_gpu)
        except (OSError, ValueError, KeyError, TypeError):
            return False

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
        """Whether the environment's interpreter starts, has pip, and is of the version that runs now."""
        question = "import sys, pip; print(sys.version)"
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
        self.under_way.touch()
        try:
            venv.create(self.folder, with_pip=True)
        except subprocess.CalledProcessError as error:
            hint = "on Debian and Ubuntu `apt install python3-venv` brings what is missing"
            raise InstallError(f"{sys.executable} could not create .venv: {hint}.") from error

    def pip_install(self, *arguments: str, **variables: str) -> bool:
        """Run `pip install` in the environment under the constraints; whether it succeeded."""
        constraints = str(self.root / "constraints.txt")
        command = [str(self.python), "-m", "pip", "install", "--constraint", constraints, *arguments]
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", **variables)
        return subprocess.run(command, cwd=self.root, env=environment).returncode == 0


def install(root: Path = ROOT, wants_gpu: bool = False) -> None:
    """Bring the environment of the project in `root` to the state that its files describe.

    `wants_gpu` builds mamba-ssm and causal-conv1d natively, where an NVIDIA driver answers.
    Raises InstallError when pip or venv fail; the next call then goes on where this one stopped.
    """
    environment = Environment(root)
    if not environment.is_complete(wants_gpu):
        with only_one(root / ".venv.lock"):
            if not environment.is_complete(wants_gpu):  # another process may just have finished
                bring_up(environment, wants_gpu)
    environment.write_lab_settings()


def bring_up(environment: Environment, wants_gpu: bool) -> None:
    was_interrupted = environment.under_way.exists()
    if not environment.runs_this_python():
        say("creating .venv and installing the tested versions; the first time this takes a few minutes.")
        environment.create()
    elif was_interrupted:
        broken = remove_half_installed(environment.site_packages())
        say(f"going on with an interrupted install; to be installed again: {', '.join(broken) or 'nothing'}.")
    else:
        say("the project's dependencies have changed; updating .venv.")
    environment.under_way.touch()
    # mamba-ssm stands there without its own dependencies on purpose: no warning about that
    if not environment.pip_install("--no-warn-conflicts", "--editable", ".[test,build]"):
        raise InstallError("pip could not install the packages (its reason stands above); `make setup` tries again.")
    gpu = wants_gpu and build_gpu_extra(environment)
    if not gpu:
        install_oracle(environment)
    environment.stamp.write_text(json.dumps({"key": environment.key(), "gpu": gpu}))
    environment.under_way.unlink()


def build_gpu_extra(environment: Environment) -> bool:
    """Build mamba-ssm and causal-conv1d for this machine's GPU; False, with a sentence, where that is impossible."""
    if not has_nvidia_driver():
        say("WORKBENCH_GPU is set, but nvidia-smi finds no GPU here: going on without the gpu extra.")
        return False
    if not environment.pip_install("--no-build-isolation", "--editable", ".[gpu]"):
        say("the gpu extra could not be built (it wants nvcc of torch's CUDA version): going on without it.")
        return False
    return True


def install_oracle(environment: Environment) -> None:
    """Install mamba-ssm without its CUDA extension: tests compare with its reference functions. Failing only warns."""
    arguments = ("--quiet", "--no-build-isolation", "--no-deps", "mamba-ssm")
    if not environment.pip_install(*arguments, **ORACLE_ENVIRONMENT):
        say("mamba-ssm could not be installed: the tests that compare with its reference functions will be skipped.")


def has_nvidia_driver() -> bool:
    try:
        return subprocess.run(["nvidia-smi"], capture_output=True).returncode == 0
    except OSError:
        return False


def remove_half_installed(site_packages: Path) -> list[str]:
    """Forget every distribution that is not wholly there, so that pip installs it again; the names of those."""
    for leftover in site_packages.glob("~*"):  # what pip sets aside while it replaces a package
        remove(leftover)
    broken = [info for info in sorted(site_packages.glob("*.dist-info")) if not is_whole(info)]
    for info in broken:
        remove(info)
    return [info.name.split("-")[0] for info in broken]


def is_whole(info: Path) -> bool:
    """Whether a dist-info folder has its METADATA, and every file of its RECORD is there at its recorded size."""
    record = info / "RECORD"
    if not record.is_file() or not (info / "METADATA").is_file():
        return False
    with record.open(newline="", encoding="utf-8") as lines:
        return all(is_as_recorded(info.parent / row[0], row[2]) for row in csv.reader(lines) if len(row) == 3)


def is_as_recorded(file: Path, size: str) -> bool:
    if file.suffix == ".pyc":  # Python writes it again when it needs it
        return True
    return file.is_file() and (not size or file.stat().st_size == int(size))


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextlib.contextmanager
def only_one(lock: Path):
    """Hold `lock` so that no two calls install at once; the second waits. A process that dies lets go."""
    with lock.open("a+") as file:
        if not try_lock(file, wait=False):
            say("another install is under way; waiting for it.")
            while not try_lock(file, wait=True):
                pass
        yield


def try_lock(file, *, wait: bool) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def say(sentence: str) -> None:
    print(f"Paper Workbench: {sentence}", flush=True)


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        say(f"Python 3.11 or newer is needed, this is {found}; name another one with `make lab PYTHON=python3.12`.")
        return 2
    try:
        install(wants_gpu=os.environ.get("WORKBENCH_GPU") == "1")
    except InstallError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("install interrupted; the same command goes on where it stopped.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
