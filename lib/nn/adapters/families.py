"""Where the language models of each supported family keep their blocks, and how wide their residual stream is."""

from __future__ import annotations

from torch import nn

BLOCKS = {
    "model.layers": "our DecoderLM; Llama, Mistral, Qwen, Gemma, Phi, OLMo",
    "transformer.h": "GPT-2, GPT-BigCode, GPT-J, Falcon, BLOOM",
    "gpt_neox.layers": "GPT-NeoX, Pythia",
    "model.decoder.layers": "OPT",
}
"""The path to a model's list of blocks, and whose it is."""

WIDTHS = ("hidden_size", "n_embd", "d_model", "dim")
"""Names under which configurations keep the width of the residual stream."""


def decoder_blocks(model: nn.Module) -> nn.ModuleList:
    """The decoder's blocks, at the first path of BLOCKS that leads to a list. Raises ValueError when none does."""
    for path in BLOCKS:
        part: object = model
        for name in path.split("."):
            part = getattr(part, name, None)
        if isinstance(part, nn.ModuleList) and len(part):
            return part
    raise ValueError(f"{type(model).__name__} must keep its blocks in {', '.join(BLOCKS)}; it has none of these")


def residual_width(model: nn.Module) -> int:
    """The residual stream's width, from the configuration. Raises ValueError when it does not say."""
    config = getattr(model, "config", None)
    for name in WIDTHS:
        if isinstance(width := getattr(config, name, None), int):
            return width
    raise ValueError(f"the configuration of {type(model).__name__} must say its width as one of {', '.join(WIDTHS)}")
