"""The loss of a diffusion model, and what is drawn for it.

    E_{x_0, t, e} w_t |target - f(x_t, t, caption)|^2,   t ~ U{0 .. steps - 1},   e ~ N(0, I)

x_t, target and the weights w_t are those of `lib.nn.NoiseSchedule`. For classifier-free guidance (Ho and Salimans,
arXiv 2207.12598) a share of the captions is replaced by the empty one, so that one network learns both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from lib.nn.vision.noise_schedule import NoiseSchedule


class Noised(NamedTuple):
    """A batch to learn from: the network sees `x_t` and `t`, and is asked for `target`."""

    x_t: Float[Tensor, "batch ..."]
    t: Int[Tensor, " batch"]
    target: Float[Tensor, "batch ..."]
    noise: Float[Tensor, "batch ..."]


def noised(x0: Float[Tensor, "batch ..."], schedule: NoiseSchedule, generator: torch.Generator | None = None) -> Noised:
    """Draw a time and noise for each picture: first all times, then all noise.

    A generator draws on its own device, the global one on that of the pictures.
    """
    place = x0.device if generator is None else generator.device
    t = torch.randint(schedule.steps, (len(x0),), generator=generator, device=place).to(x0.device)
    noise = torch.randn(x0.shape, generator=generator, device=place, dtype=x0.dtype).to(x0.device)
    return Noised(schedule.add_noise(x0, noise, t), t, schedule.target(x0, noise, t), noise)


def diffusion_loss(
    output: Float[Tensor, "batch ..."],
    target: Float[Tensor, "batch ..."],
    weights: Float[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error over all values, each picture's times its weight. Computed in at least float32.

    The weights are not normalised: `NoiseSchedule.min_snr_weights` gives them.
    Raises ValueError when the shapes do not fit, or for an empty batch.
    """
    if output.shape != target.shape:
        raise ValueError(f"target must have the shape of output {tuple(output.shape)}, got {tuple(target.shape)}")
    if not output.numel():
        raise ValueError(f"output must hold at least one value, got the shape {tuple(output.shape)}")
    exact = torch.promote_types(output.dtype, torch.float32)
    squares = (output.to(exact) - target.to(exact)).square()
    if weights is None:
        return squares.mean()
    if weights.shape != output.shape[:1]:
        raise ValueError(f"weights must be one for each of {len(output)} pictures, got {tuple(weights.shape)}")
    return (weights.to(squares) * squares.reshape(len(squares), -1).mean(1)).mean()


def drop_captions(
    captions: Int[Tensor, "batch ..."],
    empty: Int[Tensor, ...] | int,
    probability: float,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "batch ..."]:
    """Each caption becomes the `empty` one with this probability, independently of the others.

    Captions are rows of tokens, or one index each into a table of them; `empty` is one such row or index.
    Raises ValueError for a probability outside [0, 1], or an empty caption of another shape.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be in [0, 1], got {probability}")
    empty = torch.as_tensor(empty, dtype=captions.dtype, device=captions.device)
    if empty.shape != captions.shape[1:]:
        raise ValueError(
            f"empty must have the shape of one caption {tuple(captions.shape[1:])}, got {tuple(empty.shape)}"
        )
    place = captions.device if generator is None else generator.device
    dropped = torch.rand(len(captions), generator=generator, device=place).to(captions.device) < probability
    return torch.where(dropped.reshape(-1, *[1] * (captions.ndim - 1)), empty, captions)
