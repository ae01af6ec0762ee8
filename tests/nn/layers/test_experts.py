"""Routing and the balancing loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import DepthConfig, DepthLM, MixtureOfExperts, load_balancing_loss


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


def limited(num_noops=0):
    torch.manual_seed(1)
    return MixtureOfExperts(8, 12, 4, 2, capacity=1.0, num_noops=num_noops)


@pytest.mark.parametrize("num_noops", [0, 2])
def test_padding_takes_no_experts_place_and_no_row_sees_anothers(num_noops):
    layer = limited(num_noops)
    rows = [torch.randn(1, n, 8) for n in (5, 9, 1)]
    batch, mask = torch.zeros(3, 9, 8), torch.zeros(3, 9, dtype=torch.bool)
    for row, x in enumerate(rows):  # padded on the left, with what would win every place
        batch[row] = 7 * torch.randn(9, 8)
        batch[row, 9 - x.shape[1] :], mask[row, 9 - x.shape[1] :] = x[0], True
    together = layer(batch, mask)
    for row, x in enumerate(rows):
        torch.testing.assert_close(together[row, 9 - x.shape[1] :][None], layer(x))
    assert torch.equal(together[~mask], torch.zeros_like(together[~mask]))


def test_a_lone_token_always_has_room():
    layer, x = limited(), torch.randn(6, 1, 8)
    free = MixtureOfExperts(8, 12, 4, 2)
    free.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), free(x))


@pytest.mark.parametrize(("capacity", "room"), [(1.0, 3), (1.1, 4), (0.3, 1), (2.3, 7)])
def test_room_is_a_ceiling(capacity, room):
    """capacity * 6 * 2 / 4 = 3 capacity: 3 * 1.1 and 3 * 2.3 lie between whole numbers."""
    layer = MixtureOfExperts(8, 12, 4, 2, capacity=capacity)
    chosen = torch.tensor([[0, 1]] * 6)
    assert layer.kept(chosen, 6).sum(0).tolist() == [min(room, 6)] * 2


def test_experts_in_a_routed_block_are_not_crowded_by_other_rows():
    torch.manual_seed(0)
    model = DepthLM(DepthConfig(30, 16, 2, 2, 24, every=1, num_experts=4, expert_capacity=1.0, predictor=False)).eval()
    tokens = torch.randint(0, 30, (6, 16))
    with torch.no_grad():
        alone = torch.cat([model(row[None]) for row in tokens])
        torch.testing.assert_close(model(tokens), alone, rtol=1e-5, atol=1e-5)


def test_nothing_comes_of_nothing():
    for layer in (MixtureOfExperts(8, 12, 4, 2), limited(), limited(1)):
        assert layer(torch.zeros(2, 0, 8)).shape == (2, 0, 8)
    logits = [torch.randn(6, 4, requires_grad=True)]
    loss = load_balancing_loss(logits, 2, torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss == 0 and torch.equal(logits[0].grad, torch.zeros(6, 4))


def test_the_loss_takes_any_mask_that_says_which_tokens_are_real():
    torch.manual_seed(0)
    logits = [torch.randn(6, 4), torch.randn(6, 4)]  # two rows of three tokens
    mask = torch.tensor([[0, 1, 1], [1, 1, 1]])
    kept = [layer[mask.flatten().bool()] for layer in logits]
    expected = load_balancing_loss(kept, 2)
    whole = torch.cat((torch.ones(2, 5, dtype=torch.long), mask), dim=1)  # a cached step's: five tokens before
    for numbers in (mask, mask.bool(), mask.flatten(), whole):
        torch.testing.assert_close(load_balancing_loss(logits, 2, numbers), expected)


@pytest.mark.parametrize(
    ("mask", "top_k", "words"), [((5,), 2, "mask must have one entry"), (None, 5, "top_k must be")]
)
def test_a_loss_that_cannot_be_says_why(mask, top_k, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        load_balancing_loss([torch.randn(6, 4)], top_k, None if mask is None else torch.ones(mask))


@pytest.mark.parametrize("capacity", [0.0, -1.0, float("inf"), float("nan")])
def test_a_capacity_is_positive_and_finite(capacity):
    with pytest.raises(ValueError, match=r"^capacity must be positive and finite"):
        MixtureOfExperts(8, 12, 4, 2, capacity=capacity)
