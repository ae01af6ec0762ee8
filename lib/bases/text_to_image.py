"""A latent diffusion model that draws coloured shapes from words and has hardly ever been told where they are.

Its text encoder begins as `caption_encoder`, which can read and has never seen a picture, and learns on together with
the U-Net. They learn from captions that name what a picture shows, in random order. Of the captions that could, one in
a hundred also says how two of the things lie to each other, about as rarely as in the captions that large models learn
from (SPRIGHT, arXiv 2404.01197, table 1). No held-out pair of types is ever in a picture, and a share of captions is
empty, so that classifier-free guidance has something to lean on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from lib.bases.card import Card
from lib.bases.files import files_of, in_single_precision
from lib.bases.recipe import Recipe
from lib.bases.registry import recipe_of
from lib.data.randomness import generator
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.spatial_captions import general, prompt
from lib.data.scenes.spatial_words import encode_captions
from lib.data.scenes.spatial_world import SpatialWorld, things, type_pairs
from lib.nn.vision.detections import detect
from lib.nn.vision.noise_schedule import NoiseSchedule
from lib.nn.vision.text_to_image import TextToImage
from lib.nn.vision.unet_config import UNetConfig
from lib.training.checkpoint import digest, read_tensors
from lib.training.objectives.diffusion import diffusion_loss, drop_captions, noised

SEED = 0
RHO, DROPPED = 0.01, 0.1
"""Shares of the captions of two and more things that hold a relation, and of all captions that are empty."""
BATCH, BLOCK, BLOCKS = 32, 256, 80
"""Pictures of a step; pictures drawn together and how many such blocks there are: 20,480 pictures."""
STEPS = 6_500
LENGTH = 24
"""Tokens of the longest general caption and a few more."""
UNET = UNetConfig(
    sample_size=16, in_channels=14, out_channels=12, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(32, 64), layers_per_block=1,
    norm_num_groups=8, cross_attention_dim=64, attention_head_dim=4,
)  # fmt: skip
SCHEDULE = NoiseSchedule("scaled_linear", 1000, "v")
GUIDANCE = 3.0


def load_ungated(name: str) -> nn.Module:
    """A base that this one builds on or is judged by; this one's own gate covers it, so its own is not asked.

    Raises ValueError or FileNotFoundError for files that are missing, damaged, or not those of the card.
    """
    weights_file, card_file = files_of(name)
    tensors, _ = read_tensors(weights_file)
    if digest(tensors) != Card.read(card_file).weights_digest:
        raise ValueError(f"the weights of the base {name!r} must be those of its card; `git checkout data/bases`")
    model = recipe_of(name).untrained()
    model.load_state_dict(in_single_precision(tensors))
    return model.eval()


def untrained() -> TextToImage:
    """The encoder with its weights; the U-Net as it is made."""
    encoder = load_ungated("caption_encoder")
    model = TextToImage(encoder.config, UNET, SCHEDULE)
    model.text_encoder.load_state_dict(encoder.state_dict())
    return model


@lru_cache(maxsize=BLOCKS)
def _block(number: int) -> tuple[Scenes, np.ndarray]:
    """Scenes of a block of the split "base" and their pictures, in whole numbers to save memory."""
    scenes = SpatialWorld(SEED).draw("base", BLOCK, start=number * BLOCK)
    return scenes, ((scenes.images() + 1) * 127.5).round().astype(np.uint8)


def batches() -> Callable[[int], dict[str, np.ndarray]]:
    """step -> pictures in [-1, 1] and their captions' tokens; every block in turn, captions told anew each time."""

    def batch(step: int) -> dict[str, np.ndarray]:
        scenes, pictures = _block(step % BLOCKS)
        rng = generator(SEED, 12, step)
        rows = rng.choice(BLOCK, BATCH, replace=False)
        captions = [general(things(scenes, row), rng, RHO) for row in rows]
        return {
            "pictures": pictures[rows].astype(np.float32) / 127.5 - 1,
            "tokens": encode_captions(captions, LENGTH, truncate=False),
        }

    return batch


def caption_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Mean squared error of the velocity at random times, a share of the captions dropped."""
    empty = torch.from_numpy(encode_captions([""], LENGTH)[0])
    tokens = drop_captions(batch["tokens"], empty, DROPPED)
    drawn = noised(model.latents(batch["pictures"]), model.schedule)
    return diffusion_loss(model.denoise(drawn.x_t, drawn.t, *model.text_states(tokens)), drawn.target)


def both_drawn(model: nn.Module, prompts: int = 20, steps: int = 10) -> float:
    """The share of pictures of two-object prompts in which the evaluator finds both objects.

    Few pictures in few steps, since every load asks; notebook 12 measures it with more.
    """
    rng = generator(SEED, 13)
    pairs = [tuple(rng.permutation(pair)) for pair in rng.permutation(type_pairs("train"))]
    relations = ("left of", "right of", "above", "below")
    texts = [prompt(str(a), relations[k % 4], str(b)) for k, (a, b) in enumerate(pairs[:prompts])]
    device = next(model.parameters()).device
    noise = torch.randn((len(texts), 12, 16, 16), device=device)
    tokens = torch.from_numpy(encode_captions(texts, LENGTH)).to(device)
    pictures = model.draw(tokens, noise, steps, GUIDANCE)
    evaluator = load_ungated("render_detector")
    seen_things = detect(evaluator, pictures)
    wanted = [{str(first), str(second)} for first, second in pairs[:prompts]]
    return float(
        np.mean([names <= {thing.name for thing in found} for names, found in zip(wanted, seen_things, strict=True)])
    )


RECIPE = Recipe(
    name="text_to_image",
    title="shapes drawn from captions that hardly ever say where",
    model=untrained,
    data=batches,
    objective=caption_loss,
    gate=both_drawn,
    measure="pictures of two-object prompts that show both objects, by the evaluator (fraction)",
    least=0.7,
    steps=STEPS,
    lr=1e-3,
    seed=SEED,
    options={"weight_decay": 0.01, "betas": (0.9, 0.99), "warmup": 0.02, "final_lr": 0.0},
)
