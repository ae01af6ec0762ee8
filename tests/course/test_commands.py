"""The commands, on small notebooks made here."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path

import pytest

from lib.course.commands import main
from lib.course.scoreboard import END, START
from lib.workbench.course import CLAIMS_MIME, Course, CourseError, read_ledger
from lib.workbench.tuning_file import TuningFile

ROOT = Path(__file__).resolve().parents[2]

LEDGER_CELL = f"""
import json, os, pathlib
from IPython.display import display
claim = dict(id="J1", says="s", paper="p", here=str(seed), kind="measured", holds=seed < 2)
claim |= dict(values={{"size": size}}, seeds=9)
ledger = dict(paper="01-jamba", scale=scale, seed=seed, seconds=90.0, device="cpu", claims=[claim])
display({{"{CLAIMS_MIME}": ledger, "text/plain": "the ledger"}}, raw=True)
if "WORKBENCH_LEDGERS" in os.environ:
    pathlib.Path(os.environ["WORKBENCH_LEDGERS"], "01-jamba.json").write_text(json.dumps(ledger))
"""


def cell(source: str, *tags: str, outputs: list | None = None) -> dict:
    return {
        "cell_type": "code",
        "execution_count": 1 if outputs else None,
        "id": f"c{abs(hash((source, tags)))}"[:20],
        "metadata": {"tags": list(tags)},
        "outputs": outputs or [],
        "source": source,
    }


def write_notebook(course: Course, name: str, *cells: dict) -> Path:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path = course.root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A checkout with one notebook, whose one claim holds for seeds below 2."""
    course = Course(tmp_path)
    parameters = cell("scale = 'laptop'\nseed = 0\nsize = 4", "parameters")
    write_notebook(course, "01_jamba", parameters, cell(LEDGER_CELL), cell("assert size != 13, 'size is 13'"))
    return course


def one_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err.strip()
    assert text.count("\n") == 0 and text.endswith("."), text
    return text


@pytest.mark.parametrize(
    ("arguments", "names_the_choice"),
    [
        (["run", "02_mamba"], "01_jamba"),
        (["run", ""], "01_jamba"),
        (["run", "01_jamba", "--scale", "huge"], "smoke, laptop, long"),
        (["run", "01_jamba", "--seed", "-1"], "from 0 to 4294967295"),
        (["run", "01_jamba", "--seed", "one"], "from 0 to 4294967295"),
        (["run", "01_jamba", "--seed", "99999999999"], "from 0 to 4294967295"),
        (["run", "01_jamba", "-p", "depth", "3"], "scale, seed, size"),
        (["run", "01_jamba", "-p", "scale", "huge"], "smoke, laptop, long"),
        (["validate", "nothing"], "01_jamba"),
        (["evidence", "nothing"], "01_jamba"),
        (["fresh", ""], "01_jamba"),
        (["store", "2"], "01_jamba"),
        (["links", "7"], "01_jamba"),
        (["evidence", "01_jamba", "--seeds", "0 0"], "different"),
        (["evidence", "01_jamba", "--seeds", ""], "different"),
        (["tune", "nothing"], "01_jamba"),
        (["tune", "01_jamba", "--scale", "huge"], "smoke, laptop, long"),
    ],
)
def test_what_does_not_exist_is_answered_by_one_sentence_listing_what_does(course, capsys, arguments, names_the_choice):
    assert main(arguments, course) == 2
    assert names_the_choice in one_sentence(capsys)
    assert not course.build.exists()


def test_run_executes_a_copy_with_its_parameters_and_leaves_the_notebook_alone(course, capsys):
    before = course.notebook("01_jamba").read_bytes()
    assert main(["run", "notebooks/01_jamba.ipynb", "--scale", "smoke", "--seed", "3", "-p", "size", "7"], course) == 0
    ledger = read_ledger(course.build / "runs" / "01_jamba-smoke-3.ipynb")
    assert (ledger["scale"], ledger["seed"], ledger["claims"][0]["values"]) == ("smoke", 3, {"size": 7})
    assert course.notebook("01_jamba").read_bytes() == before


@pytest.mark.parametrize("name", ["01", "1", "01_jam", "01_jamba", "work/01_jamba.ipynb"])
def test_a_notebook_is_named_by_its_number_or_the_beginning_of_its_name(course, name):
    assert course.notebook(name).name == "01_jamba.ipynb"


@pytest.mark.parametrize("name", ["0", "", "jamba", "01_jambas"])
def test_a_name_that_begins_no_notebook_or_two_is_refused(course, name):
    write_notebook(course, "00_start_here", cell("1"))
    write_notebook(course, "00_start_now", cell("1"))
    with pytest.raises(CourseError):
        course.notebook(name)


@pytest.mark.parametrize(
    ("name", "notebook"), [("04", "04_aurora_m"), ("9", "09_transformer_lite"), ("12_sp", "12_spright")]
)
def test_a_notebook_to_come_is_named_as_such(course, name, notebook):
    with pytest.raises(CourseError, match=f"^{notebook} is to come; there is: 01_jamba.$"):
        course.notebook(name)


def test_work_and_fresh_say_where_the_copies_lie(course, capsys):
    assert main(["work"], course) == 0
    assert "copied to work/: 01_jamba." in capsys.readouterr().out
    (course.root / "work" / "01_jamba.ipynb").write_text("mine")
    assert main(["fresh", "01"], course) == 0
    assert "your own is kept: " in capsys.readouterr().out
    assert (course.root / "work" / "01_jamba-1.ipynb").read_text() == "mine"


def test_links_says_which_notebooks_it_changed(course, capsys):
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": ["# 01"]}
    write_notebook(course, "01_jamba", title)
    assert main(["links"], course) == 0
    assert "linked anew: 01_jamba" in capsys.readouterr().out
    assert main(["links", "1"], course) == 0
    assert "nothing" in capsys.readouterr().out


def test_a_failing_notebook_is_one_sentence_and_its_copy_stays(course, capsys):
    assert main(["run", "01_jamba", "-p", "size", "13"], course) == 1
    assert "AssertionError: size is 13; the executed copy" in capsys.readouterr().err.splitlines()[-1]
    assert (course.build / "runs" / "01_jamba-laptop-0.ipynb").exists()


def test_a_run_ends_with_its_ledger_and_its_minutes(course, capsys):
    assert main(["run", "01", "--seed", "1"], course) == 0
    *_, head, claim, count, minutes, copy = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["id", "kind"] and claim.split()[:2] == ["J1", "paper"] and " holds " in claim
    assert count == "1 claim in this run; holds: 1, does not hold: 0, not shown: 0"
    assert minutes.startswith("01_jamba: ") and minutes.endswith(" minutes") and copy.startswith("executed copy: ")


def test_a_run_without_a_ledger_and_one_with_damaged_evidence_end_well_too(course, capsys):
    write_notebook(course, "02_mixture_of_depths", cell("scale = ''\nseed = 0", "parameters"))
    assert main(["run", "2"], course) == 0
    file = course.evidence(course.notebook("01"))
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert main(["run", "1"], course) == 0
    assert "is damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (["evidence", "01", "--seeds", "0"], "data/evidence"),
        (["tune", "01"], "data/evidence"),
        (["store", "01"], "notebooks"),
    ],
)
def test_what_could_not_be_written_is_not_run_for_minutes(course, capsys, monkeypatch, arguments, folder):
    monkeypatch.setenv("WORKBENCH_WORK", str(course.root / "mine"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(arguments, course) == 2
    assert one_sentence(capsys) == f"{folder} of this checkout is not yours to write, and nothing was run."
    assert not course.build.exists()


def test_in_a_shared_checkout_runs_and_editions_lie_with_the_user_and_one_sentence_says_where(
    course, capsys, monkeypatch, tmp_path_factory
):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != course.root)
    monkeypatch.setattr(Path, "home", lambda: home)
    before = sorted(course.root.rglob("*"))
    mine = home / "paper-workbench"
    assert main(["work"], course) == 0
    assert capsys.readouterr().out.count(f"lie in {mine}.") == 1
    assert main(["run", "01"], course) == 0 and main(["student"], course) == 0
    assert (mine / "build" / "runs" / "01_jamba-laptop-0.ipynb").is_file()
    assert (mine / "build" / "student" / "01_jamba.ipynb").is_file()
    assert sorted(course.root.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_one_sentence(course, capsys, tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("full")
    (place / "build").write_text("a file where a folder should be")
    monkeypatch.setenv("WORKBENCH_WORK", str(place))
    assert main(["student"], course) == 1
    assert "nothing that was recorded before has changed" in one_sentence(capsys)
    monkeypatch.setenv("WORKBENCH_WORK", str(place / "build"))
    assert main(["work"], course) == 2
    assert "WORKBENCH_WORK must be a folder, got the file build" in one_sentence(capsys)


def test_evidence_holds_one_run_per_seed_in_order_without_the_old_history(course):
    assert main(["evidence", "01_jamba", "--seeds", "2 1"], course) == 0
    record = course.read_evidence(course.notebook("01_jamba"))
    assert (record["paper"], record["notebook"], record["scale"]) == ("01-jamba", "01_jamba.ipynb", "laptop")
    assert [(run["seed"], run["claims"][0]["holds"]) for run in record["runs"]] == [(1, True), (2, False)]
    assert "seeds" not in record["runs"][0]["claims"][0]
    assert set(record["versions"]) == {"python", "torch", "numpy"}


def test_tune_runs_the_notebook_with_measuring_switched_on_and_names_what_it_tunes(course, capsys, monkeypatch):
    monkeypatch.delenv("WORKBENCH_TUNE", raising=False)
    code = f"""
        import os, sys
        sys.path.insert(0, {str(ROOT)!r})
        from lib.workbench import Run
        asked, run = os.environ.get("WORKBENCH_TUNE"), Run("01-jamba", scale, root={str(course.root)!r})
        run.tuned("rates", ["a"], (0.1, 0.2, 0.4), lambda arm, setting, seed: abs(setting - 0.2), what=asked + " (1)")
    """
    write_notebook(course, "01_jamba", cell("scale = 'laptop'\nseed = 0", "parameters"), cell(textwrap.dedent(code)))
    assert main(["tune", "01_jamba", "--names", "rates"], course) == 0
    assert "01-jamba-tuning.json" in capsys.readouterr().out and "WORKBENCH_TUNE" not in os.environ
    table = TuningFile(course.root / "data" / "evidence" / "01-jamba-tuning.json").table("laptop", "rates")
    assert table["what"] == "rates (1)" and table["rows"]["a"]["0.2"] == [0.0, 0.0]
    assert main(["tune", "01_jamba", "--names", "rates,speeds"], course) == 2
    assert "NAMES must name what 01_jamba tunes (rates), got 'rates,speeds'." in capsys.readouterr().err


def test_scoreboard_command_changes_only_what_stands_between_its_markers(course, capsys):
    course.readme.write_text(f"above\n{START}\nold\n{END}\nbelow\n")
    ledger = {"scale": "laptop", "seconds": 90.0, "claims": []}
    output = {"output_type": "display_data", "data": {CLAIMS_MIME: ledger}, "metadata": {}}
    write_notebook(course, "01_jamba", cell("run.ledger()", outputs=[output]))
    assert main(["scoreboard"], course) == 0
    text = course.readme.read_text()
    assert text.startswith(f"above\n{START}\n|") and text.endswith(f"|\n{END}\nbelow\n") and "old" not in text
    assert capsys.readouterr().out == "README.md: table written\n"
    assert main(["scoreboard"], course) == 0
    assert course.readme.read_text() == text
    assert capsys.readouterr().out == "README.md: unchanged\n"


def test_scoreboard_refuses_a_notebook_that_was_not_executed(course, capsys):
    course.readme.write_text(f"{START}\n{END}\n")
    assert main(["scoreboard"], course) == 2
    said = one_sentence(capsys)
    assert "01_jamba.ipynb must be stored as executed" in said and "git restore notebooks/01_jamba.ipynb" in said


def test_student_command_writes_every_notebook(course):
    write_notebook(course, "00_start_here", cell("1"))
    assert main(["student"], course) == 0
    written = sorted(path.name for path in (course.build / "student").iterdir())
    assert written == ["00_start_here.ipynb", "01_jamba.ipynb"]


PRINTS = cell("print(scale, seed, repr(flag), repr(real))")


@pytest.mark.parametrize("form", ["{} = {}", "{}: {} = {}"])
def test_what_is_asked_for_reaches_the_notebook_with_or_without_types(course, form):
    """The word `false` switches nothing on, and `none` names no model."""
    rows = (
        ("scale", "str", "'laptop'"),
        ("seed", "int", "0"),
        ("flag", "bool", "True"),
        ("real", "object", "'x' and None"),
    )
    code = "\n".join(form.format(*row) if form.count("{}") == 3 else form.format(row[0], row[2]) for row in rows)
    write_notebook(course, "01_jamba", cell(code, "parameters"), PRINTS)
    assert (
        main(["run", "1", "--scale", "smoke", "--seed", "3", "-p", "flag", "false", "-p", "real", "none"], course) == 0
    )
    copy = json.loads((course.build / "runs" / "01_jamba-smoke-3.ipynb").read_text())
    assert copy["cells"][-1]["outputs"][0]["text"] == ["smoke 3 False None\n"]


@pytest.mark.parametrize(
    ("code", "tag", "says"),
    [
        ("scale = 'laptop'\nseed = 0", "plumbing", "must assign scale and seed in a cell tagged parameters"),
        ("scale = 'laptop'", "parameters", "must assign seed in a cell tagged parameters"),
        ("seed = 0", "parameters", "must assign scale in a cell tagged parameters"),
        (
            "scale = 'laptop'\nseed = (",
            "parameters",
            "01_jamba.ipynb: its cell tagged parameters is no Python ('(' was",
        ),
    ],
)
def test_a_notebook_that_what_is_asked_for_cannot_reach_is_not_run(course, capsys, code, tag, says):
    write_notebook(course, "01_jamba", cell(code, tag), cell(LEDGER_CELL))
    for arguments in (["run", "1", "--seed", "3"], ["evidence", "1", "--seeds", "0 1 2"]):
        assert main(arguments, course) == 2
        assert says in one_sentence(capsys)
    assert not course.evidence(course.notebook("1")).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cells": [{"cell_type": "code"}]}'])
def test_a_file_that_is_no_notebook_is_one_sentence_for_every_command(course, capsys, text):
    course.notebook("1").write_text(text)
    course.readme.write_text(f"{START}\n{END}\n")
    for command in ("run", "evidence", "store", "tune", "student", "links", "verdicts", "validate", "scoreboard"):
        given = [] if command in ("student", "scoreboard") else ["1"]
        assert main([command, *given], course) == 2, command
        said = one_sentence(capsys)
        assert (
            "01_jamba.ipynb is no notebook that can be read" in said and "git restore notebooks/01_jamba.ipynb" in said
        )


def test_damaged_evidence_is_said_before_a_notebook_is_validated(course, capsys):
    file = course.evidence(course.notebook("1"))
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert main(["validate", "1"], course) == 2
    assert one_sentence(capsys).startswith("01-jamba.json in the evidence folder is damaged; `make evidence` writes it")


def test_links_and_verdicts_take_several_names_in_one_word(course, capsys):
    write_notebook(course, "02_mixture_of_depths", cell("1"))
    for name in ("01_jamba", "02_mixture_of_depths"):
        path = course.notebook(name)
        title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "# Title"}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"cells": [title]}))
    assert main(["links", "1 2"], course) == 0
    assert "01_jamba, 02_mixture_of_depths" in capsys.readouterr().out
    assert main(["links", ""], course) == 0


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("seconds", "fast", "unsupported operand"),
        ("claims", [{"id": "J1", "test": {"test": "at_sea"}}], "it has no 'kind'"),
        ("claims", [{"id": "J1", "test": {"test": "at_sea"}, "kind": "check"}], "it has no 'holds'"),
    ],
)
def test_a_ledger_of_another_form_is_one_sentence(course, capsys, field, value, why):
    course.readme.write_text(f"{START}\n{END}\n")
    ledger = {"paper": "01-jamba", "scale": "laptop", "seed": 0, "seconds": 9.0, "claims": []} | {field: value}
    output = {"output_type": "display_data", "data": {CLAIMS_MIME: ledger}, "metadata": {}}
    write_notebook(course, "01_jamba", cell("run.ledger()", outputs=[output]))
    assert main(["scoreboard"], course) == 2
    said = one_sentence(capsys)
    assert said.startswith(f"the ledger in 01_jamba.ipynb is damaged ({why}") and "`make store NB=01`" in said
    if field == "claims":
        assert main(["verdicts", "1"], course) == 2
        assert one_sentence(capsys).startswith("the ledger in 01_jamba.ipynb is damaged (")
