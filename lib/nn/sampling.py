"""Drawing from logits, the same way for language and pictures: temperature, top-k and top-p (arXiv 1904.09751).

    p_v proportional to exp(z_v / T) over the codes that top-k and top-p leave

One convention: None switches a filter off, ties with the k-th largest stay, and top-p counts from the smallest
probability upwards. These are the rules of Hugging Face's warpers and of VAR's released sampler.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def filter_logits(
    logits: Float[Tensor, "... vocab"],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Float[Tensor, "... vocab"]:
    """logits / temperature, and -inf outside the `top_k` largest, then outside the fewest that hold `top_p`.

    Ties: all that equal the k-th largest stay, so more than `top_k` can be left. Among equals at the edge of top-p the
    later ones stay. The largest always stays. Raises ValueError for a temperature that is not above 0, a `top_k` below
    1, a `top_p` outside (0, 1], and logits with NaN, with +inf or with nothing but -inf in a row.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    _check(logits, top_k, top_p)
    logits = _divided(logits, temperature)
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]  # (..., 1)
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p is not None:
        ordered, places = logits.sort(dim=-1, stable=True)
        outside = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
        outside[..., -1] = False
        logits = logits.masked_fill(outside.scatter(-1, places, outside), float("-inf"))
    return logits


def pick(
    logits: Float[Tensor, "*rows vocab"],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "*rows"]:
    """One draw a row from `filter_logits`; temperature 0 takes the largest logit. Raises ValueError as that does."""
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    if temperature == 0:
        _check(logits, top_k, top_p)
        return logits.argmax(-1)
    probabilities = filter_logits(logits.float(), temperature, top_k, top_p).softmax(-1)
    rows = probabilities.reshape(-1, logits.shape[-1])
    return torch.multinomial(rows, 1, generator=generator).view(logits.shape[:-1])


def _divided(logits: Tensor, temperature: float) -> Tensor:
    """logits / temperature; under one so low that this overflows, less their largest, which changes no probability."""
    divided = logits / temperature
    if torch.isfinite(divided.amax(-1)).all():
        return divided
    lowered = (logits - logits.amax(-1, keepdim=True)).double()
    return (lowered / temperature).to(logits.dtype)


def _check(logits: Tensor, top_k: int | None, top_p: float | None) -> None:
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, or None for all, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], or None for all, got {top_p}")
    largest = logits.detach().amax(-1)  # NaN and +inf come through; -inf only where a row has nothing else
    if not torch.isfinite(largest).all():
        found = largest[~torch.isfinite(largest)].flatten()[0].item()
        raise ValueError(f"logits must have a finite maximum in every row, got {found}")
