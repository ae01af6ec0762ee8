"""Bring `.venv` to the state that the project's files describe, stage by stage; a second call goes on after a first."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lib.course.installation import machine, wheelhouse
from lib.course.installation.environment import Environment
from lib.course.installation.lock import only_one
from lib.course.installation.mending import remove_half_installed
from lib.course.installation.messages import InstallError, Stages, say
from lib.course.installation.packages import Installer


@dataclass(frozen=True)
class Options:
    """What the user may choose, from variables of the environment."""

    gpu: bool = False
    """WORKBENCH_GPU=1: build mamba-ssm and causal-conv1d natively, where an NVIDIA driver answers."""
    installer: str = "auto"
    """WORKBENCH_INSTALLER: pip, uv, or auto."""
    wheelhouse: str = ""
    """WORKBENCH_WHEELHOUSE: a folder of wheels that alone is installed from."""

    @classmethod
    def of_the_environment(cls) -> Options:
        said = os.environ.get
        return cls(
            said("WORKBENCH_GPU") == "1", said("WORKBENCH_INSTALLER") or "auto", said("WORKBENCH_WHEELHOUSE") or ""
        )


def install(root: Path, options: Options | None = None) -> None:
    """Bring the environment of the project in `root` to the state that its files describe.

    A checkout that cannot be written is used as it is. Raises InstallError when something is missing or fails; the
    next call then goes on where this one stopped.
    """
    environment, options = Environment(root), options or Options()
    if environment.is_complete(options.gpu):
        environment.write_lab_settings()
    elif not environment.is_ours_to_change():
        use_as_it_is(environment)
    else:
        with only_one(root / ".venv.lock"):
            if not environment.is_complete(options.gpu):  # another process may just have finished
                bring_up(environment, options)
        environment.write_lab_settings()


def use_as_it_is(environment: Environment) -> None:
    """A shared `.venv` that belongs to somebody else. Raises InstallError unless an install was completed in it."""
    stamp = environment.read_stamp()
    if stamp is None:
        raise InstallError(
            "the .venv of this checkout is not complete and not yours to change: its owner runs `make setup`, "
            "or you take a copy of the course in a folder of your own."
        )
    if stamp.get("files", environment.files()) != environment.files():
        say("the .venv is of another version of the course and not yours to change; its owner runs `make setup`.")


def bring_up(environment: Environment, options: Options) -> None:
    source = wheelhouse.checked(options.wheelhouse, environment) if options.wheelhouse else None
    stages = prepare(environment)
    environment.under_way.write_text("installing")
    environment.log.write_text("")
    tool = machine.choose_installer(options.installer, environment.python, offline=source is not None)
    installer = Installer(environment, tool, source)
    place = f" from {source.name}" if source else ""
    stages.begin(f"{count_pins(environment.root)} packages by {tool}{place} (some minutes; the log is .venv/setup.log)")
    # mamba-ssm stands there without its own dependencies on purpose: no warning about that
    if not installer.install("--no-warn-conflicts", "--editable", ".[test,build]"):
        raise installer.failure("install the packages")
    stages.begin("reference functions to compare with")
    gpu = options.gpu and build_gpu_extra(installer)
    if not gpu:
        install_oracle(installer)
    environment.write_stamp(gpu)
    say("ready.")


def prepare(environment: Environment) -> Stages:
    """An environment whose pip works, and the stages with that one behind them."""
    was_interrupted = environment.was_interrupted()
    if not environment.runs_this_python():
        machine.check_disk(environment.root)
        stages = Stages(3)
        stages.begin(f"a new .venv of Python {'.'.join(map(str, sys.version_info[:3]))}")
        environment.create()
        return stages
    if was_interrupted:
        broken = remove_half_installed(environment.site_packages())
        say(f"going on with an interrupted install; to be installed again: {', '.join(broken) or 'nothing'}.")
    else:
        say("the project's dependencies have changed; updating .venv.")
    return Stages(2)


def count_pins(root: Path) -> int:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return sum("==" in line for line in lines)


def build_gpu_extra(installer: Installer) -> bool:
    """Build mamba-ssm and causal-conv1d for this machine's GPU; False, with a sentence, where that is impossible."""
    if not machine.has_nvidia_driver():
        say("WORKBENCH_GPU is set, but nvidia-smi finds no GPU here: going on without the gpu extra.")
        return False
    if not installer.install("--no-build-isolation", "--editable", ".[gpu]"):
        say("the gpu extra could not be built (it wants nvcc of torch's CUDA version): going on without it.")
        return False
    return True


def install_oracle(installer: Installer) -> None:
    """Install mamba-ssm without its CUDA extension: tests compare with its reference functions. Failing only warns."""
    if not installer.install(*wheelhouse.ORACLE, **wheelhouse.ORACLE_ENVIRONMENT):
        say("mamba-ssm could not be installed: the tests that compare with its reference functions will be skipped.")
