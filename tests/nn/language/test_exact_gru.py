"""The integer twin: close to its model, the same bits for every batch, thread count and precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data import EqualInfo
from lib.data.coding.equal_info import decode_windows, encode_windows
from lib.nn import ExactByteLM, GRUByteLM
from tests.nn.language.small_gru import ALPHABET, trained

MODEL, _ = trained()


TEXTS = [b"the rain is late.\n" * 3, b"sun", b"", b"on the hill \xff the Train", b"e" * 100]


def test_the_integer_twin_predicts_the_same():
    exact, state = ExactByteLM(MODEL), ExactByteLM(MODEL).start(1)
    tokens = [MODEL.bos, *(ALPHABET.index(byte) for byte in b"the hill is late")]
    with torch.no_grad():
        expected = MODEL(torch.tensor([tokens])).softmax(-1)[0].numpy()
    for step, following in enumerate([*tokens[1:], None]):
        found = np.diff(exact.tables(state)[0])[:-1] / 2**14
        np.testing.assert_allclose(found, expected[step], atol=0.03)
        if following is not None:
            state = exact.feed(state, np.array([following]), np.array([False]))


def test_tables_are_the_same_for_every_batch_and_thread_count():
    exact, draw = ExactByteLM(MODEL), np.random.default_rng(0)
    symbols = draw.integers(-1, len(ALPHABET), size=(40, 300))
    resets = draw.random((40, 300)) < 0.1
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        state, together = exact.start(300), []
        for step in range(40):
            state = exact.feed(state, symbols[step], resets[step])
            together.append(exact.tables(state))
        torch.set_num_threads(1)
        for rows in ([7], [0, 299], list(range(100, 117))):
            state = exact.start(len(rows))
            for step in range(40):
                state = exact.feed(state, symbols[step, rows], resets[step, rows])
                np.testing.assert_array_equal(exact.tables(state), together[step][rows])
    finally:
        torch.set_num_threads(threads)


def test_a_coarser_product_or_autocast_changes_nothing():
    torch.manual_seed(0)
    model = GRUByteLM(bytes(range(32, 122)), 128)
    with torch.no_grad():
        model.state_proj.weight.mul_(4)
        model.lm_head.weight.mul_(10)
    exact, rng = ExactByteLM(model), np.random.default_rng(0)
    symbols, keep, tables = rng.integers(0, 90, (12, 1024)), np.zeros(1024, dtype=bool), {}
    before = torch.get_float32_matmul_precision()
    for precision in ("highest", "medium"):
        torch.set_float32_matmul_precision(precision)
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "medium"):
                state = exact.start(1024)
                for step in symbols:
                    state = exact.feed(state, step, keep)
                tables[precision] = exact.tables(state)
            assert torch.get_float32_matmul_precision() == precision
        finally:
            torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(tables["highest"], tables["medium"])


def test_sums_are_exact_in_any_precision():
    """The same steps in float64, where rounding is 2^29 times finer, give the same integers."""
    exact, wide = ExactByteLM(MODEL), ExactByteLM(MODEL)
    for name in ("_inputs", "_state_weight", "_head", "_head_bias", "_start"):
        setattr(wide, name, getattr(wide, name).double())
    draw = np.random.default_rng(1)
    narrow_state, wide_state = exact.start(50), wide.start(50)
    for _ in range(60):
        symbols = draw.integers(0, len(ALPHABET), 50)
        keep = np.zeros(50, dtype=bool)
        narrow_state, wide_state = exact.feed(narrow_state, symbols, keep), wide.feed(wide_state, symbols, keep)
        assert torch.equal(narrow_state.double(), wide_state) and torch.equal(narrow_state, narrow_state.round())
        np.testing.assert_array_equal(exact.tables(narrow_state), wide.tables(wide_state))


def test_encoded_in_one_batch_and_decoded_in_another():
    exact = ExactByteLM(MODEL)
    together = encode_windows(exact, TEXTS * 20, 16)
    for text, windows in zip(TEXTS, together, strict=False):
        assert b"".join(decode_windows(exact, windows.digits, 16)) == text
    compressor = EqualInfo(exact, 12, 12, chunk=7)
    assert all(compressor.decode(compressor.encode(text)) == text for text in TEXTS)


def test_weights_too_large_for_exact_sums_are_refused():
    model = GRUByteLM(ALPHABET, 16, 4)
    with torch.no_grad():
        model.state_proj.weight.fill_(40.0)
    with pytest.raises(ValueError, match=r"^weights must keep every sum below 2\^24 for exact arithmetic, got \d+$"):
        ExactByteLM(model)
    with torch.no_grad():
        model.state_proj.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"^weights must keep every sum below 2\^24"):
        ExactByteLM(model)
