"""Headless execution: what the kernel shows reaches the report, and what fails is one sentence with its section."""

# ruff: noqa: E501 (a notebook of another editor is one line, however long)

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from jupyter_client.kernelspec import NoSuchKernel

from lib.course.headless import NotebookFailed, execute, relative
from lib.course.notebook_file import read
from lib.course.run_report import RunReport
from lib.workbench.course import CourseError

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


@pytest.mark.parametrize(("code", "interrupts"), [("1", 0), ("1 / 0", 0), ("stop()", 1)])
def test_only_a_kernel_that_still_works_is_interrupted(tmp_path, monkeypatch, code, interrupts):
    """A kernel that is done prints an interrupt as an error, if it comes while its last answer is under way."""
    sent = []

    async def interrupt(manager):
        sent.append(manager)

    monkeypatch.setattr("jupyter_client.manager.AsyncKernelManager._async_interrupt_kernel", interrupt)

    class Impatient(RunReport):
        def cell(self, cell_type, source):
            if source == "stop()":
                raise KeyboardInterrupt

    notebook = write(tmp_path / "n.ipynb", ("## 1 · Idea", code))
    expected = {"1": nullcontext(), "1 / 0": pytest.raises(NotebookFailed), "stop()": pytest.raises(KeyboardInterrupt)}
    with expected[code]:
        execute(notebook, tmp_path / "copy.ipynb", {}, Impatient(io.StringIO(), lambda: 0.0))
    assert len(sent) == interrupts


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no')", r"failed in cell \d+ \(2 · Train\): ValueError: no; the executed copy with .* is"),
        ("import os; os._exit(1)", "lost its kernel in 2 · Train"),
        ("import os; os.kill(os.getpid(), 9)", "lost its kernel in 2 · Train"),
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


def test_a_cell_that_leaves_without_an_error_is_said(tmp_path):
    notebook = write(tmp_path / "n.ipynb", ("## 1 · Idea", "import sys; sys.exit(0)"), ("## 2 · Train", "2"), ("", ""))
    with pytest.raises(
        NotebookFailed, match=r"^n ended before its cell \d, with 1 cells to go, by sys\.exit or the like"
    ):
        execute(notebook, tmp_path / "copy.ipynb", {})


PLAIN = {"cell_type": "code", "execution_count": None, "outputs": [], "metadata": {}}
TOLD = {
    **PLAIN,
    "metadata": {"tags": ["parameters"], "cellView": "form", "id": "xyz"},
    "source": ["scale = 1  # @param\n", "seed = 0"],
}
WIDGETS = {"application/vnd.jupyter.widget-state+json": {"abc": {"model_module": "@jupyter-widgets/controls"}}}
FOREIGN = {
    "Colab without a language": ({"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}, "widgets": WIDGETS}, 0, {}),
    "Colab of R": ({"kernelspec": {"name": "ir", "display_name": "R"}, "language_info": {"name": "R"}, "widgets": WIDGETS}, 0, {}),
    "VS Code": ({"kernelspec": {"name": ".venv", "display_name": ".venv (3.12.3)"}}, 2, {"vscode": {"languageId": "python"}}),
    "no metadata": ({}, 5, {}),
    "null for tags": ({}, 5, {"tags": None}),
}  # fmt: skip


@pytest.mark.parametrize("editor", FOREIGN)
def test_notebooks_of_other_editors_run(tmp_path, editor):
    metadata, minor, of_cell = FOREIGN[editor]
    cells = [TOLD, {**PLAIN, "metadata": of_cell, "source": "print('seed', seed)"}]
    if minor == 5:
        cells = [{**cell, "id": "same"} for cell in cells]
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}
    (tmp_path / "n.ipynb").write_text(json.dumps(content))
    execute(tmp_path / "n.ipynb", tmp_path / "copy.ipynb", {"seed": 7})
    assert "seed 7" in str(read(tmp_path / "copy.ipynb")["cells"][-1]["outputs"])


def test_what_cannot_be_run_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "n.ipynb").write_text("<html>")
    with pytest.raises(CourseError, match=r"^n\.ipynb is no notebook that can be read"):
        execute(tmp_path / "n.ipynb", tmp_path / "copy.ipynb", {})
    cell = {**PLAIN, "source": "", "id": "a", "outputs": [{"output_type": "poem"}]}
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "n.ipynb").write_text(json.dumps(content))
    with pytest.raises(CourseError, match=r"^n\.ipynb is no notebook that can be run \(") as error:
        execute(tmp_path / "n.ipynb", tmp_path / "copy.ipynb", {})
    assert "\n" not in str(error.value)
    for raised, said in (
        (NoSuchKernel("python3"), r"^n needs the kernel python3, which `make setup` brings\.$"),
        (
            RuntimeError("Kernel didn't respond in 600 seconds"),
            r"^n did not begin: its kernel did not start in 600 s\.$",
        ),
    ):
        notebook = write(tmp_path / "n.ipynb")
        monkeypatch.setattr("papermill.execute_notebook", lambda *_, raised=raised, **__: (_ for _ in ()).throw(raised))
        with pytest.raises(NotebookFailed, match=said):
            execute(notebook, tmp_path / "copy.ipynb", {})
