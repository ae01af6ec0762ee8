"""What the subjects time: one forward and backward of a function, or one training step of a model."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F


def gradient_step(function: Callable, inputs: list[torch.Tensor]) -> Callable[[], None]:
    """Forward and backward of the sum of a function's output."""

    def step() -> None:
        function(*inputs).sum().backward()
        for tensor in inputs:
            tensor.grad = None

    return step


def leaves(*tensors: torch.Tensor, device: torch.device) -> list[torch.Tensor]:
    """The tensors on the device, every one wanting a gradient."""
    return [tensor.to(device).requires_grad_() for tensor in tensors]


def training_step(model: torch.nn.Module, logits: Callable, tokens: torch.Tensor) -> Callable[[], None]:
    """Cross-entropy of the next token, forward and backward."""

    def step() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(logits(model, tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()

    return step
