"""The segmenter shares neither seed nor width with the evaluator, and no picture."""

from __future__ import annotations

import numpy as np

from lib.bases import render_detector
from lib.bases.render_segmenter import RECIPE


def test_the_segmenter_is_another_network_with_other_data():
    evaluator = render_detector.RECIPE
    assert (RECIPE.objective, RECIPE.gate, RECIPE.measure) == (evaluator.objective, evaluator.gate, evaluator.measure)
    assert RECIPE.seed != evaluator.seed and RECIPE.untrained().width < evaluator.untrained().width
    ours, theirs = RECIPE.data()(0), evaluator.data()(0)
    assert ours["pictures"].shape == theirs["pictures"].shape
    distance = np.abs(ours["pictures"][:, None] - theirs["pictures"]).mean((2, 3, 4))
    assert distance.min() > 0.01
