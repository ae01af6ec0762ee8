"""Mixture-of-Depths: blocks that process only some tokens of a sequence (Raposo et al., arXiv 2404.02258).

    x_i <- x_i + g(r_i) f_i   if token i is selected,      x_i <- x_i   otherwise,      r_i = <w, x_i>

f is the block's update without its residual, computed from the selected tokens alone: a token that is not selected
gives no key and no value either. In training the top-k scores of each sequence are selected, which needs the whole
sequence; a causal rule, one threshold for every token, takes over for decoding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kernels import gather_rms_norm, scatter_add_rows
from lib.nn.language.decoder import DecoderLayer
from lib.nn.layers.attention import Attention
from lib.nn.layers.caches import RaggedKVCache
from lib.nn.layers.masks import real_columns
from lib.nn.layers.protocols import Mixer
from lib.nn.layers.results import NotesLastCall

RULES = ("top_k", "causal")
GATES = ("sigmoid", "raw")
SCORES = ("learned", "random")


@dataclass(frozen=True)
class Routing:
    """What one routed layer decided in its last call.

    scores: the router's logits r, (batch, length), float32. selected: which tokens the block took. decision: the
    predictor's logits (the scores themselves where there is no predictor). real: False at padding, or None.
    """

    scores: Float[Tensor, "batch length"]
    selected: Bool[Tensor, "batch length"]
    decision: Float[Tensor, "batch length"]
    real: Bool[Tensor, "batch length"] | None


class RoutedState:
    """For decoding: the block's ragged cache, and how many tokens the layer has seen, taken or not."""

    def __init__(self):
        self.cache, self.seen = RaggedKVCache(), 0

    @property
    def nbytes(self) -> int:
        return self.cache.nbytes


class RoutedLayer(NotesLastCall, nn.Module):
    """A decoder layer behind a router.

    capacity: share of a sequence's tokens that training selects, at least one token. gate: what the update is
    multiplied with, sigmoid(r) or r itself; it puts the router on the gradient path. scores: "learned", or "random"
    (Gaussian, drawn anew in every call; the gate stays learned) as the paper's control. With `predictor` a small
    network on the detached input learns to foretell the selection and takes the causal decisions; without it the
    router's own threshold r > 0 does, which needs `router_loss` in training.

    In training the rule is top-k; otherwise it is `rule`, "causal" unless changed (see `routing_rule`); with a state
    it is always causal. A random router's causal decisions are coin flips with probability `capacity`.
    The last call's decisions are in `routing`; copies begin without them.
    """

    last_call = ("routing",)

    def __init__(
        self,
        block: DecoderLayer,
        capacity: float,
        *,
        gate: str = "sigmoid",
        scores: str = "learned",
        predictor: bool = True,
    ):
        super().__init__()
        if not 0 < capacity <= 1:
            raise ValueError(f"capacity must be in (0, 1], got {capacity}")
        for name, value, allowed in (("gate", gate, GATES), ("scores", scores, SCORES)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        dim = block.input_layernorm.weight.numel()
        self.block, self.capacity, self.gate, self.scores = block, capacity, gate, scores
        self.router = nn.Linear(dim, 1, bias=False)
        nn.init.normal_(self.router.weight, std=0.02)  # all zero would select by position
        self.predictor = None
        if predictor:
            self.predictor = nn.Sequential(nn.Linear(dim, dim // 2), nn.SiLU(), nn.Linear(dim // 2, 1))
        self.rule = "causal"
        self.routing: Routing | None = None

    @property
    def mixer(self) -> Mixer:
        return self.block.mixer

    def residual_weights(self) -> list[Tensor]:
        return self.block.residual_weights()

    def new_state(self) -> RoutedState:
        """Raises NotImplementedError when the block does not mix time by attention."""
        if not isinstance(self.mixer, Attention):
            raise NotImplementedError(
                f"mixer must be an Attention for decoding a routed layer, got {type(self.mixer).__name__}: other "
                "states are not kept apart by sequence"
            )
        return RoutedState()

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        state: RoutedState | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Route; `mask` is True at real tokens, padding is never selected and counts for no capacity."""
        batch, length, _ = x.shape
        real = real_columns(mask, batch, length, 0 if state is None else state.seen)
        real = None if real is None else real.expand(batch, length)
        with torch.autocast(x.device.type, enabled=False):  # in bfloat16 the scores would be full of ties
            wide = x.to(self.router.weight.dtype)
            scores = self.router(wide).squeeze(-1).float()  # (batch, length)
            decision = scores if self.predictor is None else self.predictor(wide.detach()).squeeze(-1).float()
        if (self.training and state is None) or (state is None and self.rule == "top_k"):
            ranking = torch.randn_like(scores) if self.scores == "random" else scores
            indices = top_k_indices(ranking.detach(), self.capacity, real)  # (batch, most), -1 where there is none
            selected = _selected(indices, length)
        else:
            selected = torch.rand_like(scores) < self.capacity if self.scores == "random" else decision > 0
            selected = selected if real is None else selected & real
            indices = selected_indices(selected)
        self.routing = Routing(scores, selected, decision, real)

        start = 0 if state is None else state.seen
        if state is not None:
            state.seen += length
        if indices.shape[1] == 0:
            return x
        if positions is None:
            positions = torch.arange(start, start + length, device=x.device)
        taken = indices.clamp(min=0)  # (batch, most)
        update = self._update(x, indices, positions.expand(batch, length).gather(1, taken), state)  # (batch, most, dim)
        gates = scores.gather(1, taken)  # (batch, most)
        if self.gate == "sigmoid":
            gates = torch.sigmoid(gates)
        in_place = state is not None and not torch.is_grad_enabled()
        return scatter_add_rows(x, indices, update.to(x.dtype), gates.to(x.dtype), inplace=in_place)

    def _update(self, x: Tensor, indices: Tensor, positions: Tensor, state: RoutedState | None) -> Tensor:
        """f = mixer(norm(x)) + feed_forward(norm(x + mixer(norm(x)))) of the selected tokens, in their order.

        Slots without a token come last, so that no token's causal view reaches them; what they compute is dropped.
        """
        norm, block = self.block.input_layernorm, self.block
        normed, rows = gather_rms_norm(x, indices, norm.weight, norm.eps)  # (batch, most, dim) each
        if state is None:
            mixed = block.mixer(normed, None, None, positions)
        else:
            mixed = self._attend_to_kept(normed, indices >= 0, positions, state.cache)
        return mixed + block.feed(block.pre_ff_layernorm(rows + mixed), indices >= 0)

    def _attend_to_kept(self, x: Tensor, kept: Tensor, positions: Tensor, cache: RaggedKVCache) -> Tensor:
        """The mixer's attention over each sequence's own selected tokens, as many as it may have."""
        queries, keys, values = self.mixer.project(x, positions)  # (batch, heads, most, head_dim)
        keys, values, visible = cache.append(keys, values, kept)  # (batch, kv_heads, total, head_dim)
        return self.mixer.attend(queries, keys, values, visible)


def tokens_taken(capacity: float, length: int | Int[Tensor, " batch"]) -> int | Int[Tensor, " batch"]:
    """k = floor(capacity * length), at least one: 29 of 100 at 0.29, whose product in floating point is below 29."""
    if isinstance(length, Tensor):
        return torch.floor(capacity * length.double() + 1e-9).long().clamp(min=1)
    return max(1, math.floor(capacity * length + 1e-9))


def top_k_indices(
    scores: Float[Tensor, "batch length"], capacity: float, real: Bool[Tensor, "batch length"] | None = None
) -> Int[Tensor, "batch k"]:
    """Positions of each sequence's k largest scores, ascending; k as `tokens_taken` says.

    With padding each sequence has the k of its own length, its list filled up with -1.
    """
    length = scores.shape[1]
    if real is None:
        return scores.topk(tokens_taken(capacity, length), dim=1).indices.sort(dim=1).values
    lengths = real.sum(1)
    counts = tokens_taken(capacity, lengths).minimum(lengths)
    best = scores.masked_fill(~real, float("-inf")).topk(max(1, int(counts.max())), dim=1).indices
    unused = torch.arange(best.shape[1], device=best.device) >= counts[:, None]
    return _ascending(best.masked_fill(unused, length), length)


def selected_indices(selected: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch most"]:
    """Positions of the selected tokens, ascending, filled up with -1 to the longest list (0 columns for none)."""
    length = selected.shape[1]
    if length == 1:  # decoding: nothing to sort
        return torch.where(selected, 0, -1)[:, : int(selected.any())]
    places = torch.where(selected, torch.arange(length, device=selected.device), length)
    return _ascending(places, length)[:, : int(selected.sum(1).max())]


def _ascending(places: Tensor, length: int) -> Tensor:
    places = places.sort(dim=1).values
    return places.masked_fill(places == length, -1)


def _selected(indices: Tensor, length: int) -> Tensor:
    chosen = torch.zeros(indices.shape[0], length + 1, dtype=torch.bool, device=indices.device)
    return chosen.scatter_(1, torch.where(indices < 0, length, indices), True)[:, :length]


def router_loss(routings: Iterable[Routing]) -> Float[Tensor, ""]:
    """Sum over layers of BCE(sigmoid(r), selected): centres the router so that r > 0 selects (section 3.5, first way).

    It reaches the language model through the router.
    """
    return sum(_cross_entropy(routing.scores, routing) for routing in routings)


def predictor_loss(routings: Iterable[Routing]) -> Float[Tensor, ""]:
    """Sum over layers of BCE(sigmoid(predictor(stop_gradient(x))), selected) (section 3.5, second way).

    It has no gradient in the language model. A common clipping of the gradient's norm would still couple the two: clip
    them apart, or weigh this loss lightly.
    """
    return sum(_cross_entropy(routing.decision, routing) for routing in routings)


def _cross_entropy(logits: Tensor, routing: Routing) -> Tensor:
    if routing.real is not None:
        logits, selected = logits[routing.real], routing.selected[routing.real]
    else:
        selected = routing.selected
    if not logits.numel():  # nothing but padding
        return logits.sum()
    return F.binary_cross_entropy_with_logits(logits, selected.to(logits.dtype))


def routed_layers(model: nn.Module) -> list[RoutedLayer]:
    return [module for module in model.modules() if isinstance(module, RoutedLayer)]


def routings(model: nn.Module) -> list[Routing]:
    """The last call's decisions, one entry for each routed layer. Raises RuntimeError before the first call."""
    found = [layer.routing for layer in routed_layers(model)]
    if None in found:
        raise RuntimeError("routings must be asked for after a forward pass, found a layer without one")
    return found


@contextmanager
def routing_rule(model: nn.Module, rule: str) -> Iterator[None]:
    """Evaluate with "top_k" (looks at the whole sequence) or "causal" inside the block."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    layers = routed_layers(model)
    before = [layer.rule for layer in layers]
    for layer in layers:
        layer.rule = rule
    try:
        yield
    finally:
        for layer, rule_before in zip(layers, before, strict=True):
            layer.rule = rule_before
