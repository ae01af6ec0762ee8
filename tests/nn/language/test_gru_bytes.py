"""The byte model: true gradients, a state that goes on, and it learns."""

from __future__ import annotations

import pytest
import torch

from lib.nn import GRUByteLM
from lib.nn.language.gru_bytes import _Recurrence
from tests.nn.language.small_gru import ALPHABET, trained

MODEL, LOSS = trained()


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


def test_it_learns():
    assert LOSS < 1.0  # ln 15 = 2.7 before training


def test_an_alphabet_is_different_bytes():
    with pytest.raises(ValueError, match=r"^alphabet must be different bytes, at least one, got b'aa'$"):
        GRUByteLM(b"aa")
