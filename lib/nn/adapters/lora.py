"""Low-rank adaptation (Hu et al., LoRA, arXiv 2106.09685) and DoRA (Liu et al., arXiv 2402.09353) of frozen layers.

    LoRA:  y = W x + (alpha / r) B A x,   A (r, in) as a linear layer starts, B (out, r) zero: at first y = W x
    DoRA:  y = m * (W x + (alpha / r) B A x) / |W + (alpha / r) B A|,   m starts as the norms of W's rows

The norm is over the inputs, one for each output, and carries no gradient, as in the paper's section 4.3. A row of zeros
has the magnitude zero and gives zero: it stays what it was, y = W x.
"""

from __future__ import annotations

import copy
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
        self.in_features, self.out_features = base.in_features, base.out_features
        self.scale = (rank if alpha is None else alpha) / rank
        exact = torch.promote_types(base.weight.dtype, torch.float32)  # small steps would be lost in bfloat16
        place = {"device": base.weight.device, "dtype": exact}
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, **place))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, **place))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.magnitude = nn.Parameter(_row_norms(base.weight.to(exact))) if dora else None

    def forward(self, x: Float[Tensor, "... inner"]) -> Float[Tensor, "... outer"]:
        exact = x.to(self.lora_A.dtype)
        change = self.scale * F.linear(F.linear(exact, self.lora_A), self.lora_B)
        if self.magnitude is None:
            return self.base(x) + change.to(x.dtype)
        direction = F.linear(x, self.base.weight) + change
        y = (direction * (self.magnitude / self._norm())).to(x.dtype)
        return y if self.base.bias is None else y + self.base.bias

    @property
    def weight(self) -> Float[Tensor, "outer inner"]:
        """The weight in force, for callers that multiply by it themselves."""
        weight = self.base.weight + self.scale * self.lora_B @ self.lora_A
        if self.magnitude is not None:
            weight = weight * (self.magnitude / self._norm())[:, None]
        return weight.to(self.base.weight.dtype)

    @property
    def bias(self) -> Float[Tensor, " outer"] | None:
        return self.base.bias

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One frozen linear layer with the same output: LoRA costs nothing once it is merged."""
        layer = copy.deepcopy(self.base)
        layer.weight.copy_(self.weight)
        return layer

    @torch.no_grad()
    def _norm(self) -> Float[Tensor, " outer"]:
        norms = _row_norms(self.base.weight + self.scale * self.lora_B @ self.lora_A)
        return norms.clamp(min=torch.finfo(norms.dtype).tiny)


@torch.no_grad()
def _row_norms(weight: Float[Tensor, "outer inner"]) -> Float[Tensor, " outer"]:
    """Euclidean norms, of rows so small that their squares vanish too."""
    norms = weight.norm(dim=1)
    small = norms < torch.finfo(norms.dtype).tiny ** 0.25
    return torch.where(small, weight.double().norm(dim=1).to(norms.dtype), norms) if small.any() else norms


def add_lora(
    model: nn.Module, targets: Iterable[str], rank: int, *, alpha: float | None = None, dora: bool = False
) -> list[nn.Parameter]:
    """Freeze `model` and put a LoRALinear in place of every linear layer whose name is or ends in `.target`, in place.

    A single name will do for `targets`. Returns what is left to train. Raises ValueError, with the model as it was,
    when a target names no linear layer or the rank does not fit one.
    """
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    if not targets:
        raise ValueError("targets must name at least one linear layer, got none")

    def named(name: str, target: str) -> bool:
        return name == target or name.endswith("." + target)

    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and any(named(name, target) for target in targets)
    }
    if missing := [target for target in targets if not any(named(name, target) for name in found)]:
        raise ValueError(f"targets must name linear layers of {type(model).__name__}, got {', '.join(missing)}")
    smallest = min(min(layer.in_features, layer.out_features) for layer in found.values())
    if not 1 <= rank <= smallest:
        raise ValueError(f"rank must be 1..{smallest}, the smallest side of the layers, got {rank}")
    model.requires_grad_(False)
    trained: list[nn.Parameter] = []
    for name, module in found.items():
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
