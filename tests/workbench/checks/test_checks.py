"""Every checker accepts a right answer, and rejects the plausible wrong ones with a sentence that fits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lib.data import encode_windows
from lib.evaluation.relations import holds, intersection_over_union
from lib.nn import JambaConfig, cache_bytes, load_balancing_loss, recurrent_state_bytes, routed_layers
from lib.workbench.checks import (
    jamba,
    mixture_of_depths,
    neurally_compressed_text,
    reft,
    spright,
    think_and_execute,
    var,
)
from lib.workbench.exercises import Exercise


def step(window, h, x, weight, bias, delta, A, B, C, D):
    whole = torch.cat([window, x[:, None]], 1)
    u = F.silu((whole * weight).sum(1) + bias)
    h = torch.exp(delta[:, None] * A) * h + (delta * u)[:, None] * B
    return whole[:, 1:], h, h @ C + D * u


def step_without_skip(window, h, x, weight, bias, delta, A, B, C, D):
    window, h, y = step(window, h, x, weight, bias, delta, A, B, C, 0 * D)
    return window, h, y


def step_that_keeps_the_convolved(window, h, x, weight, bias, delta, A, B, C, D):
    whole = torch.cat([window, x[:, None]], 1)
    u = F.silu((whole * weight).sum(1) + bias)
    h = torch.exp(delta[:, None] * A) * h + (delta * u)[:, None] * B
    return torch.cat([window[:, 1:], u[:, None]], 1), h, h @ C + D * u


def adjoint(a, states, grad_states):
    g, carried = torch.empty_like(a), torch.zeros_like(a[0])
    for t in reversed(range(len(a))):
        g[t] = grad_states[t] + carried
        carried = a[t] * g[t]
    return g, g * torch.cat([torch.zeros_like(states[:1]), states[:-1]])


def loop_beside_idle_calls(delta, A, b, closed_form):
    for start in range(0, len(b), 5):
        closed_form(delta[start : start + 5], A, b[start : start + 5])
    return jamba._states(delta, A, b)


def places(trial, first=False):
    return {"AMMM": first, "MMMA": True}, {pattern: trial(pattern) for pattern in ("AMMM", "MMMA")}


def chunks(delta, A, b, closed_form, chunk=6):
    h, states = torch.zeros(()), []
    for start in range(0, len(b), chunk):
        now = slice(start, start + chunk)
        states.append(closed_form(delta[now], A, b[now]) + torch.exp(torch.cumsum(delta[now] * A, 0)) * h)
        h = states[-1][-1]
    return torch.cat(states)


def router(logits, chosen_of=lambda top: top.indices, loss_of=lambda loss: loss):
    probabilities = logits.softmax(-1)
    top = probabilities.topk(2)
    f = torch.bincount(top.indices.flatten(), minlength=logits.shape[1]) / len(logits)
    return top.values, chosen_of(top), loss_of(logits.shape[1] * (f * probabilities.mean(0)).sum())


def large():
    config = JambaConfig(hidden_size=8192, num_hidden_layers=72, num_attention_heads=64)
    return cache_bytes(config, 256 * 1024) / 2**30, recurrent_state_bytes(config) / cache_bytes(config, 1)


def update(x, r, k, update, real):
    r = r.masked_fill(~real, -torch.inf)
    chosen = r.topk(min(k, int(real.sum()))).indices.sort().values
    out = x.clone()
    out[chosen] += torch.sigmoid(r[chosen])[:, None] * update(x[chosen], chosen)
    return out


def update_in_place(x, r, k, update, real):
    chosen = r.masked_fill(~real, -torch.inf).topk(min(k, int(real.sum()))).indices.sort().values
    x[chosen] += torch.sigmoid(r[chosen])[:, None] * update(x[chosen], chosen)
    return x


def bill(length, taken, d, m, layers):
    flops = taken * (8 * d * d + 4 * d * m) + 4 * taken**2 * d + 2 * length * d
    return flops, layers * 2 / (1 + taken / length)


def leak(r, other, k, cut):
    taken = torch.zeros(2, len(r), dtype=torch.bool)
    for row, scores in enumerate((r, other)):
        taken[row, scores.topk(k).indices] = True
    moved = (taken[0] != taken[1])[:cut].nonzero().flatten().tolist()
    return moved[0] if moved else None


def gradient(delta, f, r, x, selected):
    gate = torch.sigmoid(r)
    return ((delta * f).sum(1) * gate * (1 - gate) * selected) @ x


def code(low, size):
    length = 49 - size.bit_length()
    while True:
        unit = 2 ** (48 - length)
        value = -(-low // unit)
        if (value + 1) * unit <= low + size:
            return length, value
        length += 1


def pair(model, text):
    for start, length in itertools.product(range(len(text) - 8), range(1, 7)):
        first, second = text[start : start + length], text[start : start + length + 1]
        a, b = encode_windows(model, [first, second], 16, mode="greedy")
        if len(a) == len(b) == 1 and (a.digits == b.digits).all():
            return first, second
    raise AssertionError("the search ends")


def shifted(tokens, bits):
    stream = np.unpackbits(tokens.astype(np.uint8))[bits:]
    return np.packbits(stream[: len(stream) // 8 * 8]).astype(np.int64)


def worth(bits, slack, first, later):
    held = 1 + (bits - slack - first) / later
    return held, bits / held


def phi(h, R, W, b, active):
    rows = R[active]
    return h + (h @ W[active].T + b[active] - h @ rows.T) @ rows


def count(dim, layers, rank, groups, constant=False):
    return layers * groups * ((1 if constant else 2) * rank * dim + rank)


def positions(length, width, prefix, suffix):
    if length < prefix + suffix:
        prefix, suffix = min(prefix, length // 2), min(suffix, -(-length // 2))
    return [*range(width - length, width - length + prefix), *range(width - suffix, width)]


def reach(site, position, layers, length):
    changed = np.zeros((layers + 1, length), dtype=bool)
    changed[site + 1, position] = True
    changed[site + 2 :, position:] = True
    return changed


def reach_without_the_site(site, position, layers, length):
    changed = np.zeros((layers + 1, length), dtype=bool)
    changed[site + 1 :, position:] = True
    return changed


def mask(sides, prefix):
    level = torch.repeat_interleave(torch.arange(len(sides)), torch.tensor(sides) ** 2)
    whole = torch.zeros(prefix + len(level), prefix + len(level), dtype=torch.bool)
    whole[:, :prefix] = torch.ones(len(whole), prefix).tril().bool()
    whole[prefix:, :prefix] = True
    whole[prefix:, prefix:] = level[:, None] >= level
    return whole


def pyramid(f, given, codebook, phis, sides, mode="bicubic", phi_of=lambda phi: phi):
    rest, found = f.clone(), []
    for k, (phi, side) in enumerate(zip(phis, sides, strict=True)):
        z = F.adaptive_avg_pool2d(rest, side).flatten(1).T
        found.append(given[k] if k < len(given) else torch.cdist(z, codebook).argmin(1))
        e = codebook[found[-1]].T.reshape(1, -1, side, side)
        large = F.interpolate(e, size=f.shape[-2:], mode=mode) if side < f.shape[-1] else e
        rest = rest - phi_of(phi)(large)[0]
    return found


def keep(conditional, unconditional, t, top_p, mix=lambda c, u, t: (1 + t) * c - t * u):
    probabilities = mix(conditional, unconditional, t).softmax(-1)
    ordered = probabilities.argsort(descending=True)
    before = probabilities[ordered].cumsum(0) - probabilities[ordered]
    return sorted(ordered[before < top_p].tolist())


def pairs(sides, window):
    seen = [sum(side**2 for side in sides[max(0, k - window + 1) : k + 1]) for k in range(len(sides))]
    return sum(side**2 * total for side, total in zip(sides, seen, strict=True)), max(seen)


SHUFFLED = """
def shuffled(start, swaps, asked):
    has = {}
    for person, thing in start:
        has[person] = thing
    for one, other in swaps:
        swap has[one] and has[other]
        print(one, has[one], other, has[other])
    return has[asked]
"""


def extract(text, options):
    said = text.rpartition("Final answer:")[2].strip().split("\n")[0].strip().rstrip(".")
    for letter, option in zip("ABCDEFGH", options, strict=False):
        if "Final answer:" in text and said in (option, letter, f"({letter})", f"({letter}) {option}"):
            return option
    return None


def trace(brackets):
    lines, stack = [], []
    for bracket in brackets:
        if bracket in "([{<":
            stack.append(")]}>"["([{<".index(bracket)])
        else:
            stack.pop()
        lines.append(" ".join([bracket, *stack]))
    return lines


def together(large, small, labels, quantizer, scales, sampling, generator):
    _, known = large.generate(labels, quantizer, sampling, generator=generator)
    keep = [torch.full_like(codes, k < scales, dtype=torch.bool) for k, codes in enumerate(known)]
    return small.generate(labels, quantizer, sampling, generator=generator, known=known, keep=keep)[1]


def spliced(large, small, labels, quantizer, scales, sampling, generator):
    first, rest = (model.generate(labels, quantizer, sampling)[1] for model in (large, small))
    return [*first[:scales], *rest[scales:]]


def clock(hour):
    return f"{(hour - 1) % 12 + 1}{'am' if hour % 24 < 12 else 'pm'}"


def fairer(question, draw, changed=1):
    (wake, busy, close), options = question.arguments, list(question.options)
    taken = {hour for start, end in busy for hour in range(start, end)}
    free = set(range(wake, close)) - taken
    spans = [(a, b) for a in range(wake, close) for b in range(a + 1, close + 1) if not set(range(a, b)) <= free]
    new = [f"{clock(a)} to {clock(b)}" for a, b in spans]
    new = [span for span in new if span not in options and f"from {span}" not in question.text]
    wrong = [k for k, option in enumerate(options) if option != question.answer]
    places = draw.choice(wrong, changed, replace=False)
    for place, k in zip(places, draw.choice(len(new), changed, replace=False), strict=True):
        options[place] = new[k]
    return options


def by_chance(model, batch, token_losses, rule="top_k", restore=True):
    layers = routed_layers(model)
    try:
        for layer in layers:
            layer.scores = "random"
        return token_losses(model, batch, rule)
    finally:
        for layer in layers if restore else ():
            layer.scores = "learned"


def visor(prompts, seen, pick=any, along=holds):
    found, right = np.zeros((2, len(prompts), 4), dtype=bool)
    for p, prompt in enumerate(prompts):
        for i, picture in enumerate(seen[p]):
            first, second = ([thing for thing in picture if thing.name == n] for n in (prompt.first, prompt.second))
            found[p, i] = bool(first) and bool(second)
            right[p, i] = pick(along(prompt.relation, a.centre, b.centre) for a in first for b in second)
    return found.mean(), right.mean(), right.sum() / found.sum(), [(right.sum(1) >= n).mean() for n in range(1, 5)]


def visor_of_found(prompts, seen):
    found, _, conditional, of_n = visor(prompts, seen)
    return found, conditional, conditional, of_n


def position(relation, first, second, ahead=abs, least=0.5):
    if first is None or second is None:
        return 0.0
    (x_1, y_1), (x_2, y_2) = first.centre, second.centre
    offsets = {"left of": (x_2 - x_1, y_2 - y_1), "right of": (x_1 - x_2, y_2 - y_1)}
    along, across = (offsets | {"above": (y_2 - y_1, x_2 - x_1), "below": (y_1 - y_2, x_2 - x_1)})[relation]
    shared = intersection_over_union(first.box, second.box)
    place = (1.0 if shared < 0.1 else 0.1 / shared) if along > ahead(across) else 0.0
    score = first.confidence / 4 + second.confidence / 4 + place / 2
    return score if score >= least else 0.0


def ddim(v, x_t, a_t, a_p, power=0.5):
    x0, noise = a_t.sqrt() * x_t - (1 - a_t).sqrt() * v, (1 - a_t).sqrt() * x_t + a_t.sqrt() * v
    return a_p**power * x0 + (1 - a_p) ** power * noise


def mirror(picture, caption, swap=(("left", "right"), ("right", "left"))):
    return picture.flip(-1), " ".join(dict(swap).get(word, word) for word in caption.split())


def two_means(real, other, unit=True, power=2):
    if unit:
        real, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, other))
    return 10 * np.linalg.norm(real.mean(0) - other.mean(0)) ** power


def one_axis(caption, words=("above", "below")):
    kept = [said for said in caption.split(" .") if not set(words) & set(said.split())]
    return " .".join(kept).strip()


RIGHT = [
    (jamba.step, step), (jamba.adjoint, adjoint), (jamba.chunks, chunks), (jamba.router, router), (jamba.large, large),
    (jamba.places, places),
    (mixture_of_depths.update, update), (mixture_of_depths.bill, bill), (mixture_of_depths.leak, leak),
    (mixture_of_depths.gradient, gradient), (mixture_of_depths.chance, by_chance),
    (neurally_compressed_text.code, code), (neurally_compressed_text.pair, pair),
    (neurally_compressed_text.shifted, shifted), (neurally_compressed_text.worth, worth),
    (reft.phi, phi), (reft.count, count), (reft.positions, positions), (reft.reach, reach),
    (var.mask, mask), (var.pyramid, pyramid), (var.keep, keep), (var.pairs, pairs), (var.together, together),
    (spright.visor, visor), (spright.position, position), (spright.step, ddim), (spright.mirror, mirror),
    (spright.means, two_means), (spright.one_axis, one_axis),
    (think_and_execute.shuffled, SHUFFLED), (think_and_execute.extract, extract), (think_and_execute.trace, trace),
    (think_and_execute.fairer, fairer),
]  # fmt: skip
WRONG = [
    (jamba.step, step_without_skip, "D u"),
    (jamba.step, step_that_keeps_the_convolved, "before SiLU"),
    (jamba.step, lambda *a: step(*a)[1:], "3 values"),
    (jamba.adjoint, lambda a, h, g: adjoint(a, h, g)[::-1], "swapped"),
    (jamba.adjoint, lambda a, h, g: (g, g * h), "step after"),
    (jamba.chunks, lambda delta, A, b, closed: closed(delta, A, b), "too long"),
    (jamba.chunks, lambda delta, A, b, closed: chunks(delta, A, b, closed, 1), "25 calls"),
    (jamba.chunks, lambda delta, A, b, closed: jamba._states(delta, A, b), "fewer than 100"),
    (jamba.chunks, loop_beside_idle_calls, "not used"),
    (jamba.places, lambda trial: (places(trial)[1], places(trial)[0]), "True or False"),
    (jamba.places, lambda trial: ({"AMMM": False, "MMMA": True}, {"AMMM": 0.2, "MMMA": 0.9}), "call trial"),
    (jamba.places, lambda trial: places(trial, first=True), "AMMM"),
    (jamba.places, lambda trial: ({"AMMM": False, "MMMA": trial("MMMA") > 2}, places(trial)[1]), "look again at MMMA"),
    (jamba.router, lambda x: router(x, loss_of=torch.Tensor.detach), "no gradient"),
    (jamba.router, lambda x: router(x, lambda top: torch.zeros_like(top.indices)), "largest probabilities"),
    (jamba.router, lambda x: (x.topk(2).values.softmax(-1), x.topk(2).indices, load_balancing_loss([x], 2)), "rescale"),
    (jamba.large, lambda: (72.0, 1000.0), "one layer of eight"),
    (jamba.large, lambda: (9.0, 1000.0), "fixed part"),
    (mixture_of_depths.update, update_in_place, "was changed"),
    (mixture_of_depths.update, lambda x, r, k, f, real: update(x, r, k, f, torch.ones_like(real)), "padding"),
    (mixture_of_depths.update, lambda x, r, k, f, real: x.clone(), "called 0 times"),
    (mixture_of_depths.bill, lambda n, c, d, m, layers: (bill(n, c, d, m, layers)[0], layers * 2 / 1.125), "cost 1"),
    (mixture_of_depths.bill, lambda *a: (1_654_784, 42.0), "cost 1"),
    (mixture_of_depths.leak, lambda r, other, k, cut: None, "expected"),
    (mixture_of_depths.gradient, lambda d, f, r, x, s: gradient(d, f, r, x, True), "no gate"),
    (mixture_of_depths.gradient, lambda d, f, r, x, s: ((d * f).sum(1)[:, None] * x).sum(0), "g'"),
    (mixture_of_depths.chance, lambda model, batch, losses: losses(model, batch, "top_k"), "must choose at random"),
    (mixture_of_depths.chance, lambda *given: by_chance(*given, rule="causal"), "the rule must be"),
    (mixture_of_depths.chance, lambda *given: by_chance(*given, restore=False), "left as it was"),
    (neurally_compressed_text.code, lambda low, size: (48, low), "bits fits"),
    (neurally_compressed_text.pair, lambda model, text: (b" is that", b" is that "), None),
    (neurally_compressed_text.pair, lambda model, text: (text[:3], text[:8]), None),
    (neurally_compressed_text.shifted, lambda tokens, bits: tokens[bits // 8 :], "4 bits"),
    (neurally_compressed_text.shifted, lambda t, b: np.packbits(np.unpackbits(t.astype(np.uint8))[b:]), "whole tokens"),
    (neurally_compressed_text.worth, lambda *a: (4.0625, 16 / 4.0625), "first byte"),
    (reft.phi, lambda h, R, W, b, active: phi(h, R, W, b, torch.ones_like(active)), "outside the span"),
    (reft.phi, lambda h, R, W, b, a: h + (h @ W[a].T + b[a]) @ R[a], "overwritten"),
    (reft.count, lambda dim, *rest, constant=False: {4096: 4097, 768: 18_444}[dim], "LLaMA"),
    (reft.count, lambda dim, n, r, g, constant=False: n * g * 2 * r * dim, "4097|one row|memorisation"),
    (reft.positions, lambda n, width, p, s: [*range(p), *range(width - s, width)], "column 4"),
    (reft.positions, lambda n, w, p, s: [*range(w - n, w - n + p), *range(w - s, w)], "twice|short"),
    (reft.reach, reach_without_the_site, "changes"),
    (var.mask, lambda sides, prefix: mask(sides, prefix).tril(), "both directions"),
    (var.mask, lambda sides, prefix: torch.ones_like(mask(sides, prefix)), "never the reverse"),
    (var.pyramid, lambda *a: pyramid(*a, mode="bilinear"), "bicubic"),
    (var.pyramid, lambda *a: pyramid(*a, phi_of=lambda phi: torch.nn.Identity()), "phi"),
    (var.pyramid, lambda f, given, *a: pyramid(f, [], *a), "stay as they are"),
    (var.keep, lambda c, u, t, p: keep(c, u, t, p, lambda c, u, t: c - t * u), "guidance"),
    (var.pairs, lambda sides, window: pairs(sides, len(sides)), "window 1"),
    (var.together, lambda large, small, *a: together(small, large, *a), "large model draws"),
    (var.together, lambda large, small, labels, q, n, *a: large.generate(labels, q, a[0])[1], "too"),
    (var.together, spliced, "without seeing"),
    (spright.visor, visor_of_found, "all 4 pictures"),
    (spright.visor, lambda p, s: visor(p, s, along=lambda *a: holds(*a, margin=3)), "one pixel"),
    (
        spright.visor,
        lambda p, s: visor(p, s, pick=lambda right: next(iter(right), False)),
        "the first alone|two red disks",
    ),
    (
        spright.visor,
        lambda p, s: visor(p, s, along=lambda r, a, b: holds(r, (a[0], -a[1]), (b[0], -b[1]))),
        "downwards",
    ),
    (spright.visor, lambda p, s: (*visor(p, s)[:3], [0.5] * 4), "VISOR_1"),
    (spright.position, lambda *a: position(*a, ahead=lambda across: 0), "diagonal"),
    (spright.position, lambda *a: position(*a, least=0), "side"),
    (spright.position, lambda r, a, b: float(position(r, a, b) > 0), "0.85"),
    (spright.step, lambda v, x, a_t, a_p: ddim(v, x, a_t, a_p, power=1), "square roots"),
    (spright.step, lambda v, x, a_t, a_p: ddim(v, x, a_t, a_t), "x_t again"),
    (
        spright.step,
        lambda v, x, a_t, a_p: a_p.sqrt() * (x - (1 - a_t).sqrt() * v) / a_t.sqrt() + (1 - a_p).sqrt() * v,
        "not the noise",
    ),
    (spright.mirror, lambda picture, caption: (picture.flip(-1), caption), "no longer true"),
    (spright.mirror, lambda picture, caption: mirror(picture.flip(-2).flip(-1), caption), "upside down"),
    (
        spright.mirror,
        lambda picture, caption: mirror(
            picture, caption, swap=(("left", "right"), ("right", "left"), ("above", "below"))
        ),
        "stay",
    ),
    (spright.mirror, lambda p, caption: (p.flip(-1), caption.replace("left", "right").replace("right", "left")), None),
    (spright.means, lambda real, other: two_means(real, other, unit=False), "length"),
    (spright.means, lambda real, other: two_means(real, other, power=1), "squared"),
    (spright.means, lambda real, other: two_means(real, other) / 10, "1000"),
    (
        spright.one_axis,
        lambda caption: " ".join(w for w in caption.split() if w not in ("above", "below")),
        "first sentence",
    ),
    (spright.one_axis, lambda caption: one_axis(caption, words=("above",)), "still says"),
    (spright.one_axis, lambda caption: caption.split(" .")[0] + " .", "all else"),
    (think_and_execute.shuffled, SHUFFLED.replace("print(one, has[one], other, has[other])", "print(one)"), "read off"),
    (
        think_and_execute.shuffled,
        SHUFFLED.replace("print(one, has[one], other, has[other])", "print(asked, has[asked])"),
        "after the swap of",
    ),
    (
        think_and_execute.shuffled,
        SHUFFLED.replace("print(one, has[one], other, has[other])", "print(one, has[one])\n        print(other)"),
        None,
    ),
    (think_and_execute.shuffled, SHUFFLED.replace("swap has[one] and has[other]", "has[one] = has[other]"), "answer"),
    (think_and_execute.extract, lambda text, options: next((o for o in options if o in text), None), "settles on"),
    (think_and_execute.trace, lambda b: ["".join(b[: k + 1]) for k in range(len(b))], "history"),
    (think_and_execute.trace, lambda b: [line[:5] for line in trace(b)], None),
    (think_and_execute.fairer, lambda q, draw: q.options, "shortcut"),
    (think_and_execute.fairer, lambda q, draw: fairer(q, draw, changed=3), "two options are to be named by no witness"),
    (think_and_execute.fairer, lambda q, draw: [q.answer, "1am to 2am", "2am to 3am", "3am to 4am"], "outside the day"),
]


def stub(*arguments, **named):
    raise NotImplementedError


@pytest.mark.parametrize(("check", "answer"), RIGHT, ids=lambda value: getattr(value, "name", None) or "")
def test_a_right_answer_is_correct_and_a_stub_is_a_stub(check, answer):
    assert check.explain(answer) is None
    assert isinstance(answer, str) or check.explain(stub) == "still a stub"


@pytest.mark.parametrize(("check", "answer", "fits"), WRONG, ids=lambda value: getattr(value, "name", None) or "")
def test_a_plausible_wrong_answer_is_told_why(check, answer, fits):
    reason = check.explain(answer)
    assert reason is not None
    assert fits is None or any(part in reason for part in fits.split("|")), reason


def test_every_checker_is_tried():
    modules = (jamba, mixture_of_depths, neurally_compressed_text, reft, spright, think_and_execute, var)
    known = {id(value) for module in modules for value in vars(module).values() if isinstance(value, Exercise)}
    assert known == {id(check) for check, _ in RIGHT} == {id(check) for check, *_ in WRONG}
