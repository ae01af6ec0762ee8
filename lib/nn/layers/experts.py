"""A sparse mixture of SwiGLU experts (Jamba, arXiv 2403.19887, section 3; Switch, arXiv 2101.03961, for the loss)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from kernels import grouped_experts
from lib.nn.layers.masks import real_columns
from lib.nn.layers.results import NotesLastCall


class MixtureOfExperts(NotesLastCall, nn.Module):
    """y = sum over the top_k experts e of p_e SwiGLU_e(x), with p = softmax(W_router x) over all experts.

    The kept probabilities are used as they are, as Jamba does: they sum to less than one. `normalize_top_k=True`
    divides them by their sum, as Mixtral does.

    Without `capacity` no token is dropped. With it an expert takes the first ceil(capacity * length * top_k / choices)
    tokens of a sequence that want it and later ones pass by. The order looks at no later token and no other sequence,
    but the room depends on how long the sequence is: more tokens behind a prefix leave more room in it. Padding, where
    the `mask` is False, asks for no place and does not count in the length. One token at a time, as in decoding, always
    has room, so that nobody is dropped. `num_noops` more choices stand for doing nothing: a token that takes one keeps
    to the residual by its own will (integrated Mixture-of-Depths-and-Experts, arXiv 2404.02258, section 4.3).

    The router's logits of the last call are in `router_logits`, (tokens, num_experts + num_noops), for the balancing
    loss, and the share of its (token, slot) pairs that an expert worked on in `worked`; copies begin without them.
    """

    last_call = ("router_logits", "worked")

    def __init__(
        self,
        dim: int,
        intermediate_size: int,
        num_experts: int,
        top_k: int,
        *,
        normalize_top_k: bool = False,
        num_noops: int = 0,
        capacity: float | None = None,
    ):
        super().__init__()
        if not 1 <= top_k <= num_experts:
            raise ValueError(f"top_k must be in 1..num_experts ({num_experts}), got {top_k}")
        if num_noops < 0:
            raise ValueError(f"num_noops must not be negative, got {num_noops}")
        if capacity is not None and not 0 < capacity < math.inf:
            raise ValueError(f"capacity must be positive and finite, got {capacity}")
        self.top_k, self.num_experts, self.normalize_top_k = top_k, num_experts, normalize_top_k
        self.num_noops, self.capacity = num_noops, capacity
        self.router = nn.Linear(dim, num_experts + num_noops, bias=False)
        self.experts = Experts(dim, intermediate_size, num_experts)
        self.router_logits: Tensor | None = None
        self.worked: float | None = None

    def residual_weights(self) -> list[Tensor]:
        return [self.experts.down_proj]

    def forward(
        self, x: Float[Tensor, "... dim"], mask: Bool[Tensor, "#batch total"] | None = None
    ) -> Float[Tensor, "... dim"]:
        """`mask`, True at real tokens, matters under a limited capacity alone; its last columns are those of x."""
        tokens = x.reshape(-1, x.shape[-1])  # (tokens, dim)
        self.router_logits = self.router(tokens)  # (tokens, experts + no-ops)
        weights, chosen = self.route(self.router_logits)  # (tokens, top_k)
        weights = weights.to(x.dtype)
        if not len(tokens) or (not self.num_noops and self.capacity is None):
            return self.experts(tokens, chosen, weights).view_as(x)
        length = x.shape[-2] if x.ndim > 1 else 1
        real = real_columns(mask, len(tokens) // length, length, seen=None)
        token, slot = self.kept(chosen, length, real).nonzero(as_tuple=True)  # (pairs,)
        self.worked = len(token) / chosen.numel()
        outputs = self.experts(tokens[token], chosen[token, slot][:, None], weights[token, slot][:, None])
        return torch.zeros_like(tokens).index_add(0, token, outputs.to(x.dtype)).view_as(x)

    def route(
        self, logits: Float[Tensor, "tokens choices"]
    ) -> tuple[Float[Tensor, "tokens top_k"], Int[Tensor, "tokens top_k"]]:
        """Weights and indices of the chosen experts. The softmax is at least float32."""
        dtype = torch.promote_types(logits.dtype, torch.float32)
        weights, chosen = torch.softmax(logits, dim=-1, dtype=dtype).topk(self.top_k, dim=-1)
        if self.normalize_top_k:
            weights = weights / weights.sum(-1, keepdim=True)
        return weights, chosen

    def kept(
        self, chosen: Int[Tensor, "tokens top_k"], length: int, mask: Bool[Tensor, "#batch length"] | None = None
    ) -> Bool[Tensor, "tokens top_k"]:
        """Which pairs an expert works on: not a no-op, and within the expert's capacity for this sequence."""
        taken = chosen < self.num_experts
        if self.capacity is None:
            return taken
        choices = self.num_experts + self.num_noops
        asked = F.one_hot(chosen.view(-1, length * self.top_k), choices)  # (batch, length * top_k, choices)
        lengths = torch.full((len(asked), 1), length, device=chosen.device)
        if mask is not None:
            real = mask.expand(len(asked), length).repeat_interleave(self.top_k, 1)  # (batch, length * top_k)
            asked, lengths = asked * real[..., None], mask.expand(len(asked), length).sum(1, keepdim=True)
            taken = taken & real.reshape(taken.shape)
        room = torch.ceil(self.capacity * lengths.double() * self.top_k / choices - 1e-9)  # (batch, 1)
        place = (asked.cumsum(1) * asked).sum(-1)  # 1 for the first of its sequence that wants this expert
        return taken & (place <= room).view_as(chosen)


class Experts(nn.Module):
    """The experts' weights, stacked: gate_up_proj (experts, 2 * width, dim), down_proj (experts, dim, width)."""

    def __init__(self, dim: int, intermediate_size: int, num_experts: int):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(num_experts, 2 * intermediate_size, dim))
        self.down_proj = nn.Parameter(torch.empty(num_experts, dim, intermediate_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Each expert starts as an `nn.Linear` does: uniform within 1 / sqrt(fan_in)."""
        for weight in (self.gate_up_proj, self.down_proj):
            nn.init.uniform_(weight, -(weight.shape[-1] ** -0.5), weight.shape[-1] ** -0.5)

    def forward(
        self,
        tokens: Float[Tensor, "tokens dim"],
        chosen: Int[Tensor, "tokens top_k"],
        weights: Float[Tensor, "tokens top_k"],
    ) -> Float[Tensor, "tokens dim"]:
        """Each token's chosen experts, summed with their routing weights."""
        return grouped_experts(tokens, self.gate_up_proj, self.down_proj, chosen, weights)


def load_balancing_loss(
    router_logits: Sequence[Float[Tensor, "tokens experts"]],
    top_k: int,
    mask: Shaped[Tensor, "*tokens"] | None = None,
) -> Float[Tensor, ""]:
    """n sum_e f_e P_e, where f_e counts the top-k assignments to expert e per token and P_e is its mean probability.

    It is `top_k` when all is even and up to n when all tokens choose alike. Layers given together are pooled before
    the product, as in Hugging Face; pass one layer at a time and add up for Switch's per-layer form. The gradient
    flows through P_e alone. `mask`, True at real tokens, leaves padding out: one entry a token in any shape, or (batch,
    seen + length) of a call that goes on from states. Where all is padding the loss is 0.
    Raises ValueError without a layer, for a mask of another size, and for a `top_k` that is not 1..experts.
    """
    if not router_logits:
        raise ValueError("router_logits must hold at least one layer's logits, got none")
    tokens, num_experts = router_logits[0].shape
    if not 1 <= top_k <= num_experts:
        raise ValueError(f"top_k must be in 1..{num_experts}, the number of choices, got {top_k}")
    probabilities = torch.cat([logits.float().softmax(-1) for logits in router_logits])
    if mask is not None:
        if mask.ndim == 2 and mask.numel() > tokens and tokens % len(mask) == 0:
            mask = real_columns(mask, len(mask), tokens // len(mask), seen=None)
        for logits in router_logits:
            if mask.numel() != len(logits):
                shape = tuple(mask.shape)
                raise ValueError(f"mask must have one entry for each of {len(logits)} tokens of a layer, got {shape}")
        probabilities = probabilities[mask.flatten().bool().repeat(len(router_logits))]
    if not len(probabilities):
        return probabilities.sum()
    chosen = probabilities.topk(top_k, dim=-1).indices
    assigned = torch.bincount(chosen.flatten(), minlength=num_experts) / len(probabilities)
    return num_experts * (assigned * probabilities.mean(0)).sum()
