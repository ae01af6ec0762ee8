"""The Makefile: what a user gives as a variable reaches the command as the text that it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None or os.name == "nt", reason="needs make and a POSIX shell")
ECHO = """#!{python}
import json, os, sys
if sys.argv[1] == "-c":
    sys.argv[0:2] = ["-c"]
    exec(sys.argv.pop(1))
print(json.dumps(sys.argv[1:]))
"""


@pytest.fixture
def make(tmp_path):
    """`make` in a copy whose Python says what it was called with; PYTHON is `true`, so that set-up does nothing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    binary = tmp_path / ".venv" / "bin" / "python"
    binary.parent.mkdir(parents=True)
    binary.write_text(ECHO.format(python=sys.executable).replace("exec(sys.argv.pop(1))", SPLIT))
    binary.chmod(0o755)
    for tool in ("ruff",):
        (binary.parent / tool).symlink_to(shutil.which("true"))

    def call(*words: str, **variables: str) -> list[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")} | variables
        done = subprocess.run(
            ["make", "PYTHON=true", *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == [".venv", "Makefile"], "something was executed"
        return json.loads(done.stdout.splitlines()[-1])

    return call


SPLIT = """code = sys.argv.pop(1)
    os.execv = lambda file, words: print(json.dumps(words[1:])) or sys.exit()
    exec(code)"""

HOSTILE = [
    'x"; touch out; "',
    "`touch out`",
    "$(touch out)",
    "$(shell touch out)",
    "$${HOME}; touch out",
    "'; touch out; '",
    "x # y",
    "a b",
    "$(NB)",
    "..\\x",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    ("target", "variable", "place"),
    [
        ("run", "NB", 3), ("run", "SCALE", 5), ("run", "SEED", 7), ("fresh", "NB", 3), ("store", "NB", 3),
        ("validate", "NB", 3), ("validate", "MINUTES", 5), ("evidence", "SEEDS", 5), ("tune", "NAMES", 7),
        ("bases", "BASE", 3), ("links", "NB", 3), ("verdicts", "NB", 3),
    ],
)  # fmt: skip
def test_a_variable_is_text(make, target, variable, place, text):
    assert make(target, f"{variable}={text}")[place] == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_variable_of_the_environment_is_text_too(make, text):
    assert make("run", NB=text)[3] == text


def test_the_words_of_args_are_split_as_a_shell_splits_them_and_no_more(make):
    given = make("run", "NB=01", 'ARGS=-p text "a b" -p size 3; touch out $(shell touch out) `touch out`')
    assert given[:8] == ["-m", "lib.course.commands", "run", "01", "--scale", "laptop", "--seed", "0"]
    assert given[8:14] == ["-p", "text", "a b", "-p", "size", "3;"] and given[14:16] == ["touch", "out"]
    assert make("bench", "ARGS=scan norms") == ["-m", "tests.benchmarks", "scan", "norms"]
    assert make("test", "ARGS=-k 'a or b'")[-2:] == ["-k", "a or b"]
    assert make("lab", "LAB_ARGS=--no-browser `touch out`")[3].endswith("--no-browser `touch out`")


def test_without_variables_the_defaults_are_given(make):
    assert make("run")[2:] == ["run", "", "--scale", "laptop", "--seed", "0"]
    assert make("validate")[2:] == ["validate", "", "--minutes", "", "--all", "", "--jobs", "2"]
    assert make("evidence", "NB=1")[2:] == ["evidence", "1", "--seeds", "0 1 2 3 4", "--scale", "laptop"]
