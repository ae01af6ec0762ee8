"""Every mixer and every state is one, by the protocol's own word."""

from __future__ import annotations

import pytest
import torch

from lib.nn import (
    MLP,
    Attention,
    ConvolvedAttention,
    DecoderLayer,
    GatedMLP,
    MambaMixer,
    Mixer,
    MixtureOfExperts,
    RoutedLayer,
    State,
)
from lib.nn.layers.protocols import ResidualWriter

MIXERS = {
    "attention": lambda: Attention(16, 2),
    "convolved attention": lambda: ConvolvedAttention(16, 2),
    "mamba": lambda: MambaMixer(16, 4),
    "decoder layer": lambda: DecoderLayer(16, Attention(16, 2), MLP(16, 24)),
    "routed layer": lambda: RoutedLayer(DecoderLayer(16, Attention(16, 2), MLP(16, 24)), 0.5),
}


@pytest.mark.parametrize("name", MIXERS)
def test_mixers_remember_in_states_that_know_their_size(name):
    torch.manual_seed(0)
    mixer = MIXERS[name]().eval()
    state = mixer.new_state()
    assert isinstance(mixer, Mixer) and isinstance(mixer, ResidualWriter) and isinstance(state, State)
    assert state.nbytes == 0
    with torch.no_grad():
        assert mixer(torch.randn(2, 5, 16), state, torch.ones(2, 5, dtype=torch.bool), None).shape == (2, 5, 16)
    assert state.nbytes > 0 or name == "routed layer"


@pytest.mark.parametrize("layer", [MLP(16, 24), GatedMLP(16, 24), MixtureOfExperts(16, 24, 3, 1)])
def test_feed_forward_layers_name_what_they_add(layer):
    assert isinstance(layer, ResidualWriter) and not isinstance(layer, Mixer)
    x = torch.randn(5, 16)
    whole = layer(x)
    with torch.no_grad():
        for weight in layer.residual_weights():
            weight.mul_(0.5)
    torch.testing.assert_close(layer(x), whole / 2)
