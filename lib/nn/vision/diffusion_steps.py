"""One step of a sampler: from x_t at time t to x_p at the earlier time p. With a_t of the schedule (written alpha-bar),
and x_0 and e what the network's output means at x_t:

    DDIM (Song et al., arXiv 2010.02502, equations 12 and 16)
        x_p = sqrt(a_p) x_0 + sqrt(1 - a_p - s^2) e + s z,   s = eta sqrt((1 - a_p) / (1 - a_t) (1 - a_t / a_p))

    DDPM (Ho et al., arXiv 2006.11239, equation 7, over strides: a = a_t / a_p, b = 1 - a)
        x_p = sqrt(a_p) b / (1 - a_t) x_0 + sqrt(a) (1 - a_p) / (1 - a_t) x_t + sqrt((1 - a_p) / (1 - a_t) b) z

z ~ N(0, I). A negative p ends the walk. DDIM takes the schedule's `final_alpha_bar` for a_p there; DDPM takes 1, so
that its last step returns x_0. Before it, DDIM at eta = 1 is the same as DDPM. Gradients pass through every step.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lib.nn.vision.noise_schedule import NoiseSchedule


def ddim_step(
    schedule: NoiseSchedule,
    output: Float[Tensor, "batch ..."],
    x_t: Float[Tensor, "batch ..."],
    t: int,
    previous: int,
    *,
    eta: float = 0.0,
    noise: Float[Tensor, "batch ..."] | None = None,
    clip: float | None = None,
) -> Float[Tensor, "batch ..."]:
    """x_p, deterministic at eta = 0. `clip` limits x_0 to [-clip, clip]; e stays what the output says.

    Raises ValueError for an eta outside [0, 1], an eta above 0 without `noise`, times that do not fall, a clip that is
    not above 0, or shapes that differ.
    """
    _check(schedule, x_t, t, previous, noise, clip)
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be in [0, 1], got {eta}")
    if eta > 0 and noise is None:
        raise ValueError(f"noise must be given where eta is above 0, got none with eta {eta}")
    now = schedule.alpha_bars[t]
    then = schedule.alpha_bars[previous] if previous >= 0 else schedule.final_alpha_bar
    spread = eta * ((1 - then) / (1 - now) * (1 - now / then)).clamp(min=0).sqrt()
    towards = (1 - then - spread**2).clamp(min=0).sqrt()
    x0, epsilon = _picture(schedule, output, x_t, t, clip), schedule.to_epsilon(output, x_t, t)
    x = then.sqrt() * x0 + towards * epsilon
    return x if eta == 0 else x + spread * noise


def ddpm_step(
    schedule: NoiseSchedule,
    output: Float[Tensor, "batch ..."],
    x_t: Float[Tensor, "batch ..."],
    t: int,
    previous: int,
    *,
    noise: Float[Tensor, "batch ..."] | None = None,
    clip: float | None = None,
) -> Float[Tensor, "batch ..."]:
    """x_p with the smaller of the paper's two variances ("fixed_small"). The last step needs no noise and takes none.

    Raises ValueError as `ddim_step` does, and where noise is missing before the last step.
    """
    _check(schedule, x_t, t, previous, noise, clip)
    if previous >= 0 and noise is None:
        raise ValueError(f"noise must be given before the last step, got none from t {t} to {previous}")
    now = schedule.alpha_bars[t]
    then = schedule.alpha_bars[previous] if previous >= 0 else torch.ones((), device=now.device)
    kept = now / then
    added = 1 - kept
    from_picture = then.sqrt() * added / (1 - now)
    from_here = kept.sqrt() * (1 - then) / (1 - now)
    x = from_picture * _picture(schedule, output, x_t, t, clip) + from_here * x_t
    return x if previous < 0 else x + ((1 - then) / (1 - now) * added).sqrt() * noise


def _picture(schedule: NoiseSchedule, output: Tensor, x_t: Tensor, t: int, clip: float | None) -> Tensor:
    x0 = schedule.to_x0(output, x_t, t)
    return x0 if clip is None else x0.clamp(-clip, clip)


def _check(
    schedule: NoiseSchedule, x_t: Tensor, t: int, previous: int, noise: Tensor | None, clip: float | None
) -> None:
    if not 0 <= t < schedule.steps:
        raise ValueError(f"t must be in 0..{schedule.steps - 1}, got {t}")
    if previous >= t:
        raise ValueError(f"previous must be below t {t}, or negative at the end, got {previous}")
    if noise is not None and noise.shape != x_t.shape:
        raise ValueError(f"noise must have the pictures' shape {tuple(x_t.shape)}, got {tuple(noise.shape)}")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be above 0, or None, got {clip}")
