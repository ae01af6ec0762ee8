"""The reader's working copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.course import workspace
from lib.workbench.course import Course, CourseError


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text("door")
    (tmp_path / "notebooks" / "01_jamba.ipynb").write_text("original")
    workspace.prepare(Course(tmp_path))
    return Course(tmp_path)


def work(course: Course) -> dict[str, str]:
    return {path.name: path.read_text() for path in course.root.glob("work/*.ipynb")}


def test_every_notebook_is_copied_once(course):
    assert work(course) == {"00_start_here.ipynb": "door", "01_jamba.ipynb": "original"}
    assert workspace.prepare(course) == []


def test_what_the_reader_wrote_is_never_overwritten(course):
    (course.root / "work" / "01_jamba.ipynb").write_text("mine")
    workspace.prepare(course)
    assert work(course)["01_jamba.ipynb"] == "mine"


def test_a_notebook_that_appears_later_is_added_and_one_that_was_deleted_comes_back(course):
    (course.root / "notebooks" / "02_mixture_of_depths.ipynb").write_text("new")
    (course.root / "work" / "01_jamba.ipynb").unlink()
    assert workspace.prepare(course) == ["copied to work/: 01_jamba, 02_mixture_of_depths."]
    assert work(course)["02_mixture_of_depths.ipynb"] == "new"


@pytest.mark.parametrize("mine", ["original", "mine"])
def test_an_original_that_changed_since_is_named_with_the_command_that_takes_it(course, mine):
    (course.root / "work" / "01_jamba.ipynb").write_text(mine)
    (course.root / "notebooks" / "01_jamba.ipynb").write_text("corrected")
    [sentence] = workspace.prepare(course)
    assert "make fresh NB=01" in sentence
    assert work(course)["01_jamba.ipynb"] == mine
    workspace.fresh(course, "01")
    assert workspace.prepare(course) == []


def test_fresh_puts_the_original_back_and_keeps_each_of_the_readers_own(course):
    for number, text in enumerate(("first", "second"), 1):
        (course.root / "work" / "01_jamba.ipynb").write_text(text)
        copy, kept = workspace.fresh(course, "01")
        assert (copy.read_text(), kept.read_text(), kept.name) == ("original", text, f"01_jamba-{number}.ipynb")
    assert work(course)["01_jamba-1.ipynb"] == "first"


def test_fresh_keeps_no_second_copy_of_an_untouched_notebook(course):
    assert workspace.fresh(course, "01")[1] is None
    assert len(work(course)) == 2


def test_fresh_needs_no_work_folder_yet(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_jamba.ipynb").write_text("original")
    assert workspace.fresh(Course(tmp_path), "01")[0].read_text() == "original"


def test_an_unknown_notebook_is_refused(course):
    with pytest.raises(CourseError, match="01_jamba"):
        workspace.fresh(course, "07")


def test_a_damaged_record_of_originals_loses_nothing(course):
    (course.root / "work" / ".originals.json").write_text("{")
    (course.root / "work" / "01_jamba.ipynb").write_text("mine")
    assert workspace.prepare(course) == []
    assert work(course)["01_jamba.ipynb"] == "mine"


def test_in_a_shared_checkout_the_copies_lie_in_a_folder_of_the_user(course, tmp_path, monkeypatch):
    mine = tmp_path / "home"
    monkeypatch.setenv("WORKBENCH_WORK", str(mine))
    before = sorted(course.root.glob("work/*"))
    [copied] = workspace.prepare(course)
    assert copied == f"copied to {mine / 'work'}/: 00_start_here, 01_jamba."
    (mine / "work" / "01_jamba.ipynb").write_text("mine")
    (course.root / "notebooks" / "01_jamba.ipynb").write_text("corrected")
    [newer] = workspace.prepare(course)
    assert newer.startswith(f"{mine / 'work'}/01_jamba.ipynb is of an older 01_jamba")
    assert sorted(course.root.glob("work/*")) == before
