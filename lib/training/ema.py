"""A running mean of a model's parameters: what a diffusion model is sampled with.

    m <- m + (1 - d) (p - m),   d = min(decay, (1 + s) / (10 + s)),   s = updates before this one

The first update copies the parameters (d = 0). The mean then looks back further and further, until d is `decay`, as it
does in diffusers by default. The raw parameters go on being trained; the mean is only looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """The mean of the parameters of one model, by name, in at least float32. Buffers are not averaged.

    A parameter that is frozen is copied. Raises ValueError for a decay outside [0, 1), and wherever a model or a state
    is given whose parameters have other names or shapes.
    """

    def __init__(self, model: nn.Module, decay: float = 0.9999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.decay, self.updates = decay, 0
        self.means = {name: _exact(parameter) for name, parameter in model.named_parameters()}

    @property
    def next_decay(self) -> float:
        """d of the update to come."""
        return min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 0.0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step towards the model's parameters: after each step of its optimizer."""
        parameters = self._matching(model)
        decay = self.next_decay
        for name, parameter in parameters.items():
            mean = self.means[name] = self.means[name].to(parameter.device)
            mean.lerp_(parameter.detach().to(mean.dtype), 1 - decay if parameter.requires_grad else 1.0)
        self.updates += 1

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Write the mean over the model's parameters, in place."""
        for name, parameter in self._matching(model).items():
            parameter.copy_(self.means[name])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[nn.Module]:
        """`with ema.applied(model): ...` - the model has the mean inside, and its own parameters again afterwards."""
        own = {name: parameter.detach().clone() for name, parameter in self._matching(model).items()}
        self.copy_to(model)
        try:
            yield model
        finally:
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    parameter.copy_(own[name])

    def following(self, model: nn.Module) -> Follower:
        """For `fit(..., on_step=ema.following(model))`: an update after every step, kept in its checkpoints."""
        return Follower(self, model)

    def state_dict(self) -> dict:
        """Everything needed to go on: plain values and tensors, which are not copied."""
        return {"decay": self.decay, "updates": self.updates, "means": dict(self.means)}

    def load_state_dict(self, state: Mapping) -> None:
        """Take over the values of a `state_dict`."""
        _check_names(self.means, state["means"], "state")
        self.decay, self.updates = state["decay"], state["updates"]
        self.means = {name: _exact(mean).to(self.means[name].device) for name, mean in state["means"].items()}

    def _matching(self, model: nn.Module) -> dict[str, nn.Parameter]:
        parameters = dict(model.named_parameters())
        _check_names(self.means, parameters, "model")
        return parameters


class Follower:
    """Calls `update` after each step of `fit`, whose checkpoints then hold the mean as well."""

    def __init__(self, ema: EMA, model: nn.Module):
        self.ema, self.model = ema, model

    def __call__(self, done: int) -> None:
        self.ema.update(self.model)

    def state_dict(self) -> dict:
        return self.ema.state_dict()

    def load_state_dict(self, state: Mapping) -> None:
        self.ema.load_state_dict(state)


def _exact(parameter: Tensor) -> Tensor:
    """A copy in at least float32: at decay 0.9999 a step is lost in half precision."""
    return parameter.detach().to(torch.promote_types(parameter.dtype, torch.float32), copy=True)


def _check_names(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], what: str) -> None:
    for name in {**ours, **theirs}:
        shapes = [tuple(side[name].shape) if name in side else "none" for side in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{what} must have the parameters of the mean: {name} is {shapes[0]}, got {shapes[1]}")
