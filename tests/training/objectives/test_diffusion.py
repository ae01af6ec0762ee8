"""What is drawn for a diffusion model, and its loss: values by hand, gradients by torch, shares within their noise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import NoiseSchedule
from lib.training.objectives.diffusion import diffusion_loss, drop_captions, noised


@pytest.mark.parametrize("prediction", ["epsilon", "v", "sample"])
def test_noised_fits_together(prediction):
    schedule, x0 = NoiseSchedule(prediction=prediction), torch.randn(7, 3, 4, 5)
    batch = noised(x0, schedule, torch.Generator().manual_seed(0))
    assert batch.t.shape == (7,) and batch.t.dtype == torch.int64 and len(batch.t.unique()) == 7
    assert torch.equal(batch.x_t, schedule.add_noise(x0, batch.noise, batch.t))
    assert torch.equal(batch.target, schedule.target(x0, batch.noise, batch.t))
    again = noised(x0, schedule, torch.Generator().manual_seed(0))
    assert all(torch.equal(one, two) for one, two in zip(batch, again, strict=True))
    assert not torch.equal(batch.t, noised(x0, schedule, torch.Generator().manual_seed(1)).t)


def test_all_times_are_drawn_alike_and_the_noise_is_normal():
    """Of 10 times each has 1 / 10 of 20000 draws, within four standard errors; the global numbers serve as well."""
    torch.manual_seed(0)
    batch = noised(torch.zeros(20000, 2), NoiseSchedule(steps=10))
    counts = torch.bincount(batch.t, minlength=10)
    assert len(counts) == 10 and (counts / 20000 - 0.1).abs().max() < 4 * (0.1 * 0.9 / 20000) ** 0.5
    assert batch.noise.mean().abs() < 4 / 40000**0.5 and (batch.noise.var() - 1).abs() < 4 * (2 / 40000) ** 0.5
    torch.manual_seed(0)
    assert torch.equal(batch.noise, noised(torch.zeros(20000, 2), NoiseSchedule(steps=10)).noise)


def test_the_loss_is_the_mean_square_and_weights_are_per_picture():
    torch.manual_seed(0)
    output, target = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True), torch.randn(3, 2, 5).double()
    loss = diffusion_loss(output, target)
    torch.testing.assert_close(loss, F.mse_loss(output, target))
    weights = torch.tensor([2.0, 0.0, 0.5])
    weighted = diffusion_loss(output, target, weights)
    each = [F.mse_loss(output[i], target[i]) for i in range(3)]
    torch.testing.assert_close(weighted, (2 * each[0] + 0.5 * each[2]) / 3)
    (gradient,) = torch.autograd.grad(weighted, output)
    torch.testing.assert_close(gradient, 2 * (output - target).detach() * weights[:, None, None] / 30)
    torch.testing.assert_close(diffusion_loss(output, target, torch.ones(3)), loss)


def test_one_value_a_picture_is_enough():
    assert diffusion_loss(torch.tensor([1.0, 3.0]), torch.zeros(2), torch.tensor([1.0, 2.0])).item() == 9.5


def test_half_precision_is_summed_in_float32():
    output, target = torch.full((2, 4099), 1.0).bfloat16(), torch.zeros(2, 4099).bfloat16()
    loss = diffusion_loss(output, target)
    assert loss.dtype == torch.float32 and loss.item() == 1


def test_velocity_and_weighted_noise_losses_agree():
    """|v - v'|^2 = |e - e'|^2 (SNR + 1) / SNR: with min-SNR weights below gamma both predictions have one loss."""
    torch.manual_seed(0)
    x0, guess, t = torch.randn(4, 6).double(), torch.randn(4, 6).double(), torch.tensor([300, 500, 700, 999])
    losses = []
    for prediction in ("epsilon", "v"):
        schedule = NoiseSchedule(prediction=prediction)
        noise = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)).double()
        x_t = schedule.add_noise(x0, noise, t)
        alpha_bar = schedule.alpha_bars[t].double()[:, None]
        epsilon = (x_t - alpha_bar.sqrt() * guess) / (1 - alpha_bar).sqrt()
        output = schedule.target(guess, epsilon, t)
        losses.append(diffusion_loss(output, schedule.target(x0, noise, t), schedule.min_snr_weights(t, 50.0)))
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)


def test_captions_are_dropped_at_their_rate_and_whole():
    generator = torch.Generator().manual_seed(0)
    captions = torch.arange(1, 20001)
    dropped = drop_captions(captions, 0, 0.1, generator) == 0
    assert (dropped.float().mean() - 0.1).abs() < 4 * (0.1 * 0.9 / 20000) ** 0.5
    kept = drop_captions(captions, 0, 0.1, torch.Generator().manual_seed(0))
    assert torch.equal(kept, captions.masked_fill(dropped, 0)) and captions[0] == 1
    rows, empty = torch.arange(3, 21).reshape(6, 3), torch.tensor([1, 2, 0])
    found = drop_captions(rows, empty, 0.5, generator)
    is_empty = (found == empty).all(1)
    assert 0 < is_empty.sum() < 6 and torch.equal(found[~is_empty], rows[~is_empty]) and found.dtype == rows.dtype


def test_never_and_always():
    captions = torch.arange(1, 1001, dtype=torch.int32)
    assert torch.equal(drop_captions(captions, 0, 0.0), captions)
    assert drop_captions(captions, 0, 1.0).unique().tolist() == [0]


def test_what_does_not_fit_is_named():
    x = torch.zeros(2, 3)
    for call, words in (
        (lambda: diffusion_loss(x, x[:1]), r"target must have the shape of output \(2, 3\), got \(1, 3\)"),
        (lambda: diffusion_loss(x, x, torch.ones(3)), r"weights must be one for each of 2 pictures, got \(3,\)"),
        (lambda: diffusion_loss(x[:0], x[:0]), r"output must hold at least one value, got the shape \(0, 3\)"),
        (lambda: drop_captions(torch.arange(3), 0, 1.5), r"probability must be in \[0, 1\], got 1.5"),
        (lambda: drop_captions(x.long(), 0, 0.5), r"empty must have the shape of one caption \(3,\), got \(\)"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
