"""A latent diffusion model that draws coloured shapes from words and has hardly ever been told where they are.

It starts from nothing: text encoder and U-Net learn together on captions that name what a picture shows, in random
order. One caption in a hundred also says how two of the things lie to each other, about as rarely as in the captions
that large models learn from (SPRIGHT, arXiv 2404.01197, table 1). No held-out pair of types is ever in a picture, and
a share of the captions is empty, so that classifier-free guidance has something to lean on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from lib.bases.files import load
from lib.bases.recipe import Recipe
from lib.data.randomness import generator
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.spatial_captions import general, prompt
from lib.data.scenes.spatial_words import BOS, CONTEXT_LENGTH, EOS, PAD, VOCABULARY, encode_captions
from lib.data.scenes.spatial_world import SpatialWorld, things, type_pairs
from lib.nn.language.clip_text import ClipTextConfig
from lib.nn.vision.detections import detect
from lib.nn.vision.diffusion_sampling import sample_latents
from lib.nn.vision.noise_schedule import NoiseSchedule
from lib.nn.vision.text_to_image import TextToImage
from lib.nn.vision.unet_config import UNetConfig
from lib.training.objectives.diffusion import diffusion_loss, drop_captions, noised

SEED = 0
RHO, DROPPED = 0.01, 0.1
"""Shares of the captions that hold a relation, and that are empty."""
BATCH, BLOCK, BLOCKS = 32, 256, 80
"""Pictures of a step; pictures drawn together and how many such blocks there are: 20,480 pictures."""
STEPS = 15_000
LENGTH = 24
"""Tokens of the longest general caption and a few more."""
TEXT = ClipTextConfig(
    vocab_size=len(VOCABULARY), hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=CONTEXT_LENGTH, hidden_act="gelu", bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD,
)  # fmt: skip
UNET = UNetConfig(
    sample_size=16, in_channels=12, out_channels=12, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(32, 64), layers_per_block=1,
    norm_num_groups=8, cross_attention_dim=64, attention_head_dim=4,
)  # fmt: skip
SCHEDULE = NoiseSchedule("scaled_linear", 1000, "v")
GUIDANCE, SAMPLING_STEPS = 3.0, 15


def untrained() -> TextToImage:
    """Positions start near zero, as CLIP's do: those that no caption reaches say nothing, and not something random."""
    model = TextToImage(TEXT, UNET, SCHEDULE)
    nn.init.normal_(model.text_encoder.embeddings.position_embedding.weight, std=0.01)
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
    return diffusion_loss(model.unet(drawn.x_t, drawn.t, *model.text_states(tokens)), drawn.target)


def both_drawn(model: nn.Module, prompts: int = 90) -> float:
    """The share of pictures of two-object prompts in which the evaluator finds both objects."""
    rng = generator(SEED, 13)
    pairs = [tuple(rng.permutation(pair)) for pair in type_pairs("train")]
    relations = ("left of", "right of", "above", "below")
    texts = [
        prompt(*(str(name) for name in (first, relations[k % 4], second))) for k, (first, second) in enumerate(pairs)
    ]
    tokens = encode_captions([*texts[:prompts], *[""] * len(texts[:prompts])], LENGTH)
    device = next(model.parameters()).device
    states, seen = model.text_states(torch.from_numpy(tokens).to(device))
    context = model.unet.prepare(states, seen)
    noise = torch.randn((len(tokens) // 2, 12, 16, 16), device=device)
    latents = sample_latents(
        lambda x, t: model.unet(x, t, context), noise, model.schedule, SAMPLING_STEPS, guidance=GUIDANCE
    )
    evaluator, _ = load("render_detector")
    seen_things = detect(evaluator, model.pictures(latents).clamp(-1, 1))
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
