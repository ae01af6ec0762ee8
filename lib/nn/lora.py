"""Low-rank adaptation (Hu et al., LoRA, arXiv 2106.09685) and DoRA (Liu et al., arXiv 2402.09353) of frozen layers.

    LoRA:  y = W x + (alpha / r) B A x,   A (r, in) as a linear layer starts, B (out, r) zero: at first y = W x
    DoRA:  y = m * (W x + (alpha / r) B A x) / |W + (alpha / r) B A|,   m starts as the norms of W's rows

The norm is over the inputs, one for each output, and carries no gradient, as in the paper's section 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A frozen linear layer and what is learned beside it. `merged` gives the layer that does both in one product.

    Raises ValueError for a rank that does not fit the layer.
    """

    def __init__(self, base: nn.Linear, rank: int, *, alpha: float | None = None, dora: bool = False):
        super().__init__()
        if not 1 <= rank <= min(base.in_features, base.out_features):
            smallest = min(base.in_features, base.out_features)
            raise ValueError(f"rank must be 1..{smallest}, the layer's smaller side, got {rank}")
        self.base, self.rank = base.requires_grad_(False), rank
        self.scale = (rank if alpha is None else alpha) / rank
        place = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, **place))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, **place))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.magnitude = nn.Parameter(base.weight.norm(dim=1)) if dora else None

    def forward(self, x: Float[Tensor, "... inner"]) -> Float[Tensor, "... outer"]:
        change = self.scale * F.linear(F.linear(x, self.lora_A), self.lora_B)
        if self.magnitude is None:
            return self.base(x) + change
        direction = F.linear(x, self.base.weight) + change
        y = direction * (self.magnitude / self._norm())
        return y if self.base.bias is None else y + self.base.bias

    def merged(self) -> nn.Linear:
        """One linear layer with the same output: LoRA costs nothing once it is merged."""
        weight = self.base.weight + self.scale * self.lora_B @ self.lora_A
        if self.magnitude is not None:
            weight = weight * (self.magnitude / self._norm())[:, None]
        layer = nn.Linear(self.base.in_features, self.base.out_features, bias=self.base.bias is not None).to(weight)
        with torch.no_grad():
            layer.weight.copy_(weight)
            if self.base.bias is not None:
                layer.bias.copy_(self.base.bias)
        return layer

    def _norm(self) -> Float[Tensor, " outer"]:
        return (self.base.weight + self.scale * self.lora_B @ self.lora_A).norm(dim=1).detach()


def add_lora(
    model: nn.Module, targets: Iterable[str], rank: int, *, alpha: float | None = None, dora: bool = False
) -> list[nn.Parameter]:
    """Freeze `model`, put a LoRALinear in place of every linear layer whose name ends in one of `targets`, in place.

    Returns what is left to train. Raises ValueError when a target names no linear layer.
    """
    targets = tuple(targets)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(targets)
    ]
    if missing := [target for target in targets if not any(name.endswith(target) for name, _ in found)]:
        raise ValueError(f"targets {', '.join(missing)} name no linear layer of {type(model).__name__}")
    trained: list[nn.Parameter] = []
    for name, module in found:
        adapted = LoRALinear(module, rank, alpha=alpha, dora=dora)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, adapted)
        trained.extend(parameter for parameter in adapted.parameters() if parameter.requires_grad)
    return trained


def merge_lora(model: nn.Module) -> nn.Module:
    """Every LoRALinear becomes its merged linear layer, in place; the model is returned."""
    for name, module in [(name, module) for name, module in model.named_modules() if isinstance(module, LoRALinear)]:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module.merged())
    return model
