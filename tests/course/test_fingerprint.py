"""A notebook's inputs: what changes one of them, and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.course.fingerprint import changed, inputs
from lib.workbench.course import Course

FILES = {
    "lib/nn/__init__.py": "from lib.nn.attention import Attention\nfrom lib.nn.norms import RMSNorm\n",
    "lib/nn/attention.py": "import scipy\nfrom lib.data.rules import LIMIT\n\nclass Attention:\n    pass\n",
    "lib/nn/norms.py": "class RMSNorm:\n    pass\n",
    "lib/data/__init__.py": "",
    "lib/data/rules.py": '"""Rules."""\n\nLIMIT = 3\n',
    "lib/workbench/__init__.py": "from lib.workbench.plots import bars\n",
    "lib/workbench/plots.py": "def bars():\n    return 1\n",
    "lib/workbench/checks/jamba.py": "from lib.nn import RMSNorm\n",
    "data/evidence/01-jamba-tuning.json": "{}",
    "data/bases/skills.json": "{}",
    "data/bases/skills.safetensors": "weights",
    "data/bases/pictures.json": "{}",
    "constraints.txt": "torch==2.13.0\ntriton==3.7.1\nnumpy==2.4.0\nscipy==1.17.0\nSciKit_Learn==1.8.0\n",
}
CELL = """%matplotlib inline
from lib.nn import Attention
from lib.workbench import bars
from lib.workbench.checks import jamba
model, card = run.base("skills")
"""


def code(text: str, *tags: str, shows: str = "") -> dict:
    outputs = [{"output_type": "stream", "name": "stdout", "text": [shows]}] if shows else []
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": [text], "outputs": outputs}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    write(tmp_path, code(CELL), code("print(1)", "nbval-check-output", shows="1\n"), code("print(2)", shows="2\n"))
    return Course(tmp_path)


def write(root: Path, *cells: dict) -> None:
    (root / "notebooks").mkdir(exist_ok=True)
    (root / "notebooks" / "01_jamba.ipynb").write_text(json.dumps({"cells": list(cells), "metadata": {}}))


def found(course: Course) -> dict[str, str]:
    return inputs(course, course.notebook("01"))


def test_the_inputs_are_what_the_notebook_reaches_and_no_more(course):
    assert set(found(course)) == {
        *("cells", "compared outputs", "python", "torch", "triton", "numpy", "scipy"),
        *("lib/nn/attention.py", "lib/data/rules.py", "data/evidence/01-jamba-tuning.json"),
        *("data/bases/skills.json", "data/bases/skills.safetensors"),
    }
    assert found(course)["scipy"] == "1.17.0"


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("lib/data/rules.py", '"""Other words."""\n\n# why\nLIMIT = 3\n', []),
        ("lib/data/rules.py", '"""Rules."""\n\nLIMIT = 4\n', ["lib/data/rules.py"]),
        ("lib/nn/norms.py", "class RMSNorm:\n    eps = 1\n", []),
        ("lib/workbench/plots.py", "def bars():\n    return 2\n", []),
        ("data/evidence/01-jamba-tuning.json", '{"a": 1}', ["data/evidence/01-jamba-tuning.json"]),
        ("data/bases/skills.safetensors", "others", ["data/bases/skills.safetensors"]),
        ("data/bases/pictures.json", '{"a": 1}', []),
        ("constraints.txt", FILES["constraints.txt"].replace("torch==2.13.0", "torch==2.14.0"), ["torch"]),
        ("constraints.txt", FILES["constraints.txt"].replace("Learn==1.8.0", "Learn==1.9.0"), []),
    ],
)
def test_an_edit_changes_the_inputs_that_it_can_matter_to(course, file, text, names):
    before = found(course)
    (course.root / file).write_text(text)
    assert changed(before, found(course)) == names


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ([code("print(1)  # one", "nbval-check-output", shows="1\n"), code("print(2)", shows="3\n")], []),
        ([code("print(3)", "nbval-check-output", shows="1\n"), code("print(2)")], ["cells"]),
        ([code("print(1)", shows="1\n"), code("print(2)")], ["cells", "compared outputs"]),
        ([code("print(1)", "nbval-check-output", shows="4\n"), code("print(2)")], ["compared outputs"]),
        ([code("%%html\n<b>one</b>", shows="1\n"), code("print(2)")], ["cells", "compared outputs"]),
    ],
)
def test_cells_count_by_code_and_tags_and_by_the_text_that_is_compared(course, cells, names):
    before = found(course)
    write(course.root, code(CELL), *cells)
    assert changed(before, found(course)) == names
    assert changed(before, found(course), written=False) == [name for name in names if name == "cells"]


def test_the_sentences_of_a_summary_are_prose(course):
    write(course.root, code(CELL), code("run.summary('It recalls {J9}.')"))
    before = found(course)
    write(course.root, code(CELL), code("run.summary('In most seeds it recalls: {J9}.')"))
    assert changed(before, found(course)) == []
    write(course.root, code(CELL), code("run.summary(text)"))
    assert changed(before, found(course)) == ["cells"]


def test_what_run_imports_on_demand_counts_where_a_cell_demands_it(course):
    workbench = course.root / "lib" / "workbench"
    (workbench / "run.py").write_text(
        "def base():\n    import lib.workbench.shipped\n\n\ndef real():\n    from lib.workbench.real import load\n"
    )
    for name in ("shipped", "real"):
        (workbench / f"{name}.py").write_text("def load():\n    return 1\n")
    write(course.root, code("from lib.workbench.run import base\nrun.real('smollm2')"))
    assert "lib/workbench/real.py" in found(course) and "lib/workbench/shipped.py" not in found(course)


def test_an_import_more_is_an_input_more(course):
    before = found(course)
    write(course.root, code(CELL), code("def late():\n    from lib.nn import RMSNorm"))
    assert changed(before, found(course)) == ["cells", "compared outputs", "lib/nn/norms.py"]


def test_a_pin_counts_whether_or_not_its_package_is_installed(course):
    """Else a record made where an optional package is would be out of date wherever it is not."""
    file = course.root / "lib/nn/attention.py"
    file.write_text(file.read_text().replace("import scipy", "import scipy, no_such_package"))
    (course.root / "constraints.txt").write_text(FILES["constraints.txt"] + "no-such-package==0.1\n")
    assert found(course)["no-such-package"] == "0.1"
