"""Guidance is a line through two logits, and its weight rises from nothing to its full size."""

from __future__ import annotations

import pytest
import torch

from lib.nn import Sampling
from lib.nn.vision.guidance import mix_guidance


def test_the_mixture_is_the_papers():
    torch.manual_seed(0)
    conditional, unconditional = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    both = torch.cat((conditional, unconditional))
    torch.testing.assert_close(mix_guidance(both, 0.0), conditional)
    torch.testing.assert_close(mix_guidance(both, -1.0), unconditional)
    torch.testing.assert_close(mix_guidance(both, 2.0), 3 * conditional - 2 * unconditional)


@pytest.mark.parametrize(("ramp", "codes"), [(True, [0, 0, 1]), (False, [1, 1, 1])])
def test_the_weight_rises_from_none_to_full(ramp, codes):
    """(1 + t) 3 - t 2 = 3 + t for code 0, (1 + t) 2 + 2 t = 2 + 4 t for code 1: code 1 wins from t = 1/3 on."""
    logits = torch.tensor([[[3.0, 2.0]], [[2.0, -2.0]]])
    sampling = Sampling(guidance=0.6, ramp=ramp, temperature=0.0)
    drawn = [int(sampling.pick(logits, progress)) for progress in (0.0, 0.5, 1.0)]
    assert drawn == codes and sampling.guided


def test_without_guidance_all_rows_are_drawn_from():
    logits = torch.tensor([[[0.0, 9.0]], [[9.0, 0.0]]])
    assert not Sampling().guided and Sampling(temperature=0.0).pick(logits, 1.0).flatten().tolist() == [1, 0]


def test_each_place_is_drawn_by_its_own_probabilities():
    logits = torch.log(torch.tensor([[[0.8, 0.2], [0.1, 0.9]]])).expand(4000, -1, -1)
    drawn = Sampling().pick(logits, 1.0, torch.Generator().manual_seed(0)).float()
    assert drawn.mean(0).tolist() == pytest.approx([0.2, 0.9], abs=4 * (0.2 * 0.8 / 4000) ** 0.5)
    assert torch.corrcoef(drawn.T)[0, 1].abs() < 0.07, "places are independent"
