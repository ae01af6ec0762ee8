"""Routing and the balancing loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import MixtureOfExperts, load_balancing_loss


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("tokens", "top_k"), [(1, 1), (7, 2), (40, 3)])
def test_sorted_experts_equal_a_loop_over_tokens(tokens, top_k, normalize):
    torch.manual_seed(0)
    layer = MixtureOfExperts(8, 12, num_experts=5, top_k=top_k, normalize_top_k=normalize).double()
    x = torch.randn(tokens, 8, dtype=torch.float64, requires_grad=True)
    expected = []
    for token in x:
        probabilities = F.softmax(layer.router(token), dim=-1)
        values, chosen = probabilities.topk(top_k)
        values = values / values.sum() if normalize else values
        mixed = 0
        for value, index in zip(values, chosen, strict=True):
            gate, up = (layer.experts.gate_up_proj[index] @ token).chunk(2)
            mixed = mixed + value * (layer.experts.down_proj[index] @ (F.silu(gate) * up))
        expected.append(mixed)
    expected = torch.stack(expected)
    torch.testing.assert_close(layer(x), expected)
    leaves = [x, *layer.parameters()]
    ours, theirs = (torch.autograd.grad(y.square().sum(), leaves) for y in (layer(x), expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_balancing_loss_is_top_k_when_even_and_n_when_collapsed():
    even = torch.zeros(64, 16)
    even[torch.arange(64), torch.arange(64) % 16] = 1e-4
    even[torch.arange(64), (torch.arange(64) + 1) % 16] = 1e-4
    assert load_balancing_loss([even], top_k=2).item() == pytest.approx(2.0, abs=1e-3)
    collapsed = torch.zeros(64, 16)
    collapsed[:, 0], collapsed[:, 1] = 60.0, 30.0
    assert load_balancing_loss([collapsed], top_k=2).item() == pytest.approx(16.0, abs=1e-3)


def test_pooling_layers_lets_opposite_imbalances_cancel():
    first = torch.zeros(8, 2)
    first[:, 0] = 5.0
    pooled = load_balancing_loss([first, -first], top_k=1)
    apart = (load_balancing_loss([first], top_k=1) + load_balancing_loss([-first], top_k=1)) / 2
    assert pooled.item() == pytest.approx(1.0, abs=1e-3) and apart.item() > 1.9


def test_top_k_outside_the_experts_is_named():
    with pytest.raises(ValueError, match=r"top_k must be in 1\.\.num_experts \(4\), got 5"):
        MixtureOfExperts(8, 8, num_experts=4, top_k=5)


def test_a_token_that_chooses_a_noop_passes_by():
    torch.manual_seed(0)
    layer = MixtureOfExperts(8, 12, num_experts=3, top_k=2, num_noops=2)
    x = torch.randn(50, 8)
    out = layer(x)
    weights, chosen = layer.route(layer.router_logits)
    expected = torch.zeros_like(x)
    for slot in range(2):
        for token in range(50):
            if chosen[token, slot] < 3:
                alone = layer.experts(
                    x[token : token + 1], chosen[token, slot].view(1, 1), weights[token, slot].view(1, 1)
                )
                expected[token] += alone[0]
    torch.testing.assert_close(out, expected)
    assert layer.worked == (chosen < 3).double().mean() and 0 < layer.worked < 1
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.weight[3:] = 100 * torch.ones(8)
    assert torch.equal(layer(x.abs()), torch.zeros_like(x))


def test_a_full_expert_drops_the_later_tokens_of_its_own_sequence():
    torch.manual_seed(0)
    layer = MixtureOfExperts(8, 12, num_experts=4, top_k=1, capacity=0.5)
    x = torch.randn(3, 32, 8)
    _, chosen = layer.route(layer.router(x.view(-1, 8)))
    kept = layer.kept(chosen, 32).view(3, 32)
    for row, wanted in zip(kept, chosen.view(3, 32), strict=True):
        for expert in range(4):
            own = (wanted == expert).nonzero()[:, 0]
            assert torch.equal((row & (wanted == expert)).nonzero()[:, 0], own[:4])  # 0.5 * 32 / 4
    together = layer(x)
    changed = x.clone()
    changed[0, 20:] = torch.randn(12, 8)
    changed[2] = 0
    after = layer(changed)
    torch.testing.assert_close(after[0, :20], together[0, :20])  # neither the future nor a neighbour matters
    torch.testing.assert_close(after[1], together[1])
