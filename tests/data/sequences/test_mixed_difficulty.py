"""The mixed-difficulty stream: what its labels promise, its answers, and its independence of what was drawn before."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data import CATEGORIES, MixedDifficulty
from lib.data.sequences.mixed_difficulty import (
    BOS,
    DIGITS,
    EMPTY,
    END,
    EQUALS,
    FUNCTIONS,
    NOISE_SIGNS,
    VOCAB_SIZE,
    WORDS,
    encode_signs,
    sign_name,
)

ALLOWED = {
    "filler": set(WORDS),
    "compute prompt": {EQUALS, EMPTY, *DIGITS, *FUNCTIONS},
    "compute": set(DIGITS),
    "noise": set(NOISE_SIGNS),
    "other": {END},
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
    data, checked = MixedDifficulty(), 0
    for row, column in np.argwhere(batch.steps >= 0):
        start = column - data.slots - 1  # digit, slots, "=", then the target
        if start < 0:
            continue
        digit, taken = batch.tokens[row, start] - DIGITS.start, 0
        for sign in batch.tokens[row, start + 1 : column]:
            if sign != EMPTY:
                digit, taken = data.tables[sign - FUNCTIONS.start, digit], taken + 1
        assert batch.tokens[row, column] == EQUALS and batch.targets[row, column] == DIGITS.start + digit
        assert batch.steps[row, column] == taken
        checked += 1
    assert checked > 100
    assert set(np.unique(batch.steps)) == {-1, *range(data.slots + 1)}


LAWS = {"default": {}, "no empty slots": {"empty": 0.0, "slots": 2}, "one kind": {"shares": (0, 1, 0), "problems": 2}}


@pytest.mark.parametrize("arguments", LAWS.values(), ids=LAWS)
def test_the_law_is_a_law_and_says_the_entropy_of_what_is_drawn(arguments):
    """The mean surprise of the drawn signs is the mean entropy, but for the noise of a sample."""
    data = MixedDifficulty(**arguments)
    drawn = data.test(150)
    law = np.stack([data.law(row) for row in drawn.tokens])
    np.testing.assert_allclose(law.sum(-1), 1, atol=1e-12)
    chances = np.take_along_axis(law, drawn.targets[..., None], -1)[..., 0]
    assert chances.min() > 0
    entropy = -(law * np.log(np.where(law > 0, law, 1))).sum(-1)
    surprise = -np.log(chances) - entropy
    assert abs(surprise.mean()) < 4 * surprise.std() / surprise.size**0.5
    assert (chances[drawn.category == CATEGORIES.index("compute")] == 1).all()


def test_the_law_gives_each_kind_of_segment_its_share():
    data = MixedDifficulty(shares=(0.2, 0.5, 0.3), digits=4)
    first = data.law(np.array([BOS]))[0]
    assert np.isclose(first[list(WORDS)].sum(), 0.2) and np.isclose(first[list(NOISE_SIGNS)].sum(), 0.3)
    assert np.allclose(first[list(DIGITS)[:4]], 0.125) and first[list(DIGITS)[4:]].sum() == 0


def test_the_law_refuses_what_the_stream_cannot_draw():
    with pytest.raises(ValueError, match="tokens must be a document of this stream, found '=' at 2"):
        MixedDifficulty().law(encode_signs("<bos> 2 ="))


def test_the_number_of_different_problems():
    assert MixedDifficulty(digits=5, functions=4, slots=4).num_problems == 5 * 5**4


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
        ({"shares": (1, 1, 1, 1)}, "shares must be three numbers"),
        ({"shares": (1, 1, -1)}, "shares must be three numbers"),
        ({"digits": 11}, r"digits must be in 1\.\.10, got 11"),
        ({"functions": 0}, r"functions must be in 1\.\.8, got 0"),
        ({"slots": 0}, "slots"),
        ({"empty": 1.0}, "empty must be a chance below 1, got 1.0"),
        ({"length": 0}, "length"),
    ],
)
def test_bad_arguments_are_named(argument, sentence):
    with pytest.raises(ValueError, match=sentence):
        MixedDifficulty(**argument)


def test_every_sign_has_a_name_of_its_own():
    names = [sign_name(token) for token in range(VOCAB_SIZE)]
    assert len(set(names)) == VOCAB_SIZE
    with pytest.raises(ValueError, match=r"token must be in 0\.\.61, got 62"):
        sign_name(VOCAB_SIZE)


def test_a_typed_line_is_read_back_and_an_unknown_sign_is_named(batch):
    row = batch.tokens[0]
    np.testing.assert_array_equal(encode_signs(" ".join(sign_name(int(token)) for token in row)), row)
    with pytest.raises(ValueError, match=r"with spaces between, got 'f9'$"):
        encode_signs("1 f9 =")
    with pytest.raises(ValueError, match="text must hold at least one sign, got ''"):
        encode_signs("")
