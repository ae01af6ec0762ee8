"""The composer's hints are the digits that stand at the slots, and its gate counts deep answers alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from lib.bases.composer import CONFIG, DRILL, DRILLS, RECIPE, STREAM, batches, running_digits, shown_loss
from lib.data.sequences.mixed_difficulty import DIGITS, encode_signs


def test_the_digit_that_stands_at_each_slot():
    maps = STREAM.tables
    first, second = int(maps[1, 4]), int(maps[3, maps[1, 4]])
    tokens = encode_signs(f"<bos> 4 f1 - - f3 = {second} 2 f0")[None]
    numbers, digits = running_digits(STREAM, tokens)
    assert numbers.tolist() == [[-1, -1, 0, 1, 2, 3, -1, -1, -1, -1]]
    assert digits.tolist() == [[-1, -1, first, first, first, second, -1, -1, -1, -1]]


def test_what_stands_at_the_last_slot_is_the_answer():
    batch = batches()(DRILLS)
    last = batch["slots"][:, :-1] == STREAM.slots - 1
    answers = batch["targets"][:, 1:][last] - DIGITS.start  # the sign = stands between
    assert np.array_equal(batch["digits"][:, :-1][last], answers)
    assert batch["answers"].sum() >= last.sum() > 40


def test_the_loss_is_of_tokens_answers_and_hints():
    model = RECIPE.untrained()
    batch = {name: torch.from_numpy(part) for name, part in batches()(0).items()}
    nats = F.cross_entropy(model(batch["tokens"]).mT, batch["targets"], reduction="none")
    states = []
    for layer in model.model.layers:
        layer.register_forward_hook(lambda _layer, _inputs, output: states.append(output))
    model(batch["tokens"])
    hints = 0.0
    for blocks, state in enumerate(states, start=1):
        scores = (model.model.final_layernorm(state) @ model.output_weight.T)[..., DIGITS.start : DIGITS.stop]
        asked = (batch["slots"] >= 0) & (batch["slots"] < blocks)
        hints += F.cross_entropy(scores[asked], batch["digits"][asked]) / len(states)
    torch.testing.assert_close(shown_loss(model, batch), nats.mean() + nats[batch["answers"]].mean() + hints)


def test_documents_that_notebooks_use_are_not_trained_on():
    batch = batches()
    trained = {row.tobytes() for step in range(0, RECIPE.steps, 50) for row in batch(step)["tokens"][:, :100]}
    for seed in (0, 1, 4, 100, 101):
        world = replace(STREAM, seed=seed)
        held = [world.test(32), world.validation(32), *(world.train(step) for step in range(8))]
        assert not trained & {row.tobytes() for part in held for row in part.tokens[:, :100]}
    assert len(batch(0)["tokens"]) == DRILL.batch_size and batch(DRILLS)["tokens"].shape == (2, 512)
    assert STREAM.num_problems > 3_000


def test_the_gate_counts_the_answers_of_three_and_four_functions():
    truth = STREAM.validation(48)

    class Oracle(torch.nn.Module):
        """Right where the answer has many functions, or where it has few."""

        def __init__(self, deep: bool):
            super().__init__()
            self.weight, self.deep = torch.nn.Parameter(torch.zeros(1)), deep

        def forward(self, tokens):
            right = (truth.steps >= 3) == self.deep
            said = np.where(right, truth.targets, (truth.targets + 1) % CONFIG.vocab_size)
            return F.one_hot(torch.from_numpy(said), CONFIG.vocab_size).float()

    assert RECIPE.measured(Oracle(True)) == 1 and RECIPE.measured(Oracle(False)) == 0
    assert RECIPE.measured(RECIPE.untrained()) < 0.3
