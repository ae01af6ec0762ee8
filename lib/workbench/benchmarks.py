"""Our training step beside its peers', in one run: `make bench`. Prints a table and writes kernels/BENCHMARKS.md."""

from __future__ import annotations

import datetime
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from lib.nn import JambaConfig, JambaLM
from lib.workbench.evidence import hardware

RESULTS = Path(__file__).resolve().parents[2] / "kernels" / "BENCHMARKS.md"
SIZES = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_experts": 8,
    "num_experts_per_tok": 2,
}


def interleaved(candidates: dict[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Median seconds of each candidate; they take turns, so that a slow moment of the machine meets all of them."""
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def training_step(model: torch.nn.Module, logits: Callable, tokens: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(logits(model, tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()

    return step


def hybrid_candidates(d_state: int, batch: int, length: int) -> dict[str, Callable[[], None]]:
    """One forward and backward of the same hybrid (Mamba, Mamba with experts, attention, Mamba with experts)."""
    from mambapy.jamba import Jamba as MambapyJamba
    from mambapy.jamba import JambaLMConfig as MambapyConfig
    from transformers import JambaConfig as TheirConfig
    from transformers import JambaForCausalLM

    torch.manual_seed(0)
    tokens = torch.randint(0, SIZES["vocab_size"], (batch, length + 1))
    ours = JambaLM(JambaConfig.from_pattern("MMAM", experts=True, mamba_d_state=d_state, **SIZES))
    periods = {"attn_layer_period": 4, "attn_layer_offset": 2, "expert_layer_period": 2, "expert_layer_offset": 1}
    theirs = JambaForCausalLM(
        TheirConfig(num_hidden_layers=4, mamba_d_state=d_state, use_cache=False, **periods, **SIZES)
    )
    mambapy = MambapyJamba(_mambapy_config(MambapyConfig, d_state, periods))
    head = torch.nn.Linear(SIZES["hidden_size"], SIZES["vocab_size"], bias=False)
    embed = torch.nn.Embedding(SIZES["vocab_size"], SIZES["hidden_size"])
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


def main() -> None:
    threads = min(2, os.cpu_count() or 1)
    torch.set_num_threads(threads)
    rows = []
    for d_state, batch, length in [(4, 16, 128), (16, 8, 256)]:
        seconds = interleaved(hybrid_candidates(d_state, batch, length))
        ours = seconds["ours"]
        rows.append(
            f"| hybrid training step, batch {batch}, length {length}, state {d_state} | {ours * 1e3:.0f} ms "
            f"| {seconds['transformers'] / ours:.1f}x | {seconds['mambapy'] / ours:.1f}x |"
        )
    version = torch.__version__.split("+")[0]
    table = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Each ratio is a peer's time over ours, both measured in the same run (median of",
        "interleaved repeats); above 1 ours is faster. Forward and backward, float32.",
        "",
        f"{datetime.date.today()}, {hardware()}, {threads} threads, torch {version}.",
        "GPU: not measured here; these rows compare CPU forms.",
        "",
        "| what | ours | transformers | mambapy |",
        "|---|---|---|---|",
        *rows,
    ]
    RESULTS.write_text("\n".join(table) + "\n")
    print("\n".join(table[5:]))


if __name__ == "__main__":
    main()
