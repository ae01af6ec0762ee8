"""Masks become booleans at one place, and all layers take them from there."""

from __future__ import annotations

import pytest
import torch

from lib.nn import (
    ConvolvedAttention,
    DepthConfig,
    DepthLM,
    JambaConfig,
    JambaLM,
    TransformerConfig,
    TransformerLM,
    generate,
)
from lib.nn.layers.attention import Attention
from lib.nn.layers.mamba import MambaMixer
from lib.nn.layers.masks import real_columns


def test_the_last_columns_of_any_numbers_are_booleans():
    mask = torch.tensor([[0, 0, 1, 1, 2]])
    assert real_columns(mask, 3, 2, 3).tolist() == [[True, True]]
    assert real_columns(mask.float(), 1, 5).tolist() == [[False, False, True, True, True]]
    assert real_columns(mask, 1, 4, None).shape == (1, 4) and real_columns(None, 1, 4) is None


@pytest.mark.parametrize(("shape", "length", "seen"), [((2, 5), 4, 0), ((2, 5), 5, 1), ((2, 5), 6, None)])
def test_a_mask_that_does_not_cover_the_call_is_named(shape, length, seen):
    with pytest.raises(ValueError, match=r"^mask must cover .* positions \(cached and new\), got 5$"):
        real_columns(torch.ones(shape), 2, length, seen)
    with pytest.raises(ValueError, match=r"^mask must be \(batch, tokens\) with batch 3, got \(2, 5\)$"):
        real_columns(torch.ones(shape), 3, 5)


def models():
    torch.manual_seed(0)
    jamba = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1}
    yield JambaLM(JambaConfig.from_pattern("MAM", vocab_size=30, experts=True, num_experts=4, **jamba))
    yield TransformerLM(TransformerConfig(30, 16, 2, 2, intermediate_size=24, conv_width=3))
    yield DepthLM(DepthConfig(30, 16, 2, 2, 24, every=2, capacity=0.5))
    yield DepthLM(DepthConfig(30, 16, 2, 2, 24, every=2, capacity=0.5, num_experts=4, expert_capacity=1.0))


@pytest.mark.wrong_arguments
@pytest.mark.parametrize("model", list(models()), ids=lambda model: type(model).__name__)
def test_integer_masks_and_left_padding_change_nothing(model):
    prompt = torch.randint(0, 30, (1, 6), generator=torch.Generator().manual_seed(1))
    padded = torch.cat((torch.zeros(1, 5, dtype=torch.long), prompt), dim=1)
    mask = (torch.arange(11) >= 5).long()[None]
    model.eval()
    with torch.no_grad():
        alone = model(prompt)
        for numbers in (mask, mask.bool(), mask.float()):
            torch.testing.assert_close(model(padded, None, numbers)[:, 5:], alone, rtol=1e-5, atol=1e-5)
        assert torch.equal(generate(model, padded, 4, mask=mask)[:, 11:], generate(model, prompt, 4)[:, 6:])


@pytest.mark.parametrize("mixer", [MambaMixer(8, 4), Attention(8, 2), ConvolvedAttention(8, 2)], ids=type)
def test_every_mixer_refuses_a_mask_of_another_length(mixer):
    with pytest.raises(ValueError, match=r"^mask must cover 5 positions"):
        mixer(torch.randn(2, 5, 8), None, torch.ones(2, 9, dtype=torch.bool))
