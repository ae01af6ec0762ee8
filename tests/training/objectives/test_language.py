"""Losses over masked entries."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.training import language_modelling_loss, masked_mean


def test_masked_mean_counts_masked_entries_only():
    values = torch.tensor([[1.0, 2.0], [float("nan"), 6.0]], requires_grad=True)
    mask = torch.tensor([[True, False], [False, True]])
    mean = masked_mean(values, mask)
    mean.backward()
    assert mean.item() == 3.5
    assert values.grad.tolist() == [[0.5, 0.0], [0.0, 0.5]]


def test_nothing_masked_gives_zero():
    assert masked_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)).item() == 0


def test_language_modelling_loss_equals_torch_cross_entropy():
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 5, 7, dtype=torch.float64, requires_grad=True), torch.randint(0, 7, (2, 5))
    targets[0, :3] = -100
    ours = language_modelling_loss(logits, targets)
    theirs = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)))


def test_half_precision_logits_are_summed_in_float32():
    logits, targets = torch.randn(4, 9, 300).bfloat16(), torch.randint(0, 300, (4, 9))
    loss = language_modelling_loss(logits, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(logits.float().flatten(0, 1), targets.flatten()))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"mask must have the shape of values \(2,\), got \(3,\)"):
        masked_mean(torch.ones(2), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"targets must have the shape of logits .* \(2, 3\), got \(2, 4\)"):
        language_modelling_loss(torch.ones(2, 3, 5), torch.ones(2, 4, dtype=torch.long))
