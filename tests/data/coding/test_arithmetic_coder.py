"""The integer arithmetic coder: exact round trips, ideal lengths, carries, and one sentence for bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.coding.arithmetic_coder import (
    TOTAL,
    Decoder,
    Encoder,
    encode_streams,
    quantize,
    shortest_code,
    shortest_codes,
)


def drawn(seed, symbols, streams, length, concentration):
    """Tables for every step and stream, and symbols drawn from them."""
    rng = np.random.default_rng(seed)
    tables = quantize(rng.dirichlet(np.full(symbols, concentration), size=(length, streams)))
    points = rng.integers(TOTAL, size=(streams, length))
    return tables, (tables[:, :, 1:-1] <= points.T[..., None]).sum(-1).T


def counts_of(tables, symbols):
    steps, rows = np.arange(symbols.shape[1]), np.arange(len(symbols))[:, None]
    return tables[steps, rows, symbols + 1] - tables[steps, rows, symbols]


def ideal_bits(tables, symbols):
    return -np.log2(counts_of(tables, symbols) / TOTAL).sum(1)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    symbols=st.integers(1, 300),
    streams=st.integers(1, 5),
    length=st.integers(0, 120),
    concentration=st.sampled_from([0.003, 0.1, 1.0, 30.0]),
)
def test_every_stream_comes_back_and_costs_two_bits_and_the_rounding_more_than_ideal_at_most(
    seed, symbols, streams, length, concentration
):
    tables, data = drawn(seed, symbols, streams, length, concentration)
    bits = encode_streams(data, lambda step: tables[step])
    decoder = Decoder(bits)
    decoded = [decoder.decode(tables[step]) for step in range(length)]
    assert all((found == data[:, step]).all() for step, found in enumerate(decoded))
    if length:
        excess = np.array([len(b) for b in bits]) - ideal_bits(tables, data)
        # A part of the interval is rounded to whole units, of which it has 4 for each count at the least.
        rounding = -np.log2(1 - 1 / (4 * counts_of(tables, data))).sum(1)
        assert (excess <= 2 + rounding).all() and (excess >= -rounding).all()


def test_a_long_stream_costs_a_thousandth_more_than_ideal_at_most():
    tables, data = drawn(0, 256, 4, 20_000, 0.2)
    lengths = np.array([len(bits) for bits in encode_streams(data, lambda step: tables[step])])
    ideal = ideal_bits(tables, data)
    assert (lengths <= 1.001 * ideal + 2).all() and (lengths >= ideal * 0.999).all()


def test_streams_do_not_depend_on_their_neighbours_nor_on_the_batch():
    tables, data = drawn(1, 40, 6, 50, 0.3)
    together = encode_streams(data, lambda step: tables[step])
    for row in range(6):
        alone = encode_streams(data[row : row + 1], lambda step, row=row: tables[step, row : row + 1])
        np.testing.assert_array_equal(alone[0], together[row])


def test_a_carry_runs_through_many_digits():
    """Always the last symbol: low creeps up to 1 from below and has to be carried over a row of digits 0xffff."""
    table = quantize(np.array([1e-9, 1e-9, 1.0]))
    data = np.full((1, 4000), 2)
    data[0, -1] = 1
    bits = encode_streams(data, lambda step: table)
    decoder = Decoder(bits)
    assert [int(decoder.decode(table)[0]) for _ in range(4000)] == data[0].tolist()


def test_streams_may_stop_at_different_lengths():
    tables, data = drawn(2, 20, 3, 30, 0.5)
    lengths, coder = np.array([30, 7, 0]), Encoder(3)
    for step in range(30):
        active = np.flatnonzero(step < lengths)
        symbols = data[active, step]
        coder.encode(tables[step, active, symbols], tables[step, active, symbols + 1], active)
    bits = coder.finish()
    assert len(bits[2]) == 0
    for row in (0, 1):
        alone = encode_streams(data[row : row + 1, : lengths[row]], lambda s, row=row: tables[s, row : row + 1])
        np.testing.assert_array_equal(bits[row], alone[0])


@settings(max_examples=200, deadline=None)
@given(low=st.integers(0, 2**32 - 1), size=st.integers(1, 2**32))
def test_the_shortest_code_lies_inside_and_no_shorter_one_does(low, size):
    length, code = shortest_code(low, size, 32)
    assert low <= code << (32 - length) and (code + 1) << (32 - length) <= low + size
    if length:
        unit = 1 << (33 - length)
        assert (-(-low // unit) + 1) * unit > low + size
    assert length <= 33 - size.bit_length() + 1 + 1


@settings(max_examples=200, deadline=None)
@given(bits=st.sampled_from([32, 48]), data=st.data())
def test_shortest_codes_are_those_of_the_scalar_form(bits, data):
    low, size = data.draw(st.integers(0, 2**bits - 1)), data.draw(st.integers(1, 2**bits))
    length, point = shortest_codes(np.array([low]), np.array([size]), bits)
    expected, code = shortest_code(low, size, bits)
    assert int(length[0]) == expected and int(point[0]) == code << (bits - expected)


@settings(max_examples=50, deadline=None)
@given(symbols=st.integers(1, 2000), seed=st.integers(0, 1000))
def test_tables_start_at_zero_end_at_the_total_and_rise_everywhere(symbols, seed):
    p = np.random.default_rng(seed).dirichlet(np.full(symbols, 0.05), size=3)
    table = quantize(p)
    assert (table[:, 0] == 0).all() and (table[:, -1] == TOTAL).all() and (np.diff(table) >= 1).all()
    np.testing.assert_array_equal(quantize(p[1]), table[1])
    np.testing.assert_array_equal(quantize(p * 8), table)
    np.testing.assert_array_equal(quantize(np.asfortranarray(p)), table)


def test_tables_do_not_depend_on_the_order_of_summation():
    """Rows whose shares are nearly whole numbers, where a float sum would tip some of them over."""
    rng = np.random.default_rng(3)
    p = rng.integers(1, 2000, (20, 100)) * 0.1
    p[:, 0] = np.abs((TOTAL - 100) * 10 - np.round(p[:, 1:].sum(1) / 0.1)) * 0.1
    np.testing.assert_array_equal(quantize(p), quantize(np.asfortranarray(p)))
    assert np.diff(quantize(np.array([1e308, 1e308, 1e307])))[1] > 7000


def test_bad_input_is_named_in_one_sentence():
    with pytest.raises(ValueError, match=r"^probabilities must be finite and not negative, got "):
        quantize(np.array([0.5, -0.5, 1.0]))
    with pytest.raises(
        ValueError, match=r"^probabilities must have a positive entry in every row, got a row of zeros$"
    ):
        quantize(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"^probabilities must have 1\.\.8192 symbols, got 9000$"):
        quantize(np.ones(9000))
    with pytest.raises(ValueError, match=r"^lower and upper must satisfy"):
        Encoder(1).encode(np.array([5]), np.array([5]))
    with pytest.raises(ValueError, match=r"^streams must be at least 1, got 0$"):
        Encoder(0)
    with pytest.raises(ValueError, match=r"^streams must hold at least one array of bits, got none$"):
        Decoder([])
