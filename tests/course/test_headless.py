"""Headless execution: what the kernel shows reaches the report, and what fails is one sentence with its section."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from lib.course.headless import NotebookFailed, execute, relative
from lib.course.notebook_file import read
from lib.course.run_report import RunReport

TRAINING = """
from IPython.display import display
class Line(str):
    __repr__ = str.__str__
meter = display(Line(""), display_id=True)
for step in range(3):
    meter.update(Line(f"hybrid:  {50 * step}%|##  | {step}/2 [00:00<00:00, 1.0step/s]"))
"""


def write(path: Path, *cells: tuple[str, str]) -> Path:
    """A notebook of (heading, code) pairs; its first cell is the parameters'."""
    made = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "seed = 0"}]
    for heading, code in cells:
        made += [{"cell_type": "markdown", "metadata": {}, "source": heading}]
        made += [{"cell_type": "code", "metadata": {}, "source": code}]
    for number, cell in enumerate(made):
        cell |= {"id": f"c{number}"} | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.write_text(json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_a_run_names_its_sections_and_trainings(tmp_path, capfd):
    notebook = write(tmp_path / "n.ipynb", ("## 1 · Idea", "seed"), ("## 2 · Train", TRAINING), ("### More", "1"))
    stream = io.StringIO()
    execute(notebook, tmp_path / "runs" / "copy.ipynb", {"seed": 5}, RunReport(stream, lambda: 0.0))
    assert [line[8:] for line in stream.getvalue().splitlines() if line[8:]] == [
        "1 · Idea",
        "2 · Train",
        "  hybrid",
        "  hybrid:  100%|##  | 2/2 [00:00<00:00, 1.0step/s]",
        "2 · Train > More",
    ]
    outputs = [output for cell in read(tmp_path / "runs" / "copy.ipynb")["cells"] for output in cell.get("outputs", [])]
    assert "'5'" in str(outputs[0]) and "100%" in str(outputs[1])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no')", r"failed in cell \d+ \(2 · Train\): ValueError: no; the executed copy with .* is"),
        ("import os; os._exit(1)", "lost its kernel in 2 · Train"),
    ],
)
def test_a_failure_says_in_which_section_it_happened_and_keeps_the_copy(tmp_path, code, said):
    notebook = write(tmp_path / "n.ipynb", ("## 1 · Idea", "x = 3; x"), ("## 2 · Train", code))
    with pytest.raises(NotebookFailed, match=said) as failure:
        execute(notebook, tmp_path / "copy.ipynb", {})
    assert "\n" not in str(failure.value) and "'3'" in str(read(tmp_path / "copy.ipynb"))


def test_an_interrupt_says_where_the_executed_cells_are(tmp_path):
    class Interrupted(RunReport):
        def cell(self, cell_type, source):
            super().cell(cell_type, source)
            if source == "stop":
                raise KeyboardInterrupt

    notebook = write(tmp_path / "n.ipynb", ("## 1 · Idea", "x = 3; x"), ("## 2 · Train", "stop"))
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        execute(notebook, tmp_path / "copy.ipynb", {}, Interrupted(stream))
    assert stream.getvalue().splitlines()[-1].endswith(f"interrupted; what was executed is {tmp_path / 'copy.ipynb'}")
    assert "'3'" in str(read(tmp_path / "copy.ipynb"))


def test_a_path_below_the_users_folder_is_shown_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert relative(tmp_path / "build" / "x") == str(Path("build", "x"))
    assert relative(tmp_path.parent / "x") == str(tmp_path.parent / "x")
