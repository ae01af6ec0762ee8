"""A text encoder that has read about places and never seen a picture: the stand-in for CLIP's, which Stable Diffusion
takes over and does not train.

It learns from words alone. Two captions that say the same of a scene must lie close, and closer than a caption that
says the opposite (InfoNCE; Oord et al., arXiv 1807.03748). So it can tell left from right in a sentence. What "left"
looks like it cannot know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.bases.recipe import Recipe
from lib.data.randomness import generator
from lib.data.scenes.paraphrases import paraphrases
from lib.data.scenes.spatial_words import BOS, CONTEXT_LENGTH, EOS, PAD, VOCABULARY, encode_captions
from lib.data.scenes.spatial_world import SpatialWorld, things
from lib.data.scenes.things import Thing
from lib.nn.language.clip_text import ClipTextConfig, ClipTextEncoder

SEED, BATCH, STEPS, SCALE = 3, 64, 1_500, 20.0
SCENES, HELD_OUT = 4_096, 256
CONFIG = ClipTextConfig(
    vocab_size=len(VOCABULARY), hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=CONTEXT_LENGTH, hidden_act="gelu", bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD,
)  # fmt: skip


@lru_cache(maxsize=2)
def scenes(split: str, count: int) -> list[list[Thing]]:
    """What there is in scenes of a split; nobody draws them."""
    drawn = SpatialWorld(SEED).draw(split, count)
    return [things(drawn, row) for row in range(count)]


def batches() -> Callable[[int], dict[str, np.ndarray]]:
    """step -> tokens (3, batch, length): captions, their paraphrases, and what contradicts them."""

    def batch(step: int) -> dict[str, np.ndarray]:
        rng = generator(SEED, 14, step)
        told = scenes("train", SCENES)
        triples: list[tuple[str, str, str]] = []
        while len(triples) < BATCH:
            if found := paraphrases(told[int(rng.integers(SCENES))], rng):
                triples.append(found)
        return {"tokens": shortest(np.stack([encode_captions(part) for part in zip(*triples, strict=True)]))}

    return batch


def shortest(tokens: np.ndarray) -> np.ndarray:
    """Without the padding that all of them have."""
    return tokens[..., : int((tokens != PAD).sum(-1).max())]


def vectors(model: ClipTextEncoder, tokens: Tensor) -> Tensor:
    """One vector of length 1 for each text."""
    return F.normalize(model.pool(model(tokens), tokens), dim=-1)


def contrast(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """-log of the share of its paraphrase among all paraphrases and all opposites, meaned (nats)."""
    told, same, opposite = (vectors(model, tokens) for tokens in batch["tokens"])
    scores = SCALE * told @ torch.cat((same, opposite)).T
    return F.cross_entropy(scores, torch.arange(len(told), device=scores.device))


def told_apart(model: nn.Module) -> float:
    """The share of held-out captions that lie closer to their paraphrase than to its opposite."""
    rng = generator(SEED, 15)
    triples = [found for told in scenes("validation", HELD_OUT) if (found := paraphrases(told, rng))]
    device = next(model.parameters()).device
    told, same, opposite = (
        vectors(model, torch.from_numpy(encode_captions(part)).to(device)) for part in zip(*triples, strict=True)
    )
    return float(((told * same).sum(-1) > (told * opposite).sum(-1)).double().mean())


RECIPE = Recipe(
    name="caption_encoder",
    title="a reader of captions that has never seen a picture",
    model=lambda: ClipTextEncoder(CONFIG),
    data=batches,
    objective=contrast,
    gate=told_apart,
    measure="held-out captions nearer to their paraphrase than to its opposite (fraction)",
    least=0.95,
    steps=STEPS,
    lr=2e-3,
    seed=SEED,
    options={"weight_decay": 0.01, "betas": (0.9, 0.98), "warmup": 0.05, "final_lr": 0.0},
)
