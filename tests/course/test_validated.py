"""The record of a validation on disk."""

from __future__ import annotations

from datetime import datetime

import pytest

from lib.course import validated
from lib.workbench.course import Course, CourseError


def test_what_was_written_is_read_and_has_no_name_of_the_machine(tmp_path):
    course, notebook = Course(tmp_path), tmp_path / "notebooks" / "01_jamba.ipynb"
    assert validated.read(course, notebook) is None
    file = validated.write(course, notebook, {"torch": "2.13.0", "cells": "ab"}, seconds=61.23, threads=2)
    record = validated.read(course, notebook)
    assert file == tmp_path / "data" / "validated" / "01.json"
    assert (record.notebook, record.seconds, record.threads) == ("01_jamba.ipynb", 61.2, 2)
    assert list(record.inputs) == ["cells", "torch"] and datetime.fromisoformat(record.date).tzinfo is not None
    assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize("text", ["", "{", "{}", '{"notebook": 1}', "[]"])
def test_a_damaged_record_is_one_sentence(tmp_path, text):
    course, notebook = Course(tmp_path), tmp_path / "notebooks" / "01_jamba.ipynb"
    file = validated.file_of(course, notebook)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(
        CourseError, match=r"`git checkout data/validated/01.json` brings .* or `make store NB=01` writes it anew"
    ):
        validated.read(course, notebook)
