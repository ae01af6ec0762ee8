"""How likely a language model finds a given text behind a prompt: what it would say need not be sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.evaluation.completion import OurModel
from lib.evaluation.language import token_nats

IGNORE = -100


@torch.no_grad()
def continuation_nats(
    asked: OurModel, prompts: Sequence[str], continuations: Sequence[str], *, batch: int = 4
) -> list[np.ndarray]:
    """-ln p of each token of each continuation, given its prompt and the continuation up to there; float32 arrays.

    Prompt and continuation are cut into tokens apart: let the continuation begin where a token does, on a new line or
    with the space before its first word. What all prompts begin with is read once, where the model's states can be
    repeated. `batch` rows of like length are read together, padded on the right where a causal model does not see it;
    their logits, (batch, length, vocabulary) in float32, set the memory.
    Raises ValueError where the counts differ or a text has no token.
    """
    if len(prompts) != len(continuations):
        raise ValueError(f"continuations must be one for each of {len(prompts)} prompts, got {len(continuations)}")
    heads = [asked.encode(prompt) for prompt in prompts]
    tails = [torch.as_tensor(asked.tokenizer.encode(text), dtype=torch.long) for text in continuations]
    if any(len(part) == 0 for part in (*heads, *tails)):
        raise ValueError("every prompt and every continuation must have at least one token")
    device = next(asked.model.parameters()).device
    shared = shared_length(heads)
    model = _behind(asked.model.eval(), heads[0][:shared].to(device)) if shared else asked.model.eval()
    heads = [head[shared:] for head in heads]
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
        losses = token_nats(model, tokens, targets, batch_size=batch, ignore_index=IGNORE, device=device)
        for row, index in enumerate(rows):
            first = len(heads[index]) - 1
            nats[index] = losses[row, first : first + len(tails[index])].numpy()
    return nats


def shared_length(heads: Sequence[Int[Tensor, " length"]]) -> int:
    """How many tokens all begin with, one of each left over: the next one is predicted from it."""
    shortest = min((len(head) for head in heads), default=1) - 1
    if len(heads) < 2 or shortest < 1:
        return 0
    first = torch.stack([head[:shortest] for head in heads])  # (heads, shortest)
    return int((first == first[0]).all(0).long().cumprod(0).sum())


def _behind(
    model: nn.Module, prefix: Int[Tensor, " length"]
) -> Callable[[Int[Tensor, "batch rest"]], Float[Tensor, "batch rest vocab"]]:
    """The model for rows that all go on behind `prefix`, which is read here, once."""
    states = model.new_states()
    if not all(hasattr(state, "repeated") for state in states):
        return lambda tokens: model(torch.cat((prefix.expand(len(tokens), -1), tokens), 1))[:, len(prefix) :]
    model(prefix[None], states, last_only=True)
    return lambda tokens: model(tokens, [state.repeated(len(tokens)) for state in states])
