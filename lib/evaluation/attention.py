"""Looking into attention: the maps of trained weights, how much a head looks where it should, and life without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn import Attention, ConvolvedAttention


def attention_layers(model: nn.Module) -> dict[int, Attention]:
    """The attention mixers of a decoder by layer number (`model.model.layers[i].mixer`), convolved ones too."""
    mixers = {index: layer.mixer for index, layer in enumerate(model.model.layers)}
    mixers = {i: mixer.attention if isinstance(mixer, ConvolvedAttention) else mixer for i, mixer in mixers.items()}
    return {index: mixer for index, mixer in mixers.items() if isinstance(mixer, Attention)}


@torch.no_grad()
def attention_maps(
    model: nn.Module, tokens: Int[Tensor, "batch length"]
) -> dict[int, Float[Tensor, "batch heads length length"]]:
    """Each attention layer's softmax weights on these tokens, from the layer's own inputs in a forward pass."""
    maps: dict[int, Tensor] = {}

    def remember(index: int):
        return lambda mixer, arguments: maps.__setitem__(index, mixer.weights(arguments[0]))

    hooks = [mixer.register_forward_pre_hook(remember(i)) for i, mixer in attention_layers(model).items()]
    try:
        model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return maps


def attention_mass(
    weights: Float[Tensor, "batch heads length length"], target: Bool[Tensor, "batch length length"]
) -> Float[Tensor, " heads"]:
    """How much of its attention each head puts on `target[b, query, key]`, averaged over queries that have a target."""
    asked = target.any(-1)
    if not asked.any():
        raise ValueError("target must mark at least one key of one query, got none")
    mass = (weights * target[:, None]).sum(-1)
    return mass.transpose(0, 1)[:, asked].mean(-1)


@contextmanager
def heads_removed(model: nn.Module, heads: Mapping[int, Sequence[int]]) -> Iterator[None]:
    """Inside the block, the named heads ({layer: [head, ...]}) add nothing: their output is zero before o_proj.

    Raises ValueError for a layer without attention or a head that is not there.
    """
    layers = attention_layers(model)
    hooks = []
    try:
        for layer, numbers in heads.items():
            if layer not in layers:
                raise ValueError(f"heads must name attention layers {sorted(layers)}, got layer {layer}")
            mixer = layers[layer]
            if any(not 0 <= number < mixer.num_heads for number in numbers):
                raise ValueError(f"heads of layer {layer} must be in 0..{mixer.num_heads - 1}, got {list(numbers)}")
            keep = torch.ones(mixer.num_heads, 1, device=mixer.o_proj.weight.device)
            keep[list(numbers)] = 0
            keep = keep.expand(-1, mixer.head_dim).flatten()
            hooks.append(mixer.o_proj.register_forward_pre_hook(lambda _, inputs, keep=keep: (inputs[0] * keep,)))
        yield
    finally:
        for hook in hooks:
            hook.remove()
