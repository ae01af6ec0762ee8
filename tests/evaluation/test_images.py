"""Frechet distance, precision and recall: closed forms, scipy's matrix root, torchmetrics, and plain sanity."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data.scenes.world import SceneWorld
from lib.evaluation import frechet_distance, precision_recall
from lib.nn import FeatureNetwork


def clouds(seed=0, rows=400, dim=6):
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((2, dim, dim))
    return (rng.standard_normal((rows, dim)) @ mix[0], rng.standard_normal((rows + 50, dim)) @ mix[1] + 0.7)


def test_equals_scipys_matrix_root():
    from scipy.linalg import sqrtm

    a, b = clouds()
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_equals_torchmetrics_on_the_same_features():
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Already(torch.nn.Module):
        """Takes features for images."""

        num_features = 6

        def forward(self, x):
            return x.flatten(1)[:, :6]

    a, b = clouds(1)
    metric = fid.FrechetInceptionDistance(feature=Already(), normalize=True).set_dtype(torch.float64)
    for cloud, real in ((a, True), (b, False)):
        metric.update(torch.from_numpy(cloud)[:, :, None, None], real=real)
    assert frechet_distance(a, b) == pytest.approx(float(metric.compute()), rel=1e-6)


def test_closed_forms():
    a, _ = clouds()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, a + 2.0) == pytest.approx(6 * 4)
    shrunk = (a - a.mean(0)) * 0.5 + a.mean(0)
    assert frechet_distance(a, shrunk) == pytest.approx(0.25 * np.trace(np.cov(a, rowvar=False)))
    flat = a.copy()
    flat[:, 3] = 1.0  # a singular covariance
    assert np.isfinite(frechet_distance(a, flat)) and frechet_distance(flat, flat) == pytest.approx(0, abs=1e-6)


def test_precision_and_recall_of_known_clouds():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((500, 2))
    assert min(precision_recall(real, rng.standard_normal((500, 2)))) > 0.85
    assert precision_recall(real, real * 0.01) == pytest.approx((1.0, 0.0), abs=0.05)
    assert precision_recall(real, real + 100) == (0.0, 0.0)
    half = rng.standard_normal((500, 2))
    half[:250] += 50
    precision, recall = precision_recall(real, half)
    assert precision == pytest.approx(0.5, abs=0.06) and recall > 0.8


def test_precision_equals_the_definition():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((40, 3)), rng.standard_normal((30, 3)) * 1.5
    distances = np.linalg.norm(a[:, None] - a[None], axis=-1)
    radius = np.sort(distances, 1)[:, 2]
    inside = (np.linalg.norm(b[:, None] - a[None], axis=-1) <= radius).any(1).mean()
    assert precision_recall(a, b, neighbours=2)[0] == pytest.approx(inside)


def test_a_network_learns_and_the_distance_grows_with_damage():
    """A short training: enough to see that blur, noise and missing classes count, in their order."""
    torch.manual_seed(0)
    scenes = SceneWorld(7).draw("train", 768)
    images, network = scenes.images(), FeatureNetwork(16)
    factors = scenes.factors()
    numbers = np.column_stack([factors["centre"], factors["radius"], factors["value"], factors["background"]])
    numbers = torch.from_numpy((numbers - numbers.mean(0)) / numbers.std(0)).float()
    labels, kinds = torch.from_numpy(scenes.label), torch.from_numpy(factors["stripes"])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for step in range(60):
        rows = torch.from_numpy(np.random.default_rng(step).integers(0, 768, 64))
        loss = network.loss(torch.from_numpy(images)[rows], labels[rows], numbers[rows], kinds[rows])["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    real = network.features(SceneWorld(7).draw("reference", 512).images())
    other = SceneWorld(7).draw("floor", 512)
    damaged = [other.images()]
    for strength in (0.1, 0.3, 0.6):
        noise = np.random.default_rng(0).standard_normal(damaged[0].shape).astype(np.float32)
        damaged.append(np.clip(damaged[0] + strength * noise, -1, 1))
    distances = [frechet_distance(real, network.features(images)) for images in damaged]
    assert distances == sorted(distances) and distances[1] > 1.5 * distances[0]
    few = frechet_distance(real, network.features(damaged[0][other.label < 4]))
    assert few > 2 * distances[0]
    assert network.training and (network.predict(images) == scenes.label).mean() > 0.3


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^other must have real's width 6, got 5$"):
        frechet_distance(np.zeros((4, 6)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"^real must be .* with at least two rows, got shape \(1, 3\)$"):
        frechet_distance(np.zeros((1, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"^neighbours must be at least 1 and below the number of rows, got 3$"):
        precision_recall(np.zeros((3, 2)), np.zeros((9, 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("metric", [frechet_distance, precision_recall])
def test_a_broken_picture_betters_no_metric(metric, value):
    draw = np.random.default_rng(0)
    real, other = draw.normal(size=(60, 5)), draw.normal(size=(50, 5))
    metric(real, other)
    for place in (real, other):
        kept, place[3, 2] = place[3, 2], value
        with pytest.raises(ValueError, match=r"^(real|other) must be finite, got NaN or infinity in 1 of [56]0 rows$"):
            metric(real, other)
        place[3, 2] = kept


def test_widths_that_differ_are_a_sentence_of_both_metrics():
    with pytest.raises(ValueError, match=r"^other must have real's width 6, got 5$"):
        precision_recall(np.zeros((9, 6)), np.zeros((9, 5)))
