"""The mixed-difficulty stream: what its labels promise, its answers, and its independence of what was drawn before."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data import CATEGORIES, MixedDifficulty
from lib.data.sequences.mixed_difficulty import (
    DIGITS,
    EQUALS,
    FUNCTIONS,
    KEYS,
    NOISE_SIGNS,
    QUERY,
    VALUES,
    VOCAB_SIZE,
    WORDS,
    encode_signs,
    sign_name,
)

ALLOWED = {
    "filler": set(WORDS),
    "recall prompt": {QUERY, *KEYS, *VALUES},
    "recall": set(VALUES),
    "compute prompt": {EQUALS, *DIGITS, *FUNCTIONS},
    "compute": set(DIGITS),
    "noise": set(NOISE_SIGNS),
}


@pytest.fixture(scope="module")
def batch():
    return MixedDifficulty().test(64)


def test_targets_are_the_next_tokens_and_every_category_occurs_with_its_own_signs(batch):
    assert batch.tokens.shape == batch.targets.shape == batch.category.shape == batch.steps.shape == (64, 128)
    np.testing.assert_array_equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    assert batch.tokens.min() >= 0 and batch.tokens.max() < VOCAB_SIZE
    for name, signs in ALLOWED.items():
        found = set(batch.targets[batch.category == CATEGORIES.index(name)].tolist())
        assert found and found <= signs, name


def test_every_computed_answer_is_the_functions_applied_in_order(batch):
    tables, checked = MixedDifficulty().tables, 0
    for row, column in np.argwhere(batch.steps > 0):
        steps = batch.steps[row, column]
        start = column - steps - 1  # digit, functions, "=", then the target
        if start < 0:
            continue
        digit = batch.tokens[row, start] - DIGITS.start
        for function in batch.tokens[row, start + 1 : start + 1 + steps] - FUNCTIONS.start:
            digit = tables[function, digit]
        assert batch.tokens[row, column] == EQUALS and batch.targets[row, column] == DIGITS.start + digit
        checked += 1
    assert checked > 100


def test_every_recalled_value_stands_beside_its_key_before(batch):
    for row, column in np.argwhere(batch.category == CATEGORIES.index("recall")):
        key, tokens = batch.tokens[row, column], batch.tokens[row, :column]
        segment = tokens[
            max((i for i, t in enumerate(tokens) if sign_name(int(t)) in (";", "<bos>")), default=-1) + 1 :
        ]
        pair = segment.tolist().index(key)
        assert segment[pair + 1] == batch.targets[row, column]


def test_the_functions_are_permutations_that_do_not_commute():
    tables = MixedDifficulty(digits=5, functions=2).tables
    for table in tables:
        assert sorted(table) == list(range(5))
    first, second = tables
    assert (first[second] != second[first]).any()


def test_a_training_batch_depends_on_seed_and_step_alone():
    data = MixedDifficulty(seed=3)
    later = data.train(7)
    np.testing.assert_array_equal(later.tokens, MixedDifficulty(seed=3).train(7).tokens)
    assert (later.tokens != data.train(8).tokens).any() and (
        later.tokens != MixedDifficulty(seed=4).train(7).tokens
    ).any()
    assert (data.test(16).tokens != data.validation(16).tokens).any()
    assert later.digest() == MixedDifficulty(seed=3).train(7).digest()


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ({"shares": (1, 1, 1)}, "shares must be four numbers"),
        ({"shares": (1, 1, -1, 1)}, "shares must be four numbers"),
        ({"digits": 11}, r"digits must be in 1\.\.10, got 11"),
        ({"functions": 0}, r"functions must be in 1\.\.6, got 0"),
        ({"keys": 9}, r"keys must be in 1\.\.8, got 9"),
        ({"operations": (3, 2)}, "operations must be"),
        ({"length": 0}, "length"),
    ],
)
def test_bad_arguments_are_named(argument, sentence):
    with pytest.raises(ValueError, match=sentence):
        MixedDifficulty(**argument)


def test_every_sign_has_a_name_of_its_own():
    names = [sign_name(token) for token in range(VOCAB_SIZE)]
    assert len(set(names)) == VOCAB_SIZE
    with pytest.raises(ValueError, match=r"token must be in 0\.\.75, got 76"):
        sign_name(VOCAB_SIZE)


def test_a_typed_line_is_read_back_and_an_unknown_sign_is_named(batch):
    row = batch.tokens[0]
    np.testing.assert_array_equal(encode_signs(" ".join(sign_name(int(token)) for token in row)), row)
    with pytest.raises(ValueError, match=r"with spaces between, got 'f9'$"):
        encode_signs("1 f9 =")
    with pytest.raises(ValueError, match="text must hold at least one sign, got ''"):
        encode_signs("")
