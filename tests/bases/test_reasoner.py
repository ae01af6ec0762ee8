"""The Reasoner's base learns from training programs alone; its gate is what greedy writing gives."""

from __future__ import annotations

import torch

from lib.bases.reasoner import CONFIG, MOST, RECIPE, batches, programs, written_loss
from lib.data.programs.registers import KIND, VOCABULARY, RegisterTask
from lib.data.programs.tasks import register_programs
from lib.data.programs.traces import FORMS
from lib.data.programs.writing import render


def test_programs_that_notebooks_test_on_are_not_trained_on():
    trained = {render(program) for program in programs()}
    for seed in (0, 1, 5):
        assert not trained & {render(p) for p in register_programs(50, seed=seed, split="test", **KIND)}
    assert len(trained) == 4000 and set(batches().programs) == set(programs())


def test_the_loss_is_of_the_written_words_and_the_drills_beside_them():
    model, batch = RECIPE.untrained(), RegisterTask(programs()[:20], 0, size=2, most=2, drills=1)(0)
    batch = {name: torch.from_numpy(part) for name, part in batch.items()}
    expected = 0.0
    for part in ("", "drill "):
        tokens, weights = batch[f"{part}tokens"], batch[f"{part}weights"]
        log_p = model(tokens[:, :-1]).log_softmax(-1).gather(2, tokens[:, 1:, None])[..., 0]
        expected -= (log_p * weights[:, 1:]).sum() / weights[:, 1:].sum()
    torch.testing.assert_close(written_loss(model, batch), expected)


def test_the_loss_is_drawn_by_form():
    task = batches()
    assert [RECIPE.series(step) for step in range(12)] == [task.form(step) for step in range(12)] == [*FORMS, *FORMS]


def test_the_gate_counts_whole_traces():
    class Oracle(torch.nn.Module):
        """Says the next word of what it reads, which it was shown before; or always the same word."""

        def __init__(self, knows: bool):
            super().__init__()
            self.weight, self.knows = torch.nn.Parameter(torch.zeros(1)), knows

        def forward(self, tokens):
            last = torch.full((len(tokens), 1), VOCABULARY.ids["eos"])
            following = torch.cat([tokens[:, 1:], last], 1)
            said = following if self.knows else torch.zeros_like(following)
            return torch.nn.functional.one_hot(said, len(VOCABULARY)).float()

    assert RECIPE.measured(Oracle(True)) == 1 and RECIPE.measured(Oracle(False)) == 0
    assert MOST == 4 and CONFIG.vocab_size == len(VOCABULARY)
