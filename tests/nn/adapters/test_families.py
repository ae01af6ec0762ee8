"""The blocks of every family are found where it keeps them, and a model of another build is refused."""

from __future__ import annotations

import pytest
from torch import nn

from lib.nn import (
    decoder_blocks,
)
from lib.nn.adapters.families import residual_width
from tests.nn.adapters.decoders import ours, tiny_decoder


@pytest.mark.parametrize("family", ["Llama", "GPT2", "Gemma", "GPTNeoX", "GPTBigCode", "OPT"])
def test_the_blocks_of_every_family_are_found_where_it_keeps_them(family):
    blocks = decoder_blocks(tiny_decoder(family))
    assert len(blocks) == 3 and len({type(block).__name__ for block in blocks}) == 1
    assert len(decoder_blocks(ours())) == 3


@pytest.mark.parametrize("family", ["Llama", "GPT2", "Gemma", "GPTNeoX", "GPTBigCode", "OPT"])
def test_the_width_is_that_of_the_blocks_weights(family):
    model = tiny_decoder(family)
    assert residual_width(model) == 24
    norms = [weight for name, weight in decoder_blocks(model)[0].named_parameters() if "norm" in name or "ln_" in name]
    assert norms and all(weight.shape[-1] == 24 for weight in norms)


def test_a_model_of_another_build_is_refused_whatever_lists_it_has():
    other = nn.Module()
    other.experts = nn.ModuleList([nn.Linear(3, 3)])
    with pytest.raises(ValueError, match=r"^Module must keep its blocks in model.layers, .*; it has none of these$"):
        decoder_blocks(other)
    other.model = nn.Module()
    other.model.layers = nn.ModuleList()
    with pytest.raises(ValueError, match=r"^Module must keep its blocks in "):
        decoder_blocks(other)  # an empty list is none
    with pytest.raises(ValueError, match=r"^the configuration of Module must say its width as one of hidden_size, "):
        residual_width(other)
