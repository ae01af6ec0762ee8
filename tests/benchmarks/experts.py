"""Mixture of experts.

Where matrix products are most of the work, no form can be much faster than another. The bare products of one
training step, all loads equal, are the floor: their share of our time is the row's ratio, and 1 is out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from lib.nn import MixtureOfExperts
from tests.benchmarks.registry import DEVICE, Bench, Result

PEERS = {
    "eager": "transformers, eager",
    "grouped_mm": "transformers, grouped_mm",
    "products": "the bare matrix products",
}


def results(bench: Bench) -> Iterator[Result]:
    for tokens, dim, width in ((2048, 64, 128), (2048, 256, 512)):
        candidates = expert_candidates(tokens, dim, width) | {"products": bare_products(tokens, dim, width)}
        case = f"{tokens} tokens, dim {dim}, width {width}, top-2 of 16"
        yield from bench.race(case, candidates, PEERS, 15, DEVICE)


def expert_candidates(tokens: int, dim: int, width: int) -> dict[str, Callable[[], None]]:
    """Forward and backward of a layer of 16 experts, top-2, with the same weights in all."""
    from transformers import JambaConfig as TheirConfig
    from transformers.models.jamba.modeling_jamba import JambaSparseMoeBlock

    torch.manual_seed(0)
    layers = {"ours": MixtureOfExperts(dim, width, 16, 2)}
    for implementation in ("eager", "grouped_mm"):
        config = TheirConfig(hidden_size=dim, intermediate_size=width, num_experts=16, num_experts_per_tok=2)
        config._experts_implementation = implementation
        layers[implementation] = JambaSparseMoeBlock(config)
        layers[implementation].load_state_dict(layers["ours"].state_dict())
    layers = {name: layer.to(DEVICE) for name, layer in layers.items()}
    x = torch.randn(1, tokens, dim, device=DEVICE, requires_grad=True)

    def step(layer: torch.nn.Module) -> Callable[[], None]:
        def run() -> None:
            layer.zero_grad(set_to_none=True)
            output = layer(x)
            (output[0] if isinstance(output, tuple) else output).sum().backward()

        return run

    return {name: step(layer) for name, layer in layers.items()}


def bare_products(tokens: int, dim: int, width: int) -> Callable[[], None]:
    """The matrix products of one training step: 2 tokens of 16 experts, loads all equal."""
    share = tokens * 2 // 16
    shapes = ((share, dim), (2 * width, dim), (share, 2 * width), (share, width), (dim, width))
    x, gate_up, hidden, active, down = (torch.randn(shape, device=DEVICE) for shape in shapes)

    def products() -> None:
        for _ in range(16):
            torch.mm(x, gate_up.t())
            torch.mm(active, down.t())
            torch.mm(x, down)
            torch.mm(hidden, gate_up)
            torch.mm(hidden.t(), x)
            torch.mm(x.t(), active)

    return products
