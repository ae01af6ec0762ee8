"""A captioner that has learned to tell where things lie, and is mistaken now and then: the stand-in for LLaVA and BLIP.

It learns from renders of the split "captioner" and their long spatial captions, all true. What it says wrong is its
own: the training ends while relations are still harder to it than names, as LLaVA's were (83.6 % of its spatial claims
are right, 91.4 % of its entities; SPRIGHT, arXiv 2404.01197, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from lib.bases.recipe import Recipe
from lib.data.randomness import generator
from lib.data.scenes.spatial_captions import spatial_long
from lib.data.scenes.spatial_words import PAD, VOCABULARY, decode_caption, encode_captions, flip_words
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing
from lib.evaluation.atomic_claims import verify_captions
from lib.nn.vision.picture_captioner import CaptionerConfig, PictureCaptioner

SEED, BATCH, STEPS = 2, 64, 2_000
REGIMES = ("few", "many")
CONFIG = CaptionerConfig(len(VOCABULARY))
HELD_OUT = 40
"""Pictures of each regime in the gate."""
_BLOCK, _STEPS_A_BLOCK = 256, 40


@lru_cache(maxsize=4)
def shown(regime: str, split: str, number: int) -> tuple[np.ndarray, list[list[Thing]]]:
    """A block of pictures in [-1, 1], and what each of them shows."""
    scenes = SpatialWorld(SEED, regime=regime, pairs="all").draw(split, _BLOCK, number * _BLOCK)
    return scenes.images(), [things(scenes, row) for row in range(_BLOCK)]


def with_noise(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A standard deviation of 2 % of the range, as on the pictures of the text-to-image models."""
    return np.clip(pictures + 0.04 * rng.standard_normal(pictures.shape, dtype=np.float32), -1, 1)


def batches() -> Callable[[int], dict[str, np.ndarray]]:
    """step -> pictures of one regime, the other one next, and captions drawn anew; half mirrored, words and all."""

    def batch(step: int) -> dict[str, np.ndarray]:
        rng = generator(SEED, 1, step)
        pictures, told = shown(REGIMES[step % 2], "captioner", step // _STEPS_A_BLOCK)
        rows = rng.choice(_BLOCK, BATCH, replace=False)
        mirrored = rng.random(BATCH) < 0.5
        captions = [spatial_long(told[row], rng) for row in rows]
        captions = [flip_words(text) if turn else text for text, turn in zip(captions, mirrored, strict=True)]
        images = pictures[rows]
        images[mirrored] = images[mirrored, ..., ::-1]
        tokens = encode_captions(captions)
        longest = int((tokens != PAD).sum(1).max())
        return {"pictures": with_noise(images, rng), "tokens": tokens[:, :longest]}

    return batch


def caption_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """-log p of a caption's words and end, meaned over all of the batch (nats)."""
    nats = -model.log_likelihood(batch["pictures"], batch["tokens"])
    return nats.sum() / (batch["tokens"][:, 1:] != PAD).sum()


def right_relations(model: nn.Module) -> float:
    """The share of relations that are true, of those that it writes about held-out renders."""
    return written_claims(model, HELD_OUT).accuracy("relation").share


def written_claims(model: nn.Module, count: int):
    """The claims of its captions of `count` held-out renders of each regime, held against what they show."""
    device, captions, told = next(model.parameters()).device, [], []
    for regime in REGIMES:
        scenes = SpatialWorld(SEED, regime=regime, pairs="all").draw("captioner validation", count)
        noisy = with_noise(scenes.images(), generator(SEED, 2, REGIMES.index(regime)))
        tokens = model.write(torch.from_numpy(noisy).to(device))
        captions += [decode_caption(row) for row in tokens.tolist()]
        told += [things(scenes, row) for row in range(count)]
    return verify_captions(captions, told)


RECIPE = Recipe(
    name="picture_captioner",
    title="pictures in two or three sentences that say where things lie",
    model=lambda: PictureCaptioner(CONFIG),
    data=batches,
    objective=caption_loss,
    gate=right_relations,
    measure="relations it writes of held-out renders that are true (fraction)",
    least=0.75,
    steps=STEPS,
    lr=3e-3,
    seed=SEED,
    options={"weight_decay": 0.01, "betas": (0.9, 0.98), "warmup": 0.05, "final_lr": 0.05},
    series=lambda step: f"{REGIMES[step % 2]} things",
)
