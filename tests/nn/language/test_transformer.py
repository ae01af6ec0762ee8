"""The plain transformer: counts, and decoding equal to the parallel pass (parity with Llama lies in tests/parity)."""

from __future__ import annotations

import torch

from lib.nn import TransformerConfig, TransformerLM


def test_parameters_are_counted_with_and_without_embeddings():
    tied = TransformerLM(TransformerConfig(100, hidden_size=32, num_hidden_layers=2, intermediate_size=64))
    blocks = 2 * (4 * 32 * 32 + 2 * 32 * 64 + 2 * 32) + 32
    assert tied.num_parameters() == blocks + 100 * 32 and tied.num_parameters(embeddings=False) == blocks
    untied = TransformerLM(TransformerConfig(100, 32, 2, intermediate_size=64, gated=True, tie_word_embeddings=False))
    assert untied.num_parameters() - untied.num_parameters(embeddings=False) == 2 * 100 * 32
    assert untied.num_parameters(embeddings=False) == blocks + 2 * 32 * 64


def test_token_by_token_equals_the_parallel_pass():
    torch.manual_seed(0)
    config = TransformerConfig(50, 32, 2, num_key_value_heads=2, intermediate_size=64)
    model = TransformerLM(config).eval()
    tokens = torch.randint(0, 50, (2, 11))
    with torch.no_grad():
        whole, states = model(tokens), model.new_states()
        stepped = torch.cat([model(tokens[:, t : t + 1], states) for t in range(11)], 1)
    torch.testing.assert_close(stepped, whole, rtol=1e-5, atol=1e-5)
