"""Attention behind a short convolution: the plain sum, step by step the same as at once, no leak through padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import TransformerConfig, TransformerLM, generate
from lib.nn.layers.short_conv import ConvolvedAttention, ShortConv


@pytest.fixture
def layer():
    torch.manual_seed(0)
    made = ConvolvedAttention(16, 4, 2, width=4, rope_theta=10_000.0)
    torch.nn.init.normal_(made.conv.weight)
    return made.eval()


def test_it_is_the_sum_it_says():
    torch.manual_seed(0)
    conv, x = ShortConv(6, 4), torch.randn(2, 9, 6)
    assert torch.equal(ShortConv(6, 4, std=0.0)(x), x)
    assert 0.3 < ShortConv(500, 4).weight.std() < 0.7
    taps = torch.cat((conv.weight.flip(0), torch.ones(1, 6)))  # oldest first, the current token last
    wanted = F.conv1d(F.pad(x.mT, (3, 0)), taps.T[:, None], groups=6).mT
    torch.testing.assert_close(conv(x), wanted)
    torch.testing.assert_close(conv(x[:, 5:], x[:, 2:5]), wanted[:, 5:])


def test_token_by_token_equals_all_at_once(layer):
    x = torch.randn(2, 11, 16)
    state, parts = layer.new_state(), []
    for begin, end in ((0, 4), (4, 5), (5, 6), (6, 11)):
        parts.append(layer(x[:, begin:end], state))
    torch.testing.assert_close(torch.cat(parts, 1), layer(x), atol=1e-5, rtol=1e-5)
    assert state.nbytes > state.cache.nbytes


def test_padding_on_the_left_changes_nothing(layer):
    x, free = torch.randn(1, 7, 16), ConvolvedAttention(16, 4, width=4).eval()
    torch.nn.init.normal_(free.conv.weight)
    mask = torch.arange(10)[None] >= 3
    padded = torch.cat((torch.randn(1, 3, 16), x), 1)
    torch.testing.assert_close(free(padded, None, mask)[:, 3:], free(x), atol=1e-5, rtol=1e-5)


def test_it_is_causal(layer):
    x = torch.randn(1, 8, 16)
    changed = x.clone()
    changed[:, 5] += 1
    assert torch.equal(layer(x)[:, :5], layer(changed)[:, :5])
    assert (layer(x)[:, 5:] - layer(changed)[:, 5:]).abs().amax(-1).min() > 1e-4


def test_a_language_model_writes_the_same_with_its_states():
    torch.manual_seed(0)
    model = TransformerLM(TransformerConfig(30, 16, 2, 4, intermediate_size=32, rope_theta=None, conv_width=4)).eval()
    for layer in model.model.layers:
        torch.nn.init.normal_(layer.mixer.conv.weight)
    tokens = torch.randint(0, 30, (3, 5))
    written = tokens
    for _ in range(6):
        written = torch.cat((written, model(written)[:, -1:].argmax(-1)), 1)
    assert torch.equal(generate(model, tokens, 6), written)


def test_a_width_of_one_is_refused():
    with pytest.raises(ValueError, match="width must be at least 2"):
        ShortConv(8, 1)
