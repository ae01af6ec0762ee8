"""`make store` on a tiny notebook: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from lib.course.commands import main
from lib.course.committed import faults
from lib.course.fingerprint import inputs
from lib.course.notebook_file import read, text_of
from lib.course.scoreboard import END, START
from lib.course.store import as_jupyterlab_writes, store
from lib.workbench.course import CLAIMS_MIME, Course, CourseError, read_ledger

LEDGER = f"""
from IPython.display import display
claim = dict(id="J1", says="s", paper="p", here=str(seed), kind="computed", holds=True, values={{"share": 1.0}})
ledger = dict(paper="01-jamba", scale=scale, seed=seed, seconds=90.0, device="cpu", claims=[claim])
display({{"{CLAIMS_MIME}": ledger, "text/plain": "the ledger"}}, raw=True)
"""
FOLDED = {"tags": ["play"], "jupyter": {"source_hidden": True}, "execution": {"iopub.execute_input": "2026"}}


def cell(id: str, text: str, **metadata: object) -> dict:
    parts = {"cell_type": "code", "execution_count": 9, "id": id, "metadata": metadata, "outputs": []}
    return parts | {"source": text.splitlines(keepends=True)}


def notebook(*cells: dict) -> dict:
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    metadata |= {"language_info": {"name": "python"}, "widgets": {"state": {}}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


PARAMETERS = cell("p", "scale = 'laptop'\nseed = 0", tags=["parameters"])


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = Course(tmp_path)
    course.readme.write_text(f"{START}\nold\n{END}\n")
    return course


def write(course: Course, *cells: dict, name: str = "01_jamba") -> Path:
    path = course.root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text_of(notebook(*cells)))
    return path


@pytest.fixture
def stored(course: Course) -> dict:
    """A notebook that was executed elsewhere, folded and timed, after `make store`."""
    path = write(
        course, PARAMETERS, cell("shown", "import os\nprint(os.getcwd()[-9:], 2 * seed)", **FOLDED), cell("l", LEDGER)
    )
    store(course, "01")
    return read(path)


@pytest.mark.slow
def test_the_stored_form(stored, course):
    shown = stored["cells"][1]
    assert [each["execution_count"] for each in stored["cells"]] == [1, 2, 3]
    assert shown["outputs"][0]["text"] == ["notebooks 0\n"]
    assert (shown["id"], shown["metadata"]) == ("shown", {"tags": ["play"], "jupyter": {"source_hidden": True}})
    assert faults(stored, has_claims=True) == []
    assert set(stored["metadata"]) == {"kernelspec", "language_info"}
    assert {"name", "version", "mimetype", "pygments_lexer"} <= stored["metadata"]["language_info"].keys()
    assert stored["metadata"]["kernelspec"]["display_name"] == "Python 3 (ipykernel)"
    assert "| 01 |" in course.readme.read_text() and "| 1.5 |" in course.readme.read_text()

    path = course.notebook("01")
    nbformat.validate(nbformat.read(path, 4))
    assert path.read_text() == nbformat.writes(nbformat.read(path, 4)) + "\n"
    assert isinstance(read_ledger(path)["claims"][0]["values"]["share"], int), "JavaScript writes 1.0 as 1"
    assert not list(path.parent.glob(".*"))
    kept = json.loads((course.build / "evidence" / "01-jamba-laptop-0.json").read_text())
    assert kept == {"inputs": inputs(course, path), "ledger": read_ledger(path)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("assert 0, 'no'", "code cell 2 raised AssertionError: no"),
        ("import os; os._exit(1)", "code cell 2 ended its kernel"),
        ("print('/home/somebody/x')", "shows a path of this machine: /home/somebody/x"),
        ("1", "it has no claims ledger of laptop scale"),
    ],
)
def test_a_notebook_that_fails_or_falls_short_stays_as_it_was(course, capsys, last, said):
    path = write(course, PARAMETERS, cell("x", last))
    before, table = path.read_bytes(), course.readme.read_text()
    assert main(["store", "01"], course) != 0
    assert said in capsys.readouterr().err
    assert path.read_bytes() == before and course.readme.read_text() == table
    assert (course.build / "store" / "01_jamba.ipynb").exists()


@pytest.mark.parametrize("parameters", ["scale = 'smoke'\nseed = 0", "scale = 'laptop'\nseed = 3"])
def test_an_edited_parameters_cell_is_refused_before_anything_runs(course, parameters):
    write(course, cell("p", parameters, tags=["parameters"]), cell("x", "1"))
    with pytest.raises(CourseError, match="its parameters cell says"):
        store(course, "01")
    assert not course.build.exists()


def test_only_whole_numbers_lose_their_point():
    data = {"application/x+json": {"a": [1.0, 1.5, -0.0], "b": {"c": 2.0, "d": True}}, "text/plain": "1.0"}
    cells = [{"cell_type": "code", "outputs": [{"data": data}]}, {"cell_type": "markdown"}]
    [output] = as_jupyterlab_writes(json.dumps({"cells": cells}))["cells"][0]["outputs"]
    assert json.dumps(output["data"]["application/x+json"]) == '{"a": [1, 1.5, 0], "b": {"c": 2, "d": true}}'
    assert output["data"]["text/plain"] == "1.0"
