"""The token-by-token rival: strictly causal, and the same through its cache."""

from __future__ import annotations

import pytest
import torch

from lib.nn import (
    Sampling,
    TokenAR,
    VARConfig,
)


def test_token_by_token_logits_through_the_cache():
    torch.manual_seed(2)
    config = VARConfig(2, 3, (4,), 11, 4, hidden_size=16, num_attention_heads=2, gamma_init=1.0)
    model = TokenAR(config, 16).eval()
    torch.nn.init.normal_(model.head.weight)
    codes, labels, seen = torch.randint(0, 11, (2, 16)), torch.tensor([0, 2]), []
    with torch.no_grad():
        whole = model(labels, codes)
        changed = codes.clone()
        changed[:, 7:] = (changed[:, 7:] + 1) % 11
        assert torch.equal(model(labels, changed)[:, :8], whole[:, :8])
    original = model.run_blocks
    model.run_blocks = lambda *arguments: seen.append(original(*arguments)) or seen[-1]
    model.generate(labels, known=codes, keep=torch.ones_like(codes, dtype=torch.bool))
    torch.testing.assert_close(torch.cat(seen, 1), whole, rtol=1e-4, atol=1e-5)


def test_kept_codes_stay_and_the_others_follow_them():
    torch.manual_seed(3)
    config = VARConfig(2, 3, (3,), 7, 4, hidden_size=16, num_attention_heads=2, gamma_init=1.0)
    model, labels = TokenAR(config, 9).eval(), torch.tensor([0, 2])
    torch.nn.init.normal_(model.head.weight)
    known, keep = torch.randint(0, 7, (2, 9)), torch.zeros(2, 9, dtype=torch.bool)
    keep[:, [0, 1, 5]] = True
    drawn = model.generate(labels, Sampling(temperature=0.0), known=known, keep=keep)
    assert torch.equal(drawn[keep], known[keep])
    with torch.no_grad():
        likeliest = model(labels, drawn).argmax(-1)
    assert torch.equal(drawn[~keep], likeliest[~keep])


def test_the_likelihood_of_all_sequences_is_one():
    torch.manual_seed(4)
    config = VARConfig(1, 2, (1,), 3, 4, hidden_size=8, num_attention_heads=2, gamma_init=1.0)
    model = TokenAR(config, 4).eval()
    torch.nn.init.normal_(model.head.weight)
    every = torch.cartesian_prod(*[torch.arange(3)] * 4)
    with torch.no_grad():
        logits = model(torch.ones(len(every), dtype=torch.long), every)
    likelihood = logits.log_softmax(-1).gather(2, every[..., None]).sum((1, 2)).exp()
    assert likelihood.sum().item() == pytest.approx(1, abs=1e-5) and likelihood.max() > 2 * likelihood.min()
