"""Looking into attention, and removing it."""

from __future__ import annotations

import pytest
import torch

from lib.evaluation import attention_layers, attention_maps, attention_mass, heads_removed
from lib.nn import JambaConfig, JambaLM, TransformerConfig, TransformerLM


@pytest.fixture
def model():
    torch.manual_seed(0)
    sizes = {"vocab_size": 30, "hidden_size": 32, "intermediate_size": 40, "num_attention_heads": 4}
    return JambaLM(JambaConfig.from_pattern("MAMA", num_key_value_heads=2, initializer_range=0.5, **sizes)).eval()


def test_maps_are_the_weights_that_the_layer_really_uses(model):
    tokens = torch.randint(0, 30, (2, 9))
    maps = attention_maps(model, tokens)
    assert list(maps) == list(attention_layers(model)) == [1, 3]
    captured = {}
    layer = attention_layers(model)[3]
    layer.register_forward_hook(lambda mixer, inputs, output: captured.update(x=inputs[0], y=output))
    with torch.no_grad():
        model(tokens)
        values = layer.v_proj(captured["x"]).unflatten(-1, (2, 8)).transpose(1, 2).repeat_interleave(2, dim=1)
        expected = layer.o_proj((maps[3] @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(captured["y"], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps[1].sum(-1), torch.ones(2, 4, 9))
    assert maps[1].triu(1).abs().max() == 0


def test_attention_behind_a_short_convolution_is_found_and_is_the_one_in_use():
    torch.manual_seed(0)
    convolved = TransformerLM(TransformerConfig(30, 32, 2, 4, intermediate_size=40, conv_width=3)).eval()
    tokens = torch.randint(0, 30, (2, 9))
    maps = attention_maps(convolved, tokens)
    assert list(maps) == [0, 1]
    layer = convolved.model.layers[0]
    with torch.no_grad():
        mixed = layer.mixer.conv(layer.input_layernorm(convolved.model.embed_tokens(tokens)))
        torch.testing.assert_close(maps[0], layer.mixer.attention.weights(mixed))
        before = convolved(tokens)
        with heads_removed(convolved, {0: [1]}):
            assert not torch.allclose(before, convolved(tokens))


def test_mass_averages_over_queries_that_have_a_target():
    weights = torch.tensor([[[[1.0, 0.0], [0.25, 0.75]], [[1.0, 0.0], [0.5, 0.5]]]])
    target = torch.tensor([[[False, False], [True, False]]])
    torch.testing.assert_close(attention_mass(weights, target), torch.tensor([0.25, 0.5]))
    with pytest.raises(ValueError, match="target must mark"):
        attention_mass(weights, torch.zeros_like(target))


def test_removing_all_heads_leaves_only_the_rest_of_the_model(model):
    tokens = torch.randint(0, 30, (2, 9))
    with torch.no_grad():
        before = model(tokens)
        with heads_removed(model, {1: range(4), 3: range(4)}):
            removed = model(tokens)
        after = model(tokens)
        for mixer in attention_layers(model).values():
            mixer.o_proj.weight.zero_()
        torch.testing.assert_close(removed, model(tokens))
    assert torch.equal(before, after) and not torch.allclose(before, removed)


def test_removing_one_head_zeroes_its_columns_only(model):
    tokens = torch.randint(0, 30, (2, 9))
    with torch.no_grad():
        with heads_removed(model, {1: [2]}):
            removed = model(tokens)
        attention_layers(model)[1].o_proj.weight[:, 16:24] = 0
        torch.testing.assert_close(removed, model(tokens))


@pytest.mark.parametrize("heads", [{0: [1]}, {1: [4]}])
def test_heads_that_are_not_there_are_named(model, heads):
    with pytest.raises(ValueError, match="heads"), heads_removed(model, heads):
        pass
