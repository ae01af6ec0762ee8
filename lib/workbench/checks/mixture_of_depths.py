"""Exercises of notebook 02: the routed update, its bill, the leak of top-k, the router's gradient, chance as router."""

from __future__ import annotations

import torch
from torch import Tensor

from lib.nn import DepthConfig, DepthLM, block_flops, routed_layers
from lib.workbench.exercises import exercise


@exercise("the routed update", returns=Tensor)
def update(answer):
    """answer(x, r, k, update, real) -> the layer's output; padding (real False) never enters."""
    for length, k, padding in ((12, 4, 0), (12, 4, 5), (9, 6, 5)):
        x, r = torch.randn(length, 5), torch.randn(length)
        real = torch.arange(length) >= padding
        r[:padding] += 10  # padding would win every comparison
        seen: list[tuple[Tensor, Tensor]] = []

        def block(rows, positions, seen=seen):
            seen.append((rows.clone(), positions.clone()))
            return torch.cumsum(rows, 0) + positions[:, None]

        kept = x.clone()
        out = answer(x, r.clone(), k, block, real)
        best = r.masked_fill(~real, -torch.inf).topk(min(k, int(real.sum()))).indices.sort().values
        passed = torch.ones(length, dtype=torch.bool)
        passed[best] = False
        assert torch.equal(x, kept), "x itself was changed: work on a copy"
        assert out.shape == x.shape, f"the output must have x's shape {tuple(x.shape)}, got {tuple(out.shape)}"
        assert len(seen) == 1, f"call `update` once, with all chosen rows; it was called {len(seen)} times"
        rows, positions = seen[0]
        assert not (padding and (positions < padding).any()), "padding entered: it must never be among the chosen"
        assert torch.equal(positions, best), (
            "the chosen tokens must come in their original order, with original positions, "
            "as many as k or as there are real ones"
        )
        assert torch.equal(rows, x[best]), "`update` gets the chosen rows of x"
        assert torch.equal(out[passed], x[passed]), "a token that passes by must not change"
        expected = x[best] + torch.sigmoid(r[best])[:, None] * (torch.cumsum(x[best], 0) + best[:, None])
        assert torch.allclose(out[best], expected), "x plus gate times update, the sigmoid gate of the same token"


@exercise("the bill of a routed block", returns=(float, float))
def bill(answer):
    """answer(length, taken, d, m, layers) -> (FLOPs of one routed block, depth at equal cost of the weights' part)."""
    for length, taken, d, m, layers in ((128, 16, 64, 256, 24), (128, 128, 64, 256, 24), (512, 64, 32, 96, 10)):
        flops, depth = answer(length, taken, d, m, layers)
        expected = block_flops(length, d, m, taken=taken)
        assert flops == expected, (
            f"{taken} tokens go through the weights and look at each other, {length} through the router: "
            f"{expected:,}, got {flops:,}"
        )
        wanted = layers * 2 / (1 + taken / length)
        assert abs(depth - wanted) < 1e-9, (
            f"a full and a routed block together cost 1 + {taken / length:g} of a block: "
            f"wanted {wanted:.2f} layers, got {depth:.2f}"
        )


@exercise("the leak")
def leak(answer):
    """answer(r, other, k, cut) -> the earliest position before `cut` whose membership changes, or None."""
    for length, k, cut in [(16, 4, 10)] * 20 + [(9, 2, 3)] * 20 + [(12, 6, 11)] * 20:
        r = torch.randn(length)
        other = r.clone()
        other[cut:] = torch.randn(length - cut)
        before, after = (set(scores.topk(k).indices.tolist()) for scores in (r, other))
        moved = sorted(place for place in before ^ after if place < cut)
        expected, got = moved[0] if moved else None, answer(r, other, k, cut)
        assert got == expected, f"expected {expected} for the {k} best of {length} with the cut at {cut}, got {got}"


@exercise("the router's gradient", returns=Tensor)
def gradient(answer):
    """answer(delta, f, r, x, selected) -> dL/dw for the sigmoid gate; f is given for every token."""
    for length, dim, taken in ((9, 4, 3), (7, 3, 7), (12, 5, 2)):
        x, f, delta = torch.randn(3, length, dim).unbind(0)
        w = torch.randn(dim, requires_grad=True)
        r = x @ w
        selected = torch.zeros(length, dtype=torch.bool)
        selected[r.topk(taken).indices] = True
        out = torch.where(selected[:, None], x + torch.sigmoid(r)[:, None] * f, x)
        [expected] = torch.autograd.grad((delta * out).sum(), w)
        got = answer(delta, f, r.detach(), x, selected)
        assert got.shape == w.shape, f"one number for each entry of w, got {tuple(got.shape)}"
        everywhere = ((delta * f).sum(1) * torch.sigmoid(r) * (1 - torch.sigmoid(r))) @ x
        assert taken == length or not torch.allclose(got, everywhere, atol=1e-6), (
            "a token that passed by has no gate, so it teaches the router nothing: sum over the selected"
        )
        assert torch.allclose(got, expected, atol=1e-5), "sum over the selected of <delta, f> g'(r) x"


@exercise("chance instead of choice", returns=Tensor)
def chance(answer):
    """answer(model, batch, token_losses) -> what token_losses(model, batch, "top_k") gives with random selection."""
    for every, layers in ((2, 4), (1, 2), (2, 2)):
        model = DepthLM(DepthConfig(20, 16, layers, 2, 32, every=every, capacity=0.25)).eval()
        tokens = torch.randint(20, (3, 12))
        asked: list[tuple[str, set[str]]] = []

        def token_losses(model, batch, rule="causal", asked=asked):
            asked.append((rule, {layer.scores for layer in routed_layers(model)}))
            return torch.rand(batch.shape) + len(asked)

        got = answer(model, tokens, token_losses)
        assert len(asked) == 1, f"measure once, with token_losses; it was called {len(asked)} times"
        rule, scores = asked[0]
        assert rule == "top_k", f'the rule must be "top_k", so that as many tokens go in as in training, got {rule!r}'
        assert scores == {"random"}, "every routed layer must choose at random while the losses are taken"
        assert got.shape == tokens.shape, "return the losses of all targets, as token_losses gives them"
        assert {layer.scores for layer in routed_layers(model)} == {"learned"}, "the model must be left as it was"
