"""The results as data, and the page that is written from them."""

from __future__ import annotations

import pytest

from tests.benchmarks import records
from tests.benchmarks.registry import SUBJECTS, Result


@pytest.fixture
def results_file(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results.csv")
    return records.RESULTS


def test_the_page_is_what_the_stored_results_say():
    assert records.PAGE.read_text(encoding="utf-8") == records.page(records.read())


def test_stored_results_have_a_known_subject_and_numbers():
    for row in records.read():
        assert row["subject"] in SUBJECTS and row["case"] and row["unit"] and row["hardware"]
        assert float(row["ours"]) > 0 and all(float(row[name]) > 0 for name in ("theirs", "ratio") if row[name])
        assert bool(row["peer"]) == bool(row["ratio"])


def test_storing_a_subject_replaces_its_rows_and_keeps_the_others(results_file):
    records.store("norms", [Result("a", "ms", 2.0, "peer", 6.0, 3.0)])
    records.store("scan", [Result("b", "MB", 1.0)])
    records.store("norms", [Result("c", "ms", 1 / 3, "peer", 0.5, 1.5)])
    rows = records.read()
    assert [(row["subject"], row["case"], row["ours"]) for row in rows] == [
        ("scan", "b", "1"),
        ("norms", "c", "0.3333"),
    ]
    assert "torch" in rows[0]["versions"] and rows[0]["theirs"] == rows[0]["ratio"] == ""


def test_the_sentence_on_the_missing_gpu_stands_only_where_it_is_true(results_file):
    records.store("norms", [Result("a", "ms", 2.0, "peer", 6.0, 3.0)])
    assert "no GPU was at hand" in records.page(records.read())
    assert "| a | 2 ms | peer | 3x |" in records.page(records.read())
    records.store("norms", [Result("a", "ms", 2.0, "peer", 6.0, 3.0, device="cuda")])
    assert "no GPU was at hand" not in records.page(records.read())


def test_a_file_of_other_columns_is_refused(results_file):
    results_file.write_text("subject,case\n")
    with pytest.raises(
        ValueError, match=r"^the columns of results.csv must be subject, case, unit, .*, got \['subject'"
    ):
        records.read()
