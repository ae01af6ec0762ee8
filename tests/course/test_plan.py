"""Which notebooks run, in which order, and which find no time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.course import fingerprint, validated
from lib.course.plan import UNKNOWN_SECONDS, Job, fits, plan
from lib.workbench.course import Course

SECONDS = {"01_jamba": 300.0, "02_mixture_of_depths": 200.0, "03_neurally_compressed_text": 250.0}


def write(course: Course, name: str, text: str = "x = 1") -> Path:
    path = course.root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    cell = {"cell_type": "code", "metadata": {}, "source": [text], "outputs": []}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    return path


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Three notebooks validated on three days, the second first."""
    course = Course(tmp_path)
    for (name, seconds), day in zip(SECONDS.items(), ("03", "01", "02"), strict=True):
        path = write(course, name)
        file = validated.write(course, path, fingerprint.inputs(course, path), seconds=seconds, threads=2)
        file.write_text(json.dumps(json.loads(file.read_text()) | {"date": f"2026-11-{day}T10:00:00+00:00"}))
    return course


def numbers(jobs) -> list[str]:
    return [job.number for job in jobs]


def test_where_nothing_changed_the_oldest_record_has_its_turn(course):
    made = plan(course)
    assert numbers(made.jobs) == ["02"] and not made.jobs[0].must
    assert [path.name[:2] for path in made.unchanged] == ["01", "03"]
    assert str(made).splitlines()[-1].startswith("01, 03 unchanged")


def test_what_changed_runs_first_longest_first_and_says_why(course):
    write(course, "02_mixture_of_depths", "x = 2")
    write(course, "01_jamba", "x = 2")
    made = plan(course)
    assert numbers(made.jobs) == ["01", "02", "03"]
    assert [job.must for job in made.jobs] == [True, True, False]
    assert made.jobs[0].why == "changed: cells" and not made.unchanged


def test_a_notebook_without_a_record_runs(course):
    write(course, "04_aurora_m")
    [job, _] = plan(course).jobs
    assert (job.number, job.why, job.seconds) == ("04", "never validated", UNKNOWN_SECONDS)


def test_those_asked_for_run_and_no_other(course):
    made = plan(course, [course.notebook("03")])
    assert numbers(made.jobs) == ["03"] and made.jobs[0].must and not made.unchanged


def test_everything_runs_when_told(course):
    assert numbers(plan(course, everything=True).jobs) == ["01", "03", "02"]


@pytest.mark.parametrize(("pace", "left", "said"), [(1, 150, True), (1, 149, False), (2, 299, False), (0.5, 150, True)])
def test_a_job_fits_where_its_time_and_half_of_it_are_left_at_this_machines_pace(pace, left, said):
    assert fits(Job(Path("01_jamba.ipynb"), "", 100.0, {}), pace, left) is said
