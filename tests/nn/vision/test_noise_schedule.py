"""Tables, mixtures and conversions equal diffusers' to the last bit; conversions undo each other."""

from __future__ import annotations

import math

import pytest
import torch

from lib.nn import NoiseSchedule
from lib.nn.vision.noise_schedule import PREDICTIONS, SPACINGS

THEIRS = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}


@pytest.fixture(scope="module")
def diffusers():
    return pytest.importorskip("diffusers")


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("steps", [1000, 37])
def test_tables_are_diffusers_to_the_last_bit(diffusers, name, zero, steps):
    ours = NoiseSchedule(name, steps, "v", zero_terminal_snr=zero).alpha_bars
    theirs = diffusers.DDIMScheduler(num_train_timesteps=steps, rescale_betas_zero_snr=zero, **THEIRS[name])
    assert torch.equal(ours, theirs.alphas_cumprod) and ours.dtype == torch.float32
    assert (ours.diff() < 0).all() and (ours[-1] == 0) == zero


def test_the_tables_figures():
    """Stable Diffusion's last step is not pure noise; rescaling keeps the first value and makes the last one 0."""
    plain, rescaled = NoiseSchedule(), NoiseSchedule(prediction="v", zero_terminal_snr=True)
    assert plain.alpha_bars[0].item() == pytest.approx(1 - 0.00085, abs=1e-7)
    assert plain.alpha_bars[-1].item() == pytest.approx(0.00466, abs=1e-5)
    torch.testing.assert_close(rescaled.alpha_bars[0], plain.alpha_bars[0])
    roots, kept = rescaled.alpha_bars.double().sqrt(), plain.alpha_bars.double().sqrt()
    torch.testing.assert_close(roots, kept[0] * (kept - kept[-1]) / (kept[0] - kept[-1]), atol=1e-5, rtol=0)
    assert plain.snr(999).item() == pytest.approx(0.0047, abs=5e-5) and rescaled.snr(999) == 0
    assert NoiseSchedule("linear").alpha_bars[1].item() == pytest.approx((1 - 1e-4) * (1 - 1e-4 - 0.0199 / 999))
    first = math.cos((0.001 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert NoiseSchedule("cosine").alpha_bars[0].item() == pytest.approx(first, abs=1e-7)


def test_the_last_value_of_the_walk():
    assert NoiseSchedule(set_alpha_to_one=True).final_alpha_bar == 1
    assert NoiseSchedule().final_alpha_bar == NoiseSchedule().alpha_bars[0]


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("shape", [(5, 3), (5, 12, 3, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_and_velocity_are_diffusers(diffusers, name, shape, dtype):
    torch.manual_seed(0)
    x0, noise, t = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype), torch.tensor([0, 1, 500, 998, 999])
    theirs = diffusers.DDPMScheduler(**THEIRS[name])
    schedule = NoiseSchedule(name, prediction="v")
    assert torch.equal(schedule.add_noise(x0, noise, t), theirs.add_noise(x0, noise, t))
    assert torch.equal(schedule.target(x0, noise, t), theirs.get_velocity(x0, noise, t))
    assert NoiseSchedule(name).target(x0, noise, t) is noise
    assert NoiseSchedule(name, prediction="sample").target(x0, noise, t) is x0


def test_one_time_for_all_and_one_for_each():
    x0, noise, schedule = torch.ones(3, 2, 2), torch.zeros(3, 2, 2), NoiseSchedule(prediction="v")
    each = schedule.add_noise(x0, noise, torch.full((3,), 400, dtype=torch.int32))
    assert torch.equal(each, schedule.add_noise(x0, noise, 400))
    assert each[1, 0, 0].item() == pytest.approx(schedule.alpha_bars[400].item() ** 0.5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["linear", "scaled_linear"])
def test_the_target_means_the_picture_and_the_noise(prediction, name):
    torch.manual_seed(0)
    x0, noise = torch.randn(4, 3, 5, dtype=torch.float64), torch.randn(4, 3, 5, dtype=torch.float64)
    schedule, t = NoiseSchedule(name, prediction=prediction), torch.tensor([0, 30, 600, 999])
    x_t = schedule.add_noise(x0, noise, t)
    target = schedule.target(x0, noise, t)
    torch.testing.assert_close(schedule.to_x0(target, x_t, t), x0, atol=1e-9, rtol=0)
    torch.testing.assert_close(schedule.to_epsilon(target, x_t, t), noise, atol=1e-9, rtol=0)


def test_pure_noise_shows_no_picture_but_v_does():
    schedule = NoiseSchedule(prediction="v", zero_terminal_snr=True)
    x0, noise = torch.tensor([[3.0]]), torch.tensor([[-2.0]])
    assert schedule.add_noise(x0, noise, 999).item() == -2 and schedule.target(x0, noise, 999).item() == -3
    assert schedule.to_x0(torch.tensor([[-3.0]]), noise, 999).item() == 3


def test_half_precision_is_mixed_in_float32():
    x0, noise, schedule = torch.full((2, 3), 0.5).bfloat16(), torch.ones(2, 3).bfloat16(), NoiseSchedule(prediction="v")
    x_t = schedule.add_noise(x0, noise, 0)
    assert x_t.dtype == torch.bfloat16 == schedule.target(x0, noise, 0).dtype == schedule.to_x0(noise, x_t, 0).dtype
    torch.testing.assert_close(x_t, schedule.add_noise(x0.float(), noise.float(), 0).bfloat16(), atol=0, rtol=0)


def test_min_snr_weights():
    """The sheet's formulas at SNR 5 / 2 and far above 5; with x_0 predicted nothing is divided by."""
    t = torch.tensor([0, 999])
    snr = NoiseSchedule().snr(t)
    assert snr[0] > 1000 and snr[1] < 0.005
    weights = {name: NoiseSchedule(prediction=name).min_snr_weights(t) for name in PREDICTIONS}
    torch.testing.assert_close(weights["epsilon"], torch.stack((5 / snr[0], torch.tensor(1.0))))
    torch.testing.assert_close(weights["v"], torch.stack((5 / (snr[0] + 1), snr[1] / (snr[1] + 1))))
    torch.testing.assert_close(weights["sample"], torch.stack((torch.tensor(5.0), snr[1])))
    assert NoiseSchedule(prediction="v", zero_terminal_snr=True).min_snr_weights(999) == 0
    assert NoiseSchedule(prediction="sample").min_snr_weights(0, gamma=2.0) == 2


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1000, 37])
def test_times_are_diffusers_for_every_number_of_them(diffusers, spacing, steps):
    """For 62 of 1000 trailing numbers rounding gives diffusers one time too many, which is -1; ours leaves it out."""
    theirs = diffusers.DDIMScheduler(num_train_timesteps=steps, timestep_spacing=spacing)
    schedule, too_many = NoiseSchedule(steps=steps), 0
    for n in range(2, steps + 1):
        theirs.set_timesteps(n)
        times = schedule.timesteps(n, spacing, offset=0)
        too_many += len(theirs.timesteps) > n
        assert times == theirs.timesteps[:n].tolist() and len(times) == n and times[-1] >= 0
    assert too_many == (62 if spacing == "trailing" and steps == 1000 else 0)


def test_times_by_hand():
    schedule = NoiseSchedule(steps=10)
    assert schedule.timesteps(3) == [7, 4, 1] and schedule.timesteps(3, offset=0) == [6, 3, 0]
    assert schedule.timesteps(3, "trailing") == [9, 6, 2] and schedule.timesteps(4, "linspace") == [9, 6, 3, 0]
    assert schedule.timesteps(1) == [1] and schedule.timesteps(1, "trailing") == [9]
    assert NoiseSchedule().timesteps(50)[:2] == [981, 961]


def test_equal_values_share_one_table_that_inference_mode_does_not_spoil():
    with torch.inference_mode():
        table = NoiseSchedule("linear", 23).alpha_bars
    assert table is NoiseSchedule("linear", 23, "v").alpha_bars and not table.is_inference()
    assert hash(NoiseSchedule()) == hash(NoiseSchedule()) and NoiseSchedule() == NoiseSchedule()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "sigmoid"}, "name must be one of linear, scaled_linear, cosine, got 'sigmoid'"),
        ({"prediction": "x0"}, "prediction must be one of epsilon, v, sample, got 'x0'"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"zero_terminal_snr": True}, "prediction must be v or sample where zero_terminal_snr is true, got 'epsilon'"),
    ],
)
def test_a_schedule_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        NoiseSchedule(**options)


def test_times_that_cannot_be():
    schedule = NoiseSchedule(steps=10)
    for n, spacing, offset, words in (
        (11, "leading", 0, r"n must be 1\.\.10, the times of the schedule, got 11"),
        (0, "trailing", 0, r"n must be 1\.\.10, the times of the schedule, got 0"),
        (1, "linspace", 0, r"n must be 2\.\.10, the times of the schedule, got 1"),
        (10, "leading", 1, r"offset must be 0\.\.0 for 10 of 10 times, got 1"),
        (3, "leading", -1, r"offset must be 0\.\.3 for 3 of 10 times, got -1"),
        (3, "even", 1, "spacing must be one of leading, trailing, linspace, got 'even'"),
    ):
        with pytest.raises(ValueError, match=words):
            schedule.timesteps(n, spacing, offset)


@pytest.mark.wrong_arguments
def test_pictures_and_times_that_do_not_fit():
    x, schedule = torch.zeros(2, 3), NoiseSchedule(steps=10)
    for call, words in (
        (lambda: schedule.add_noise(x, torch.zeros(2, 4), 1), r"noise must .* shape \(2, 3\), got \(2, 4\)"),
        (lambda: schedule.target(x, torch.zeros(3), 1), r"noise must have the pictures' shape \(2, 3\), got \(3,\)"),
        (lambda: schedule.to_x0(torch.zeros(1, 3), x, 1), r"output must .* shape \(2, 3\), got \(1, 3\)"),
        (
            lambda: schedule.to_epsilon(x, x, torch.zeros(3).long()),
            r"t must be one time for each of 2 .* got .* \(3,\)",
        ),
        (lambda: schedule.add_noise(x, x, 10), r"t must be in 0\.\.9, got 10"),
        (lambda: schedule.add_noise(x, x, torch.tensor([3, -1])), r"t must be in 0\.\.9, got -1"),
        (lambda: schedule.snr(-1), r"t must be in 0\.\.9, got -1"),
        (lambda: schedule.min_snr_weights(1, gamma=0), "gamma must be above 0, got 0"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
