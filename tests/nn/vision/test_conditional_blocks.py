"""VAR's blocks are their equations: gates, shifts and scales from the class, two kinds of attention, start values."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from lib.nn import TokenAR, VARConfig
from lib.nn.vision.conditional_blocks import (
    AdaptiveNorm,
    Block,
    Blocks,
    ClassEmbedding,
    ConditionalAttention,
    SharedProjection,
)

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "gamma_init": 1.0}


def config(**changes):
    return VARConfig(2, 3, (1, 2), 7, 4, **{**SIZES, **changes})


def stirred(module, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return module.double().eval()


@pytest.mark.parametrize("qk_norm", [True, False])
def test_attention_is_its_equation(qk_norm):
    layer, x = stirred(ConditionalAttention(config(qk_norm=qk_norm))), torch.randn(2, 5, 16, dtype=torch.float64)
    allowed = torch.ones(5, 5, dtype=torch.bool).tril()
    q, k, v = (x @ layer.mat_qkv.weight.T).view(2, 5, 3, 2, 8).permute(2, 0, 3, 1, 4)
    q, v = q + layer.q_bias.view(2, 1, 8), v + layer.v_bias.view(2, 1, 8)
    if qk_norm:
        scores = layer.scale_mul_1H11.clamp(max=math.log(100)).exp() * F.cosine_similarity(
            q[..., :, None, :], k[..., None, :, :], dim=-1
        )
    else:
        scores = q @ k.mT / (4 * math.sqrt(8))
    mixed = scores.masked_fill(~allowed, -torch.inf).softmax(-1) @ v
    torch.testing.assert_close(layer(x, allowed, None), layer.proj(mixed.transpose(1, 2).flatten(2)))


def test_the_temperature_of_a_head_stops_at_a_hundred():
    layer, x = stirred(ConditionalAttention(config())), torch.randn(1, 4, 16, dtype=torch.float64)
    with torch.no_grad():
        layer.scale_mul_1H11.fill_(math.log(100))
        at_most = layer(x, None, None)
        layer.scale_mul_1H11.fill_(50.0)
    assert torch.equal(layer(x, None, None), at_most)


@pytest.mark.parametrize(("adaln", "shared"), [(True, False), (True, True), (False, False)])
def test_a_block_is_its_two_lines(adaln, shared):
    sizes = config(adaln=adaln, shared_adaln=shared)
    block, x = stirred(Block(sizes, 0.0)), torch.randn(2, 5, 16, dtype=torch.float64)
    condition = torch.randn(2, 16, dtype=torch.float64)
    projection = stirred(SharedProjection(16), 1)
    given = projection(condition) if shared else condition
    ones, zeros = torch.ones(2, 1, 16, dtype=torch.float64), torch.zeros(2, 1, 16, dtype=torch.float64)
    if not adaln:
        g1, g2, s1, s2, b1, b2 = ones, ones, zeros, zeros, zeros, zeros
    elif shared:
        g1, g2, s1, s2, b1, b2 = (block.ada_gss + given).unbind(2)
    else:
        six = F.silu(condition) @ block.ada_lin[1].weight.T + block.ada_lin[1].bias
        g1, g2, s1, s2, b1, b2 = six.view(2, 1, 6, 16).unbind(2)
    norm = lambda x: F.layer_norm(x, (16,), eps=1e-6)  # noqa: E731
    y = x + g1 * block.attn(norm(x) * (1 + s1) + b1, None, None)
    y = y + g2 * block.ffn(norm(y) * (1 + s2) + b2)
    torch.testing.assert_close(block(x, given, None, None), y)


def test_the_norm_before_the_logits_takes_scale_then_shift():
    norm, x = stirred(AdaptiveNorm(16, True)), torch.randn(2, 5, 16, dtype=torch.float64)
    condition = torch.randn(2, 16, dtype=torch.float64)
    scale, shift = norm.ada_lin(condition).chunk(2, -1)
    wanted = F.layer_norm(x, (16,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]
    torch.testing.assert_close(norm(x, condition), wanted)
    assert torch.equal(AdaptiveNorm(16, False)(x, condition), F.layer_norm(x, (16,), eps=1e-6))


def test_stochastic_depth_rises_with_the_block_and_keeps_the_mean():
    blocks = Blocks(VARConfig(4, 3, (1,), 7, 4, drop_path=0.3, **SIZES))
    assert [block.drop_path for block in blocks] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    torch.manual_seed(0)
    block, branch = Block(config(), 0.25).train(), torch.ones(20_000, 1, 1)
    dropped = block._drop(branch)
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=4 * (0.25 / 0.75 / 20_000) ** 0.5)
    assert torch.equal(block.eval()._drop(branch), branch)


def test_some_classes_become_the_null_class_in_training_only():
    torch.manual_seed(0)
    embedding, labels = ClassEmbedding(3, 4, 0.2), torch.zeros(5000, dtype=torch.long)
    null = (embedding.train().with_dropout(labels) == embedding.weight[3]).all(1).float().mean().item()
    assert null == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 5000) ** 0.5)
    assert torch.equal(embedding.eval().with_dropout(labels[:3]), embedding.weight[[0, 0, 0]])
    assert torch.equal(embedding.with_null(torch.tensor([2, 1])), embedding.weight[[2, 1, 3, 3]])


@pytest.mark.parametrize("shared", [False, True])
def test_gates_start_small_and_branches_by_depth(shared):
    torch.manual_seed(0)
    sizes = VARConfig(4, 3, (1,), 50, 4, hidden_size=128, num_attention_heads=2, gamma_init=1e-3, shared_adaln=shared)
    model, std = TokenAR(sizes, 5), (3 * 128) ** -0.5
    assert model.blocks[0].ffn.fc1.weight.std().item() == pytest.approx(std, rel=0.05)
    assert model.blocks[0].ffn.fc2.weight.std().item() == pytest.approx(std / 8**0.5, rel=0.05)
    assert model.head.weight.std().item() == pytest.approx(0.02 * std, rel=0.05)
    if shared:
        gates, others = model.blocks[1].ada_gss[0, 0, :2], model.blocks[1].ada_gss[0, 0, 2:]
    else:
        gates, others = model.blocks[1].ada_lin[1].weight.split((2 * 128, 4 * 128))
    assert gates.std().item() == pytest.approx(2e-3 * others.std().item(), rel=0.15)
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))
