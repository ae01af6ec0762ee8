"""Hybrid training step.

Mamba, Mamba with experts, attention, Mamba with experts; the same sizes in all three libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from lib.nn import JambaConfig, JambaLM
from tests.benchmarks.registry import DEVICE, Bench, Result
from tests.benchmarks.steps import training_step

SIZES = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_experts": 8,
    "num_experts_per_tok": 2,
}


def results(bench: Bench) -> Iterator[Result]:
    for d_state, batch, length in ((4, 16, 128), (16, 8, 256)):
        case = f"batch {batch}, length {length}, state {d_state}"
        candidates = hybrid_candidates(d_state, batch, length)
        yield from bench.race(case, candidates, {"transformers": "transformers", "mambapy": "mambapy"}, 5, DEVICE)


def hybrid_candidates(d_state: int, batch: int, length: int) -> dict[str, Callable[[], None]]:
    """One forward and backward of the same hybrid (Mamba, Mamba with experts, attention, Mamba with experts)."""
    from mambapy.jamba import Jamba as MambapyJamba
    from mambapy.jamba import JambaLMConfig as MambapyConfig
    from transformers import JambaConfig as TheirConfig
    from transformers import JambaForCausalLM

    torch.manual_seed(0)
    tokens = torch.randint(0, SIZES["vocab_size"], (batch, length + 1)).to(DEVICE)
    ours = JambaLM(JambaConfig.from_pattern("MMAM", experts=True, mamba_d_state=d_state, **SIZES)).to(DEVICE)
    periods = {"attn_layer_period": 4, "attn_layer_offset": 2, "expert_layer_period": 2, "expert_layer_offset": 1}
    theirs = JambaForCausalLM(
        TheirConfig(num_hidden_layers=4, mamba_d_state=d_state, use_cache=False, **periods, **SIZES)
    ).to(DEVICE)
    mambapy = MambapyJamba(_mambapy_config(MambapyConfig, d_state, periods)).to(DEVICE)
    head = torch.nn.Linear(SIZES["hidden_size"], SIZES["vocab_size"], bias=False).to(DEVICE)
    embed = torch.nn.Embedding(SIZES["vocab_size"], SIZES["hidden_size"]).to(DEVICE)
    return {
        "ours": training_step(ours, lambda model, x: model(x), tokens),
        "transformers": training_step(theirs, lambda model, x: model(x, use_cache=False).logits, tokens),
        "mambapy": training_step(mambapy, lambda model, x: head(model(embed(x))[0]), tokens),
    }


def _mambapy_config(config_class, d_state: int, periods: dict):
    return config_class(
        d_model=SIZES["hidden_size"],
        n_layers=4,
        d_state=d_state,
        mlp_size=SIZES["intermediate_size"],
        num_attention_heads=SIZES["num_attention_heads"],
        num_key_value_heads=SIZES["num_key_value_heads"],
        num_experts=SIZES["num_experts"],
        num_experts_per_tok=SIZES["num_experts_per_tok"],
        vocab_size=SIZES["vocab_size"],
        use_cuda=False,
        **periods,
    )
