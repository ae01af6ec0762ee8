"""How the codes of pictures are drawn: classifier-free guidance (Ho & Salimans, arXiv 2207.12598), then filters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.nn.sampling import pick


@dataclass(frozen=True)
class Sampling:
    """How codes are drawn. Guidance: (1 + t) conditional - t unconditional logits, t rising from 0 at the first step to
    `guidance` at the last, or constant with ramp=False. temperature (0: the likeliest), top_k, top_p: see
    `lib.nn.filter_logits`.
    """

    guidance: float = 0.0
    ramp: bool = True
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    @property
    def guided(self) -> bool:
        """Whether the unconditional logits are needed: the second half of a doubled batch."""
        return self.guidance != 0

    def pick(
        self,
        logits: Float[Tensor, "rows tokens vocab"],
        progress: float,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "batch tokens"]:
        """One code a place, independently of each other; `progress` runs from 0 at the first step to 1 at the last."""
        if self.guided:
            logits = mix_guidance(logits, self.guidance * (progress if self.ramp else 1.0))
        return pick(logits, self.temperature, self.top_k, self.top_p, generator)


def mix_guidance(logits: Float[Tensor, "twice tokens vocab"], weight: float) -> Float[Tensor, "batch tokens vocab"]:
    """(1 + t) conditional - t unconditional, the first and the second half of the batch."""
    conditional, unconditional = logits.chunk(2)
    return (1 + weight) * conditional - weight * unconditional
