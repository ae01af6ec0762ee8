"""Attention with maps: equal to diffusers' explicit processor, with gradients, recorded only while asked for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import CrossAttention, add_lora, attention_maps
from lib.nn.vision.cross_attention import BasicTransformerBlock, FeedForward, repeated
from tests.nn.vision.tiny_unets import inputs, ours, theirs


def explicit_maps(model, x, t, context, mask=None) -> dict[str, torch.Tensor]:
    """diffusers' softmax maps by layer, from its AttnProcessor."""
    from diffusers.models.attention_processor import AttnProcessor

    model.set_attn_processor(AttnProcessor())
    maps = {}
    for name, module in model.named_modules():
        if name.endswith((".attn1", ".attn2")):
            scores = module.get_attention_scores

            def keep(*arguments, name=name, scores=scores):
                maps[name] = scores(*arguments)
                return maps[name]

            module.get_attention_scores = keep
    with torch.no_grad():
        model(x, t, context, encoder_attention_mask=mask)
    return {name: kept.unflatten(0, (len(x), -1)) for name, kept in maps.items()}


@pytest.mark.parametrize("name", ["three levels", "heads by level", "attention above"])
@pytest.mark.parametrize("masked", [False, True])
def test_maps_are_those_of_diffusers_explicit_attention(name, masked):
    x, t, context = inputs()
    mask = torch.arange(7) < torch.tensor([[7], [3], [1]]) if masked else None
    model, expected = ours(name), explicit_maps(theirs(name), x, t, context, mask)
    model.load_state_dict(theirs(name).state_dict())
    with torch.no_grad(), attention_maps(model, "all") as maps:
        model(x, t, context, mask)
    assert set(maps) == set(expected) and all(len(kept) == 1 for kept in maps.values())
    for layer, (found,) in maps.items():
        torch.testing.assert_close(found, expected[layer], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))
    if masked:
        assert all(kept[0][2, :, :, 1:].eq(0).all() for layer, kept in maps.items() if layer.endswith("attn2"))


def test_the_output_is_the_same_with_maps_and_without():
    model, (x, t, context) = ours(), inputs()
    mask = torch.arange(7) < torch.tensor([[7], [3], [1]])
    fused = model(x, t, context, mask)
    with attention_maps(model):
        torch.testing.assert_close(model(x, t, context, mask), fused, atol=1e-5, rtol=1e-5)


def test_maps_keep_gradients_and_come_in_the_order_of_the_layers():
    model, (x, t, context) = ours("three levels"), inputs()
    context.requires_grad_()
    with attention_maps(model) as maps:
        model(x, t, context)
        model(x, t, context)
    assert [layer.partition(".attentions")[0] for layer in maps] == [
        "down_blocks.1", "down_blocks.2", "mid_block", "up_blocks.0", "up_blocks.0", "up_blocks.1", "up_blocks.1",
    ]  # fmt: skip
    assert [len(kept) for kept in maps.values()] == [2] * 7
    sides = [kept[0].shape for kept in maps.values()]
    assert sides[0] == (3, 4, 16, 7) and sides[1] == (3, 4, 4, 7) and sides[-1] == (3, 4, 16, 7)
    maps["mid_block.attentions.0.transformer_blocks.0.attn2"][0][..., 2].sum().backward()
    assert context.grad.abs().sum() > 0
    assert model.mid_block.attentions[0].transformer_blocks[0].attn2.to_q.weight.grad.abs().sum() > 0
    assert model.conv_out.weight.grad is None


def test_recording_ends_with_the_context_even_after_an_error_and_may_be_nested():
    model, (x, t, context) = ours(), inputs()
    with pytest.raises(RuntimeError), attention_maps(model) as outer:
        with attention_maps(model) as inner:
            model(x, t, context)
        model(x, t, context)
        raise RuntimeError
    assert [len(kept) for kept in outer.values()] == [len(kept) for kept in inner.values()] == [1] * 4
    assert all(module.maps is None for module in model.modules() if isinstance(module, CrossAttention))


def test_half_precision_takes_the_softmax_in_float32_where_it_is_asked_for():
    torch.manual_seed(0)
    layer = CrossAttention(16, 2, 16, upcast=True).bfloat16()
    x = 30 * torch.randn(2, 5, 16).bfloat16()
    model = torch.nn.ModuleDict({"a": torch.nn.ModuleDict({"attn1": layer})})
    with torch.no_grad(), attention_maps(model, "self") as maps:
        layer(x, layer.keys_values(x))
    q, k = (proj(x).float().unflatten(-1, (2, 8)).transpose(1, 2) for proj in (layer.to_q, layer.to_k))
    expected = (q @ k.transpose(-1, -2) / 8**0.5).softmax(-1).bfloat16()
    torch.testing.assert_close(maps["a.attn1"][0], expected, atol=0, rtol=0)


def test_self_attention_in_one_product_is_that_of_three_and_sees_adapters():
    torch.manual_seed(0)
    layer, x = CrossAttention(16, 2, 16), torch.randn(2, 5, 16)
    expected = layer(x, layer.keys_values(x))
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-5)
    for parameter in add_lora(layer, ["to_q", "to_v"], 2):
        torch.nn.init.normal_(parameter)
    adapted = layer(x)
    torch.testing.assert_close(adapted, layer(x, layer.keys_values(x)))
    assert (adapted - expected).abs().max() > 0.1


def test_the_gated_layer_is_diffusers_own_and_sees_adapters():
    from diffusers.models.attention import FeedForward as Theirs

    torch.manual_seed(0)
    layer, x = FeedForward(16), torch.randn(2, 5, 16)
    peer = Theirs(16, activation_fn="geglu")
    peer.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), peer(x), atol=1e-6, rtol=1e-5)
    up = layer.net[0].proj
    for parameter in add_lora(layer, "proj", 2):
        torch.nn.init.normal_(parameter)
    values, gate = layer.net[0].proj(x).chunk(2, -1)
    torch.testing.assert_close(layer(x), layer.net[2](values * F.gelu(gate)))
    assert not torch.allclose(layer.net[0].proj(x), up(x))


def test_rows_are_repeated_as_a_whole_and_keep_their_memory_format():
    x = torch.arange(2.0)[:, None, None, None].expand(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    again = repeated(x, torch.zeros(6))
    assert again[:, 0, 0, 0].tolist() == [0, 1, 0, 1, 0, 1]
    assert again.is_contiguous(memory_format=torch.channels_last) and repeated(x, torch.zeros(2)) is x


def test_a_block_answers_every_text_of_the_same_rows():
    torch.manual_seed(0)
    block, x, context = BasicTransformerBlock(16, 2, 24), torch.randn(2, 5, 16), torch.randn(6, 7, 24)
    together = block(x, block.attn2.keys_values(context))
    each = [block(x, block.attn2.keys_values(part)) for part in context.split(2)]
    torch.testing.assert_close(together, torch.cat(each), atol=1e-6, rtol=1e-5)


def test_a_wrong_kind_and_a_model_without_attention_are_refused():
    with (
        pytest.raises(ValueError, match=r"^kind must be 'cross', 'self' or 'all', got 'both'$"),
        attention_maps(ours(), "both"),
    ):
        pass
    with (
        pytest.raises(ValueError, match=r"^model must hold a U-Net with attention, Linear has none$"),
        attention_maps(torch.nn.Linear(1, 1)),
    ):
        pass
