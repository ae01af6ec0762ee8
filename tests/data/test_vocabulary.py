"""The shared tokens: every id has one name, and batches are already shifted."""

import numpy as np
import pytest

from lib.data import IGNORE, VOCAB_SIZE, SequenceBatch, decode, token_name
from lib.data.vocabulary import KEYS, SPECIALS, TEXT, VALUES, check_positive, shift_left


def test_the_layout_covers_every_token_exactly_once():
    ids = [*range(len(SPECIALS)), *KEYS, *VALUES, *TEXT]
    assert ids == list(range(VOCAB_SIZE))
    assert len({token_name(token) for token in ids}) == VOCAB_SIZE


def test_decode_reads_as_a_line_and_a_tasks_names_take_precedence():
    tokens = [KEYS[3], VALUES[0], TEXT[89], 4, 5, 0]
    assert decode(tokens) == "k3 v0 w89 : / _"
    assert decode(tokens, {TEXT[89]: "a1"}) == "k3 v0 a1 : / _"


def test_shifted_targets_are_the_next_tokens():
    tokens = np.array([[5, 6, 7], [8, 9, 10]])
    assert shift_left(tokens).tolist() == [[6, 7, IGNORE], [9, 10, IGNORE]]


def test_the_digest_depends_on_content_and_not_on_byte_order_or_strides():
    tokens = np.arange(6, dtype=np.int64).reshape(2, 3)
    batch = SequenceBatch(tokens, shift_left(tokens))
    foreign = SequenceBatch(np.asfortranarray(tokens.astype(">i8")), shift_left(tokens))
    changed = SequenceBatch(tokens + 1, shift_left(tokens))
    assert batch.digest() == foreign.digest() != changed.digest()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"token must be in 0\.\.255, got 256"):
        token_name(256)
    with pytest.raises(ValueError, match="tokens must be one sequence"):
        decode([[1, 2]])
    for wrong in (0, -1, 1.0, True):
        with pytest.raises(ValueError, match="size must be an integer of at least 1"):
            check_positive(size=wrong)
