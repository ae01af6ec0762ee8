"""The U-Net's levels: res-block and transformer by diffusers' parts, sizes up and down, doubling as one convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn.vision.unet_blocks import DownBlock, GroupNorm, MidBlock, PointwiseConv2d, Resized, ResnetBlock2D, UpBlock
from lib.nn.vision.unet_config import UNetConfig
from tests.nn.vision.tiny_unets import arguments

CONFIG = UNetConfig.from_dict(arguments("the course's"))


@pytest.mark.parametrize("widths", [(32, 32), (96, 32)])
def test_a_res_block_is_diffusers_own(widths):
    from diffusers.models.resnet import ResnetBlock2D as Theirs

    torch.manual_seed(0)
    block = ResnetBlock2D(*widths, CONFIG)
    peer = Theirs(in_channels=widths[0], out_channels=widths[1], temb_channels=128, groups=8, eps=1e-5)
    peer.load_state_dict(block.state_dict())
    x, time = torch.randn(2, widths[0], 5, 6), torch.randn(2, 128)
    shift = block.time_emb_proj(F.silu(time))
    torch.testing.assert_close(block(x, shift), peer(x, time), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(block(x, shift[:1])[0], block(x, shift)[0])


def test_one_shift_a_picture_is_repeated_with_the_pictures():
    torch.manual_seed(0)
    block, x, shift = ResnetBlock2D(32, 32, CONFIG), torch.randn(4, 32, 5, 6), torch.randn(2, 32)
    torch.testing.assert_close(block(x, shift), block(x, torch.cat((shift, shift))))


def test_a_1x1_convolution_with_the_channels_last():
    torch.manual_seed(0)
    layer, x = PointwiseConv2d(8, 6), torch.randn(2, 8, 3, 5)
    expected = F.conv2d(x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)


def test_group_norm_is_torchs():
    torch.manual_seed(0)
    layer, x = GroupNorm(4, 8, 1e-3), torch.randn(2, 8, 3, 5)
    torch.nn.init.normal_(layer.weight)
    torch.testing.assert_close(layer(x), F.group_norm(x, 4, layer.weight, layer.bias, 1e-3))


@pytest.mark.parametrize("batch", [1, 40])
@pytest.mark.parametrize("size", [(8, 6), (7, 6), (8, 5)])
def test_going_up_is_the_nearest_value_and_then_a_convolution_for_few_values_and_many(batch, size):
    torch.manual_seed(0)
    layer = Resized(8)
    x = torch.randn(batch, 8, 4, 3).requires_grad_()
    assert (x.numel() > 4 * layer.conv.weight.numel()) == (batch == 40)
    expected = layer.conv(F.interpolate(x, size))
    torch.testing.assert_close(layer(x, size), expected, atol=1e-5, rtol=1e-5)
    weights = (x, layer.conv.weight, layer.conv.bias)
    direction = torch.randn_like(expected)
    found = torch.autograd.grad(layer(x, size), weights, direction)
    torch.testing.assert_close(found, torch.autograd.grad(expected, weights, direction), atol=1e-4, rtol=1e-4)


def test_going_down_halves_and_rounds_up():
    assert Resized(8, 2)(torch.zeros(1, 8, 5, 6)).shape == (1, 8, 3, 3)


def test_what_goes_down_comes_up_to_the_same_size():
    torch.manual_seed(0)
    text = torch.randn(2, 7, 24)
    down, mid = DownBlock([32], 64, 4, CONFIG, last=False), MidBlock(64, 4, CONFIG)
    up = UpBlock([128, 128], 32, None, CONFIG, last=False)
    texts = [block.attentions[0].transformer_blocks[0].attn2.keys_values(text) for block in (down, mid)]
    x, skips = torch.randn(2, 32, 5, 7), [torch.zeros(2, 1, 5, 7)]
    shifts = [torch.zeros(1, width) for width in (64, 64, 64, 32, 32)]
    shifts, texts = iter(shifts), iter(texts)
    low = mid(down(x, shifts, texts, skips), shifts, texts)
    assert low.shape == (2, 64, 3, 4) and [skip.shape[1:] for skip in skips[1:]] == [(64, 5, 7), (64, 3, 4)]
    skips = [skips[0], torch.zeros(2, 96, 3, 4), skips[2]]
    assert up(low, shifts, texts, skips).shape == (2, 32, 5, 7)
    assert len(skips) == 1 and next(shifts, None) is None and next(texts, None) is None
