"""The ledger: what is refused, what is shown, what is stored."""

from __future__ import annotations

import base64
import json
import re
from html import escape

import numpy as np
import pytest
import torch

from lib.workbench import CLAIMS_MIME, Ledger, Run, all_of, at_least, beats, is_true
from lib.workbench.claims import write_record
from lib.workbench.ledger_view import BADGES, CAPTION, SMOKE
from lib.workbench.seed_dots import GREY

ROW = {"says": "the hybrid copies, Mamba does not", "paper": "48.8 against 77.4", "here": "0.97 against 0.4"}
LIGHT, DARK = "#ffffff", "#111111"


def evidence(**predicates: list) -> dict:
    """A record of as many seeds as each claim has predicates; plain booleans are records of earlier code."""

    def claim(id: str, said: object) -> dict:
        if said is None or isinstance(said, bool):
            return {"id": id, "kind": "measured", "holds": said, **ROW}
        return {"id": id, "kind": "paper", "holds": said.holds, "test": said.to_json(), **ROW}

    seeds = range(len(next(iter(predicates.values()))))
    runs = [{"seed": seed, "claims": [claim(id, said[seed]) for id, said in predicates.items()]} for seed in seeds]
    return {"paper": "01-jamba", "scale": "laptop", "runs": runs}


RECALL = evidence(J9=[at_least(value, 0.9) for value in (0.94, 0.95, 0.96)])


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data" / "evidence").mkdir(parents=True)
    record = evidence(J9=[True] * 5, J7=[True, False, None, True, False])
    (tmp_path / "data" / "evidence" / "01-jamba.json").write_text(json.dumps(record))
    return tmp_path


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def drawings(html: str) -> list[str]:
    return [base64.b64decode(data).decode() for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)]


def test_the_contrast_of_black_on_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("kind", BADGES)
def test_a_badge_is_readable_in_every_theme_because_it_brings_both_its_colours(kind):
    _, colour, behind = BADGES[kind]
    assert contrast(colour, behind) >= 4.5
    ledger = Ledger(RECALL)
    ledger.add("J9", holds=at_least(1, 0.9), **ROW)
    for html in (ledger.row_bundle(ledger["J9"])["text/html"], ledger.bundle({})["text/html"]):
        for style in re.findall(r'style="([^"]*)"', html):
            assert bool(re.search(r"(?<!-)color:", style)) == ("background-color:" in style)


@pytest.mark.parametrize("page", [LIGHT, DARK])
def test_drawings_stand_out_on_both_pages(page):
    assert contrast(GREY, page) >= 3


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


@pytest.mark.parametrize(("old", "new"), [("measured", "paper"), ("computed", "check"), ("parity", "check")])
def test_the_old_form_is_taken_until_every_notebook_gives_a_predicate(old, new):
    ledger = Ledger()
    ledger.add("J1", holds=np.bool_(True), kind=old, **ROW)
    assert (ledger["J1"].kind, ledger["J1"].holds, ledger["J1"].test) == (new, True, None)


def test_the_record_has_the_fields_that_the_scoreboard_reads(root):
    run = Run("01-jamba", "smoke", 2, root=root)
    run.claim("J9", holds=at_least(1.0, 0.9), values={"exact_hybrid": 1.0}, **ROW)
    record = run.record()
    assert list(record) == ["paper", "scale", "seed", "seconds", "device", "claims"]
    assert record["seed"] == 2 and record["seconds"] >= 0
    test = {"test": "at_least", "value": 1.0, "threshold": 0.9}
    more = {"kind": "paper", "holds": True, "test": test, "timed": False, "seeds": 5, "values": {"exact_hybrid": 1.0}}
    assert record["claims"] == [{"id": "J9", **ROW, **more}]


def test_the_word_is_that_of_the_seeds_and_this_run_stands_beside_it():
    ledger = Ledger(RECALL)
    ledger.add("J9", holds=at_least(0.5, 0.9), **ROW)
    card, table = ledger.row_bundle(ledger["J9"]), ledger.bundle({})
    for bundle in (card, table):
        for text in bundle["text/html"], bundle["text/plain"]:
            assert "reproduced" in text and "this run: does not hold: 0.5, wanted at least 0.9" in text
            assert "3 of 3 seeds" in text
    assert table["text/plain"].splitlines()[0] == "1 claim of the paper: 1 reproduced, 0 contradicted, 0 open"
    assert table["text/plain"].endswith(CAPTION) and escape(CAPTION) in table["text/html"]
    assert "\u2713" in card["text/html"]


@pytest.mark.parametrize("holds", [True, False])
def test_without_evidence_there_is_neither_tick_nor_cross(holds):
    ledger = Ledger()
    ledger.add("J9", holds=is_true(holds), **ROW)
    for text in ledger.bundle({})["text/html"], ledger.row_bundle(ledger["J9"])["text/html"]:
        assert "no seeds gathered yet" in text and not {"\u2713", "\u2717"} & set(text)
        assert all(BADGES[word][2] not in text for word in ("reproduced", "contradicted"))


@pytest.mark.parametrize("holds", [True, False])
def test_at_smoke_scale_everything_is_grey_and_says_that_it_means_nothing(holds):
    ledger = Ledger(RECALL, "smoke")
    ledger.add("J9", holds=at_least(float(holds), 0.9), **ROW)
    ledger.add("P1", holds=is_true(holds), kind="check", **ROW)
    bundle = ledger.bundle({})
    assert SMOKE in bundle["text/html"] and bundle["text/plain"].startswith(SMOKE)
    for text in bundle["text/html"], ledger.row_bundle(ledger["J9"])["text/html"]:
        assert "not judged" in text and not {"\u2713", "\u2717"} & set(text) and "<img" not in text
        assert not {BADGES["reproduced"][2], BADGES["contradicted"][2]} & set(re.findall("#[0-9a-f]{6}", text))
        assert "holds" not in text and "does not hold" not in text


def test_one_table_has_four_columns_grouped_by_kind():
    ledger = Ledger(RECALL)
    ledger.add("P1", holds=is_true(True), kind="check", **ROW)
    ledger.add("O1", holds=at_least(2, 1), kind="ours", **ROW)
    ledger.add("J9", holds=at_least(1, 0.9), **ROW)
    bundle = ledger.bundle({})
    html, text = bundle["text/html"], bundle["text/plain"]
    assert html.count("<table") == 1 and html.count("<td") == 3 * 4
    assert all("text-align:left" in cell for cell in re.findall(r"<t[dh][^>]*>", html))
    assert html.index("J9") < html.index("O1") < html.index("P1")
    summary = (
        "1 claim of the paper: 1 reproduced, 0 contradicted, 0 open; our own findings: 0 of 1 reproduced; "
        "checks: 1 of 1 reproduced"
    )
    assert text.startswith(summary) and summary in html
    assert "needs no seeds" in text


def test_seeds_are_dots_this_run_is_a_ring_and_words_say_the_same():
    ledger = Ledger(RECALL)
    ledger.add("J9", holds=at_least(0.92, 0.9), **ROW)
    html = ledger.bundle({})["text/html"]
    [drawing] = drawings(html)
    assert drawing.count('r="3"') == 3 and drawing.count('r="6"') == 1 and "stroke-dasharray" in drawing
    centres = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawing)]
    threshold = float(re.search(r'd="M([\d.]+) 0V', drawing)[1])
    assert threshold < centres[3] < centres[0] < centres[1] < centres[2]
    alternative = re.search(r'alt="([^"]*)"', html)[1]
    assert "seeds 0.94, 0.95, 0.96; this run 0.92" in alternative and "claimed at least 0.9" in alternative


@pytest.mark.parametrize("by", [0, 0.5])
def test_equal_numbers_can_be_drawn(by):
    ledger = Ledger(evidence(J9=[beats(0, by=by)] * 3))
    ledger.add("J9", holds=beats(0, by=by), **ROW)
    assert len(drawings(ledger.bundle({})["text/html"])) == 1


def test_earlier_evidence_is_marked_and_has_no_dots(root, capsys):
    run = Run("01-jamba", "laptop", root=root)
    for id in ("J9", "J7", "J1"):
        run.claim(id, holds=None, **ROW)
    assert [row["seeds"] for row in run.record()["claims"]] == [5, 2, 0]
    capsys.readouterr()
    run.ledger()
    lines = capsys.readouterr().out.splitlines()[2:5]
    starts = (
        "J9 reproduced (paper; 5 of 5 seeds; evidence of earlier code)",
        "J7 open (paper; 2 of 5",
        "J1 open (paper; no",
    )
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))
    assert drawings(run.claims.bundle({})["text/html"]) == []


def test_a_timed_row_counts_runs_and_states_its_margin():
    ledger = Ledger(evidence(T1=[at_least(1.5, 1)] * 3))
    ledger.add("T1", holds=at_least(1.4, 1), timed=True, **ROW)
    assert "3 of 3 runs; timed, with a margin of 20%" in ledger.bundle({})["text/plain"]


def test_evidence_of_another_scale_says_of_which():
    ledger = Ledger(RECALL, "gpu")
    ledger.add("J9", holds=at_least(1, 0.9), **ROW)
    assert "3 of 3 seeds at laptop scale" in ledger.bundle({})["text/plain"]


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
