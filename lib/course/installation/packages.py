"""Packages into the environment, by pip or uv; what they print goes to `.venv/setup.log`, not to the reader."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from lib.course.installation.environment import Environment
from lib.course.installation.messages import InstallError, show_progress

TAIL_LINES = 12
CAUSES = (
    (r"No space left on device|os error 28", "the disk is full"),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Failed to fetch|client error",
        "the package index could not be reached",
    ),
    (
        r"No matching distribution found|ResolutionImpossible|No solution found",
        "a package of the tested version was not found for this Python and system",
    ),
)
"""What a line of the log means. The first that is found counts: pip goes on from an index that it cannot reach, and
ends with a package that it did not find there."""
ONLY_PIPS_OPTIONS = ("--no-warn-conflicts",)


class Installer:
    """Installs into `environment` under the project's constraints.

    `tool` is "pip" or "uv"; a `wheelhouse` is then the only place that packages come from.
    """

    def __init__(self, environment: Environment, tool: str = "pip", wheelhouse: Path | None = None):
        self.environment, self.tool = environment, tool
        self.source = ["--no-index", "--find-links", str(wheelhouse)] if wheelhouse else []

    def install(self, *arguments: str, **variables: str) -> bool:
        """Install what `arguments`, in pip's words, name; whether it succeeded."""
        return self.run([*self.command(), *self.source, *self.spelled(arguments)], variables)

    def wheels(self, folder: Path, *arguments: str, **variables: str) -> bool:
        """Gather or build the wheels of what `arguments` name in `folder`; whether it succeeded. Always by pip."""
        command = [str(self.environment.python), "-m", "pip", "wheel", "--wheel-dir", str(folder)]
        return self.run([*command, *self.constraint(), *arguments], variables)

    def command(self) -> list[str]:
        python = str(self.environment.python)
        if self.tool == "pip":
            return [python, "-m", "pip", "install", *self.constraint()]
        # pip compiles what it installs; without that a shared environment would compile at every start of a reader
        return ["uv", "pip", "install", "--python", python, "--compile-bytecode", *self.constraint()]

    def constraint(self) -> list[str]:
        return ["--constraint", str(self.environment.root / "constraints.txt")]

    def spelled(self, arguments: tuple[str, ...]) -> list[str]:
        return [word for word in arguments if self.tool == "pip" or word not in ONLY_PIPS_OPTIONS]

    def run(self, command: list[str], variables: dict[str, str]) -> bool:
        """Run one command with its output in the log, and on a terminal its last line in passing."""
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", **variables)
        with self.environment.log.open("a", encoding="utf-8", buffering=1) as log:
            log.write(f"$ {shlex.join(command)}\n")
            process = subprocess.Popen(
                command,
                cwd=self.environment.root,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
            try:
                for line in process.stdout:
                    log.write(line)
                    show_progress(line)
                return process.wait() == 0
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                process.stdout.close()
                show_progress("")

    def failure(self, what: str) -> InstallError:
        """The sentence for a failed `what`, after the last lines of the log."""
        lines = self.last_output()
        print(*(f"    {line}" for line in lines[-TAIL_LINES:]), sep="\n", flush=True)
        found = [meaning for sign, meaning in CAUSES if any(re.search(sign, line) for line in lines)]
        name = self.environment.log.relative_to(self.environment.root).as_posix()
        why = f" ({found[0]})" if found else ""
        return InstallError(
            f"{self.tool} could not {what}{why}; above are the last lines of {name}, and `make setup` tries again."
        )

    def last_output(self) -> list[str]:
        """The part of the log that the last command wrote, and the command."""
        try:
            lines = self.environment.log.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        begun = max((place for place, line in enumerate(lines) if line.startswith("$ ")), default=0)
        return lines[begun:]
