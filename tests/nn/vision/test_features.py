"""The feature network: what it gives, in which mode, and that its loss asks for all that it names."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from lib.nn import FeatureNetwork


def test_features_do_not_depend_on_the_batch_and_leave_the_mode_alone():
    torch.manual_seed(0)
    network, images = FeatureNetwork(5, 16), np.random.default_rng(0).standard_normal((9, 3, 16, 16)).astype(np.float32)
    network(torch.from_numpy(images))  # moves the statistics of the norms
    whole, parts = network.features(images), network.features(images, batch=2)
    assert network.training and whole.shape == (9, 64) and whole.dtype == np.float64
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        logits = network.classes(F.silu(network.eval()(torch.from_numpy(images))))
    assert np.array_equal(network.predict(images, batch=4), logits.argmax(1).numpy()) and not network.training


def test_the_loss_adds_its_parts_and_reaches_every_weight():
    torch.manual_seed(0)
    network = FeatureNetwork(5, 16, numbers=2)
    parts = network.loss(torch.randn(8, 3, 16, 16), torch.arange(8) % 5, torch.randn(8, 2), torch.arange(8) % 3)
    torch.testing.assert_close(parts["loss"], parts["classes"] + 0.7 * parts["numbers"] + 0.3 * parts["kinds"])
    parts["loss"].backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())
