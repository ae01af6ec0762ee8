"""The evaluator of text-to-image models: it says of every pixel of a picture what is drawn there, and sees no prompt.

It learns from renders alone, disturbed ones and ones with ruined objects among them, of pairs of types that are held
out from the text-to-image models as well: it must know what they are tested on. A generated picture is never among its
data, and no model learns from it.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from lib.bases.recipe import Recipe
from lib.data.scenes.detector_pictures import REGIMES, detector_batches, held_out_pictures
from lib.evaluation.readings import read_correctly
from lib.nn.vision.detections import detect
from lib.nn.vision.detector import RenderDetector

SEED, WIDTH, BATCH, STEPS = 0, 16, 32, 2_000
HELD_OUT = 30
"""Pictures of each kind in the gate: few and many things, as drawn and corrupted."""


def pixel_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Nats: of the shape or background of every pixel, and of the colour of those that an object covers."""
    return model.loss(batch["pictures"], batch["shapes"], batch["colours"])


def read_entirely(model: nn.Module) -> float:
    """The share of held-out renders in which every object is found with its kind and nothing else is."""
    shares = []
    for regime in REGIMES:
        for corrupted in (False, True):
            held = held_out_pictures(SEED, regime, HELD_OUT, corrupted=corrupted)
            shares.append(read_correctly(detect(model, held.pictures), held.things).entire)
    return float(np.mean(shares))


RECIPE = Recipe(
    name="render_detector",
    title="what is drawn at every pixel of a render",
    model=lambda: RenderDetector(WIDTH),
    data=lambda: detector_batches(SEED, BATCH),
    objective=pixel_loss,
    gate=read_entirely,
    measure="held-out renders, clean and corrupted, read entirely right (fraction)",
    least=0.75,
    steps=STEPS,
    lr=4e-3,
    seed=SEED,
    options={"weight_decay": 0.01, "betas": (0.9, 0.99), "warmup": 0.05, "final_lr": 0.0},
)
