"""Exercises of notebook 10: mask, given codes, guidance and top-p, pairs in a window, a drawing by two models."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from lib.nn import VAR, MultiScaleQuantizer, Sampling, VARConfig
from lib.workbench.exercises import exercise


@exercise("the mask")
def mask(answer):
    """answer(sides, prefix) -> bool (n, n): row may look at column; `prefix` text tokens stand in front."""
    for sides, prefix in (((1, 2, 4, 8), 0), ((1, 2, 3), 4), ((1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 1)):
        codes = sum(side**2 for side in sides)
        got = torch.as_tensor(answer(sides, prefix)).bool()
        assert got.shape == (prefix + codes,) * 2, f"{prefix} + {codes} rows and columns, got {tuple(got.shape)}"
        assert not got[:prefix, prefix:].any(), "the text stands in front: it sees no code"
        assert got[prefix:, :prefix].all(), "every code sees the whole text"
        text = got[:prefix, :prefix]
        assert torch.equal(text, torch.ones_like(text).tril()), "the text's tokens look back, at themselves and before"
        level = torch.tensor([k for k, side in enumerate(sides) for _ in range(side**2)])
        among = got[prefix:, prefix:]
        assert among[1, 4] and among[4, 1], (
            "rows of the same scale look at each other, in both directions: their inputs are made of coarser codes only"
        )
        assert among[5, 0] and not among[0, 5], (
            "rows are the codes that look: a finer one sees a coarser one, never the reverse"
        )
        wrong = (among != (level[:, None] >= level)).nonzero()
        assert not len(wrong), f"code {int(wrong[0, 0])} and code {int(wrong[0, 1])} are wrong" if len(wrong) else ""


@exercise("the pyramid from given codes", returns=Sequence)
def pyramid(answer):
    """answer(f, given, codebook, phis, sides) -> the codes of every scale; the first len(given) are taken as given."""
    for sides, vocabulary in (((1, 2, 3, 5), 11), ((1, 2, 4), 8)):
        quantizer = MultiScaleQuantizer(vocabulary, 4, sides)
        with torch.no_grad():
            quantizer.embedding.weight.normal_()
            for parameter in quantizer.quant_resi.parameters():
                parameter.normal_(std=0.2)
        phis = [quantizer.quant_resi[k] for k in range(len(sides))]
        f, codebook = torch.randn(4, sides[-1], sides[-1]), quantizer.embedding.weight.detach()
        for given in range(len(sides)):
            fixed = [torch.randint(0, vocabulary, (side**2,)) for side in sides[:given]]
            with torch.no_grad():
                got = [torch.as_tensor(codes).flatten().tolist() for codes in answer(f, fixed, codebook, phis, sides)]
            wanted = _codes(f, fixed, codebook, phis, sides, "bicubic")
            lengths, expected = [len(codes) for codes in got], [side**2 for side in sides]
            assert lengths == expected, f"codes of each scale: {expected}, got {lengths}"
            assert got[:given] == wanted[:given], "the given codes stay as they are"
            first = next((k for k in range(given, len(sides)) if got[k] != wanted[k]), None)
            bare = got == _codes(f, fixed, codebook, [torch.nn.Identity()] * len(sides), sides, "bicubic")
            assert first is None or not bare, "each scale takes phi(up(code)) from the residual, not up(code) alone"
            other = any(got == _codes(f, fixed, codebook, phis, sides, mode) for mode in ("bilinear", "nearest"))
            assert first is None or not other, "the codes are right for another interpolation: F takes 'bicubic'"
            assert first != 0, "the first scale is the code nearest to the mean of the map"
            assert first is None or first < len(sides) - 1, "the last scale is not resized"
            assert first is None, f"scale {first} quantizes what the ones before have left over, given or not"


def _codes(f, given, codebook, phis, sides, mode: str) -> list[list[int]]:
    rest, found = f.clone(), []
    with torch.no_grad():
        for k, (phi, side) in enumerate(zip(phis, sides, strict=True)):
            pooled = F.adaptive_avg_pool2d(rest, side).flatten(1).T
            found.append(given[k] if k < len(given) else torch.cdist(pooled, codebook).argmin(1))
            small = codebook[found[-1]].T.reshape(1, -1, side, side)
            rest = rest - phi(F.interpolate(small, size=f.shape[-2:], mode=mode) if side < f.shape[-1] else small)[0]
    return [codes.tolist() for codes in found]


@exercise("guidance and top-p", returns=Sequence)
def keep(answer):
    """answer(conditional, unconditional, t, top_p) -> the codes kept, sorted."""
    p = torch.tensor([0.35, 0.25, 0.15, 0.10, 0.08, 0.07])
    for top_p, wanted in ((0.5, [0, 1]), (0.3, [0]), (0.9, [0, 1, 2, 3, 4])):
        got = [int(code) for code in answer(p.log(), torch.zeros(6), 0.0, top_p)]
        assert got == wanted, f"with t = 0 and top_p = {top_p} the codes are {wanted}, got {got}"
    for _ in range(30):
        conditional, unconditional = torch.randn(2, 9)
        t, top_p = float(torch.rand(()) * 4), float(0.2 + 0.7 * torch.rand(()))
        mixed = ((1 + t) * conditional - t * unconditional).softmax(-1)
        order = mixed.argsort(descending=True)
        enough = int((mixed[order].cumsum(0) < top_p).sum()) + 1
        got, wanted = (
            [int(code) for code in answer(conditional, unconditional, t, top_p)],
            sorted(order[:enough].tolist()),
        )
        assert got == sorted(got), "return the codes in order"
        assert got == wanted, (
            f"with t = {t:.1f} and top_p = {top_p:.2f} the codes are {wanted}, got {got}: "
            "guidance is (1 + t) conditional - t unconditional, and top-p takes the fewest likeliest codes"
        )


@exercise("pairs in a window", returns=(int, int))
def pairs(answer):
    """answer(sides, window) -> (attention pairs, most codes held): a scale sees itself and the window - 1 before it."""
    schedules = ((1, 2), (1, 2, 4, 8), (1, 2, 3, 4, 5, 6, 8, 10, 13, 16))
    for sides in schedules:
        for window in range(1, len(sides) + 1):
            seen = [sum(side**2 for side in sides[max(0, k - window + 1) : k + 1]) for k in range(len(sides))]
            wanted = sum(side**2 * total for side, total in zip(sides, seen, strict=True)), max(seen)
            got = tuple(int(number) for number in answer(sides, window))
            assert got[0] == wanted[0], (
                f"sides {sides}, window {window}: each scale's codes times the codes they see, {wanted[0]}; "
                f"got {got[0]}"
            )
            assert got[1] == wanted[1], (
                f"sides {sides}, window {window}: at most {wanted[1]} codes are held; got {got[1]}"
            )


@exercise("two models, one drawing", returns=Sequence)
def together(answer):
    """answer(large, small, labels, quantizer, scales, sampling, generator) -> codes; `large` draws the first scales."""
    sides, greedy = (1, 2, 3), Sampling(temperature=0.0)
    quantizer = MultiScaleQuantizer(11, 4, sides)
    torch.nn.init.normal_(quantizer.embedding.weight)
    large, small = (_drawer(sides, width) for width in (24, 16))
    labels = torch.arange(6) % 3
    of_large, of_small = (_lists(model.generate(labels, quantizer, greedy)[1]) for model in (large, small))
    for scales in (1, 2, 0, len(sides)):
        known = large.generate(labels, quantizer, greedy)[1]
        keep = [torch.full_like(codes, k < scales, dtype=torch.bool) for k, codes in enumerate(known)]
        wanted = _lists(small.generate(labels, quantizer, greedy, known=known, keep=keep)[1])
        got = _lists(answer(large, small, labels, quantizer, scales, greedy, torch.Generator()))
        shapes = [(len(labels), side**2) for side in sides]
        found = [torch.as_tensor(codes).shape for codes in got]
        assert list(map(tuple, found)) == shapes, f"codes of every scale, of shapes {shapes}, got {found}"
        assert got[:scales] == wanted[:scales], f"scales = {scales}: the large model draws the first {scales} maps"
        assert got == wanted or got != of_large, f"scales = {scales}: the large model has drawn the last maps, too"
        spliced = [*of_large[:scales], *of_small[scales:]]
        assert got == wanted or got != spliced, (
            f"scales = {scales}: the small model has drawn its maps without seeing what the large one drew"
        )
        assert got == wanted, f"scales = {scales}: after the first {scales} maps the small model goes on from them"


def _drawer(sides: Sequence[int], width: int) -> VAR:
    """A small model whose likeliest codes depend on the class and on the codes before."""
    config = VARConfig(1, 3, sides, 11, 4, hidden_size=width, num_attention_heads=2, gamma_init=1.0)
    model = VAR(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model


def _lists(scales) -> list[list[list[int]]]:
    return [torch.as_tensor(codes).tolist() for codes in scales]
