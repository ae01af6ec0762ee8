"""A small language model with six skills and two alphabets, to be asked by control tokens; notebooks adapt it.

It reads `<bos> T S x1 ... xn =` and writes the answer. Where a control is neutral, the data follow a random task or
alphabet. Inputs are those of the training split: a notebook's validation and test inputs are never among them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lib.bases.recipe import Recipe
from lib.data.sequences.skills import SKILL_VOCAB, Skills
from lib.nn.language.transformer import TransformerConfig, TransformerLM
from lib.training.objectives.language import language_modelling_loss

SEED = 0
CONFIG = TransformerConfig(SKILL_VOCAB, 96, 4, 4, intermediate_size=256, gated=True)
BATCH = 64


def batches():
    """step -> a batch of the training split, each control neutral in three of ten examples."""
    skills = Skills(SEED)
    return lambda step: skills.pretraining(BATCH, step).arrays()


def answer_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the answer's tokens (nats)."""
    return language_modelling_loss(model(batch["tokens"]), batch["targets"])


def exact_match(model: nn.Module) -> float:
    """The share of answers that are right in every token, with both controls, on inputs held out."""
    batch = Skills(SEED).explicit("validation", 600).arrays()
    device = next(model.parameters()).device
    tokens, targets = (torch.from_numpy(batch[part]).to(device) for part in ("tokens", "targets"))
    right = (model(tokens).argmax(-1) == targets) | (targets < 0)
    return right.all(1).float().mean().item()


RECIPE = Recipe(
    name="skills",
    title="six skills and two alphabets behind control tokens",
    model=lambda: TransformerLM(CONFIG),
    data=batches,
    objective=answer_loss,
    gate=exact_match,
    measure="held-out answers right in every token (fraction)",
    least=0.99,
    steps=4_000,
    lr=3e-3,
    seed=SEED,
    options={"weight_decay": 0.0, "betas": (0.9, 0.99), "warmup": 0.04, "final_lr": 0.0},
)
