"""Adapters.

A finetuning step of a language model of 40 million weights (eight blocks of width 640), and what edits of its hidden
states cost while it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from lib.nn import ReFT, ReFTConfig, TransformerConfig, TransformerLM, generate
from tests.benchmarks.registry import Bench, Result
from tests.benchmarks.steps import training_step


def results(bench: Bench) -> Iterator[Result]:
    case = "step with LoReFT (r = 8, p7 + s7, all blocks), batch 8, length 128"
    yield from bench.race(case, adapter_candidates(8, 128), {"full": "all weights", "peft": "LoRA r = 32 by peft"}, 9)
    case = "writing 64 tokens behind 64, edits in all blocks"
    yield from bench.race(case, writing_candidates(64, 64), {"plain": "the same without edits"}, 25)


def reader(vocab: int = 1024) -> TransformerLM:
    """A language model of 40 million weights, eight blocks of width 640."""
    torch.manual_seed(0)
    return TransformerLM(TransformerConfig(vocab, 640, 8, 10, intermediate_size=1728, gated=True))


def adapter_candidates(batch: int, length: int) -> dict[str, Callable[[], None]]:
    """A finetuning step with AdamW of the same model: LoReFT (p7 + s7, r = 8, all blocks), all weights, peft's LoRA."""
    import peft

    tokens = torch.randint(0, 1024, (batch, length + 1))
    lengths = [length // 2] * batch
    reft = ReFT(reader(), ReFTConfig("LoReFT", tuple(range(8)), 8, 7, 7))
    targets = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"]
    lora = peft.get_peft_model(reader(), peft.LoraConfig(r=32, target_modules=targets))

    def step(model: torch.nn.Module, logits: Callable) -> Callable[[], None]:
        once, trained = training_step(model, logits, tokens), [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)

        def both() -> None:
            once()
            optimizer.step()

        return both

    return {
        "ours": step(reft, lambda model, x: model(x, lengths=lengths)),
        "full": step(reader(), lambda model, x: model(x)),
        "peft": step(lora, lambda model, x: model(x)),
    }


def writing_candidates(prompt: int, new: int) -> dict[str, Callable[[], object]]:
    """Greedy writing with edits in all blocks, and without."""
    plain = reader().eval()
    edited = ReFT(plain, ReFTConfig("LoReFT", tuple(range(8)), 8, 7, 7)).eval()
    tokens = torch.randint(0, 1024, (1, prompt))
    return {"ours": lambda: edited.generate(tokens, new), "plain": lambda: generate(plain, tokens, new)}
