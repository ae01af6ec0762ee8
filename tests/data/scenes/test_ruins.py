"""Each way of ruin leaves no object behind; what befalls a picture changes it a little and leaves it the same scene."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.scenes.ruins import WAYS, disturbed, ruin

BOX = np.array([10.0, 10.0, 20.0, 20.0])
RED, BLUE = np.array([1.0, 0, 0], dtype=np.float32), np.array([0, 0, 0.8], dtype=np.float32)


def square() -> tuple[np.ndarray, np.ndarray]:
    """Cover and tint of a red square of 10 pixels a side."""
    cover = np.zeros((32, 32), dtype=np.float32)
    cover[10:20, 10:20] = 1
    return cover, np.ones((3, 32, 32), dtype=np.float32) * RED[:, None, None]


def ruined(way: str, seed: int, shape: str = "square") -> tuple[np.ndarray, np.ndarray]:
    cover, tint = square()
    ruin(np.random.default_rng(seed), cover, tint, BOX, shape, spare=np.stack([RED, BLUE]), way=way)
    assert cover.min() >= 0 and cover.max() <= 1 + 1e-6 and tint.min() >= 0 and tint.max() <= 1
    return cover, tint


@pytest.mark.parametrize("seed", range(12))
def test_what_is_left_is_no_square(seed):
    whole, tint = square()
    cut, _ = ruined("cut", seed)
    assert np.all(cut <= whole) and 0.1 < cut.sum() / whole.sum() < 0.6
    faint, _ = ruined("faint", seed)
    assert 0.15 <= faint.max() <= 0.45 and np.ptp(faint[10:20, 10:20]) < 1e-6
    blob, _ = ruined("blob", seed)
    assert np.abs(blob - whole).sum() > 20 and blob.sum() > 3
    for way, least in (("smear", 0.2), ("double", 0.3)):
        pulled, _ = ruined(way, seed)
        assert pulled.sum() == pytest.approx(whole.sum()) and ((pulled > 0) & (whole == 0)).sum() > least * 100
        assert (pulled[10:20, 10:20] < 1 - 1e-6).mean() > 0.3
    same, two = ruined("two colours", seed)
    assert np.array_equal(same, whole)
    other = np.abs(two - tint).max(0) > 0.3
    assert 0.2 < other[10:20, 10:20].mean() < 0.8


def test_a_triangle_is_cut_from_the_side():
    """From below a smaller triangle would be left."""
    for seed in range(20):
        cover, _ = ruined("cut", seed, "triangle")
        left, right = cover[:, 10:13].sum(), cover[:, 17:20].sum()
        assert min(left, right) < 0.2 * max(left, right)


def test_every_way_is_drawn_and_an_unknown_one_is_named():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        cover, tint = square()
        ruin(rng, cover, tint, BOX, "square", spare=np.stack([RED, BLUE]))
        seen.add((round(float(cover.sum())), bool((tint[:, 15, 15] != tint[:, 11, 11]).any())))
    assert len(seen) > 20
    with pytest.raises(ValueError, match=rf"^way must be one of {', '.join(WAYS)}, got 'melt'$"):
        ruined("melt", 0)


def test_a_disturbed_picture_shows_the_same_scene():
    cover, tint = square()
    image = (0.85 * (1 - cover) + tint * cover).astype(np.float32)
    images = np.repeat(image[None], 64, 0)
    before = images.copy()
    after = disturbed(images, np.random.default_rng(1))
    assert np.array_equal(images, before) and after.shape == images.shape and after.dtype == np.float32
    difference = np.abs(after - before).mean((1, 2, 3))
    assert difference.min() > 0.005 and difference.max() < 0.2 and np.ptp(difference) > 0.02
    inside = after[:, :, 12:18, 12:18].mean((2, 3))
    assert np.all(inside[:, 0] > inside[:, 1:].max(1) + 0.5)


def test_blur_keeps_the_mean_and_softens_an_edge():
    from lib.data.scenes.ruins import _blurred

    images = np.zeros((2, 1, 8, 8), dtype=np.float32)
    images[:, :, :, 4:] = 1
    sigma = np.array([0, 0.7], dtype=np.float32).reshape(2, 1, 1, 1)
    sharp, soft = _blurred(images, sigma, -1)
    np.testing.assert_allclose(sharp, images[0], atol=1e-6)
    weight = np.exp(-0.5 * (np.arange(-2, 3) / 0.7) ** 2)
    expected = np.cumsum(weight / weight.sum())
    np.testing.assert_allclose(soft[0, 0, 2:6], [expected[0], expected[1], expected[2], expected[3]], atol=1e-5)
    np.testing.assert_allclose(_blurred(images, sigma, -2), images, atol=1e-6)
