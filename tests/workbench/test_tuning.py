"""Tuning: tables planted in a folder of the test, and measurements with a known best."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest

from lib.workbench import Run
from lib.workbench.course import Course, paper_id
from lib.workbench.settings import read_setting, setting_key
from lib.workbench.tuning import NotTuned
from lib.workbench.tuning_file import TuningFile

RATES = (0.001, 0.01, 0.1)


def plant(folder, rows, *, scale="laptop", name="tasks", best="min", seeds=(100, 101)) -> TuningFile:
    file = TuningFile(folder / "data" / "evidence" / "01-jamba-tuning.json")
    what = "validation loss (nats)"
    table = {"what": what, "best": best, "seeds": list(seeds), "date": "2026-11-25", "rows": rows}
    file.put(scale, name, table)
    return file


def never(arm, setting, seed):
    raise AssertionError("nobody asked for a measurement")


@pytest.fixture
def tune(tmp_path, monkeypatch):
    """`tune(arms, measure)` in a checkout of its own, where nobody asks for a measurement yet."""
    monkeypatch.delenv("WORKBENCH_TUNE", raising=False)

    def call(arms=("a", "b"), measure=never, *, name="tasks", scale="laptop", grid=RATES, **options):
        return Run("01-jamba", scale, root=tmp_path).tuned(name, arms, grid, measure, **options)

    return call


def bowl(arm, setting, seed):
    """Least at 0.01, with a seed's noise."""
    return abs(math.log10(setting) + 2) + 0.01 * (seed - 100)


def test_the_best_setting_has_the_least_mean_over_seeds_or_the_greatest(tune, tmp_path):
    rows = {"a": {"0.001": [0.1, 0.9], "0.01": [0.4, 0.4], "0.1": [0.3, 0.7]}, "b": {"0.001": [0.0], "0.01": [1.0]}}
    plant(tmp_path, rows)
    assert tune(grid={"a": RATES, "b": RATES[:2]}) == {"a": 0.01, "b": 0.001}
    plant(tmp_path, rows, best="max")
    assert tune(best=max)["b"] == 0.01


def test_of_equal_settings_the_first_is_taken(tune, tmp_path):
    plant(tmp_path, {"a": {"0.1": [1.0], "0.001": [0.5], "0.01": [0.5]}}, seeds=(100,))
    assert tune(["a"])["a"] == 0.001


@pytest.mark.parametrize("best", [min, max])
def test_a_setting_where_one_seed_diverged_is_never_best(tune, tmp_path, best):
    row = {"0.001": [None, -9.0], "0.01": [1.0, 1.0], "0.1": [None, 9.0]}
    plant(tmp_path, {"a": row}, best=best.__name__)
    assert tune(["a"], best=best)["a"] == 0.01


def test_an_arm_that_always_diverged_is_refused_in_one_sentence(tune, tmp_path):
    plant(tmp_path, {"a": {"0.001": [None], "0.01": [None]}}, seeds=(100,))
    with pytest.raises(NotTuned, match="every setting of 'a' diverged; try others by `make tune NB=01_jamba"):
        tune(["a"])


def test_arms_come_in_the_order_asked_for_and_arms_not_asked_for_stay_away(tune, tmp_path):
    plant(tmp_path, {arm: {"0.001": [1.0]} for arm in "abc"}, seeds=(100,))
    assert list(tune(["c", "a"], grid=RATES[:1])) == ["c", "a"]


def test_the_edge_of_the_grid_is_told_by_table_line_and_picture(tune, tmp_path, capsys):
    from matplotlib.figure import Figure

    plant(
        tmp_path,
        {"a": {"0.001": [1.0], "0.01": [0.5], "0.1": [2.0]}, "b": {"0.001": [1.0], "0.01": [0.5]}},
        seeds=(100,),
    )
    tuning = tune(grid={"a": RATES, "b": RATES[:2]})
    assert tuning.at_edge == ("b",)
    line = capsys.readouterr().out.splitlines()[-1]
    assert "laptop scale on 2026-11-25, seed 100; best at the edge of the grid: b (0.01)." in line
    assert tuning._repr_html_().count("at the edge") == 2  # the caption and b's row
    ax = tuning.plot(Figure().subplots())
    rings = [line.get_marker() for line in ax.get_lines() if line.get_markersize() == 11]
    assert rings == ["o", "s"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert ax.get_xscale() == "log" and ax.get_ylabel() == "validation loss (nats)"


def test_settings_of_two_axes_are_drawn_as_one_line_for_each_choice(tune, tmp_path):
    from matplotlib.figure import Figure

    grid = [(lr, kind) for lr in (0.1, 0.001, 0.01) for kind in ("rotary", "none")]
    rows = {"a": {setting_key(setting): [float(i)] for i, setting in enumerate(grid)}}
    plant(tmp_path, rows, seeds=(100,))
    tuning = tune(["a"], grid=grid)
    assert tuning["a"] == (0.1, "rotary") and tuning.at_edge == ("a",)
    ax = tuning.plot(Figure().subplots())
    labels = {
        line.get_label(): list(line.get_xdata()) for line in ax.get_lines() if not line.get_label().startswith("_")
    }
    assert labels == {"a, none": [0.001, 0.01, 0.1], "a, rotary": [0.001, 0.01, 0.1]}


def test_settings_of_words_are_drawn_too(tune, tmp_path):
    from matplotlib.figure import Figure

    plant(tmp_path, {"a": {'"none"': [1.0], '"rotary"': [0.5]}}, seeds=(100,))
    tuning = tune(["a"], grid=("none", "rotary"))
    ax = tuning.plot(Figure().subplots(), x=None)
    assert tuning["a"] == "rotary" and ax.get_lines()


def test_nothing_is_measured_unless_the_environment_asks(tune, tmp_path, monkeypatch):
    plant(tmp_path, {"a": {"0.001": [1.0]}, "b": {"0.001": [1.0]}}, seeds=(100,))
    for value in ("", "0", "off", "text", "task"):
        monkeypatch.setenv("WORKBENCH_TUNE", value)
        tune()


@pytest.mark.parametrize("value", ["1", "all", "tasks", "text, tasks"])
def test_the_environment_asks_for_all_or_for_names(tune, monkeypatch, value):
    monkeypatch.setenv("WORKBENCH_TUNE", value)
    asked = []

    def measure(arm, setting, seed):
        asked.append((arm, setting, seed))
        return bowl(arm, setting, seed)

    assert tune(measure=measure) == {"a": 0.01, "b": 0.01}
    assert asked == [(arm, setting, seed) for arm in "ab" for setting in RATES for seed in (100, 101)]


def test_a_measurement_leaves_other_names_and_scales_as_they_were(tune, tmp_path, monkeypatch):
    file = plant(tmp_path, {"a": {"0.001": [1.0]}}, seeds=(100,))
    plant(tmp_path, {"a": {"0.001": [2.0]}}, seeds=(100,), name="text")
    plant(tmp_path, {"a": {"0.001": [3.0]}}, seeds=(100,), scale="smoke", name="text")
    before = {at: file.table(*at) for at in (("laptop", "text"), ("smoke", "text"), ("laptop", "tasks"))}
    monkeypatch.setenv("WORKBENCH_TUNE", "tasks")
    tune(["a"], bowl, scale="smoke")
    assert {at: file.table(*at) for at in before} == before
    tune(["a"], bowl)
    assert file.table("laptop", "tasks") == file.table("smoke", "tasks") | {
        "date": file.table("laptop", "tasks")["date"]
    }
    assert file.table("laptop", "tasks")["rows"]["a"]["0.01"] == [0.0, 0.01]
    assert file.table("laptop", "text") == before["laptop", "text"]


def test_an_interrupted_measurement_keeps_the_old_table_and_goes_on_after_its_last_whole_arm(
    tune, tmp_path, monkeypatch
):
    file = plant(tmp_path, {"a": {"0.1": [1.0]}, "b": {"0.1": [1.0]}}, seeds=(100,))
    old, asked = file.table("laptop", "tasks"), []

    def measure(arm, setting, seed):
        asked.append(arm)
        if len(asked) == 8:
            raise KeyboardInterrupt
        return bowl(arm, setting, seed)

    monkeypatch.setenv("WORKBENCH_TUNE", "all")
    with pytest.raises(KeyboardInterrupt):
        tune(measure=measure)
    assert asked == ["a"] * 6 + ["b"] * 2 and file.table("laptop", "tasks") == old
    assert list(file.unfinished("laptop", "tasks")["rows"]) == ["a"]
    tune(measure=measure)
    assert asked[8:] == ["b"] * 6
    assert file.unfinished("laptop", "tasks") == {} and "unfinished" not in json.loads(file.path.read_text())
    tune(measure=measure)
    assert asked[14:] == ["a"] * 6 + ["b"] * 6  # a finished one begins anew


def test_what_was_left_by_other_seeds_is_not_gone_on_with(tune, tmp_path, monkeypatch):
    file = TuningFile(tmp_path / "data" / "evidence" / "01-jamba-tuning.json")
    head = {"what": "validation loss (nats)", "best": "min", "seeds": [7, 8]}
    file.keep("laptop", "tasks", {**head, "rows": {"a": {setting_key(rate): [0.0, 0.0] for rate in RATES}}})
    monkeypatch.setenv("WORKBENCH_TUNE", "all")
    assert tune(["a"], bowl)["a"] == 0.01


def test_a_training_that_diverges_is_recorded_and_does_not_stop_the_measurement(tune, tmp_path, monkeypatch):
    def measure(arm, setting, seed):
        if setting == 0.01:
            raise FloatingPointError("loss is nan")
        return float("inf") if setting == 0.1 else 3.0

    monkeypatch.setenv("WORKBENCH_TUNE", "all")
    assert tune(["a"], measure)["a"] == 0.001
    text = (tmp_path / "data" / "evidence" / "01-jamba-tuning.json").read_text()
    assert '"a": {"0.001": [3.0, 3.0], "0.01": [null, null], "0.1": [null, null]}' in text and "NaN" not in text


def test_measuring_leaves_the_random_numbers_of_the_notebook_as_they_were(tune, tmp_path, monkeypatch):
    plant(tmp_path, {"a": {str(rate): [bowl("a", rate, 100)] for rate in RATES}}, seeds=(100,))
    tune(["a"])
    expected = random.random(), float(np.random.rand())
    monkeypatch.setenv("WORKBENCH_TUNE", "all")
    tune(["a"], lambda arm, setting, seed: random.random() + np.random.rand() + setting)
    assert (random.random(), float(np.random.rand())) == expected


def test_the_laptops_table_serves_a_scale_that_has_none_and_one_line_says_so(tune, tmp_path, capsys):
    plant(tmp_path, {"a": {"0.001": [1.0]}}, seeds=(100,))
    tuning = tune(["a", "wide"], scale="smoke")
    assert tuning.scale == "laptop" and dict(tuning) == {"a": 0.001}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "It serves smoke scale too" in lines[1] and "not measured: wide" in lines[1]
    assert 'make tune NB=01_jamba NAMES="tasks" SCALE=smoke' in lines[1]
    assert tuning.get("wide", 0.5) == 0.5
    with pytest.raises(NotTuned, match="no arm 'wide'"):
        tuning["wide"]


def test_an_arm_or_a_table_that_is_missing_is_one_sentence_with_the_command(tune, tmp_path):
    with pytest.raises(NotTuned) as caught:
        tune()
    assert str(caught.value) == "tuning 'tasks' was never measured: `make tune NB=01_jamba NAMES=\"tasks\"` does it"
    plant(tmp_path, {"a": {"0.001": [1.0]}}, seeds=(100,))
    with pytest.raises(NotTuned) as caught:
        tune()
    assert "no arm 'b' at laptop scale: `make tune NB=01_jamba" in str(caught.value)


def test_a_grid_that_was_changed_after_the_measurement_is_told(tune, tmp_path, capsys):
    plant(tmp_path, {"a": {"0.001": [1.0], "0.01": [2.0]}}, seeds=(100,))
    tune(["a"], grid=lambda arm: RATES[:2])
    assert "other settings" not in capsys.readouterr().out
    tune(["a"])
    assert "The notebook now names other settings for a." in capsys.readouterr().out


def test_best_must_be_what_was_measured(tune, tmp_path):
    plant(tmp_path, {"a": {"0.001": [1.0]}}, seeds=(100,))
    with pytest.raises(ValueError, match="best must be min, as tuning 'tasks' was measured, got max"):
        tune(["a"], best=max)
    with pytest.raises(ValueError, match="best must be min or max, got"):
        tune(["a"], best=sum)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"schema": 2, "scales": {}}',
        '{"schema": 1, "scales": {"laptop": {"tasks": {"best": "min"}}}}',
        '{"schema": 1, "scales": {"laptop": {"t": {"what": "w", "date": "d", "best": "min", "seeds": [1, 2], '
        '"rows": {"a": {"0.1": [1, 2, 3]}}}}}}',
        '{"schema": 1, "scales": {"laptop": {"t": {"what": "w", "date": "d", "best": "least", "seeds": [], '
        '"rows": {}}}}}',
    ],
)
def test_a_damaged_file_is_named_in_one_sentence(tune, tmp_path, text):
    file = tmp_path / "data" / "evidence" / "01-jamba-tuning.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(ValueError, match=r"01-jamba-tuning.json in the evidence folder is damaged") as caught:
        tune()
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_every_table_that_the_course_stores_can_be_read_and_has_a_best_for_every_arm(monkeypatch):
    monkeypatch.delenv("WORKBENCH_TUNE", raising=False)
    course = Course()
    papers = [paper_id(notebook) for notebook in course.notebooks()]
    files = [course.root / "data" / "evidence" / f"{paper}-tuning.json" for paper in papers]
    tables = 0
    for paper, path in zip(papers, files, strict=True):
        for name in TuningFile(path).names("laptop"):
            table = TuningFile(path).table("laptop", name)
            direction = {"min": min, "max": max}[table["best"]]
            run = Run(paper, "laptop")
            tuning = run.tuned(
                name,
                table["rows"],
                {a: [*map(read_setting, r)] for a, r in table["rows"].items()},
                never,
                best=direction,
            )
            assert list(tuning) == list(table["rows"]) and all(math.isfinite(tuning.value(arm)) for arm in tuning)
            tables += 1
    assert tables >= 14
