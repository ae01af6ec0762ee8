"""Whole walks equal diffusers', guidance is its line, and the caller decides about gradients."""

from __future__ import annotations

import itertools

import pytest
import torch

from lib.nn import NoiseSchedule, sample_latents
from lib.nn.vision.noise_schedule import PREDICTIONS

THEIRS = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}
NAMES = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}
SHAPE = (2, 3, 5, 4)


@pytest.fixture(scope="module")
def diffusers():
    return pytest.importorskip("diffusers")


def random_denoiser(seed=0):
    """A linear map over channels, another one for the second half of a doubled batch, turned a little by the time."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(2, 3, 3, generator=generator) / 3

    def denoise(x, t):
        halves = maps[:1] if len(x) == SHAPE[0] else maps
        each = halves.repeat_interleave(SHAPE[0], dim=0)
        return torch.einsum("bij,bjhw->bihw", each.to(x), x) + (t / 1000)[:, None, None, None].to(x)

    return denoise, maps


def start(seed=1):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def walk(scheduler, denoise, guidance=1.0, eta=None, seed=5):
    """The loop of diffusers' pipelines, the empty captions' half first as it is there."""
    x, generator, turned = start(), torch.Generator().manual_seed(seed), {} if eta is None else {"eta": eta}
    for t in scheduler.timesteps:
        output = denoise(torch.cat((x, x)), t.expand(2 * len(x)))
        caption, empty = output.chunk(2)
        output = empty + guidance * (caption - empty)
        x = scheduler.step(output, t, x, generator=generator, **turned).prev_sample
    return x


def close(ours, theirs):
    scale = theirs.abs().max()
    assert scale.isfinite()
    torch.testing.assert_close(ours / scale, theirs / scale, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_ten_steps_are_diffusers(diffusers, name, prediction):
    """For both samplers and all spacings. diffusers' DDIM takes a stride of 1000 // 10 for linspace, whose times lie
    111 apart: there it is told of nine steps, so that its stride is the one of its times."""
    schedule = NoiseSchedule(name, prediction=prediction)
    denoise, _ = random_denoiser()
    for spacing, eta in itertools.product(("leading", "trailing", "linspace"), (None, 0.0, 1.0)):
        options = {"prediction_type": NAMES[prediction], "timestep_spacing": spacing, "clip_sample": False}
        if eta is None:
            theirs = diffusers.DDPMScheduler(steps_offset=1, **options, **THEIRS[name])
        else:
            theirs = diffusers.DDIMScheduler(steps_offset=1, set_alpha_to_one=False, **options, **THEIRS[name])
        theirs.set_timesteps(10)
        if spacing == "linspace" and eta is not None:
            theirs.num_inference_steps = 9
        ours = sample_latents(
            denoise, start(), schedule, 10, method="ddpm" if eta is None else "ddim", eta=eta or 0.0, guidance=2.5,
            spacing=spacing, generator=torch.Generator().manual_seed(5),
        )  # fmt: skip
        close(ours, walk(theirs, denoise, 2.5, eta))


@pytest.mark.parametrize("prediction", ["v", "sample"])
@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_from_pure_noise_and_clipped(diffusers, prediction, eta):
    schedule = NoiseSchedule(prediction=prediction, zero_terminal_snr=True, set_alpha_to_one=True)
    theirs = diffusers.DDIMScheduler(
        prediction_type=NAMES[prediction], timestep_spacing="trailing", clip_sample_range=0.8,
        rescale_betas_zero_snr=True, **THEIRS["scaled_linear"],
    )  # fmt: skip
    theirs.set_timesteps(10)
    denoise, _ = random_denoiser()
    ours = sample_latents(
        denoise, start(), schedule, 10, eta=eta, guidance=2.5, spacing="trailing", clip=0.8,
        generator=torch.Generator().manual_seed(5),
    )  # fmt: skip
    close(ours, walk(theirs, denoise, 2.5, eta))
    assert ours.abs().max() <= 0.8, "the last step returns the clipped picture"


def test_strides_that_are_not_whole_lead_to_the_next_time():
    """A perfect network of one picture: over any times the walk ends in it, because each step is told the right one."""
    torch.manual_seed(0)
    schedule, x0 = NoiseSchedule(prediction="sample", set_alpha_to_one=True), torch.randn(SHAPE)
    told = []

    def perfect(x, t):
        told.append((int(t[0]), x))
        return x0

    epsilon = start()
    first = schedule.timesteps(7, "trailing")[0]
    sample_latents(perfect, schedule.add_noise(x0, epsilon, first), schedule, 7, spacing="trailing")
    assert [t for t, _ in told] == schedule.timesteps(7, "trailing") and len(told) == 7
    for t, x in told:
        torch.testing.assert_close(x, schedule.add_noise(x0, epsilon, t), atol=1e-4, rtol=0)


def test_guidance_is_a_line_and_at_one_only_the_caption_is_asked():
    denoise, maps = random_denoiser()
    sizes, schedule = [], NoiseSchedule(prediction="v")

    def counted(x, t):
        sizes.append(len(x))
        assert t.shape == (len(x),) and not t.is_floating_point()
        return denoise(x, t)

    alone = sample_latents(counted, start(), schedule, 3)
    assert sizes == [2, 2, 2]
    guided = sample_latents(counted, start(), schedule, 3, guidance=4.0)
    assert sizes[3:] == [4, 4, 4]
    only = {weight: maps[1] + weight * (maps[0] - maps[1]) for weight in (0.0, 1.0, 4.0)}
    for weight, found in (
        (1.0, alone),
        (4.0, guided),
        (0.0, sample_latents(denoise, start(), schedule, 3, guidance=0)),
    ):

        def mixed(x, t, weight=weight):
            return torch.einsum("ij,bjhw->bihw", only[weight], x) + (t / 1000)[:, None, None, None]

        torch.testing.assert_close(found, sample_latents(mixed, start(), schedule, 3), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("options", [{"method": "ddpm"}, {"eta": 0.5}])
def test_a_generator_repeats_a_walk(options):
    (denoise, _), schedule = random_denoiser(), NoiseSchedule(prediction="v")

    def drawn(seed):
        torch.rand(seed)  # what others draw plays no role
        return sample_latents(denoise, start(), schedule, 5, generator=torch.Generator().manual_seed(seed), **options)

    assert torch.equal(drawn(3), drawn(3)) and not torch.allclose(drawn(3), drawn(4))


def test_without_new_noise_no_number_is_drawn_and_the_start_is_kept():
    (denoise, _), noise, generator = random_denoiser(), start(), torch.Generator().manual_seed(0)
    before, seen = generator.get_state(), []
    result = sample_latents(
        denoise, noise, NoiseSchedule(), 4, generator=generator, on_step=lambda done, x: seen.append((done, x))
    )
    assert torch.equal(generator.get_state(), before) and torch.equal(noise, start())
    assert [done for done, _ in seen] == [1, 2, 3, 4] and seen[-1][1] is result


def test_gradients_in_chosen_steps_only():
    """By hand: with the gradient of one step alone, d x_0 / d weight is c_2 x_t times the later steps' c_1."""
    schedule = NoiseSchedule(set_alpha_to_one=True)
    weight = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    times, inputs = schedule.timesteps(4), []

    def denoise(x, t):
        inputs.append(x.detach())
        with torch.set_grad_enabled(int(t[0]) == times[1]):
            return weight * x.detach()

    found = sample_latents(denoise, start().double(), schedule, 4)
    (gradient,) = torch.autograd.grad(found.sum(), weight)
    alpha_bars = [schedule.alpha_bars[t].item() for t in times] + [1.0]
    now, then = alpha_bars[1], alpha_bars[2]
    factor = (1 - then) ** 0.5 - (then * (1 - now) / now) ** 0.5
    assert gradient.item() == pytest.approx((inputs[1].sum() * factor / then**0.5).item(), rel=1e-5)
    with torch.no_grad():
        assert not sample_latents(lambda x, t: weight * x, start().double(), schedule, 4).requires_grad


@pytest.mark.wrong_arguments
def test_walks_that_cannot_be():
    schedule = NoiseSchedule(steps=10)
    for options, words in (
        ({"guidance": -1.0}, "guidance must be at least 0, got -1.0"),
        ({"guidance": float("nan")}, "guidance must be at least 0, got nan"),
        ({"steps": 11}, r"steps must be 1\.\.10, what the schedule has, got 11"),
        ({"steps": 0}, r"steps must be 1\.\.10, what the schedule has, got 0"),
        ({"method": "euler"}, "method must be one of ddim, ddpm, got 'euler'"),
        ({"eta": 2.0}, r"eta must be in \[0, 1\], and 0 for ddpm, which has none, got 2.0"),
        ({"eta": 1.0, "method": "ddpm"}, r"eta must be in \[0, 1\], and 0 for ddpm, which has none, got 1.0"),
        ({"noise": torch.zeros(3)}, r"noise must be a batch of latents, got the shape \(3,\)"),
        ({"denoise": lambda x, t: x[:, :1]}, r"denoise must return the shape it got \(2, 3\), got \(2, 1\)"),
        ({"denoise": lambda x, t: x[:2], "guidance": 2.0}, r"denoise must return .* \(4, 3\), got \(2, 3\)"),
    ):
        arguments = {"denoise": lambda x, t: x, "noise": torch.zeros(2, 3), "steps": 5, **options}
        with pytest.raises(ValueError, match=words):
            sample_latents(
                arguments.pop("denoise"), arguments.pop("noise"), schedule, arguments.pop("steps"), **arguments
            )
