"""A stack of blocks that composes functions: it reads a digit and functions among easy tokens and gives the result.

It learns on the stream of `MixedDifficulty`. In minutes, next tokens alone teach it nothing about composing: their loss
sees that an answer is wrong and not which step was. So its training shows the way as well. Block after block, the
slots' hidden states must say the digit that stands there so far, in the embedding's own terms: after block n that is
asked of the first n slots, after the last block of all. No weight is there for that alone.

A notebook's documents are never among those of this training. Its problems are, as far as chance repeats them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.bases.recipe import Recipe
from lib.data.sequences.mixed_difficulty import (
    DIGITS,
    EMPTY,
    EQUALS,
    FUNCTIONS,
    VOCAB_SIZE,
    DifficultyBatch,
    MixedDifficulty,
)
from lib.nn.language.depth import DepthConfig, DepthLM
from lib.training.objectives.language import language_modelling_loss, masked_mean

SEED = 0
CONFIG = DepthConfig(VOCAB_SIZE, 64, 6, 4, 256)
STREAM = MixedDifficulty(
    seed=7_700, length=512, batch_size=2, shares=(0.53, 0.15, 0.32), digits=10, functions=8, slots=4, empty=0.25,
    problems=2,
)  # fmt: skip
"""What a notebook goes on with: one token in seven or eight belongs to a problem."""
LONG_DRILL = replace(STREAM, shares=(0.2, 0.65, 0.15))
DRILL = replace(LONG_DRILL, length=128, batch_size=8)
"""Full of problems, and at first short."""
DRILLS, LONG_DRILLS, STEPS = 900, 700, 2_600
LEAST_FUNCTIONS = 3


def running_digits(stream: MixedDifficulty, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tokens (batch, length) -> of each slot its number in its problem, and the digit that stands there; else -1.

    A problem that the end of the row cuts off is left out.
    """
    numbers, digits = np.full(tokens.shape, -1), np.full(tokens.shape, -1)
    maps = np.concatenate([stream.tables, np.arange(stream.digits)[None]])  # the last one for an empty slot
    row, equals = np.nonzero(tokens == EQUALS)
    digit = tokens[row, equals - stream.slots - 1] - DIGITS.start
    for number in range(stream.slots):
        place = equals - stream.slots + number
        sign = tokens[row, place]
        digit = maps[np.where(sign == EMPTY, stream.functions, sign - FUNCTIONS.start), digit]
        numbers[row, place], digits[row, place] = number, digit
    return numbers, digits


def with_hints(batch: DifficultyBatch) -> dict[str, np.ndarray]:
    """What `shown_loss` needs: tokens, targets, which targets are answers, and `running_digits`."""
    slots, digits = running_digits(STREAM, batch.tokens)
    return {**batch.arrays(), "answers": batch.steps >= 0, "slots": slots, "digits": digits}


def batches() -> Callable[[int], dict[str, np.ndarray]]:
    """step -> a batch of drills, of long drills, of the stream."""

    def batch(step: int) -> dict[str, np.ndarray]:
        source = DRILL if step < DRILLS else LONG_DRILL if step < DRILLS + LONG_DRILLS else STREAM
        return with_hints(source.train(step))

    return batch


def shown_parts(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses in nats: of the next token, of the answers among them, and of the running digits in the hidden states."""
    decoder, slots, hints = model.model, batch["slots"], []
    x = decoder.embed_tokens(batch["tokens"])
    for blocks, layer in enumerate(decoder.layers, start=1):
        x = layer(x)
        asked = (slots >= 0) & ((slots < blocks) | (blocks == len(decoder.layers)))
        said = F.linear(decoder.final_layernorm(x[asked]), model.output_weight[DIGITS.start : DIGITS.stop])
        hints.append(F.cross_entropy(said, batch["digits"][asked]) if len(said) else said.sum())
    logits = F.linear(decoder.final_layernorm(x), model.output_weight)
    nats = F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten(), reduction="none")
    return {
        "nats": language_modelling_loss(logits, batch["targets"]),
        "answers": masked_mean(nats, batch["answers"].flatten()),
        "hints": torch.stack(hints).mean(),
    }


def shown_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return sum(shown_parts(model, batch).values())


def deep_answers(model: nn.Module) -> float:
    """The share of answers of three functions and more that are right, on documents held out."""
    batch = STREAM.validation(48)
    device = next(model.parameters()).device
    said = model(torch.from_numpy(batch.tokens).to(device)).argmax(-1).cpu().numpy()
    return float((said == batch.targets)[batch.steps >= LEAST_FUNCTIONS].mean())


RECIPE = Recipe(
    name="composer",
    title="six blocks that compose functions, in a stream of mixed difficulty",
    model=lambda: DepthLM(CONFIG),
    data=batches,
    objective=shown_loss,
    gate=deep_answers,
    measure="held-out answers of three and four functions that are right (fraction)",
    least=0.97,
    steps=STEPS,
    lr=3e-3,
    seed=SEED,
    options={"weight_decay": 0.1, "betas": (0.9, 0.95), "warmup": 0.04, "final_lr": 0.0},
)
