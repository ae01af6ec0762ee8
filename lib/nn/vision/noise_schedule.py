"""How noise is mixed in, and what a network is asked for: the fixed half of a diffusion model.

    x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e,   e ~ N(0, I),   a_t = prod_{s <= t} (1 - beta_s),   t = 0 .. steps - 1

a_t is written alpha-bar in the papers: it falls from almost 1 to almost 0. The network sees x_t and t and predicts the
noise ("epsilon": Ho et al., arXiv 2006.11239), the picture ("sample"), or the velocity ("v": Salimans and Ho, arXiv
2202.00512)

    v_t = sqrt(a_t) e - sqrt(1 - a_t) x_0

Each of the three gives the other two. The tables are computed in float32, as those of the released models are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

PREDICTIONS = ("epsilon", "v", "sample")
SPACINGS = ("leading", "trailing", "linspace")


@dataclass(frozen=True)
class NoiseSchedule:
    """A table of a_t, what is predicted, and the formulas that follow from both.

    name: "linear" (beta from 1e-4 to 0.02: Ho et al.), "scaled_linear" (sqrt(beta) from sqrt(0.00085) to sqrt(0.012):
        Stable Diffusion) or "cosine" (a_t from a squared cosine, beta at most 0.999: Nichol and Dhariwal, arXiv
        2102.09672).
    zero_terminal_snr: shift and scale sqrt(a_t) so that the last step is nothing but noise (Lin et al., arXiv
        2305.08891, algorithm 1).
    set_alpha_to_one: what DDIM takes for a below t = 0: 1, or a_0 as Stable Diffusion does.

    Raises ValueError for a name or prediction that does not exist, fewer than two steps, or a last step of pure noise
    when the noise is predicted: it says nothing about the picture there.
    """

    name: str = "scaled_linear"
    steps: int = 1000
    prediction: str = "epsilon"
    zero_terminal_snr: bool = False
    set_alpha_to_one: bool = False

    def __post_init__(self) -> None:
        _check_choice("name", self.name, tuple(BETAS))
        _check_choice("prediction", self.prediction, PREDICTIONS)
        if self.steps < 2:
            raise ValueError(f"steps must be at least 2, got {self.steps}")
        if self.zero_terminal_snr and self.prediction == "epsilon":
            raise ValueError("prediction must be v or sample where zero_terminal_snr is true, got 'epsilon'")

    @property
    def alpha_bars(self) -> Float[Tensor, " steps"]:
        """a_t for each t: one table for all schedules of these values, on the CPU. Not to be written to."""
        return _alpha_bars(self.name, self.steps, self.zero_terminal_snr)

    @property
    def final_alpha_bar(self) -> Float[Tensor, ""]:
        """What stands for a_t below t = 0."""
        return torch.ones(()) if self.set_alpha_to_one else self.alpha_bars[0]

    def snr(self, t: Int[Tensor, " *batch"] | int) -> Float[Tensor, " *batch"]:
        """The ratio of signal to noise, a_t / (1 - a_t)."""
        alpha_bar = self._at(t)
        return alpha_bar / (1 - alpha_bar)

    def min_snr_weights(self, t: Int[Tensor, " *batch"] | int, gamma: float = 5.0) -> Float[Tensor, " *batch"]:
        """Weights under which every t counts as if x_0 were predicted, with the weight min(SNR, gamma).

        min(SNR, gamma), over SNR when the noise is predicted, over SNR + 1 when v is (Hang et al., arXiv 2303.09556).
        Raises ValueError for a gamma that is not above 0.
        """
        if not gamma > 0:
            raise ValueError(f"gamma must be above 0, got {gamma}")
        snr = self.snr(t)
        return snr.clamp(max=gamma) / {"epsilon": snr, "v": snr + 1, "sample": torch.ones_like(snr)}[self.prediction]

    def add_noise(
        self, x0: Float[Tensor, "batch ..."], noise: Float[Tensor, "batch ..."], t: Int[Tensor, " batch"] | int
    ) -> Float[Tensor, "batch ..."]:
        """x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e, with a time for each picture or one for all.

        Raises ValueError, as do the formulas below, for shapes that differ, a time outside the schedule, or a number
        of times that is not the number of pictures.
        """
        signal, spread = self._scales(x0, t, noise=noise)
        return (signal * x0 + spread * noise).to(x0.dtype)

    def target(
        self, x0: Float[Tensor, "batch ..."], noise: Float[Tensor, "batch ..."], t: Int[Tensor, " batch"] | int
    ) -> Float[Tensor, "batch ..."]:
        """What a perfect network gives: e, sqrt(a_t) e - sqrt(1 - a_t) x_0, or x_0."""
        signal, spread = self._scales(x0, t, noise=noise)
        if self.prediction == "v":
            return (signal * noise - spread * x0).to(x0.dtype)
        return noise if self.prediction == "epsilon" else x0

    def to_x0(
        self, output: Float[Tensor, "batch ..."], x_t: Float[Tensor, "batch ..."], t: Int[Tensor, " batch"] | int
    ) -> Float[Tensor, "batch ..."]:
        """The picture that a prediction at x_t means."""
        signal, spread = self._scales(x_t, t, output=output)
        if self.prediction == "epsilon":
            return ((x_t - spread * output) / signal).to(x_t.dtype)
        return output if self.prediction == "sample" else (signal * x_t - spread * output).to(x_t.dtype)

    def to_epsilon(
        self, output: Float[Tensor, "batch ..."], x_t: Float[Tensor, "batch ..."], t: Int[Tensor, " batch"] | int
    ) -> Float[Tensor, "batch ..."]:
        """The noise that a prediction at x_t means."""
        signal, spread = self._scales(x_t, t, output=output)
        if self.prediction == "sample":
            return ((x_t - signal * output) / spread).to(x_t.dtype)
        return output if self.prediction == "epsilon" else (signal * output + spread * x_t).to(x_t.dtype)

    def timesteps(self, n: int, spacing: str = "leading", offset: int = 1) -> list[int]:
        """`n` of the schedule's times, falling: where a sampler stops (Lin et al., table 2).

        "leading": multiples of steps // n from 0 on, plus `offset`: the last time, where the noise is purest, is left
        out. "trailing": from the last time down in equal strides. "linspace": both ends and equal parts between them.
        `offset` plays a role in "leading" only. Raises ValueError for a number of times that the schedule does not
        have, or an offset that leads out of it.
        """
        _check_choice("spacing", spacing, SPACINGS)
        fewest = 2 if spacing == "linspace" else 1
        if not fewest <= n <= self.steps:
            raise ValueError(f"n must be {fewest}..{self.steps}, the times of the schedule, got {n}")
        if spacing == "trailing":
            # numpy's range, whose rounding other samplers have too; it may run on for one more time, below 0
            return [int(t) - 1 for t in np.arange(self.steps, 0, -self.steps / n).round()[:n]]
        if spacing == "linspace":
            return [round(i * ((self.steps - 1) / (n - 1))) for i in reversed(range(n))]
        stride = self.steps // n
        largest = self.steps - 1 - (n - 1) * stride
        if not 0 <= offset <= largest:
            raise ValueError(f"offset must be 0..{largest} for {n} of {self.steps} times, got {offset}")
        return [i * stride + offset for i in reversed(range(n))]

    def _scales(self, x: Tensor, t: Tensor | int, **others: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(a_t) and sqrt(1 - a_t), shaped to multiply pictures, in at least float32."""
        for name, other in others.items():
            if other.shape != x.shape:
                raise ValueError(f"{name} must have the pictures' shape {tuple(x.shape)}, got {tuple(other.shape)}")
        if isinstance(t, Tensor) and t.shape != x.shape[:1]:
            raise ValueError(f"t must be one time for each of {len(x)} pictures, got the shape {tuple(t.shape)}")
        alpha_bar = self._at(t).to(x.device, torch.promote_types(x.dtype, torch.float32))
        alpha_bar = alpha_bar.reshape(-1, *[1] * (x.ndim - 1))
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def _at(self, t: Tensor | int) -> Tensor:
        """a_t, on the device of t. A time on another device than the CPU is not looked at: it would have to wait."""
        if not isinstance(t, Tensor):
            lowest, highest = t, t
        elif t.is_cpu and t.numel():
            lowest, highest = int(t.min()), int(t.max())
        else:
            lowest, highest = 0, 0
        if lowest < 0 or highest >= self.steps:
            raise ValueError(f"t must be in 0..{self.steps - 1}, got {lowest if lowest < 0 else highest}")
        return self.alpha_bars.to(t.device)[t.long()] if isinstance(t, Tensor) else self.alpha_bars[t]


def _line(steps: int, first: float, last: float) -> Tensor:
    return torch.linspace(first, last, steps, dtype=torch.float32)


def _cosine_betas(steps: int) -> Tensor:
    def curve(share: float) -> float:
        return math.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - curve((t + 1) / steps) / curve(t / steps), 0.999) for t in range(steps)]
    return torch.tensor(betas, dtype=torch.float32)


BETAS = {
    "linear": lambda steps: _line(steps, 1e-4, 0.02),
    "scaled_linear": lambda steps: _line(steps, 0.00085**0.5, 0.012**0.5) ** 2,
    "cosine": _cosine_betas,
}
"""From the number of steps to the beta of each."""


@lru_cache(maxsize=32)
def _alpha_bars(name: str, steps: int, zero_terminal_snr: bool) -> Tensor:
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        alpha_bars = (1 - BETAS[name](steps)).cumprod(0)
        if not zero_terminal_snr:
            return alpha_bars
        roots = alpha_bars.sqrt()
        first, last = roots[0], roots[-1]
        squares = ((roots - last) * (first / (first - last))) ** 2
        # through the betas, as the released models' tables are made: the same numbers to the last bit
        betas = 1 - torch.cat((squares[:1], squares[1:] / squares[:-1]))
        return (1 - betas).cumprod(0)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
