"""Exercises of notebook 01: the mixer's step, the scan's adjoint, chunks, the router, Jamba-1.5-Large, a move."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels import causal_conv_reference, selective_scan_reference
from lib.nn import load_balancing_loss
from lib.workbench.exercises import exercise


@exercise("one decoding step", returns=(Tensor, Tensor, Tensor))
def step(answer):
    """answer(window, h, x, weight, bias, delta, A, B, C, D) -> (window, h, y), for one token x (channels,)."""
    for length, channels, state, width in ((9, 5, 3, 4), (2, 3, 4, 4), (6, 4, 2, 2)):
        x, weight, bias = torch.randn(length, channels), torch.randn(channels, width), torch.randn(channels)
        delta, A, D = torch.rand(length, channels), -torch.rand(channels, state), torch.randn(channels)
        B, C = torch.randn(2, length, state)
        u = causal_conv_reference(x[:, None], weight, bias)[:, 0]  # with its SiLU
        expected = selective_scan_reference(u.T[None], delta.T[None], A, B.T[None], C.T[None], D)[0].T
        window, h = torch.zeros(channels, width - 1), torch.zeros(channels, state)
        for t in range(length):
            before = window.clone()
            window, h, y = answer(window, h, x[t], weight, bias, delta[t], A, B[t], C[t], D)
            assert window.shape == (channels, width - 1), (
                f"the window keeps the last {width - 1} inputs: {(channels, width - 1)}, got {tuple(window.shape)}"
            )
            kept = torch.cat([before[:, 1:], x[t, :, None]], 1)
            assert torch.allclose(window, kept), (
                "the new window drops the oldest input and ends in x itself, before SiLU"
            )
            assert h.shape == A.shape, f"the state must keep its shape {tuple(A.shape)}, got {tuple(h.shape)}"
            assert y.shape == (channels,), f"one output for each channel, got {tuple(y.shape)}"
            assert torch.allclose(y, expected[t], atol=1e-5), (
                f"differs from the mixer at token {t}: convolution over window and x, SiLU, then decay, input, D u"
            )


@exercise("the adjoint of the scan", returns=(Tensor, Tensor))
def adjoint(answer):
    """answer(a, states, grad_states) -> (dL/db, dL/da), each (length, channels)."""
    for length, channels in ((9, 3), (1, 2), (6, 1)):
        a = torch.rand(length, channels, dtype=torch.float64, requires_grad=True)
        b = torch.randn(length, channels, dtype=torch.float64, requires_grad=True)
        h, states = torch.zeros(channels, dtype=torch.float64), []
        for t in range(length):
            h = a[t] * h + b[t]
            states.append(h)
        states, weights = torch.stack(states), torch.randn(length, channels, dtype=torch.float64)
        grad_a, grad_b = torch.autograd.grad((states * weights).sum(), (a, b))
        first, second = answer(a.detach().clone(), states.detach().clone(), weights.clone())
        assert first.shape == second.shape == a.shape, f"two gradients of shape {tuple(a.shape)}"
        swapped = torch.allclose(first, grad_a) and torch.allclose(second, grad_b) and length > 1
        assert not swapped, "both are right but swapped: return the gradient of b first, then that of a"
        assert torch.allclose(first, grad_b), "the gradient of b is g itself; the carry uses a of the step after"
        assert torch.allclose(second, grad_a), (
            "the gradient of a multiplies g with the state before the step, zero at the start"
        )


@exercise("cumulative sums in chunks", returns=Tensor)
def chunks(answer):
    """answer(delta, A, b, closed_form) -> the states (length,); `closed_form` may be called length / 4 times.

    One round hands over a closed form that answers three times too much: the states must then be three times as large,
    which those of a loop beside idle calls are not.
    """
    for mean_delta, factor in ((0.01, 1.0), (0.1, 1.0), (0.7, 1.0), (0.1, 3.0)):
        delta, b = torch.rand(100) * 2 * mean_delta + 1e-4, torch.randn(100)
        used: list[int] = []

        def closed_form(delta, A, b, used=used, factor=factor):
            used.append(len(b))
            S = torch.cumsum(delta * A, 0)
            return factor * torch.exp(S) * torch.cumsum(b * torch.exp(-S), 0)

        expected = _states(delta.double(), -8.0, b.double())
        states = answer(delta, -8.0, b, closed_form)
        assert states.shape == b.shape, f"one state for each step, got {tuple(states.shape)}"
        assert torch.isfinite(states).all(), f"not finite at mean delta {mean_delta}: the chunk is too long"
        idle = factor != 1 and (states - expected).abs().max() < 1e-3
        assert not idle, "the states do not come from the closed form: its answers were not used"
        assert (states - factor * expected).abs().max() < 1e-3, (
            f"wrong at mean delta {mean_delta}: is the carried state multiplied by exp(S)?"
        )
        assert sum(used) >= 100, "use the closed form inside each chunk: it was called on fewer than 100 steps"
        assert len(used) <= 25, f"100 steps may take 25 calls of the closed form, not {len(used)}: longer chunks"


def _states(delta: Tensor, A: float, b: Tensor) -> Tensor:
    h, states = torch.zeros((), dtype=b.dtype), []
    for step_delta, step_b in zip(delta, b, strict=True):
        h = torch.exp(step_delta * A) * h + step_b
        states.append(h)
    return torch.stack(states)


@exercise("router and balancing loss", returns=(Tensor, Tensor, Tensor))
def router(answer):
    """answer(logits) -> (weights, chosen, loss): the top two of the softmax, not rescaled, and the balancing loss."""
    for tokens, experts in ((64, 16), (40, 8)):
        logits = torch.randn(tokens, experts, requires_grad=True)
        weights, chosen, loss = answer(logits)
        top = logits.softmax(-1).topk(2)
        assert weights.shape == chosen.shape == (tokens, 2), "two weights and two experts for each token"
        assert not torch.allclose(weights.sum(-1), torch.ones(tokens)), (
            "Jamba does not rescale the two weights to sum to one"
        )
        assert torch.allclose(weights, top.values), f"the weights are the probabilities over all {experts} experts"
        assert torch.equal(chosen, top.indices), "`chosen` are the two experts with the largest probabilities"
        expected = load_balancing_loss([logits], 2)
        assert torch.allclose(loss, expected), (
            f"n times the sum of f_e P_e, f counted per token: {expected:.3f}, got {loss:.3f}"
        )
        assert loss.requires_grad, "the loss has no gradient: P must keep its way back to the logits"
        [wanted] = torch.autograd.grad(expected, logits, retain_graph=True)
        [got] = torch.autograd.grad(loss, logits, retain_graph=True)
        assert torch.allclose(got, wanted, atol=1e-6), "the gradient flows through the probabilities P alone"


@exercise("Jamba-1.5-Large", returns=(float, float))
def large(answer):
    """answer() -> (GiB of the KV cache at 256K tokens in 16 bit, tokens that weigh as much as the Mamba states)."""
    layers, width, kv_heads, head_dim = 72, 8192, 8, 128
    attending = layers // 8
    per_token = attending * 2 * kv_heads * head_dim * 2
    gib, tokens = answer()
    assert abs(gib - per_token * 256 * 1024 / 2**30) < 0.01, (
        f"one layer of eight attends, and keys and values count; got {gib:.2f} GiB"
    )
    states = (layers - attending) * 2 * width * (16 * 4 + 3 * 2)
    assert abs(tokens - states / per_token) < 1, f"the other layers share the fixed part; got {tokens:.0f} tokens"


@exercise("move the attention layer", returns=(dict, dict))
def places(answer):
    """answer(trial) -> ({pattern: predicted bool}, {pattern: what trial measured}), for attention first and last."""
    patterns, guesses = {"AMMM", "MMMA"}, []
    for _ in range(2):
        results, asked = dict(zip(sorted(patterns), torch.rand(2).tolist(), strict=True)), []

        def trial(pattern, results=results, asked=asked):
            asked.append(pattern)
            return results.get(pattern, 0.0)

        predicted, measured = answer(trial)
        assert set(predicted) == set(measured) == patterns, "both dictionaries have the keys AMMM and MMMA"
        assert all(isinstance(guess, bool) for guess in predicted.values()), "a prediction is True or False"
        assert patterns <= set(asked), "call trial for both patterns: a prediction is compared with a run"
        assert measured == results, "the second dictionary holds what trial returned, as it is"
        guesses.append(predicted)
    assert guesses[0] == guesses[1], "the prediction changed with the measurement: it is made before the run"
    assert guesses[0]["MMMA"], "look again at MMMA: layers below attention can tell every position what stood before it"
    assert not guesses[0]["AMMM"], (
        "look again at AMMM: what does a position know of its predecessor in the first layer?"
    )
