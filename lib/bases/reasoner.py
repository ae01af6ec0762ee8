"""A Reasoner: it reads a register program that it has never seen, and digits, and writes what the prints would output.

One decoder answers in six forms (`lib.data.programs.traces`). Its programs are of the training split: a program that a
notebook tests on is never among them, and neither is a question whose answer is the start value.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.bases.recipe import Recipe
from lib.data.programs.registers import KIND, VOCABULARY, RegisterTask, encoded, marked, question
from lib.data.programs.tasks import register_programs
from lib.data.programs.traces import FORMS, head_words, question_words, response
from lib.data.programs.tree import Program
from lib.data.randomness import generator
from lib.nn.language.transformer import TransformerConfig, TransformerLM

SEED = 0
MOST = 4
"""Digits of the longest question."""
CONFIG = TransformerConfig(len(VOCABULARY), 96, 3, 4, intermediate_size=256, conv_width=6)


@cache
def programs() -> tuple[Program, ...]:
    """All that it is trained on."""
    return tuple(register_programs(4000, seed=SEED, split="train", **KIND))


def batches() -> RegisterTask:
    """step -> two questions on each of 16 programs, in one form; drills of sums and comparisons run along at first."""
    return RegisterTask(programs(), SEED, size=16, most=MOST, drills=300)


def written_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Weighted cross-entropy (nats) of the words to write; those that are read cost no logits."""
    total = torch.zeros((), device=batch["tokens"].device)
    for part in ("", "drill "):
        if f"{part}tokens" in batch:
            tokens, weights = batch[f"{part}tokens"], batch[f"{part}weights"][:, 1:]
            wanted = weights > 0
            logits = F.linear(model.model(tokens[:, :-1])[wanted], model.output_weight)
            losses = F.cross_entropy(logits, tokens[:, 1:][wanted], reduction="none")
            total = total + (losses * weights[wanted]).sum() / weights.sum()
    return total


def whole_traces(model: nn.Module) -> float:
    """The share of traces right in every word, of questions with the most digits on programs held out.

    With the right words before it, each next one must be the likeliest: just what greedy writing needs.
    """
    draw, rows = generator(SEED, 99), []
    for program in register_programs(100, seed=1, split="test", **KIND):
        if found := question(draw, program, MOST):
            read = head_words(program, "trace") + question_words(*found, "trace")
            rows.append(marked(read, response(program, *found, "trace")))
    device = next(model.parameters()).device
    tokens, weights = (torch.from_numpy(part).to(device) for part in encoded(rows).values())
    right = (model(tokens[:, :-1]).argmax(-1) == tokens[:, 1:]) | (weights[:, 1:] == 0)
    return right.all(1).float().mean().item()


RECIPE = Recipe(
    name="reasoner",
    title="register programs, simulated in six forms",
    model=lambda: TransformerLM(CONFIG),
    data=batches,
    objective=written_loss,
    gate=whole_traces,
    measure="held-out traces right in every word (fraction)",
    least=0.95,
    steps=6_000,
    lr=3e-3,
    seed=SEED,
    options={"final_lr": 0.0},
    series=lambda step: FORMS[step % len(FORMS)],
)
