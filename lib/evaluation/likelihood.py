"""How likely a language model finds a given text behind a prompt: what it would say need not be sampled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lib.evaluation.completion import OurModel
from lib.evaluation.language import token_nats

IGNORE = -100


def continuation_nats(
    asked: OurModel, prompts: Sequence[str], continuations: Sequence[str], *, batch: int = 4
) -> list[np.ndarray]:
    """-ln p of each token of each continuation, given its prompt and the continuation up to there; float32 arrays.

    Prompt and continuation are cut into tokens apart: let the continuation begin where a token does, on a new line or
    with the space before its first word. `batch` rows of like length are read together, padded on the right where a
    causal model does not see it; their logits, (batch, length, vocabulary) in float32, set the memory.
    Raises ValueError where the counts differ or a text has no token.
    """
    if len(prompts) != len(continuations):
        raise ValueError(f"continuations must be one for each of {len(prompts)} prompts, got {len(continuations)}")
    heads = [asked.encode(prompt) for prompt in prompts]
    tails = [torch.as_tensor(asked.tokenizer.encode(text), dtype=torch.long) for text in continuations]
    if any(len(part) == 0 for part in (*heads, *tails)):
        raise ValueError("every prompt and every continuation must have at least one token")
    order = sorted(range(len(heads)), key=lambda index: len(heads[index]) + len(tails[index]))
    nats: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(order)
    for begin in range(0, len(order), batch):
        rows = order[begin : begin + batch]
        whole = [torch.cat((heads[index], tails[index])) for index in rows]
        tokens = torch.full((len(rows), max(map(len, whole)) - 1), asked.pad)
        targets = torch.full_like(tokens, IGNORE)
        for row, (index, ids) in enumerate(zip(rows, whole, strict=True)):
            tokens[row, : len(ids) - 1] = ids[:-1]
            targets[row, len(heads[index]) - 1 : len(ids) - 1] = tails[index]
        losses = token_nats(asked.model, tokens, targets, batch_size=batch, ignore_index=IGNORE)
        for row, index in enumerate(rows):
            begins = len(heads[index]) - 1
            nats[index] = losses[row, begins : begins + len(tails[index])].numpy()
    return nats
