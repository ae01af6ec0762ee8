"""Learning-rate schedules: pure functions from the step, 0 .. steps - 1, to a factor on the peak learning rate."""

from __future__ import annotations

import math


def constant_schedule(step: int, *, steps: int, warmup: float = 0.0, final_lr: float = 1.0) -> float:
    """A linear warm-up over the first `warmup` share of the steps, then 1. `final_lr` plays no role."""
    warmup_steps = round(warmup * steps)
    return (step + 1) / warmup_steps if step < warmup_steps else 1.0


def cosine_schedule(step: int, *, steps: int, warmup: float = 0.05, final_lr: float = 0.05) -> float:
    """final_lr + (1 - final_lr) (1 + cos(pi p)) / 2 after a linear warm-up, p = 0 .. 1 over the steps that remain.

    The form of SGDR without restarts (Loshchilov and Hutter, arXiv 1608.03983, equation 5). The last step is at
    `final_lr`, a share of the peak.
    """
    warmup_steps = round(warmup * steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    position = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    return final_lr + (1 - final_lr) * (1 + math.cos(math.pi * min(position, 1.0))) / 2


def linear_schedule(step: int, *, steps: int, warmup: float = 0.1, final_lr: float = 0.0) -> float:
    """1 - (1 - final_lr) p after a linear warm-up, p = 0 .. 1: what most work on finetuning uses.

    The last step is at `final_lr`, but never at 0, where a step would be wasted: p reaches 1 one step after it then.
    """
    warmup_steps = round(warmup * steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    span = steps - warmup_steps - (1 if final_lr else 0)
    return 1 - (1 - final_lr) * min((step - warmup_steps) / max(1, span), 1.0)


SCHEDULES = {"cosine": cosine_schedule, "constant": constant_schedule, "linear": linear_schedule}
