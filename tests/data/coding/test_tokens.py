"""Bits as tokens: the first bit highest, lossless but for the zeros that fill the last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.coding.tokens import check_bits, check_tokens, group, ungroup


@settings(max_examples=50, deadline=None)
@given(bits=st.lists(st.integers(0, 1), max_size=70), size=st.integers(1, 16))
def test_bits_are_grouped_and_ungrouped(bits, size):
    tokens = group(np.array(bits, dtype=np.uint8), size)
    back = ungroup(tokens, size)
    assert back[: len(bits)].tolist() == bits and not back[len(bits) :].any() and len(back) - len(bits) < size


def test_the_first_bit_is_the_highest_and_the_last_token_is_filled_with_zeros():
    bits = np.array([1, 0, 1, 1, 0, 1, 1], dtype=np.uint8)
    assert group(bits, 4).tolist() == [0b1011, 0b0110] and group(bits, 16).tolist() == [0b1011011 << 9]
    assert ungroup(np.array([5, 2]), 3).tolist() == [1, 0, 1, 0, 1, 0]


def test_tokens_are_whole_numbers_below_their_count_in_one_sequence():
    assert check_tokens([3, 0], 4).dtype == np.int64 and check_tokens([], 4).shape == (0,)
    for wrong, says in (
        ([4], r"^tokens must be in 0\.\.3, got 4\.\.4$"), ([-1, 2], r"^tokens must be in 0\.\.3, got -1\.\.2$"),
        ([1.0], r"^tokens must be whole numbers"), (np.zeros((2, 2), int), r"^tokens must be one sequence, got shape"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            check_tokens(wrong, 4)


@pytest.mark.parametrize("bits", [0, 17, 2.0, "8"])
def test_a_token_has_one_to_sixteen_bits(bits):
    assert check_bits(16) == 16
    with pytest.raises(ValueError, match=rf"^bits must be a whole number, 1\.\.16 a token, got {bits}$"):
        check_bits(bits)
