"""From noise to a picture: a network is asked again and again, with classifier-free guidance (arXiv 2207.12598).

    output = u + w (c - u)

c is the network's output for the caption, u for the empty caption. The rule is linear, so that it says the same of
noise, velocity and picture. w = 1 leaves the caption's own output; more than 1 goes beyond it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lib.nn.vision.diffusion_steps import ddim_step, ddpm_step
from lib.nn.vision.noise_schedule import NoiseSchedule

METHODS = ("ddim", "ddpm")
Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x_t, t) -> output: pictures (rows, ...), their times (rows,), and a prediction for each in the pictures' shape."""


def sample_latents(
    denoise: Denoise,
    noise: Float[Tensor, "batch ..."],
    schedule: NoiseSchedule,
    steps: int,
    *,
    method: str = "ddim",
    eta: float = 0.0,
    guidance: float = 1.0,
    spacing: str = "leading",
    offset: int = 1,
    clip: float | None = None,
    generator: torch.Generator | None = None,
    on_step: Callable[[int, Tensor], object] | None = None,
) -> Float[Tensor, "batch ..."]:
    """Latents for the `noise` one starts from, by `steps` steps through the schedule.

    denoise: at guidance 1 it gets the batch as it is, else the batch twice, one after the other: its first half must be
        answered for the captions, its second half for empty ones. With `context` the captions' states, then as many of
        the empty caption's:  `lambda x, t: unet(x, t, context[: len(x)])`.
    method, eta, clip: `ddim_step` with eta (0: no new noise), or `ddpm_step`.
    spacing, offset: see `NoiseSchedule.timesteps`. Each step leads to the next of these times, so that the network is
        always told how much noise is left.
    generator: draws the new noise, on its own device, so that a CPU's gives the same pictures on every machine.
    on_step: called with the number of steps done and the latents after each.

    Gradients are left to the caller: under `torch.no_grad()` there are none, and a `denoise` that turns them off for
    some times leaves those steps linear in x_t. A network in training mode drops units here as well.
    Raises ValueError for a guidance below 0, a method, eta or number of steps that is not allowed, and for latents or
    outputs of the wrong shape.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not guidance >= 0:
        raise ValueError(f"guidance must be at least 0, got {guidance}")
    if not 0 <= eta <= 1 or (method == "ddpm" and eta != 0):
        raise ValueError(f"eta must be in [0, 1], and 0 for ddpm, which has none, got {eta}")
    if not 1 <= steps <= schedule.steps:
        raise ValueError(f"steps must be 1..{schedule.steps}, what the schedule has, got {steps}")
    if noise.ndim < 2 or not len(noise):
        raise ValueError(f"noise must be a batch of latents, got the shape {tuple(noise.shape)}")
    times = schedule.timesteps(steps, spacing, offset)
    x = noise
    for done, (t, previous) in enumerate(zip(times, [*times[1:], -1], strict=True), start=1):
        output = guided(denoise, x, t, guidance)
        if method == "ddpm":
            fresh = _noise_like(x, generator) if previous >= 0 else None
            x = ddpm_step(schedule, output, x, t, previous, noise=fresh, clip=clip)
        else:
            fresh = _noise_like(x, generator) if eta > 0 else None
            x = ddim_step(schedule, output, x, t, previous, eta=eta, noise=fresh, clip=clip)
        if on_step is not None:
            on_step(done, x)
    return x


def guided(denoise: Denoise, x: Float[Tensor, "batch ..."], t: int, weight: float) -> Float[Tensor, "batch ..."]:
    """u + w (c - u) from one call with both halves, conditional first; at w = 1 from the conditional half alone.

    Raises ValueError when `denoise` gives another shape than it got.
    """
    asked = x if weight == 1 else torch.cat((x, x))
    output = denoise(asked, torch.full((len(asked),), t, device=x.device))
    if output.shape != asked.shape:
        raise ValueError(f"denoise must return the shape it got {tuple(asked.shape)}, got {tuple(output.shape)}")
    if weight == 1:
        return output
    conditional, unconditional = output.chunk(2)
    return unconditional + weight * (conditional - unconditional)


def _noise_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    place = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=place, dtype=x.dtype).to(x.device)
