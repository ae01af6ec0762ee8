"""The verdict over seeds, with planted seeds and intervals computed by hand."""

from __future__ import annotations

import pytest

from lib.workbench.evidence import Tally, is_earlier, judge, lost_claim, promises, spread, tally
from lib.workbench.verdicts import Predicate, all_of, at_least, at_most, beats, is_true, within


def row(predicate: Predicate | bool | None, kind: str = "paper", **more: object) -> dict:
    test = predicate.to_json() if isinstance(predicate, Predicate) else None
    holds = predicate.holds if isinstance(predicate, Predicate) else predicate
    return {"id": "C1", "says": "s", "paper": "p", "here": "h", "kind": kind, "holds": holds, "test": test, **more}


def evidence(*predicates: Predicate | bool | None, kind: str = "paper") -> dict:
    runs = [{"seed": seed, "claims": [row(predicate, kind)]} for seed, predicate in enumerate(predicates)]
    return {"paper": "01-jamba", "scale": "laptop", "runs": runs}


def word(*predicates: Predicate, **more: object) -> str:
    return judge(row(predicates[0], **more), evidence(*predicates)).word


def test_the_interval_is_students():
    # mean 2, s = 1, n = 3: half width 4.302653 / sqrt(3)
    over = spread([1.0, 2.0, 3.0])
    assert over.mean == 2
    assert over.low == pytest.approx(2 - 2.484138, abs=1e-5) and over.high == pytest.approx(2 + 2.484138, abs=1e-5)


@pytest.mark.parametrize("value", [0.1, 1.0, 1e9 + 0.1])
def test_equal_seeds_have_no_width(value):
    assert spread([value] * 5) == spread([value]).__class__((value,) * 5, value, value, value)


@pytest.mark.parametrize(
    ("values", "threshold", "expected"),
    [
        ([1.0, 2.0, 3.0], -0.49, "reproduced"),  # the interval is -0.484 to 4.484
        ([1.0, 2.0, 3.0], -0.48, "open"),
        ([1.0, 2.0, 3.0], 4.48, "open"),
        ([1.0, 2.0, 3.0], 4.49, "contradicted"),
        ([1.0, 1.0, 1.0], 1.0, "reproduced"),
        ([1.0, 1.0, 1.0], 1.01, "contradicted"),
    ],
)
def test_at_least_over_seeds(values, threshold, expected):
    assert word(*(at_least(value, threshold) for value in values)) == expected
    assert word(*(at_most(-value, -threshold) for value in values)) == expected


@pytest.mark.parametrize(
    ("differences", "by", "expected"),
    [
        ([0.5, 0.5, 0.5], 0.5, "reproduced"),
        ([-0.5, -0.5, -0.5], 0.5, "contradicted"),
        ([0.25, 0.25, 0.25], 0.5, "open"),
        ([-0.25, -0.25, -0.25], 0.5, "open"),
        ([0.1, 0.2, 0.3], 0.0, "open"),  # 0.2 ± 0.248
        ([0.2, 0.3, 0.3], 0.0, "reproduced"),  # 0.267 ± 0.143
        ([-0.2, -0.3, -0.3], 0.0, "contradicted"),
        ([0.0, 0.0, 0.0], 0.0, "open"),
    ],
)
def test_beats_over_seeds_takes_the_difference_within_each_seed(differences, by, expected):
    opponents = [1.0, 40.0, 3.0]  # they vary far more than the differences
    pairs = list(zip(differences, opponents, strict=True))
    assert word(*(beats(other + difference, other, by=by) for difference, other in pairs)) == expected
    assert word(*(beats(other - difference, other, by=by, lower=True) for difference, other in pairs)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 1.0, 1.1], "reproduced"), ([1.0, 1.0, 1.9], "open"), ([3.0, 3.0, 3.1], "contradicted")],
)
def test_within_over_seeds(values, expected):
    assert word(*(within(value, 1.0, 0.5) for value in values)) == expected


def test_fewer_than_three_seeds_leave_a_claim_open_and_say_so():
    assert judge(row(at_least(1, 0)), None).why == "no seeds gathered yet"
    two = judge(row(at_least(1, 0)), evidence(at_least(1, 0), at_least(1, 0)))
    assert (two.word, two.held, two.runs, two.why) == ("open", 2, 2, "2 seeds, a verdict needs 3")


def test_five_seeds_that_all_hold_are_open_where_their_spread_crosses_the_threshold():
    judged = judge(row(at_least(1, 0.9)), evidence(*(at_least(value, 0.9) for value in (0.9, 0.91, 3, 0.9, 7))))
    assert (judged.word, judged.held, judged.why) == ("open", 5, "the interval over the seeds does not decide it")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(True, 1), (True, 1), (True, 1)], "reproduced"),
        ([(True, 1), (True, 1), (True, -1)], "open"),
        ([(True, 1), (False, 1), (True, 1)], "open"),
        ([(False, 1), (False, 1), (False, 1)], "contradicted"),
        ([(True, -1), (False, -1), (True, -1)], "contradicted"),
    ],
)
def test_a_conjunction_needs_all_its_parts(parts, expected):
    assert word(*(all_of(fact, at_least(value, 0)) for fact, value in parts)) == expected


@pytest.mark.parametrize("gone", [at_least(None, 0), None])
def test_a_seed_without_a_value_leaves_the_claim_open(gone):
    record = evidence(at_least(1, 0), at_least(1, 0), at_least(1, 0), at_least(1, 0))
    record["runs"][2]["claims"] = [row(gone)] if gone else []
    assert judge(row(at_least(1, 0)), record).word == "open"


@pytest.mark.parametrize(
    "now",
    [
        at_least(5, 0.5),
        at_most(-5, 0),
        at_least(5, 0, name="recall"),
        all_of(at_least(5, 0), True),
    ],
)
def test_a_changed_threshold_makes_the_claim_open_and_is_said(now):
    judged = judge(row(now), evidence(*[at_least(1, 0)] * 3))
    assert (judged.word, judged.why) == ("open", "the threshold changed since the seeds were gathered")


def test_terms_of_beats_and_the_fixed_target_of_within_are_part_of_the_threshold():
    gathered = evidence(*[beats(2, 1, by=0.5)] * 3)
    assert judge(row(beats(9, 3, by=0.5)), gathered).word == "reproduced"
    assert judge(row(beats(9, 3, by=0.25)), gathered).word == "open"
    assert judge(row(within(1, 1.1, 0.5)), evidence(*[within(1, 1, 0.5)] * 3)).word == "open"
    measured = evidence(*(within(target, target, 0.5) for target in (1, 2, 3)))
    assert judge(row(within(9, 9, 0.5)), measured).word == "reproduced"


def test_seeds_held_against_different_thresholds_decide_nothing():
    judged = judge(row(at_least(1, 0)), evidence(at_least(1, 0), at_least(1, 0.1), at_least(1, 0)))
    assert (judged.word, judged.why) == ("open", "the seeds were held against different thresholds")


@pytest.mark.parametrize(
    ("ratio", "plain", "timed"),
    [
        (1.1, "reproduced", "open"),
        (1.2, "reproduced", "reproduced"),
        (0.9, "contradicted", "open"),
        (0.7, "contradicted", "contradicted"),
    ],
)
def test_a_timed_claim_clears_its_threshold_by_a_fifth(ratio, plain, timed):
    assert word(*[at_least(ratio, 1)] * 3) == plain
    assert word(*[at_least(ratio, 1)] * 3, timed=True) == timed


@pytest.mark.parametrize(
    ("here", "seeds", "expected"),
    [
        (True, [], "reproduced"),
        (False, [], "contradicted"),
        (None, [], "open"),
        (True, [True], "reproduced"),
        (True, [True, False, True], "contradicted"),
        (True, [True, None, True], "open"),
        (False, [True, True, True], "contradicted"),
    ],
)
def test_a_check_stands_for_itself_and_must_hold_in_every_seed(here, seeds, expected):
    record = evidence(*map(is_true, seeds), kind="check") if seeds else None
    assert judge(row(is_true(here), "check"), record).word == expected


@pytest.mark.parametrize("kind", ["computed", "parity"])
def test_kinds_of_earlier_ledgers_are_checks(kind):
    assert judge(row(True, kind), None).word == "reproduced"


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([True] * 3, "reproduced"),
        ([True] * 2, "open"),
        ([True, True, False], "open"),
        ([True, True, None], "open"),
        ([False] * 3, "contradicted"),
        ([False, None, False], "contradicted"),
        ([None] * 3, "open"),
    ],
)
def test_earlier_evidence_is_judged_by_counts_and_marked(seeds, expected):
    record = evidence(*seeds, kind="measured")
    for run in record["runs"]:
        del run["claims"][0]["test"]
    assert is_earlier(record)
    for claim in (row(False, "measured"), row(at_least(1, 0))):
        judged = judge(claim, record)
        assert (judged.word, judged.earlier) == (expected, True)


def test_evidence_with_predicates_is_not_earlier():
    assert not is_earlier(evidence(*[at_least(1, 0)] * 3)) and not is_earlier(None)


def test_a_ledger_is_counted_by_kind():
    claims = [row(at_least(1, 0)), row(at_least(1, 0), "ours"), row(True, "parity"), row(False, "computed")]
    counted = tally({"claims": claims}, evidence(*[at_least(1, 0)] * 3))
    assert counted["paper"] == counted["ours"] == Tally(reproduced=1)
    assert counted["check"] == Tally(reproduced=1, contradicted=1)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ([row(at_least(0.5, 1))], "does not hold now: the paper says p; here h (0.5, wanted at least 1)."),
        ([row(False)], "does not hold now: the paper says p; here h."),
        ([row(None)], "is not shown now"),
        ([row(True) | {"test": at_least(0, 1).to_json()}], "does not hold now"),
        ([], "does not examine it now."),
    ],
)
def test_a_promise_that_is_not_kept_is_named(claims, says):
    record = evidence(*[at_least(1, 0)] * 3)
    assert promises(record) == ["C1"]
    assert says in lost_claim(record, "C1", {"claims": claims})


def test_a_claim_that_wavered_or_went_missing_is_no_promise():
    assert promises(evidence(at_least(1, 0), at_least(-1, 0))) == []
    record = evidence(True, True, True)
    record["runs"][1]["claims"] = []
    assert promises(record) == []


def test_a_kept_promise_is_not_lost_and_a_missing_ledger_is():
    record = evidence(*[at_least(1, 0)] * 3)
    assert lost_claim(record, "C1", {"claims": [row(at_least(2, 1))]}) is None
    assert "recorded no ledger" in lost_claim(record, "C1", None)
