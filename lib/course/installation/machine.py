"""What set-up asks of the machine before it begins: free disk, a GPU, pip's settings, and which installer to use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lib.course.installation.messages import InstallError, say

NEEDED_GB = 4
"""For `.venv` with PyTorch's CPU build (2.5 GB measured) and what pip unpacks on the way."""
CUDA_GB = 10
"""The same for the CUDA build, whose libraries are several GB more."""
INSTALLERS = ("auto", "pip", "uv")
WHERE_FROM = {"index-url", "extra-index-url", "find-links", "no-index"}
"""Settings of pip that say where packages come from."""
ONLY_PIPS = WHERE_FROM | {"constraint", "no-binary", "only-binary", "proxy", "cert", "client-cert", "trusted-host"}
"""Settings of pip that change what is installed or whether it can be reached. uv reads none of them."""


def has_nvidia_driver() -> bool:
    try:
        return subprocess.run(["nvidia-smi"], capture_output=True).returncode == 0
    except OSError:
        return False


def check_disk(root: Path) -> None:
    """Raise InstallError where `.venv` cannot fit; one sentence where only PyTorch's CUDA build may not."""
    free = shutil.disk_usage(root).free / 1e9
    if free < NEEDED_GB:
        raise InstallError(f"set-up needs {NEEDED_GB} GB of free disk, here are {free:.1f} GB; nothing was begun.")
    if free < CUDA_GB and sys.platform == "linux" and not WHERE_FROM & pip_settings(sys.executable):
        say(
            f"{free:.0f} GB of disk are free; PyTorch's CUDA build, which an index without a CPU build gives, needs "
            f"about {CUDA_GB} GB (the README tells how to take the CPU build). Going on."
        )


def pip_settings(python: str | Path) -> set[str]:
    """The names of what pip is configured to do, by its files and the environment: {"index-url", "timeout", ...}."""
    try:
        answer = subprocess.run([str(python), "-m", "pip", "config", "list"], capture_output=True, text=True)
    except OSError:
        return set()
    names = (line.partition("=")[0] for line in answer.stdout.splitlines() if "=" in line)
    return {name.rpartition(".")[2] for name in names}


def choose_installer(asked: str, python: Path, *, offline: bool) -> str:
    """ "pip", or "uv" where it is there and would install the same from the same places.

    `asked` is one of INSTALLERS; `offline` says that a wheelhouse is the only source, so that no index matters.
    Raises InstallError for another value, and for a uv that is asked for and not there.
    """
    if asked not in INSTALLERS:
        raise InstallError(f"WORKBENCH_INSTALLER must be one of {', '.join(INSTALLERS)}, got {asked!r}.")
    if asked == "pip":
        return "pip"
    if not shutil.which("uv"):
        if asked == "uv":
            raise InstallError("WORKBENCH_INSTALLER is uv, but no uv is on PATH; pip needs nothing more.")
        return "pip"
    if asked == "auto" and not offline and (settings := sorted(ONLY_PIPS & pip_settings(python))):
        say(f"uv is there but does not read pip's settings ({', '.join(settings)}): installing with pip.")
        return "pip"
    return "uv"
