"""One step equals diffusers' for every prediction, schedule and noise; DDIM at eta 1 is DDPM."""

from __future__ import annotations

import itertools

import pytest
import torch

from lib.nn import NoiseSchedule, ddim_step, ddpm_step
from lib.nn.vision.noise_schedule import PREDICTIONS

THEIRS = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}
NAMES = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}
CASES = [
    (name, prediction, zero)
    for name, prediction, zero in itertools.product(THEIRS, PREDICTIONS, (False, True))
    if not (zero and prediction == "epsilon")
]
TIMES = {"leading": (901, 501, 1), "trailing": (999, 499, 99)}


@pytest.fixture(scope="module")
def diffusers():
    return pytest.importorskip("diffusers")


def scheduler(kind, name, prediction, zero, spacing="leading", clip=None, **options):
    made = kind(
        prediction_type=NAMES[prediction], timestep_spacing=spacing, steps_offset=1, rescale_betas_zero_snr=zero,
        clip_sample=clip is not None, clip_sample_range=clip or 1.0, **THEIRS[name], **options,
    )  # fmt: skip
    made.set_timesteps(10)
    return made


def three(seed=0, shape=(2, 3, 5, 4), dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(3)]


@pytest.mark.parametrize(("name", "prediction", "zero"), CASES)
@pytest.mark.parametrize("to_one", [False, True])
def test_ddim_is_diffusers_to_the_last_bit(diffusers, name, prediction, zero, to_one):
    """From pure noise at eta 1, rounding makes 1 - a_p - s^2 negative and diffusers' step NaN: there ours is DDPM's."""
    schedule = NoiseSchedule(name, prediction=prediction, zero_terminal_snr=zero, set_alpha_to_one=to_one)
    x, output, noise = three()
    for (spacing, times), eta, clip in itertools.product(TIMES.items(), (0.0, 0.3, 1.0), (None, 0.7)):
        theirs = scheduler(diffusers.DDIMScheduler, name, prediction, zero, spacing, clip, set_alpha_to_one=to_one)
        for t in times:
            expected = theirs.step(output, t, x, eta=eta, variance_noise=noise if eta else None).prev_sample
            stepped = ddim_step(schedule, output, x, t, t - 100, eta=eta, noise=noise, clip=clip)
            if expected.isnan().any():
                assert zero and t == 999 and eta == 1
                expected = ddpm_step(schedule, output, x, t, t - 100, noise=noise, clip=clip)
                torch.testing.assert_close(stepped, expected, atol=1e-6, rtol=1e-6)
            else:
                assert torch.equal(stepped, expected), (spacing, t, eta, clip)


@pytest.mark.parametrize(("name", "prediction", "zero"), CASES)
def test_ddpm_is_diffusers(diffusers, name, prediction, zero):
    """To the last bit, but where diffusers adds noise of 1e-10 to the last step."""
    schedule, (x, output, _) = NoiseSchedule(name, prediction=prediction, zero_terminal_snr=zero), three()
    for (spacing, times), clip in itertools.product(TIMES.items(), (None, 0.7)):
        theirs = scheduler(diffusers.DDPMScheduler, name, prediction, zero, spacing, clip)
        for t in times:
            expected = theirs.step(output, t, x, generator=torch.Generator().manual_seed(3)).prev_sample
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
            stepped = ddpm_step(schedule, output, x, t, t - 100, noise=noise, clip=clip)
            if t > 100:
                assert torch.equal(stepped, expected), (spacing, t, clip)
            torch.testing.assert_close(stepped, expected, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_ddim_with_all_its_noise_is_ddpm(prediction):
    schedule, (x, output, noise) = NoiseSchedule(prediction=prediction), three(dtype=torch.float64)
    for t, previous in ((999, 700), (501, 500), (13, 0)):
        ddim = ddim_step(schedule, output, x, t, previous, eta=1.0, noise=noise)
        ddpm = ddpm_step(schedule, output, x, t, previous, noise=noise)
        torch.testing.assert_close(ddim, ddpm, atol=1e-3, rtol=1e-4)  # b = 1 - a_t / a_p is a small float32 difference


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_perfect_network_is_led_along_its_own_noise(prediction):
    """DDIM goes from x_t to x_p of the same picture and noise, over any stride; DDPM ends in the picture."""
    schedule, (x0, epsilon, _) = NoiseSchedule(prediction=prediction, set_alpha_to_one=True), three(dtype=torch.float64)
    for t, previous in ((999, 3), (400, 399), (20, -1)):
        x_t, target = schedule.add_noise(x0, epsilon, t), schedule.target(x0, epsilon, t)
        expected = x0 if previous < 0 else schedule.add_noise(x0, epsilon, previous)
        torch.testing.assert_close(ddim_step(schedule, target, x_t, t, previous), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(ddpm_step(schedule, target, x_t, 20, -1), x0, atol=1e-5, rtol=0)


def test_from_pure_noise_no_value_is_lost():
    schedule, (x, output, noise) = NoiseSchedule(prediction="v", zero_terminal_snr=True), three()
    for previous in range(0, 999, 37):
        for step in (
            ddim_step(schedule, output, x, 999, previous, eta=1.0, noise=noise),
            ddpm_step(schedule, output, x, 999, previous, noise=noise),
        ):
            assert step.isfinite().all()


def test_gradients_pass_and_are_the_steps_factors():
    """With e predicted d x_p / d x_t = sqrt(a_p / a_t), and d x_p / d output = sqrt(1 - a_p) - that sqrt(1 - a_t)."""
    schedule = NoiseSchedule()
    x, output, _ = three(dtype=torch.float64)
    gradients = torch.autograd.grad(
        ddim_step(schedule, output.requires_grad_(), x.requires_grad_(), 801, 701).sum(), (output, x)
    )
    now, then = schedule.alpha_bars[801].item(), schedule.alpha_bars[701].item()
    factors = ((1 - then) ** 0.5 - (then * (1 - now) / now) ** 0.5, (then / now) ** 0.5)
    for gradient, factor in zip(gradients, factors, strict=True):
        torch.testing.assert_close(gradient, torch.full_like(gradient, factor), atol=1e-6, rtol=1e-6)


def test_half_precision_stays_half():
    schedule, (x, output, noise) = NoiseSchedule(prediction="v"), three(dtype=torch.bfloat16)
    for step in (
        ddim_step(schedule, output, x, 501, 401, eta=1.0, noise=noise),
        ddpm_step(schedule, output, x, 501, 401, noise=noise),
    ):
        assert step.dtype == torch.bfloat16


@pytest.mark.wrong_arguments
def test_steps_that_cannot_be():
    schedule, x = NoiseSchedule(steps=10), torch.zeros(2, 3)
    for call, words in (
        (lambda: ddim_step(schedule, x, x, 5, 3, eta=1.5, noise=x), r"eta must be in \[0, 1\], got 1.5"),
        (lambda: ddim_step(schedule, x, x, 5, 3, eta=0.5), "noise must be given where eta is above 0, got none"),
        (lambda: ddim_step(schedule, x, x, 5, 5), "previous must be below t 5, or negative at the end, got 5"),
        (lambda: ddim_step(schedule, x, x, 10, 5), r"t must be in 0\.\.9, got 10"),
        (lambda: ddim_step(schedule, x, x, 5, 3, clip=0.0), "clip must be above 0, or None, got 0.0"),
        (lambda: ddim_step(schedule, x[:1], x, 5, 3), r"output must have the pictures' shape \(2, 3\), got \(1, 3\)"),
        (lambda: ddpm_step(schedule, x, x, 5, 3), "noise must be given before the last step, got none from t 5 to 3"),
        (lambda: ddpm_step(schedule, x, x, 5, 3, noise=x[:1]), r"noise must have .* \(2, 3\), got \(1, 3\)"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
