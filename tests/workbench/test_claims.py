"""The ledger: what is refused and what is stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lib.workbench import CLAIMS_MIME, Ledger, Run, all_of, at_least, beats, is_true
from lib.workbench.claims import write_record
from tests.workbench.planted import ROW

LIGHT, DARK = "#ffffff", "#111111"


def test_a_second_claim_of_the_same_id_is_refused_and_the_first_kept():
    ledger = Ledger()
    ledger.add("J9", holds=at_least(1, 0), **ROW)
    with pytest.raises(ValueError, match="id must be new in the ledger, which has J9, got 'J9'"):
        ledger.add("J9", holds=at_least(0, 1), **ROW)
    assert len(ledger) == 1 and ledger["J9"].holds is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "typed in"}, "kind must be one of paper, ours, check, got 'typed in'"),
        ({"holds": "yes"}, "holds must be a predicate"),
        ({"holds": 1}, "holds must be a predicate"),
        ({"id": "J 9"}, "id must be one word"),
        ({"id": ""}, "id must be one word"),
        ({"says": ""}, "says must be the claim in one sentence"),
        ({"values": {"model": object()}}, "must be numbers, text or lists, got object in claim J9"),
        ({"timed": True, "holds": beats(1.0, 2.0)}, "holds must have a threshold other than 0 in the timed claim J9"),
        ({"timed": True, "holds": is_true(True)}, "holds must have a threshold other than 0 in the timed claim J9"),
    ],
)
def test_a_malformed_claim_is_refused_in_one_sentence_and_not_kept(change, message):
    ledger = Ledger()
    with pytest.raises(ValueError, match=message) as caught:
        ledger.add(**{"id": "J9", "holds": at_least(1, 0), **ROW, **change})
    assert "\n" not in str(caught.value) and len(ledger) == 0


def test_numbers_of_numpy_and_torch_become_plain_json():
    ledger = Ledger()
    values = {
        "a": np.float32(0.5),
        "b": torch.tensor(2),
        "c": np.arange(2),
        "d": float("nan"),
        "e": [torch.tensor(1.5)],
    }
    ledger.add(
        "J1", holds=at_least(torch.tensor(0.5), 0), values=values, says="x", paper=8, here=torch.tensor(0.123456)
    )
    row = json.loads(json.dumps(ledger.rows(), allow_nan=False))[0]
    assert row["values"] == {"a": 0.5, "b": 2, "c": [0, 1], "d": None, "e": [1.5]}
    assert (row["paper"], row["here"], row["holds"]) == ("8", "0.1235", True)


def test_a_row_records_the_predicate_with_its_parts_and_that_it_is_timed():
    ledger = Ledger()
    ledger.add("J1", holds=all_of(at_least(2.0, 1.0, name="ratio"), True), kind="ours", timed=True, **ROW)
    row = json.loads(json.dumps(ledger.rows()))[0]
    assert (row["kind"], row["holds"], row["timed"]) == ("ours", True, True)
    assert [part["test"] for part in row["test"]["parts"]] == ["at_least", "is_true"]
    assert row["test"]["parts"][0] == {"test": "at_least", "name": "ratio", "value": 2.0, "threshold": 1.0}


@pytest.mark.parametrize("holds", [True, None, np.bool_(True), 1.0])
def test_what_a_predicate_did_not_compare_is_no_verdict(holds):
    with pytest.raises(ValueError, match=r"holds must be a predicate such as at_least\(value, 0.9\), got"):
        Ledger().add("J1", holds=holds, **ROW)


def test_the_record_has_the_fields_that_the_scoreboard_reads(root):
    run = Run("01-jamba", "smoke", 2, root=root)
    run.claim("J9", holds=at_least(1.0, 0.9), values={"exact_hybrid": 1.0}, **ROW)
    record = run.record()
    assert list(record) == ["paper", "scale", "seed", "seconds", "device", "claims"]
    assert record["seed"] == 2 and record["seconds"] >= 0
    test = {"test": "at_least", "value": 1.0, "threshold": 0.9}
    more = {"kind": "paper", "holds": True, "test": test, "timed": False, "seeds": 5, "values": {"exact_hybrid": 1.0}}
    assert record["claims"] == [{"id": "J9", **ROW, **more}]


@pytest.mark.parametrize("damage", ['{"runs": [{"claims"', '{"runs": [{"claims": [{"id": "J9"}]}]}', "[]"])
def test_a_damaged_evidence_file_costs_one_sentence_and_not_the_run(root, capsys, damage):
    (root / "data" / "evidence" / "01-jamba.json").write_text(damage)
    run = Run("01-jamba", "smoke", root=root)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "01-jamba.json in the evidence folder is damaged" in lines[0]
    run.claim("J9", holds=at_least(1, 0), **ROW)
    assert run.record()["claims"][0]["seeds"] == 0


def test_the_table_and_the_record_are_forms_of_one_output():
    ledger = Ledger()
    ledger.add("J9", holds=at_least(0, 1), says="<b> & more", paper="1 < 2", here="x")
    bundle = ledger.bundle({"paper": "01-jamba", "claims": ledger.rows()})
    assert set(bundle) == {"text/html", "text/plain", CLAIMS_MIME}
    assert bundle[CLAIMS_MIME]["claims"][0]["id"] == "J9"
    assert "&lt;b&gt; &amp; more" in bundle["text/html"] and "1 &lt; 2" in bundle["text/html"]


def test_the_ledger_is_written_to_the_named_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LEDGERS", str(tmp_path / "new" / "ledgers"))
    run = Run("01-jamba", "smoke", 1)
    run.claim("J9", holds=at_least(1, 0), **ROW)
    run.ledger()
    files = list((tmp_path / "new" / "ledgers").iterdir())
    assert [file.name for file in files] == ["01-jamba.json"]
    stored = json.loads(files[0].read_text())
    assert stored["claims"] == run.record()["claims"] and stored["seed"] == 1


def test_an_interrupted_write_leaves_the_former_record(tmp_path):
    write_record({"paper": "01-jamba", "seed": 0}, tmp_path)
    with pytest.raises(TypeError):
        write_record({"paper": "01-jamba", "seed": object()}, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["01-jamba.json"]
    assert json.loads((tmp_path / "01-jamba.json").read_text())["seed"] == 0
