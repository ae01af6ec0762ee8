"""The 256 shared tokens: every id has one name."""

import pytest

from lib.data import VOCAB_SIZE, decode, token_name
from lib.data.sequences.layout import KEYS, SPECIALS, TEXT, VALUES


def test_the_layout_covers_every_token_exactly_once():
    ids = [*range(len(SPECIALS)), *KEYS, *VALUES, *TEXT]
    assert ids == list(range(VOCAB_SIZE))
    assert len({token_name(token) for token in ids}) == VOCAB_SIZE


def test_decode_reads_as_a_line_and_a_tasks_names_take_precedence():
    tokens = [KEYS[3], VALUES[0], TEXT[89], 4, 5, 0]
    assert decode(tokens) == "k3 v0 w89 : / _"
    assert decode(tokens, {TEXT[89]: "a1"}) == "k3 v0 a1 : / _"


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"token must be in 0\.\.255, got 256"):
        token_name(256)
    with pytest.raises(ValueError, match="tokens must be one sequence"):
        decode([[1, 2]])
