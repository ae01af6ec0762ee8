"""The half has the composer's training and half its blocks; its gate counts short answers alone."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from lib.bases import composer
from lib.bases.composer_half import CONFIG, RECIPE


def test_the_half_has_the_same_training():
    whole = composer.RECIPE
    assert (RECIPE.data, RECIPE.objective, RECIPE.steps, RECIPE.lr, RECIPE.seed, RECIPE.options) == (
        whole.data, whole.objective, whole.steps, whole.lr, whole.seed, whole.options,
    )  # fmt: skip
    assert len(RECIPE.untrained().model.layers) * 2 == len(whole.untrained().model.layers)
    assert RECIPE.measured(RECIPE.untrained()) < 0.5


def test_the_gate_counts_the_answers_of_no_and_one_function():
    truth = composer.STREAM.validation(48)

    class Oracle(torch.nn.Module):
        """Right where the answer has at most one function, or elsewhere."""

        def __init__(self, short: bool):
            super().__init__()
            self.weight, self.short = torch.nn.Parameter(torch.zeros(1)), short

        def forward(self, tokens):
            right = (truth.steps <= 1) == self.short
            said = np.where(right, truth.targets, (truth.targets + 1) % CONFIG.vocab_size)
            return F.one_hot(torch.from_numpy(said), CONFIG.vocab_size).float()

    assert RECIPE.measured(Oracle(True)) == 1 and RECIPE.measured(Oracle(False)) == 0
