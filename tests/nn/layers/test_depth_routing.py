"""Mixture-of-Depths: residual, gate, positions, causality and ragged caches, each proved against a dense oracle."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib.nn import (
    Attention,
    DecoderLayer,
    DepthConfig,
    DepthLM,
    GatedMLP,
    MambaMixer,
    RoutedLayer,
    attention_flops,
    block_flops,
    forward_flops,
    generate,
    linear_flops,
    predictor_loss,
    routed_layers,
    router_loss,
    routing_rule,
    routings,
    top_k_indices,
)
from lib.nn.layers.depth_routing import tokens_taken

DIM, LENGTH = 16, 24
CLOSE = {"rtol": 1e-5, "atol": 2e-6}  # the models are float64, but rotary positions turn in float32


def block(rope=10_000.0):
    return DecoderLayer(DIM, Attention(DIM, 4, rope_theta=rope), GatedMLP(DIM, 24))


def routed(capacity=0.25, seed=0, **options):
    torch.manual_seed(seed)
    layer = RoutedLayer(block(), capacity, **options).double()
    torch.nn.init.normal_(layer.router.weight)
    return layer


def model(seed=0, **changes):
    """Small, with routers and predictors that disagree and take about half of the tokens."""
    torch.manual_seed(seed)
    built = DepthLM(DepthConfig(40, DIM, 4, 4, 24, every=2, capacity=0.25, **changes)).double().eval()
    for layer in routed_layers(built):
        torch.nn.init.normal_(layer.router.weight)
        if layer.predictor is not None:
            torch.nn.init.normal_(layer.predictor[2].weight)
    return built


def oracle(layer, x, selected, gate):
    """The dense form: every token computed, keys of the others masked out, the selected rows alone updated."""
    inner = layer.block
    normed = inner.input_layernorm(x)
    queries, keys, values = inner.mixer.project(normed)
    scores = queries @ keys.transpose(-1, -2) * inner.mixer.head_dim**-0.5
    length = x.shape[1]
    visible = torch.ones(length, length, dtype=torch.bool).tril() & selected[:, None, None, :]
    attended = scores.masked_fill(~visible, -1e30).softmax(-1) @ values
    mixed = inner.mixer.o_proj(attended.transpose(1, 2).flatten(2))
    update = mixed + inner.feed_forward(inner.pre_ff_layernorm(x + mixed))
    return torch.where(selected[..., None], x + gate[..., None] * update, x)


@pytest.mark.parametrize("gate", ["sigmoid", "raw"])
@pytest.mark.parametrize("capacity", [0.01, 0.25, 0.9, 1.0])
def test_gather_path_equals_the_masked_dense_oracle_in_values_and_gradients(capacity, gate):
    layer = routed(capacity, gate=gate).train()
    x = torch.randn(3, LENGTH, DIM, dtype=torch.float64, requires_grad=True)
    ours = layer(x)
    selected = layer.routing.selected
    assert selected.sum(1).tolist() == [max(1, int(capacity * LENGTH))] * 3
    scores = layer.router(x).squeeze(-1)
    expected = oracle(layer, x, selected, torch.sigmoid(scores) if gate == "sigmoid" else scores)
    torch.testing.assert_close(ours, expected, **CLOSE)
    leaves = [x, layer.router.weight, *layer.block.parameters()]
    cotangent = torch.randn_like(ours)
    for a, b in zip(*(torch.autograd.grad((y * cotangent).sum(), leaves) for y in (ours, expected)), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)


def test_the_top_scores_of_each_sequence_are_selected_and_the_other_rows_keep_every_bit():
    layer = routed(0.25).train()
    x = torch.randn(3, LENGTH, DIM, dtype=torch.float64)
    out, scores = layer(x), layer.router(x).squeeze(-1)
    for row in range(3):
        best = set(scores[row].topk(6).indices.tolist())
        assert set(layer.routing.selected[row].nonzero().flatten().tolist()) == best
    skipped = ~layer.routing.selected
    assert torch.equal(out[skipped], x[skipped]) and not torch.equal(out[~skipped], x[~skipped])


def test_gate_one_and_capacity_one_equal_the_plain_block():
    layer = routed(1.0, gate="raw").train()
    x = torch.randn(2, LENGTH, DIM, dtype=torch.float64)
    x[..., 0] = 1
    with torch.no_grad():
        layer.router.weight.copy_(torch.eye(DIM)[:1])  # r = x_0 = 1
    torch.testing.assert_close(layer(x), layer.block(x))


@pytest.mark.parametrize("mixer", ["attention", "mamba"])
def test_any_block_can_be_wrapped(mixer):
    torch.manual_seed(0)
    inner = Attention(DIM, 4) if mixer == "attention" else MambaMixer(DIM, 4)
    layer = RoutedLayer(DecoderLayer(DIM, inner, GatedMLP(DIM, 24)), 0.5).train()
    out = layer(torch.randn(2, 8, DIM))
    out.sum().backward()
    assert all(p.grad is not None for name, p in layer.named_parameters() if "predictor" not in name)
    if mixer == "mamba":
        with pytest.raises(NotImplementedError, match=r"mixer must be an Attention .*, got MambaMixer"):
            layer.new_state()


def test_router_gradient_comes_from_the_selected_tokens_alone():
    """dL/dw = sum over selected i of <dL/dx_i, f_i> g'(r_i) x_i (section 2.3's equation, differentiated)."""
    layer = routed(0.25).train()
    x = torch.randn(2, LENGTH, DIM, dtype=torch.float64)
    out = layer(x)
    cotangent = torch.randn_like(out)
    (out * cotangent).sum().backward()
    scores, selected = layer.router(x).squeeze(-1).detach(), layer.routing.selected
    gate = torch.sigmoid(scores)
    update = (out.detach() - x) / gate[..., None]
    weights = (cotangent * update).sum(-1) * gate * (1 - gate) * selected
    torch.testing.assert_close(layer.router.weight.grad[0], torch.einsum("bs,bsd->d", weights, x), **CLOSE)


def test_padding_is_never_selected_and_costs_no_capacity():
    layer = routed(0.25, seed=1)
    lengths, x = (24, 9, 2), torch.randn(3, LENGTH, DIM, dtype=torch.float64)
    mask = torch.arange(LENGTH) >= LENGTH - torch.tensor(lengths)[:, None]
    for rule in ("top_k", "causal"):
        layer.eval().rule = rule
        out = layer(x, mask=mask)
        assert not layer.routing.selected[~mask].any()
        if rule == "top_k":
            assert layer.routing.selected.sum(1).tolist() == [6, 2, 1]
        for row, length in enumerate(lengths):
            alone = layer(x[row : row + 1, LENGTH - length :])
            torch.testing.assert_close(out[row : row + 1, LENGTH - length :], alone)


@pytest.mark.parametrize("predictor", [True, False])
def test_under_the_causal_rule_a_changed_future_never_changes_the_past(predictor):
    net = model(predictor=predictor)
    tokens = torch.randint(0, 40, (8, LENGTH), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[:, 15:] = (changed[:, 15:] + 7) % 40
    with torch.no_grad():
        torch.testing.assert_close(net(tokens)[:, :15], net(changed)[:, :15], **CLOSE)
        assert any(routing.selected.any() for routing in routings(net))
        with routing_rule(net, "top_k"):
            leak = (net(tokens)[:, :15] - net(changed)[:, :15]).abs().max()
    assert leak > 1e-3  # top-k over the sequence looks ahead


@pytest.mark.parametrize("prompt", [1, 5, LENGTH - 1])
@pytest.mark.parametrize("predictor", [True, False])
def test_token_by_token_decoding_equals_the_parallel_causal_forward(prompt, predictor):
    net = model(predictor=predictor)
    tokens = torch.randint(0, 40, (4, LENGTH), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = net(tokens)
        taken = [routing.selected.sum(1) for routing in routings(net)]
        states = net.new_states()
        pieces = [net(tokens[:, :prompt], states)]
        pieces += [net(tokens[:, t : t + 1], states) for t in range(prompt, LENGTH)]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, **CLOSE)
    for index, counts in zip((1, 3), taken, strict=True):
        assert len(set(counts.tolist())) > 1  # ragged
        assert states[index].cache.lengths.tolist() == counts.tolist()
        assert states[index].nbytes == 2 * counts.sum() * DIM * 8
        assert states[index].seen == LENGTH


def test_generate_with_padding_gives_each_prompt_what_it_gets_alone():
    net = model()
    prompts = [torch.randint(0, 40, (1, n), generator=torch.Generator().manual_seed(n)) for n in (7, 3)]
    padded = torch.zeros(2, 7, dtype=torch.long)
    mask = torch.zeros(2, 7, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        padded[row, 7 - prompt.shape[1] :], mask[row, 7 - prompt.shape[1] :] = prompt, True
    together = generate(net, padded, 12, mask=mask)[:, -12:]
    for row, prompt in enumerate(prompts):
        assert torch.equal(generate(net, prompt, 12)[0, -12:], together[row])


def test_the_predictor_learns_without_touching_the_language_model():
    net = model().train()
    net(torch.randint(0, 40, (2, LENGTH)))
    predictor_loss(routings(net)).backward()
    touched = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched and all("predictor" in name for name in touched)
    net.zero_grad()
    net(torch.randint(0, 40, (2, LENGTH)))
    router_loss(routings(net)).backward()
    assert net.model.embed_tokens.weight.grad.abs().sum() > 0


def test_losses_are_binary_cross_entropy_with_the_selection_of_each_sequence():
    layer = routed(0.25).train()
    mask = torch.ones(2, LENGTH, dtype=torch.bool)
    mask[1, :10] = False
    layer(torch.randn(2, LENGTH, DIM, dtype=torch.float64), mask=mask)
    routing = layer.routing
    for loss, logits in ((router_loss, routing.scores), (predictor_loss, routing.decision)):
        p = torch.sigmoid(logits)[mask]
        chosen = routing.selected[mask]
        expected = -torch.where(chosen, p, 1 - p).log().mean()
        torch.testing.assert_close(loss([routing]), expected)


def test_random_routing_ignores_the_router_but_keeps_its_budget():
    layer = routed(0.25, scores="random").train()
    x = torch.randn(4, LENGTH, DIM, dtype=torch.float64)
    seen = []
    for _ in range(3):
        layer(x)
        seen.append(layer.routing.selected)
        assert seen[-1].sum(1).tolist() == [6] * 4
    assert not torch.equal(seen[0], seen[1])
    layer.eval()
    torch.manual_seed(0)
    rates = [(layer(x), layer.routing.selected.double().mean())[1] for _ in range(200)]
    assert 0.22 < torch.stack(rates).mean() < 0.28


def test_ties_and_short_sequences_still_give_the_exact_count():
    assert top_k_indices(torch.zeros(2, 16), 0.25).shape == (2, 4)
    assert top_k_indices(torch.zeros(1, 1), 0.125).tolist() == [[0]]
    indices = top_k_indices(torch.zeros(2, 6), 0.5, torch.tensor([[False] * 6, [False] * 5 + [True]]))
    assert indices.tolist() == [[-1], [5]]


def test_flops_of_the_sheet():
    assert linear_flops(128, 64, 256) == 12_582_912 and attention_flops(128, 64) == 4_194_304
    vanilla, depth = block_flops(128, 64, 256), block_flops(128, 64, 256, 16)
    assert depth == 1_654_784
    assert depth / vanilla == pytest.approx(0.0986, abs=5e-5)
    assert (vanilla + depth) / (2 * vanilla) == pytest.approx(0.5493, abs=5e-5)
    assert (linear_flops(128, 64, 256) + linear_flops(16, 64, 256)) / (2 * linear_flops(128, 64, 256)) == 0.5625
    assert attention_flops(128, 64, causal=True) == 2 * 128 * 129 * 64


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("every", [0, 1, 2])
def test_counted_flops_equal_the_measured(every, predictor):
    config = DepthConfig(40, 32, 4, 4, 64, every=every, capacity=0.25, predictor=predictor)
    net = DepthLM(config).train()
    for layer in net.model.layers:  # the counter knows the products of the plain attention
        getattr(layer, "block", layer).mixer.register_forward_pre_hook(lambda *_: None)
    tokens = torch.randint(0, 40, (2, 16))
    with FlopCounterMode(display=False) as counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        net(tokens)
    assert counter.get_total_flops() == 2 * forward_flops(config, 16)


@pytest.mark.parametrize("changes", [{}, {"num_experts": 2}, {"num_experts": 2, "num_noops": 1}, {"predictor": False}])
def test_training_and_decoding_work_under_autocast(changes):
    """As on a GPU: the weights stay float32, the products are bfloat16, and the result is near float32's."""
    net = model(**changes).float().train()
    tokens = torch.randint(0, 40, (2, LENGTH), generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(tokens)
    logits.float().square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    assert (logits.float() - net(tokens)).abs().mean() < 0.1 * logits.float().std()
    with torch.autocast("cpu", torch.bfloat16):
        assert generate(net.eval(), tokens, 3).shape == (2, LENGTH + 3)


def test_bad_arguments_are_named_in_one_sentence():
    with pytest.raises(ValueError, match=r"^capacity must be in \(0, 1\], got 0$"):
        RoutedLayer(block(), 0)
    with pytest.raises(ValueError, match=r"^gate must be one of sigmoid, raw, got 'softmax'$"):
        RoutedLayer(block(), 0.5, gate="softmax")
    with (
        pytest.raises(ValueError, match=r"^rule must be one of top_k, causal, got 'best'$"),
        routing_rule(model(), "best"),
    ):
        pass
    with pytest.raises(RuntimeError, match="after a forward pass"):
        routings(model())


def test_the_count_is_the_floor_of_the_exact_product_with_and_without_a_mask():
    for hundredths in range(1, 101):
        lengths = torch.arange(1, 400)
        exact = (hundredths * lengths // 100).clamp(min=1)
        assert torch.equal(tokens_taken(hundredths / 100, lengths), exact)
        assert [tokens_taken(hundredths / 100, int(n)) for n in lengths[::37]] == exact[::37].tolist()
    scores = torch.randn(1, 100)
    masked = top_k_indices(scores, 0.29, torch.ones(1, 100, dtype=torch.bool))
    assert top_k_indices(scores, 0.29).shape == masked.shape == (1, 29)


def test_losses_over_nothing_but_padding_are_zero():
    layer = routed().train()
    layer(torch.randn(2, 6, DIM).double(), mask=torch.zeros(2, 6, dtype=torch.bool))
    for loss in (router_loss([layer.routing]), predictor_loss([layer.routing])):
        loss.backward()
        assert loss == 0
