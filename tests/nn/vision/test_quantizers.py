"""The multi-scale quantizer: shared phi, k-means start, dead codes, and a record that survives reloading."""

from __future__ import annotations

import copy

import pytest
import torch

from lib.nn import MultiScaleQuantizer, code_usage


@pytest.mark.parametrize("options", [{}, {"share_phi": None}, {"residual": False}])
def test_the_start_uses_the_whole_codebook(options):
    torch.manual_seed(0)
    f = torch.randn(64, 6, 8, 8) + 2 * torch.randn(64, 6, 1, 1)
    quantizer = MultiScaleQuantizer(64, 6, (1, 2, 8), **options)
    quantizer.start_from(f)
    again = MultiScaleQuantizer(64, 6, (1, 2, 8), **options)
    again.start_from(f)
    torch.testing.assert_close(quantizer.embedding.weight, again.embedding.weight, rtol=0, atol=0)
    stats = code_usage(quantizer.encode(f), 64)
    assert stats["used_overall"] >= 60 and stats["perplexity_overall"] > 32
    errors = quantizer.eval()(f).errors
    assert errors[-1] < 0.5 * f.var() and (options.get("residual") is False or errors[0] > errors[1] > errors[2])
    few = MultiScaleQuantizer(64, 6, (1, 2))  # fewer points than codes
    few.start_from(f[:4, :, :2, :2])
    assert torch.isfinite(few.embedding.weight).all()


def test_reviving_replaces_dead_codes_only():
    torch.manual_seed(1)
    quantizer = MultiScaleQuantizer(10, 3, (1, 2)).train()
    with torch.no_grad():
        quantizer.embedding.weight[7:] = 100.0
    f = torch.randn(30, 3, 2, 2)
    quantizer(f)
    before = quantizer.embedding.weight.clone()
    dead = quantizer.ema_vocab_hit_SV.sum(0) < 0.03 * quantizer.ema_vocab_hit_SV.sum() / 10
    assert dead[7:].all()
    assert quantizer.revive(f) == int(dead.sum())
    changed = (quantizer.embedding.weight != before).any(1)
    assert torch.equal(changed, dead) and quantizer.embedding.weight.abs().max() < 50


def used(quantizer, passes, first=0):
    """The hits of each scale after some more passes over maps that depend on the pass."""
    for step in range(first, first + passes):
        quantizer.train()(torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(step)))
    return quantizer.ema_vocab_hit_SV


@pytest.mark.parametrize("before", [1, 3, 105])
def test_a_reloaded_quantizer_goes_on_like_the_uninterrupted_one(before):
    torch.manual_seed(0)
    going = MultiScaleQuantizer(10, 3, (1, 2))
    used(going, before)
    resumed = MultiScaleQuantizer(10, 3, (1, 2))
    resumed.load_state_dict(copy.deepcopy(going.state_dict()))
    assert torch.equal(used(going, 2, before), used(resumed, 2, before))
    assert int(going.records) == int(resumed.records) == before + 2
    f = torch.randn(4, 3, 2, 2)
    assert going.revive(f, below=0.5) == resumed.revive(f, below=0.5)
    assert torch.equal(going.embedding.weight, resumed.embedding.weight)


def test_a_state_without_the_count_is_a_long_history_when_it_has_hits():
    torch.manual_seed(0)
    quantizer = MultiScaleQuantizer(10, 3, (1, 2))
    state = copy.deepcopy(quantizer.state_dict())
    del state["records"]
    names = set(state)
    quantizer.load_state_dict(state)
    assert quantizer.records == 0 and set(state) == names
    state["ema_vocab_hit_SV"] += 50.0
    quantizer.load_state_dict(state)
    assert quantizer.records == 100
    assert torch.allclose(used(quantizer, 1).sum(1), 0.99 * 500 + 0.01 * torch.tensor([4.0, 16.0]))
    del state["embedding.weight"]
    with pytest.raises(RuntimeError, match=r"embedding\.weight"):
        quantizer.load_state_dict(state)


def test_a_copy_after_a_pass_is_a_copy():
    torch.manual_seed(0)
    quantizer = MultiScaleQuantizer(10, 3, (1, 2)).train()
    quantizer(torch.randn(4, 3, 2, 2, requires_grad=True)).loss.backward()
    twin = copy.deepcopy(quantizer)
    assert torch.equal(used(twin, 1), used(quantizer, 1)) and twin.records == 2


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^share_phi must be at least 0, or None for no phi, got -1$"):
        MultiScaleQuantizer(4, 2, (1, 2), share_phi=-1)
    with pytest.raises(ValueError, match=r"^patch_nums must grow from at least 1, got \(1, 1\)$"):
        MultiScaleQuantizer(4, 2, (1, 1))
    with pytest.raises(ValueError, match=r"^f must be a map of side 2, got \(3, 3\)$"):
        MultiScaleQuantizer(4, 2, (1, 2)).encode(torch.zeros(1, 2, 3, 3))
