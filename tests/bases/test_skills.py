"""The skills' base learns from the training split alone and is judged on answers held out."""

from __future__ import annotations

import torch

from lib.bases.skills import BATCH, CONFIG, RECIPE, SEED, batches
from lib.data.sequences.skills import EQUALS, SKILL_BOS, Skills


def inputs(batch) -> set[tuple[int, ...]]:
    """The symbols between the controls and the sign =, of every row."""
    rows = (row.tolist() for row in batch["tokens"])
    return {tuple(row[3 : row.index(EQUALS)]) for row in rows if row[0] == SKILL_BOS}


def test_what_notebooks_test_on_is_not_trained_on():
    batch = batches()
    trained = set().union(*(inputs(batch(step)) for step in range(40)))
    for seed in (SEED, 1, 100):
        world = Skills(seed)
        held = inputs(world.explicit("test", 600).arrays()) | inputs(world.explicit("validation", 600).arrays())
        held |= inputs(world.suite("test", 600, lambda x: (x[::-1], 1)).arrays())
        assert not trained & held and len(held) > 1000


def test_a_batch_is_a_function_of_its_step():
    one, two = batches(), batches()
    two(7)
    assert len(one(3)["tokens"]) == BATCH
    assert all((part == two(3)[name]).all() for name, part in one(3).items())


def test_the_gate_counts_whole_answers():
    class Oracle(torch.nn.Module):
        """Says the answers of the gate's own batch, but for the first row's last token."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.answers = torch.from_numpy(Skills(SEED).explicit("validation", 600).targets).clamp(min=0)
            self.answers[0] = 0

        def forward(self, tokens):
            return torch.nn.functional.one_hot(self.answers, CONFIG.vocab_size).float()

    assert abs(RECIPE.measured(Oracle()) - 599 / 600) < 1e-6
    assert RECIPE.measured(RECIPE.untrained()) < 0.05
