"""Sampling from a language model with its decoding states: prefill once, then one token at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.sampling import pick


@torch.inference_mode()
def generate(
    model: nn.Module,
    tokens: Int[Tensor, "batch length"],
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    eos_token_id: int | Sequence[int] | None = None,
    mask: Bool[Tensor, "batch length"] | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "batch total"]:
    """Append up to `max_new_tokens` to each prompt; temperature 0 takes the most likely token.

    `model` is called as model(tokens, states, mask, last_only=True) and offers `new_states()`. Prompts of unequal
    length are padded on the left, with `mask` True at real tokens. Rows that met `eos_token_id`, one or several, are
    filled with it, with the first of several.
    Raises ValueError for prompts without a token or padded on the right, and for logits that are not finite.
    """
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ValueError(f"tokens must be (batch, length) with at least one token, got {tuple(tokens.shape)}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
    if mask is not None:
        if mask.shape != tokens.shape:
            raise ValueError(f"mask must have the shape of tokens {tuple(tokens.shape)}, got {tuple(mask.shape)}")
        mask = mask.bool()
        if not mask[:, -1].all():
            raise ValueError("mask must be True at each prompt's last token, since padding stands on the left")
    ends = [eos_token_id] if isinstance(eos_token_id, int) else list(eos_token_id or ())
    states, sequence, step = model.new_states(), tokens, tokens
    finished = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    for _ in range(max_new_tokens):
        logits = model(step, states, mask, last_only=True)[:, -1]
        step = sample(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)[:, None]
        if ends:
            step = step.masked_fill(finished[:, None], ends[0])
            finished |= torch.isin(step[:, 0], torch.tensor(ends, device=step.device))
        sequence = torch.cat((sequence, step), dim=1)
        if mask is not None:
            mask = torch.cat((mask, torch.ones_like(mask[:, :1])), dim=1)
        if finished.all():
            break
    return sequence


def sample(
    logits: Float[Tensor, "batch vocab"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " batch"]:
    """Draw a token a row, as `lib.nn.sampling.pick` does, by rank: a random number stands for a place in the order.

    Raises ValueError as `pick` does.
    """
    if temperature == 0:
        return pick(logits, 0.0, top_k, top_p)
    ordered, tokens = logits.sort(dim=-1, descending=True, stable=True)
    rank = pick(ordered, temperature, top_k, top_p, generator)
    return tokens.gather(-1, rank[:, None])[:, 0]
