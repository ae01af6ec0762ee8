"""The file of tuning tables: one table is replaced and every other stays, written whole or not at all."""

from __future__ import annotations

import json
import re

import pytest

from lib.workbench.tuning_file import TuningFile


def table(**rows) -> dict:
    return {"what": "loss (nats)", "best": "min", "seeds": [7, 8], "date": "2026-11-25", "rows": rows}


@pytest.fixture
def file(tmp_path):
    return TuningFile(tmp_path / "evidence" / "01-jamba-tuning.json")


def test_a_file_that_is_not_there_holds_nothing_and_is_not_made_by_reading(file):
    assert file.table("laptop", "tasks") is None and file.names("laptop") == []
    assert file.unfinished("laptop", "tasks") == {} and not file.path.exists()


def test_a_table_is_read_back_and_replaces_only_its_namesake(file):
    one, two, other = table(a={"0.1": [1.0, None]}), table(a={"0.1": [2.0]}), table(b={'[0.1, "rotary"]': [3.0, 4.0]})
    file.put("laptop", "tasks", one)
    file.put("laptop", "text", other)
    file.put("smoke", "tasks", other)
    file.put("laptop", "tasks", two)
    assert (file.table("laptop", "tasks"), file.table("laptop", "text"), file.table("smoke", "tasks")) == (
        two,
        other,
        other,
    )
    assert file.names("laptop") == ["tasks", "text"]


def test_what_is_put_aside_stands_beside_and_goes_with_the_finished_table(file):
    file.put("laptop", "text", table())
    file.keep("laptop", "tasks", table(a={"0.1": [1.0, 2.0]}))
    assert file.table("laptop", "tasks") is None and file.names("laptop") == ["text"]
    assert file.unfinished("laptop", "tasks")["rows"] == {"a": {"0.1": [1.0, 2.0]}}
    file.put("laptop", "tasks", table())
    assert file.unfinished("laptop", "tasks") == {} and "unfinished" not in json.loads(file.path.read_text())


def test_a_row_of_numbers_stands_on_one_line(file):
    file.put("laptop", "tasks", table(a={"0.1": [1.0, None], "0.01": [2.0, 3.0]}))
    assert '"a": {"0.1": [1.0, null], "0.01": [2.0, 3.0]}' in file.path.read_text()


def test_an_interrupted_write_leaves_the_former_file_and_no_remains(file):
    file.put("laptop", "tasks", table())
    before = file.path.read_bytes()
    with pytest.raises(ValueError):
        file.put("laptop", "text", table(a={"0.1": [float("nan")]}))
    with pytest.raises(TypeError):
        file.put("laptop", "text", table(a={"0.1": [object()]}))
    assert file.path.read_bytes() == before and [path.name for path in file.path.parent.iterdir()] == [file.path.name]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (table() | {"best": "least"}, "best of table 'tasks' must be min or max, got 'least'"),
        (table() | {"date": 3}, "what and date of table 'tasks' must be text"),
        (table(a={"0.1": [1, 2, 3]}), "must have one value for each of 2 seeds, or their mean, got 3 at 0.1"),
    ],
)
def test_a_table_that_is_none_is_named_with_its_file_and_no_folder(file, wrong, says):
    file.path.parent.mkdir()
    file.path.write_text(json.dumps({"schema": 1, "scales": {"laptop": {"tasks": wrong}}}))
    with pytest.raises(
        ValueError, match=rf"^01-jamba-tuning.json in the evidence folder is damaged: .*{re.escape(says)}"
    ):
        file.names("laptop")
