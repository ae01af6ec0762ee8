"""The byte model and its integer twin: true gradients, close to each other, and the same bits for every batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data import EqualInfo
from lib.data.coding.equal_info import decode_windows, encode_windows
from lib.nn import ExactByteLM, GRUByteLM
from lib.nn.language.gru_bytes import _Recurrence

ALPHABET = b" etaoinshrdlu\n."


def trained(seed=0, hidden=48, steps=60):
    torch.manual_seed(seed)
    model = GRUByteLM(ALPHABET, hidden, 16)
    text = np.frombuffer(b"the sun is on the hill. the train is late in the rain.\n" * 40, dtype=np.uint8)
    place = {byte: symbol for symbol, byte in enumerate(ALPHABET)}
    symbols = torch.tensor([place[byte] for byte in text if byte in place])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    for step in range(steps):
        at = torch.randint(0, len(symbols) - 24, (16,), generator=torch.Generator().manual_seed(step))
        x = symbols[at[:, None] + torch.arange(24)]
        inputs = torch.cat((torch.full((16, 1), model.bos), x[:, :-1]), 1)
        loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), x.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, loss.item()


MODEL, LOSS = trained()
TEXTS = [b"the rain is late.\n" * 3, b"sun", b"", b"on the hill \xff the Train", b"e" * 100]


def recurrence_by_autograd(inputs, state, weight):
    size, hidden = weight.shape[1], []
    for step in inputs:
        product = state @ weight.t()
        r, z = ((step + product)[:, : 2 * size] / 4 + 0.5).clamp(0, 1).chunk(2, 1)
        new = (step[:, 2 * size :] + r * product[:, 2 * size :]).clamp(-1, 1)
        state = new + z * (state - new)
        hidden.append(state)
    return torch.stack(hidden)


def test_the_recurrence_and_its_gradients_are_autograds():
    draw = torch.Generator().manual_seed(0)
    shapes = ((7, 3, 15), (3, 5), (15, 5))
    leaves = [torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True) for shape in shapes]
    ours, theirs = _Recurrence.apply(*leaves), recurrence_by_autograd(*leaves)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    upstream = torch.randn(ours.shape, generator=draw, dtype=torch.float64)
    for a, b in zip(*(torch.autograd.grad((y * upstream).sum(), leaves) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_a_state_goes_on_where_a_sequence_stopped():
    tokens = torch.randint(0, len(ALPHABET), (2, 9), generator=torch.Generator().manual_seed(1))
    whole = MODEL(tokens)
    hidden = _Recurrence.apply(
        MODEL.input_proj(MODEL.embed_tokens(tokens[:, :4])).transpose(0, 1).contiguous(),
        torch.zeros(2, MODEL.hidden_size),
        MODEL.state_proj.weight,
    )[-1]
    torch.testing.assert_close(MODEL(tokens[:, 4:], hidden), whole[:, 4:], rtol=1e-5, atol=1e-5)


def test_it_learns_and_the_integer_twin_predicts_the_same():
    assert LOSS < 1.0  # ln 15 = 2.7 before training
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
    with pytest.raises(ValueError, match=r"^alphabet must be different bytes, at least one, got b'aa'$"):
        GRUByteLM(b"aa")
