"""A second reader of pictures, of another seed and width: what a text-to-image model may learn from.

Notebook 13 asks it where an object lies in a generated picture. Were it the evaluator itself, the model would learn to
please its judge.
"""

from __future__ import annotations

from dataclasses import replace

from lib.bases import render_detector
from lib.data.scenes.detector_pictures import detector_batches
from lib.nn.vision.detector import RenderDetector

SEED, WIDTH, STEPS = 1, 12, 1_400

RECIPE = replace(
    render_detector.RECIPE,
    name="render_segmenter",
    title="a second reader of renders, narrower and of another seed",
    model=lambda: RenderDetector(WIDTH),
    data=lambda: detector_batches(SEED, render_detector.BATCH),
    least=0.65,
    steps=STEPS,
    seed=SEED,
)
