"""The ledger: what is refused, what is shown, what is stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lib.workbench import CLAIMS_MIME, Ledger, Run
from lib.workbench.claims import read_history, write_record

ROW = {"says": "the hybrid copies, Mamba does not", "paper": "48.8 against 77.4", "here": "0.97 against 0.4"}


def evidence(verdicts: dict[str, list[bool | None]]) -> dict:
    seeds = range(len(next(iter(verdicts.values()))))
    return {
        "paper": "01-jamba",
        "runs": [
            {"seed": seed, "claims": [{"id": id, "holds": v[seed]} for id, v in verdicts.items()]} for seed in seeds
        ],
    }


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data" / "evidence"
    folder.mkdir(parents=True)
    verdicts = {"J9": [True] * 5, "J7": [True, False, None, True, False]}
    (folder / "01-jamba.json").write_text(json.dumps(evidence(verdicts)))
    return tmp_path


def test_a_second_claim_of_the_same_id_is_refused_and_the_first_kept():
    ledger = Ledger()
    ledger.add("J9", holds=True, **ROW)
    with pytest.raises(ValueError, match="'J9' is already in the ledger"):
        ledger.add("J9", holds=False, **ROW)
    assert len(ledger) == 1 and ledger["J9"].holds is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "typed in"}, "allowed are measured, computed, parity"),
        ({"holds": "yes"}, "allowed are True, False, or None"),
        ({"holds": 1}, "allowed are True, False, or None"),
        ({"id": "J 9"}, "is one word"),
        ({"id": ""}, "is one word"),
        ({"says": ""}, "in one sentence"),
        ({"values": {"model": object()}}, "allowed are numbers, text and lists"),
    ],
)
def test_a_malformed_claim_is_refused_in_one_sentence_and_not_kept(change, message):
    ledger = Ledger()
    with pytest.raises(ValueError, match=message) as caught:
        ledger.add(**{"id": "J9", "holds": True, **ROW, **change})
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
    ledger.add("J1", holds=np.bool_(True), values=values, says="x", paper=8, here=torch.tensor(0.123456))
    row = json.loads(json.dumps(ledger.rows(), allow_nan=False))[0]
    assert row["values"] == {"a": 0.5, "b": 2, "c": [0, 1], "d": None, "e": [1.5]}
    assert (row["paper"], row["here"], row["holds"]) == ("8", "0.1235", True)
    ledger.add("J2", holds=torch.tensor(False), **ROW)
    assert ledger["J2"].holds is False


def test_the_record_has_the_fields_that_the_scoreboard_reads(root):
    run = Run("01-jamba", "smoke", 2, root=root)
    run.claim("J9", holds=True, values={"exact_hybrid": 1.0}, **ROW)
    record = run.record()
    assert list(record) == ["paper", "scale", "seed", "seconds", "device", "claims"]
    assert record["seed"] == 2 and record["seconds"] >= 0
    expected = {"id": "J9", **ROW, "kind": "measured", "holds": True, "seeds": 5, "values": {"exact_hybrid": 1.0}}
    assert record["claims"] == [expected]


def test_only_seeds_in_which_the_claim_held_are_counted(root, capsys):
    run = Run("01-jamba", "smoke", root=root)
    for id in ("J9", "J7", "J1"):
        run.claim(id, holds=None, **ROW)
    assert [row["seeds"] for row in run.record()["claims"]] == [5, 2, 0]
    capsys.readouterr()
    run.ledger()
    lines = capsys.readouterr().out.splitlines()
    texts = ("holds in 5 of 5 seeds", "holds in 2 of 5 seeds", "no seeds gathered yet")
    assert len(lines) == 3
    assert all(text in line and "not shown at this scale" in line for text, line in zip(texts, lines, strict=True))


def test_a_damaged_evidence_file_costs_one_sentence_and_not_the_run(root, capsys):
    (root / "data" / "evidence" / "01-jamba.json").write_text('{"runs": [{"claims"')
    run = Run("01-jamba", "smoke", root=root)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "01-jamba.json in the evidence folder is damaged" in lines[0]
    run.claim("J9", holds=True, **ROW)
    assert run.record()["claims"][0]["seeds"] == 0


def test_no_evidence_is_no_history(tmp_path):
    assert read_history(tmp_path / "01-jamba.json") == {}


def test_the_table_and_the_record_are_forms_of_one_output():
    ledger = Ledger()
    ledger.add("J9", holds=False, says="<b> & more", paper="1 < 2", here="x")
    bundle = ledger.bundle({"paper": "01-jamba", "claims": ledger.rows()})
    assert set(bundle) == {"text/html", "text/plain", CLAIMS_MIME}
    assert bundle[CLAIMS_MIME]["claims"][0]["id"] == "J9"
    assert "&lt;b&gt; &amp; more" in bundle["text/html"] and "1 &lt; 2" in bundle["text/html"]
    assert "does not hold" in bundle["text/html"] and "does not hold" in bundle["text/plain"]


def test_the_ledger_is_written_to_the_named_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LEDGERS", str(tmp_path / "new" / "ledgers"))
    run = Run("01-jamba", "smoke", 1)
    run.claim("J9", holds=True, **ROW)
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
