"""The released autoencoder's parts are their equations, and its levels halve and double the sides."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn.vision.released_autoencoder import (
    Downsample,
    ReleasedDecoder,
    ReleasedEncoder,
    ResidualBlock,
    SpatialAttention,
    Upsample,
)


@pytest.mark.parametrize("outer", [8, 16])
def test_a_residual_block_is_its_equation(outer):
    torch.manual_seed(0)
    block, x = ResidualBlock(8, outer, groups=4), torch.randn(2, 8, 5, 5)
    h = F.silu(F.group_norm(x, 4, block.norm1.weight, block.norm1.bias, eps=1e-6))
    h = F.conv2d(h, block.conv1.weight, block.conv1.bias, padding=1)
    h = F.silu(F.group_norm(h, 4, block.norm2.weight, block.norm2.bias, eps=1e-6))
    h = F.conv2d(h, block.conv2.weight, block.conv2.bias, padding=1)
    straight = x if outer == 8 else F.conv2d(x, block.nin_shortcut.weight, block.nin_shortcut.bias)
    torch.testing.assert_close(block(x), straight + h)


def test_attention_is_of_every_place_to_every_place():
    torch.manual_seed(0)
    layer, x = SpatialAttention(32), torch.randn(2, 32, 3, 4)
    normed = F.group_norm(x, 32, eps=1e-6).flatten(2)  # (batch, channels, places)
    q, k, v = (layer.qkv.weight[:, :, 0, 0] @ normed + layer.qkv.bias[:, None]).chunk(3, 1)
    weights = (q.mT @ k / 32**0.5).softmax(-1)
    mixed = (v @ weights.mT).view(2, 32, 3, 4)
    torch.testing.assert_close(layer(x), x + layer.proj_out(mixed), rtol=1e-4, atol=1e-5)


def test_halving_pads_on_the_right_and_below_and_doubling_repeats():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    down, up = Downsample(1), Upsample(1)
    with torch.no_grad():
        for layer, centre in ((down, (0, 0)), (up, (1, 1))):
            layer.conv.weight.zero_()
            layer.conv.weight[0, 0][centre] = 1.0
            layer.conv.bias.zero_()
        assert torch.equal(down(x), x[:, :, ::2, ::2])
        assert torch.equal(up(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
        down.conv.weight[0, 0, 0, 0], down.conv.weight[0, 0, 2, 2] = 0.0, 1.0
        assert down(x)[0, 0].tolist() == [[10.0, 0.0], [0.0, 0.0]]


def test_every_level_but_one_changes_the_sides_and_the_lowest_attends():
    encoder, decoder = ReleasedEncoder(4, 32, (1, 2, 2), 1), ReleasedDecoder(4, 32, (1, 2, 2), 1)
    images = torch.randn(1, 3, 16, 24)
    latents = encoder(images)
    assert latents.shape == (1, 4, 4, 6) and decoder(latents).shape == images.shape
    attends = [[isinstance(layer, SpatialAttention) for layer in level.attn] for level in encoder.down]
    assert attends == [[False], [False], [True]]
    assert [isinstance(level.attn[0], SpatialAttention) for level in decoder.up] == [False, False, True]
