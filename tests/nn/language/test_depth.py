"""A language model routed in depth: which blocks are, what they are made of, and how it starts."""

from __future__ import annotations

import pytest
import torch

from lib.nn import MLP, DecoderLayer, DepthConfig, DepthLM, MixtureOfExperts, RoutedLayer


@pytest.mark.parametrize(("every", "routed"), [(0, ""), (1, "012345"), (2, "135"), (3, "25"), (4, "3"), (7, "")])
def test_every_nth_block_is_routed_from_the_nth_on(every, routed):
    config = DepthConfig(20, 16, 6, 2, 24, every=every)
    layers = DepthLM(config).model.layers
    assert "".join(str(i) for i, layer in enumerate(layers) if isinstance(layer, RoutedLayer)) == routed
    assert config.num_routed == len(routed)
    assert all(isinstance(layer, DecoderLayer) for i, layer in enumerate(layers) if str(i) not in routed)


def test_experts_and_experts_that_do_nothing_are_built_as_asked():
    plain = DepthLM(DepthConfig(20, 16, 2, 2, 24)).model.layers[0].feed_forward
    expert = DepthLM(DepthConfig(20, 16, 2, 2, 24, num_experts=3, num_noops=2, expert_capacity=1.5))
    layer = expert.model.layers[1].feed_forward
    assert isinstance(plain, MLP) and isinstance(layer, MixtureOfExperts)
    assert layer.router.weight.shape[0] == 5 and layer.capacity == 1.5


def test_embeddings_start_at_width_to_the_minus_half_and_are_the_head():
    torch.manual_seed(0)
    model = DepthLM(DepthConfig(2000, 64, 2, 4, 32))
    assert model.model.embed_tokens.weight.std().item() == pytest.approx(1 / 8, rel=0.02)
    tokens = torch.randint(0, 2000, (1, 5))
    torch.testing.assert_close(model(tokens), model.model(tokens) @ model.model.embed_tokens.weight.T)


def test_a_negative_step_is_named():
    with pytest.raises(ValueError, match=r"^every must be 0 \(dense\) or positive, got -1$"):
        DepthConfig(20, every=-1)
