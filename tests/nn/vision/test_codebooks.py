"""Codebooks: k-means finds planted clusters and never gets worse; use is counted a scale and over all."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from lib.nn import code_usage
from lib.nn.vision.codebooks import k_means


def error(points, centres):
    return torch.cdist(points, centres).min(1).values.square().mean().item()


def test_planted_clusters_are_found():
    torch.manual_seed(0)
    planted = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = planted.repeat(40, 1) + 0.1 * torch.randn(120, 2)
    best = min((k_means(points, 3, 10, seed) for seed in range(5)), key=lambda centres: error(points, centres))
    assert torch.cdist(planted, best).min(1).values.max() < 0.1


def test_no_round_makes_the_error_larger_and_the_seed_decides():
    torch.manual_seed(1)
    points = torch.randn(300, 4)
    errors = [error(points, k_means(points, 8, rounds, seed=2)) for rounds in range(6)]
    assert all(later <= before + 1e-6 for before, later in itertools.pairwise(errors))
    assert errors[-1] < 0.9 * errors[0]
    assert torch.equal(k_means(points, 8, 3, 2), k_means(points, 8, 3, 2))


def test_a_centre_is_the_mean_of_its_points_and_too_few_points_repeat():
    points = torch.tensor([[0.0], [1.0], [10.0], [12.0]])
    found = sorted(k_means(points, 2, 20, seed=0).flatten().tolist())
    assert found == pytest.approx([0.5, 11.0], abs=1e-5)
    many = k_means(points, 9, 0, seed=0)
    assert many.shape == (9, 1) and torch.cdist(many, points).min(1).values.max() < 0.01


def test_perplexity_is_the_number_of_codes_used_evenly():
    even, one = torch.arange(8).view(2, 4), torch.full((2, 3), 5)
    stats = code_usage([even, one], 10)
    assert stats["used"] == [8, 1] and stats["perplexity"] == pytest.approx([8, 1])
    shares = torch.tensor([1.0] * 7 + [7.0]) / 14  # code 5 is seen seven times
    entropy = -(shares * shares.log()).sum().item()
    assert stats["used_overall"] == 8 and stats["perplexity_overall"] == pytest.approx(math.exp(entropy), rel=1e-5)
