"""pip's and uv's commands, and the log that they write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lib.course.installation.environment import Environment
from lib.course.installation.packages import TAIL_LINES, Installer


@pytest.fixture
def environment(project: Path) -> Environment:
    environment = Environment(project)
    environment.folder.mkdir()
    return environment


class Recorded(Installer):
    """Keeps the command instead of running it."""

    def run(self, command, variables):
        self.ran = command, variables
        return True


def test_pip_installs_under_the_constraints(environment):
    installer = Recorded(environment)
    assert installer.install("--no-warn-conflicts", "--editable", ".[test]", MAMBA_FORCE_BUILD="TRUE")
    constraints = str(environment.root / "constraints.txt")
    start = [str(environment.python), "-m", "pip", "install", "--constraint", constraints]
    assert installer.ran == (
        [*start, "--no-warn-conflicts", "--editable", ".[test]"],
        {"MAMBA_FORCE_BUILD": "TRUE"},
    )


def test_uv_installs_into_the_same_environment_without_pips_own_options(environment):
    installer = Recorded(environment, "uv", Path("wheels"))
    installer.install("--no-warn-conflicts", "--editable", ".[test]")
    command = installer.ran[0]
    assert command[:5] == ["uv", "pip", "install", "--python", str(environment.python)]
    assert command[-5:] == ["--no-index", "--find-links", "wheels", "--editable", ".[test]"]
    assert "--no-warn-conflicts" not in command and str(environment.root / "constraints.txt") in command


def test_output_goes_to_the_log_and_not_to_the_reader(environment, capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    code = "import os, sys; print('out', os.environ['MINE'], os.environ.get('PYTHONPATH')); os.write(2, b'err')"
    assert Installer(environment).run([sys.executable, "-c", code], {"MINE": "7"})
    first, *printed = environment.log.read_text().splitlines()
    assert first.startswith("$ ") and sorted(printed) == ["err", "out 7 None"]
    assert capfd.readouterr() == ("", "")


def test_the_tail_is_of_the_last_command_and_its_meaning_is_found(environment, capsys):
    installer = Installer(environment)
    installer.run([sys.executable, "-c", "print('No space left on device')"], {})
    code = "print(*range(40), 'ERROR: No matching distribution found for torch', sep=chr(10)); raise SystemExit(1)"
    assert not installer.run([sys.executable, "-c", code], {})
    said = str(installer.failure("install the packages"))
    assert said.startswith("pip could not install the packages (a package of the tested version was not found")
    assert ".venv/setup.log" in said
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == TAIL_LINES and lines[-1] == "    ERROR: No matching distribution found for torch"


def test_a_command_that_says_little_is_shown_with_its_first_line(environment):
    installer = Installer(environment)
    installer.run([sys.executable, "-c", "print('one')"], {})
    installer.run([sys.executable, "-c", "print('two')"], {})
    assert installer.last_output()[1:] == ["two"]


@pytest.mark.parametrize(
    ("printed", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "(the disk is full)"),
        ("NewConnectionError: refused\n" + "...\n" * 20 + "ERROR: ResolutionImpossible", "index could not be reached)"),
        ("ERROR: ResolutionImpossible", "was not found for this Python and system)"),
        ("error: No solution found when resolving dependencies", "was not found for this Python and system)"),
        ("error: metadata-generation-failed", "install the packages;"),
    ],
)
def test_what_pip_and_uv_say_is_put_in_words(environment, printed, meaning):
    environment.log.write_text(f"$ pip install\n{printed}\n")
    assert meaning in str(Installer(environment).failure("install the packages"))


@pytest.mark.skipif(os.name == "nt", reason="signals a process group")
def test_an_interrupt_ends_the_command_too(environment, monkeypatch):
    """The interrupt comes with the first line; a command that went on would hold the test for an hour."""
    from lib.course.installation import packages

    def interrupt(line):
        if line:
            raise KeyboardInterrupt

    monkeypatch.setattr(packages, "show_progress", interrupt)
    code = "import time; print('begun', flush=True); time.sleep(3600)"
    with pytest.raises(KeyboardInterrupt):
        Installer(environment).run([sys.executable, "-c", code], {})
    assert environment.log.read_text().splitlines()[-1] == "begun"
