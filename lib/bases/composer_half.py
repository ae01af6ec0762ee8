"""Half of the composer's blocks after the composer's training: what shows that the other half is needed.

Its gate asks for short problems alone. It has learned the stream as well as three blocks can, and is no straw man.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from lib.bases import composer
from lib.nn.language.depth import DepthLM

CONFIG = replace(composer.CONFIG, num_hidden_layers=composer.CONFIG.num_hidden_layers // 2)
MOST_FUNCTIONS = 1


def short_answers(model: nn.Module) -> float:
    """The share of answers of at most one function that are right, on the composer's held-out documents."""
    batch = composer.STREAM.validation(48)
    device = next(model.parameters()).device
    said = model(torch.from_numpy(batch.tokens).to(device)).argmax(-1).cpu().numpy()
    few = (batch.steps >= 0) & (batch.steps <= MOST_FUNCTIONS)
    return float((said == batch.targets)[few].mean())


RECIPE = replace(
    composer.RECIPE,
    name="composer_half",
    title="three blocks after the composer's training",
    model=lambda: DepthLM(CONFIG),
    gate=short_answers,
    measure="held-out answers of at most one function that are right (fraction)",
    least=0.9,
)
