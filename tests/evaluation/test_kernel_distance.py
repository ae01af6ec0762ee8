"""CMMD: a double loop, torchmetrics' estimator, Gaussians in closed form, and how straight the kernel is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lib.evaluation import kernel_distance


def clouds(seed=0, rows=(37, 23), dim=5, shift=0.4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows[0], dim)), rng.normal(size=(rows[1], dim)) * 1.3 + shift


def by_loops(real, other, sigma, *, unbiased):
    def k(x, y):
        return math.exp(-sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / (2 * sigma**2))

    def mean(a, b, *, same=False):
        values = [k(x, y) for i, x in enumerate(a) for j, y in enumerate(b) if not (same and unbiased and i == j)]
        return math.fsum(values) / len(values)

    return mean(real, real, same=True) + mean(other, other, same=True) - 2 * mean(real, other)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("sigma", [0.7, 3.0, 10.0])
def test_equals_a_double_loop(sigma, unbiased):
    real, other = clouds()
    expected = by_loops(real.tolist(), other.tolist(), sigma, unbiased=unbiased)
    assert kernel_distance(real, other, sigma=sigma, scale=1, unbiased=unbiased) == pytest.approx(expected, rel=1e-9)
    thousand = kernel_distance(real, other, sigma=sigma, unbiased=unbiased)
    assert thousand == pytest.approx(1000 * expected, rel=1e-9)


def test_equals_torchmetrics_estimator_on_the_kernels_matrices():
    kid = pytest.importorskip("torchmetrics.image.kid")
    real, other = clouds(1, rows=(30, 30))
    distances = torch.cdist(*[torch.from_numpy(np.concatenate([real, other]))] * 2)
    k = torch.exp(-(distances**2) / (2 * 2.0**2))
    expected = float(kid.maximum_mean_discrepancy(k[:30, :30], k[:30, 30:], k[30:, 30:]))
    assert kernel_distance(real, other, sigma=2, scale=1, unbiased=True) == pytest.approx(expected, rel=1e-6)


def test_rows_in_blocks_are_rows_at_once():
    """More than two blocks of 1024 and an uneven end; scipy gives the distances."""
    from scipy.spatial.distance import cdist

    real, other = clouds(2, rows=(2100, 1500), dim=3)
    sums = {}
    for name, (a, b) in {"xx": (real, real), "yy": (other, other), "xy": (real, other)}.items():
        sums[name] = np.exp(-cdist(a, b, "sqeuclidean") / 8)
    biased = sums["xx"].mean() + sums["yy"].mean() - 2 * sums["xy"].mean()
    assert kernel_distance(real, other, sigma=2, scale=1) == pytest.approx(biased, rel=1e-9)


@pytest.mark.parametrize(
    ("dim", "spread", "sigma", "apart"), [(1, 1.0, 1.0, 1.0), (3, 0.8, 2.0, 1.2), (6, 1.5, 10.0, 2.0)]
)
def test_two_gaussians_in_closed_form(dim, spread, sigma, apart):
    """MMD^2 = 2 (s^2 / (s^2 + 2 r^2))^{d/2} (1 - exp(-|apart|^2 / (2 (s^2 + 2 r^2)))), with s the kernel's width and r
    the clouds' spread. The unbiased estimator meets it on average; the biased one is above it by
    (1 - E k(x, x')) (1 / a + 1 / b), exactly."""
    wide = sigma**2 + 2 * spread**2
    alike = (sigma**2 / wide) ** (dim / 2)
    truth = 2 * alike * (1 - math.exp(-(apart**2) / (2 * wide)))
    rows, draws = (60, 90), 200
    rng = np.random.default_rng(dim)
    shift = np.zeros(dim)
    shift[0] = apart
    found = {False: [], True: []}
    for _ in range(draws):
        real, other = rng.normal(0, spread, (rows[0], dim)), rng.normal(0, spread, (rows[1], dim)) + shift
        for unbiased, values in found.items():
            values.append(kernel_distance(real, other, sigma=sigma, scale=1, unbiased=unbiased))
    above = (1 - alike) * (1 / rows[0] + 1 / rows[1])
    for unbiased, expected in ((True, truth), (False, truth + above)):
        error = np.std(found[unbiased], ddof=1) / draws**0.5
        assert np.mean(found[unbiased]) == pytest.approx(expected, abs=4 * error)
        assert 4 * error < 0.1 * truth


def test_equal_distributions_are_at_zero_on_average_without_the_bias():
    rng = np.random.default_rng(4)
    values = [
        kernel_distance(rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), sigma=2, unbiased=True) for _ in range(200)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / 200**0.5
    assert 0.3 < np.mean(np.array(values) < 0) < 0.7
    cloud = rng.normal(size=(40, 4))
    assert kernel_distance(cloud, cloud) == pytest.approx(0, abs=1e-10)
    assert kernel_distance(cloud, cloud[::-1]) == pytest.approx(0, abs=1e-10)


def test_at_unit_norm_it_is_ten_times_the_squared_difference_of_the_means():
    for seed, dim in ((0, 8), (1, 64), (2, 768)):
        rng = np.random.default_rng(seed)
        real, other = rng.normal(size=(300, dim)), rng.normal(size=(200, dim))
        other[:, : dim // 2] += 0.5
        value = kernel_distance(real, other, unit_norm=True)
        real, other = (rows / np.sqrt((rows**2).sum(1))[:, None] for rows in (real, other))
        straight = 10 * ((real.mean(0) - other.mean(0)) ** 2).sum()
        assert value == pytest.approx(straight, rel=0.02) and value > 0.1
        assert value == pytest.approx(kernel_distance(real * 3, other * 0.2, unit_norm=True))
        assert value == pytest.approx(kernel_distance(real, other))
        # And what has one mean is no distance to it, however much else differs.
        narrow = real.mean(0) + 0.01 * (real - real.mean(0))
        assert kernel_distance(real, narrow) < 0.02 * 1000 * (1 - np.exp(-1 / 200))


def test_a_far_origin_loses_no_digits():
    real, other = clouds(5)
    assert kernel_distance(real + 1e6, other + 1e6) == pytest.approx(kernel_distance(real, other), rel=1e-6)
    assert kernel_distance(real.astype(np.float32), other.astype(np.float32)) == pytest.approx(
        kernel_distance(real, other), rel=1e-5
    )


def test_bad_input_is_named():
    real, other = clouds()
    with pytest.raises(ValueError, match=r"^other must have real's width 5, got 4$"):
        kernel_distance(real, other[:, :4])
    with pytest.raises(ValueError, match=r"^real must be \(rows, dim\) with at least two rows, got shape \(1, 5\)$"):
        kernel_distance(real[:1], other)
    for value in (float("nan"), float("inf")):
        broken = other.copy()
        broken[3, 1] = value
        with pytest.raises(ValueError, match=r"^other must be finite, got NaN or infinity$"):
            kernel_distance(real, broken)
    for wrong in ({"sigma": 0.0}, {"scale": -1.0}, {"sigma": float("inf")}, {"sigma": float("nan")}):
        with pytest.raises(ValueError, match=r"^sigma and scale must be positive, got "):
            kernel_distance(real, other, **wrong)
    other[[2, 7]] = 0
    with pytest.raises(ValueError, match=r"^other must have no row of zeros to be brought to norm 1, got 2$"):
        kernel_distance(real, other, unit_norm=True)
