"""How claims look: the word is that of the seeds, both themes can read it, smoke scale says nothing."""

from __future__ import annotations

import json
import math
import re
from html import escape

import pytest

from lib.workbench import Ledger, Run, at_least, is_true
from lib.workbench.ledger_view import BADGES, CAPTION, SMOKE
from tests.workbench.planted import RECALL, ROW, contrast, drawings, evidence


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


def test_earlier_evidence_is_marked_and_has_no_dots(root, capsys):
    run = Run("01-jamba", "laptop", root=root)
    for id in ("J9", "J7", "J1"):
        run.claim(id, holds=at_least(math.nan, 1), **ROW)
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
    ledger = Ledger(RECALL, "long")
    ledger.add("J9", holds=at_least(1, 0.9), **ROW)
    assert "3 of 3 seeds at laptop scale" in ledger.bundle({})["text/plain"]


def test_evidence_of_the_long_scale_stands_beside_laptops():
    long = evidence(J9=[at_least(0.5, 0.9)] * 3) | {"scale": "long"}
    ledger = Ledger(RECALL, "laptop", long)
    ledger.add("J9", holds=at_least(1, 0.9), **ROW)
    ledger.add("J8", holds=at_least(1, 0.9), **ROW)
    lines = ledger.bundle({})["text/plain"].splitlines()
    [nine] = [text for text in lines if text.startswith("J9")]
    [eight] = [text for text in lines if text.startswith("J8")]
    assert nine.startswith("J9 reproduced") and "at long scale contradicted, 0 of 3 seeds" in nine
    assert "long" not in eight


def test_a_run_is_judged_by_the_seeds_of_its_own_scale_where_there_are_any(tmp_path):
    folder = tmp_path / "data" / "evidence"
    folder.mkdir(parents=True)
    for ending, value in (("", 1.0), ("-long", 0.5)):
        record = evidence(J9=[at_least(value, 0.9)] * 3) | {"scale": ending[1:] or "laptop"}
        (folder / f"01-jamba{ending}.json").write_text(json.dumps(record))
    words = {}
    for scale in ("laptop", "long"):
        run = Run("01-jamba", scale, root=tmp_path)
        run.claim("J9", holds=at_least(1.0, 0.9), **ROW)
        words[scale] = run.claims.judgement(run.claims["J9"]).word
    assert words == {"laptop": "reproduced", "long": "contradicted"}


@pytest.mark.parametrize(
    ("paper", "said"), [("48.8", "(paper: 48.8)"), ("not in the paper; a control", "(not in the paper; a control)")]
)
def test_what_the_paper_does_not_say_is_not_put_into_its_mouth(paper, said):
    ledger = Ledger()
    claim = ledger.add("O1", holds=at_least(1, 0.9), kind="ours", **{**ROW, "paper": paper})
    assert said in ledger.row_bundle(claim)["text/html"]
    assert f"| {said.strip('()')} |" in ledger.row_bundle(claim)["text/plain"]
