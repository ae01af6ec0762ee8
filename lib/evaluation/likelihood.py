"""How likely a language model finds a given text behind a prompt: what it would say need not be sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.evaluation.completion import OurModel


def continuation_nats(
    asked: OurModel, prompts: Sequence[str], continuations: Sequence[str], *, batch: int = 4
) -> list[np.ndarray]:
    """-ln p of each token of each continuation, given its prompt and the continuation up to there; float32 arrays.

    Prompt and continuation are cut into tokens apart: let the continuation begin where a token does, on a new line or
    with the space before its first word. Raises ValueError where the counts differ or a text has no token.
    """
    nats: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(prompts)
    for index, ids, logits in _scored(asked, prompts, continuations, batch):
        nats[index] = F.cross_entropy(logits.float(), ids, reduction="none").cpu().numpy()
    return nats


def continuation_logits(
    asked: OurModel, prompts: Sequence[str], continuations: Sequence[str], *, batch: int = 4
) -> list[Float[Tensor, "tokens vocab"]]:
    """What the model says at the place of each token of each continuation, having read all before it; on the CPU.

    Cut into tokens as for `continuation_nats`, which needs less memory: this keeps 4 bytes a token and word of the
    vocabulary. Raises ValueError as it does.
    """
    found: list[Tensor] = [torch.empty(0)] * len(prompts)
    for index, _, logits in _scored(asked, prompts, continuations, batch):
        found[index] = logits.float().cpu()
    return found


@torch.no_grad()
def _scored(
    asked: OurModel, prompts: Sequence[str], continuations: Sequence[str], batch: int
) -> Iterator[tuple[int, Int[Tensor, " tokens"], Float[Tensor, "tokens vocab"]]]:
    """Index, tokens and logits of each continuation, from the shortest to the longest.

    `batch` rows of like length are read together, padded on the right where a causal model does not see it; what all
    prompts begin with is read once.
    """
    if len(prompts) != len(continuations):
        raise ValueError(f"continuations must be one for each of {len(prompts)} prompts, got {len(continuations)}")
    heads = [asked.encode(prompt) for prompt in prompts]
    tails = [torch.as_tensor(asked.tokenizer.encode(text), dtype=torch.long) for text in continuations]
    if any(len(part) == 0 for part in (*heads, *tails)):
        raise ValueError("every prompt and every continuation must have at least one token")
    device, shared = next(asked.model.parameters()).device, shared_length(heads)
    model = _behind(asked.model.eval(), heads[0][:shared].to(device)) if shared else asked.model.eval()
    rows = [torch.cat((head[shared:], tail)) for head, tail in zip(heads, tails, strict=True)]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    for begin in range(0, len(order), batch):
        chosen = order[begin : begin + batch]
        tokens = torch.full((len(chosen), len(rows[chosen[-1]]) - 1), asked.pad)  # the last token predicts nothing
        for place, index in enumerate(chosen):
            tokens[place, : len(rows[index]) - 1] = rows[index][:-1]
        for index, logits in zip(chosen, model(tokens.to(device)), strict=True):
            ids = tails[index].to(device)
            yield index, ids, logits[len(rows[index]) - 1 - len(ids) : len(rows[index]) - 1]


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
    """The model for rows that all go on behind `prefix`, which is read here, once, where states can be repeated."""
    states = model.new_states()
    if not all(hasattr(state, "repeated") for state in states):
        return lambda tokens: model(torch.cat((prefix.expand(len(tokens), -1), tokens), 1))[:, len(prefix) :]
    model(prefix[None], states, last_only=True)
    return lambda tokens: model(tokens, [state.repeated(len(tokens)) for state in states])
