"""The detector says of each pixel what is there, from its neighbourhood alone; its loss asks what it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib.data.scenes.detector_pictures import BACKGROUND, UNASKED
from lib.nn.vision.detector import RenderDetector


@pytest.fixture
def detector() -> RenderDetector:
    torch.manual_seed(0)
    detector = RenderDetector(4)
    detector(torch.randn(8, 3, 32, 32))  # moves the statistics of the norms
    return detector


def test_probabilities_sum_to_one_at_every_pixel_of_any_size(detector):
    for height, width in ((32, 32), (12, 20), (4, 4)):
        kinds = detector(torch.randn(2, 3, height, width))
        assert kinds.shape.shape == (2, 5, height, width) and kinds.colour.shape == (2, 4, height, width)
        for part in kinds:
            torch.testing.assert_close(part.exp().sum(1), torch.ones(2, height, width))


def test_the_width_sets_the_size():
    count = lambda width: sum(parameter.numel() for parameter in RenderDetector(width).parameters())  # noqa: E731
    assert 60_000 < count(16) < 65_000 and count(12) < 0.6 * count(16)
    assert RenderDetector(6).num_features == 18


def test_what_is_far_away_changes_nothing_in_eval_mode(detector):
    detector.eval()
    picture = torch.randn(1, 3, 96, 32)
    other = picture.clone()
    other[:, :, 64:] = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        one, two = detector(picture), detector(other)
    assert torch.allclose(one.shape[:, :, :32], two.shape[:, :, :32], atol=1e-6)
    assert not torch.allclose(one.shape[:, :, 64:], two.shape[:, :, 64:], atol=1e-3)


def test_a_picture_moved_by_four_pixels_is_read_four_pixels_further(detector):
    detector.eval()
    picture = torch.full((1, 3, 96, 96), 0.8)
    picture[:, :, 44:52, 46:53] = torch.randn(1, 3, 8, 7)
    inside = np.s_[:, :, 32:64, 32:64]  # an edge of the picture is seen, too
    with torch.no_grad():
        moved = detector(picture.roll((4, -8), (2, 3))).shape
        expected = detector(picture).shape.roll((4, -8), (2, 3))
    torch.testing.assert_close(moved[inside], expected[inside], rtol=1e-4, atol=1e-5)
    assert moved[inside].std((2, 3)).min() > 1e-3


def test_the_loss_is_of_pixels_shapes_of_objects_and_colours_of_objects(detector):
    draw = torch.Generator().manual_seed(3)
    pictures = torch.randn(2, 3, 8, 8, generator=draw)
    shapes = torch.randint(0, BACKGROUND + 1, (2, 8, 8), generator=draw)
    shapes[0, 0] = UNASKED
    colours = torch.where((shapes >= 0) & (shapes < BACKGROUND), 2, UNASKED)
    kinds = detector(pictures)
    every, objects, of_colour = [], [], []
    for picture, row, column in torch.cartesian_prod(torch.arange(2), torch.arange(8), torch.arange(8)).tolist():
        shape = int(shapes[picture, row, column])
        if shape == UNASKED:
            continue
        at = kinds.shape[picture, :, row, column]
        every.append(-at[shape])
        if shape < BACKGROUND:
            objects.append(-(at[shape] - torch.log(1 - at[BACKGROUND].exp())))
            of_colour.append(-kinds.colour[picture, 2, row, column])
    expected = torch.stack(every).mean() + torch.stack(objects).mean() + torch.stack(of_colour).mean()
    torch.testing.assert_close(detector.loss(pictures, shapes, colours), expected, rtol=1e-4, atol=1e-5)


def test_nothing_asked_costs_nothing_and_every_weight_learns(detector):
    pictures = torch.randn(2, 3, 16, 16)
    nothing = torch.full((2, 16, 16), UNASKED)
    assert detector.loss(pictures, nothing, nothing).item() == 0
    empty = torch.full((2, 16, 16), BACKGROUND)
    alone = F.nll_loss(detector(pictures).shape, empty)
    torch.testing.assert_close(detector.loss(pictures, empty, nothing), alone)
    detector.loss(pictures, torch.randint(0, 5, (2, 16, 16)), torch.randint(0, 4, (2, 16, 16))).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in detector.parameters())


def test_features_are_means_over_places_and_leave_the_mode_alone(detector):
    pictures = np.random.default_rng(0).standard_normal((5, 3, 16, 16)).astype(np.float32)
    features = detector.features(pictures, batch=2)
    assert features.shape == (5, detector.num_features) and features.dtype == np.float64 and detector.training
    with torch.no_grad():
        coarse, fine = detector.eval().maps(torch.from_numpy(pictures))
    expected = np.concatenate([coarse.numpy().mean((2, 3)), fine.numpy().mean((2, 3))], 1)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^width must be at least 1, got 0$"):
        RenderDetector(0)
    with pytest.raises(ValueError, match=r"^pictures must have sides that are multiples of 4, got \(10, 12\)$"):
        RenderDetector(4)(torch.zeros(1, 3, 10, 12))
