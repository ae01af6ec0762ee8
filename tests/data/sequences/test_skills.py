"""Skills: answers follow their rule, neutral controls hide it, splits share no input, the loss is on answers alone."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.sequences.skills import (
    EQUALS,
    NEUTRAL_STYLE,
    NEUTRAL_TASK,
    SKILL_BOS,
    SKILL_EOS,
    SKILL_PAD,
    SKILL_VOCAB,
    SYMBOLS,
    TASK_NAMES,
    TASKS_OF_SKILL,
    Skills,
    skill_name,
    style_token,
    symbol_token,
    task_token,
)


def read(batch, row):
    """(task token, style token, input symbols, answer tokens) of one example, from the tokens alone."""
    n = int(batch.prompt_lengths[row])
    scored = np.flatnonzero(batch.scored[row])
    assert batch.tokens[row, 0] == SKILL_BOS and batch.tokens[row, n - 1] == EQUALS and scored[0] == n - 1
    answer = batch.targets[row, scored]
    assert answer[-1] == SKILL_EOS and (batch.tokens[row, n : scored[-1] + 1] == answer[:-1]).all()
    assert (batch.tokens[row, scored[-1] + 1 :] == SKILL_PAD).all()
    return (*batch.tokens[row, 1:3], batch.tokens[row, 3 : n - 1] - symbol_token(0), answer[:-1])


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("copy", [5, 2, 9, 2, 15]), ("reverse", [15, 2, 9, 2, 5]), ("sort", [2, 2, 5, 9, 15]),
        ("rotate", [2, 9, 2, 15, 5]), ("shift", [6, 3, 10, 3, 0]), ("swap", [2, 5, 2, 9, 15]),
    ],
)  # fmt: skip
def test_tasks(task, answer):
    assert TASKS_OF_SKILL[task](np.array([5, 2, 9, 2, 15])).tolist() == answer


def test_explicit_examples_follow_their_controls():
    batch = Skills(0).explicit("test", 120)
    seen = set()
    for row in range(120):
        task, style, x, y = read(batch, row)
        name, alphabet = TASK_NAMES[task - task_token("copy")], style - style_token(0)
        assert y.tolist() == symbol_token(TASKS_OF_SKILL[name](x), alphabet).tolist()
        assert 4 <= len(x) <= 8
        seen.add((name, alphabet))
    assert len(seen) == 12


def test_pretraining_hides_each_control_now_and_then_but_never_the_answer():
    batch = Skills(1).pretraining(2000, 3)
    tasks, styles = batch.tokens[:, 1], batch.tokens[:, 2]
    assert abs((tasks == NEUTRAL_TASK).mean() - 0.3) < 0.05 and abs((styles == NEUTRAL_STYLE).mean() - 0.3) < 0.05
    both = ((tasks == NEUTRAL_TASK) & (styles == NEUTRAL_STYLE)).mean()
    assert abs(both - 0.09) < 0.03  # independently of each other
    styles_used = set()
    for row in np.flatnonzero((tasks == NEUTRAL_TASK) & (styles == NEUTRAL_STYLE)):
        _, _, x, y = read(batch, row)
        style, symbols = divmod(y - symbol_token(0), SYMBOLS)
        assert len(set(style.tolist())) == 1
        assert any(TASKS_OF_SKILL[name](x).tolist() == symbols.tolist() for name in TASK_NAMES)
        styles_used.add(int(style[0]))
    assert styles_used == {0, 1}
    again = Skills(1).pretraining(2000, 3)
    assert again.digest() == batch.digest() != Skills(1).pretraining(2000, 4).digest()


def test_a_suite_follows_its_rule_behind_neutral_controls():
    def rule(x):
        return (np.sort(x) if x[0] < 8 else x[::-1]), 1

    batch = Skills(2).suite("validation", 60, rule)
    for row in range(60):
        task, style, x, y = read(batch, row)
        assert (task, style) == (NEUTRAL_TASK, NEUTRAL_STYLE)
        assert y.tolist() == symbol_token(rule(x)[0], 1).tolist()
    others = [
        Skills(seed).suite(split, 60, rule).digest()
        for seed, split in ((2, "train"), (3, "validation"), (2, "validation"))
    ]
    assert len(set(others)) == 3 and others[2] == batch.digest()
    shown = Skills(2).suite("validation", 5, rule, task="sort", style=1)
    assert set(shown.tokens[:, 1]) == {task_token("sort")} and set(shown.tokens[:, 2]) == {style_token(1)}


def test_splits_share_no_input():
    inputs = {}
    for split in ("train", "validation", "test"):
        batch = Skills(0).explicit(split, 600, task="copy", style=0)
        inputs[split] = {tuple(read(batch, row)[2]) for row in range(600)}
    pretrained = Skills(0).pretraining(600, 0)
    inputs["train"] |= {tuple(read(pretrained, row)[2]) for row in range(600)}
    assert not inputs["train"] & inputs["validation"] and not inputs["train"] & inputs["test"]
    assert not inputs["validation"] & inputs["test"]


def test_names_and_bad_input():
    assert SKILL_VOCAB == 46 and len({skill_name(token) for token in range(SKILL_VOCAB)}) == SKILL_VOCAB
    assert [skill_name(t) for t in (1, task_token("sort"), NEUTRAL_TASK, style_token(1), symbol_token(2, 1))] == [
        "<bos>", "T:sort", "T:-", "S:1", "C",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"^task must be one of copy, .* or None, got 'add'$"):
        task_token("add")
    with pytest.raises(ValueError, match=r"^style must be 0..1 or None, got 2$"):
        style_token(2)
    with pytest.raises(ValueError, match=r"^split must be one of train, validation, test, got 'valid'$"):
        Skills().explicit("valid", 3)
    with pytest.raises(ValueError, match=r"^lengths must grow from 1"):
        Skills(lengths=(5, 4))
    with pytest.raises(ValueError, match=r"^lengths must grow from 1 in whole numbers"):
        Skills(lengths=(4, 5.5))
    with pytest.raises(ValueError, match=r"^task must be one of copy"):
        Skills().explicit("validation", 3, task="add")
    for wrong in (lambda x: (x + 1, 0), lambda x: (x / 2, 0), lambda x: (x[:2], 0)):
        with pytest.raises(ValueError, match=r"^the rule must give \d whole numbers from 0 to 15, got \["):
            Skills().suite("validation", 50, wrong)
    with pytest.raises(ValueError, match=r"^style must be 0..1 or None, got 2$"):
        Skills().suite("validation", 3, lambda x: (x, 2))

    def in_place(x):
        x.sort()
        return x, 0

    assert (np.diff(Skills().suite("validation", 1, in_place).tokens[0, 3:7]) < 0).any()  # the prompt is as it was
    with pytest.raises(ValueError, match=r"^count must be at least 1, got 0$"):
        Skills().explicit("validation", 0)
    with pytest.raises(ValueError, match=r"^token must be in 0..45, got 46$"):
        skill_name(46)


def test_lengths_whose_inputs_are_all_of_other_splits_end_in_a_sentence():
    inputs = {split: 0 for split in ("train", "validation", "test")}
    for split in inputs:
        try:
            inputs[split] = len(Skills(lengths=(1, 1)).explicit(split, 3))
        except ValueError as error:
            assert str(error) == f"Skills has too few inputs of lengths (1, 1) in {split} for count 3 (found 0)"
    assert inputs["train"] == 3 and 0 in inputs.values()
