"""What writes to the residual stream, and who says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib.nn import (
    MLP,
    Attention,
    Decoder,
    DecoderLayer,
    DecoderLM,
    DepthConfig,
    DepthLM,
    JambaConfig,
    JambaLM,
    TransformerConfig,
    TransformerLM,
)

SMALL = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
MODELS = {
    "transformer": lambda: TransformerLM(TransformerConfig(20, 16, 3, 2, intermediate_size=24, conv_width=3)),
    "depth": lambda: DepthLM(DepthConfig(20, 16, 4, 2, 24, every=2, num_experts=2)),
    "jamba": lambda: JambaLM(JambaConfig.from_pattern("MAM", experts=True, num_key_value_heads=1, **SMALL)),
}


@pytest.mark.parametrize("family", MODELS)
def test_shrinking_scales_each_branchs_last_weight_once_and_nothing_else(family):
    model = MODELS[family]()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    model.shrink_residual_branches()
    branches = 2 * len(model.model.layers)
    scaled = [name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])]
    assert len(scaled) == branches
    for name, parameter in model.named_parameters():
        expected = before[name] * branches**-0.5 if name in scaled else before[name]
        assert torch.equal(parameter, expected)


def test_shrunk_branches_add_exactly_that_much_less():
    torch.manual_seed(0)
    layer = DecoderLayer(16, Attention(16, 2), MLP(16, 24))
    model, x = DecoderLM(Decoder(20, 16, [layer])), torch.randn(2, 5, 16)
    whole = layer.mixer(x)
    model.shrink_residual_branches()
    torch.testing.assert_close(layer.mixer(x), whole * 2**-0.5)


def test_a_layer_that_does_not_say_what_it_writes_is_no_feed_forward_layer():
    model = DecoderLM(Decoder(20, 16, [DecoderLayer(16, Attention(16, 2), MLP(16, 24))]))
    model.model.layers[0].feed_forward = nn.Linear(16, 16)
    with pytest.raises(AttributeError, match="residual_weights"):
        model.shrink_residual_branches()
