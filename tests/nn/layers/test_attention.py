"""Attention is its equation: grouped heads, the causal mask, a cache that changes nothing, padding without a trace."""

from __future__ import annotations

import math

import pytest
import torch

from lib.nn import Attention, apply_rotary, rotary_angles
from lib.nn.layers.attention import visible_keys


def by_loops(layer, x):
    """softmax(q . k / sqrt(d)) v, one query and one head at a time."""
    batch, length, _ = x.shape
    q, k, v = (projection(x) for projection in (layer.q_proj, layer.k_proj, layer.v_proj))
    q, k, v = (part.view(batch, length, -1, layer.head_dim) for part in (q, k, v))
    if layer.rope_theta is not None:
        angles = rotary_angles(torch.arange(length), layer.head_dim, layer.rope_theta)
        q, k = (apply_rotary(part.transpose(1, 2), angles).transpose(1, 2) for part in (q, k))
    rows = torch.zeros(batch, length, layer.num_heads, layer.head_dim, dtype=x.dtype)
    for b in range(batch):
        for t in range(length):
            for head in range(layer.num_heads):
                shared = head * layer.num_kv_heads // layer.num_heads
                scores = k[b, : t + 1, shared] @ q[b, t, head] / math.sqrt(layer.head_dim)
                rows[b, t, head] = scores.softmax(0) @ v[b, : t + 1, shared]
    return layer.o_proj(rows.flatten(2))


@pytest.mark.parametrize("theta", [None, 10_000.0])
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(4, 4, None), (4, 2, None), (4, 1, 6), (1, 1, 8)])
def test_it_is_the_equation(heads, kv_heads, head_dim, theta):
    torch.manual_seed(0)
    layer = Attention(16, heads, kv_heads, head_dim, rope_theta=theta).double()
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    close = {"rtol": 1e-5, "atol": 1e-6} if theta else {"rtol": 1e-10, "atol": 1e-12}  # angles are float32
    torch.testing.assert_close(layer(x), by_loops(layer, x), **close)


@pytest.mark.parametrize("theta", [None, 100.0])
def test_cut_anywhere_and_carried_by_its_cache_it_gives_the_same(theta):
    torch.manual_seed(1)
    layer, x = Attention(16, 4, 2, rope_theta=theta), torch.randn(2, 9, 16)
    state, parts = layer.new_state(), []
    for begin, end in ((0, 1), (1, 4), (4, 5), (5, 9)):
        parts.append(layer(x[:, begin:end], state))
    torch.testing.assert_close(torch.cat(parts, 1), layer(x), rtol=1e-5, atol=1e-6)
    assert state.length == 9


def test_the_map_is_a_distribution_over_the_past_and_gives_the_output():
    torch.manual_seed(2)
    layer, x = Attention(16, 4, 2), torch.randn(2, 6, 16)
    weights = layer.weights(x)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 6))
    assert not weights.triu(1).any()
    values = layer.v_proj(x).view(2, 6, 2, 4).transpose(1, 2).repeat_interleave(2, 1)
    torch.testing.assert_close(layer.o_proj((weights @ values).transpose(1, 2).flatten(2)), layer(x))


def test_padding_on_the_left_leaves_no_trace():
    torch.manual_seed(3)
    layer, x = Attention(16, 4), torch.randn(2, 5, 16)
    mask = torch.arange(8) >= 3
    padded = torch.cat((torch.full((2, 3, 16), 50.0), x), 1)
    torch.testing.assert_close(layer(padded, None, mask.expand(2, -1))[:, 3:], layer(x), rtol=1e-5, atol=1e-6)


def test_what_a_query_may_see():
    cpu = torch.device("cpu")
    assert visible_keys(4, 0, None, cpu) is None and visible_keys(1, 9, None, cpu) is None
    assert visible_keys(2, 1, None, cpu).tolist() == [[True, True, False], [True, True, True]]
    padded = visible_keys(2, 1, torch.tensor([[False, False, True]]), cpu)
    assert padded[0, 0].tolist() == [[False, True, False], [False, False, True]]  # a padded query sees itself
    with pytest.raises(ValueError, match=r"^mask must cover 3 positions \(cached and new\), got 2$"):
        visible_keys(2, 1, torch.ones(1, 2, dtype=torch.bool), cpu)


def test_sizes_that_do_not_divide_are_named():
    with pytest.raises(ValueError, match=r"^num_heads must be a multiple of num_kv_heads \(3\), got 4$"):
        Attention(16, 4, 3)
    with pytest.raises(ValueError, match=r"^dim must be a multiple of num_heads \(4\), got 18$"):
        Attention(18, 4)
