"""The likelihood of given texts: of every token once, whatever stands beside it in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data import ByteTokenizer
from lib.evaluation import OurModel, continuation_nats
from lib.nn import TransformerConfig, TransformerLM

PROMPTS = ["a", "some longer prompt", "hello"]
TEXTS = [" world", "s", " you and me"]


@pytest.fixture(scope="module")
def asked() -> OurModel:
    torch.manual_seed(0)
    model = TransformerLM(TransformerConfig(256, 32, 2, 4, intermediate_size=64))
    return OurModel(model, ByteTokenizer())


def by_hand(asked: OurModel, prompt: str, text: str) -> list[float]:
    """Token by token, each with all before it."""
    nats = []
    for end in range(len(text)):
        before = torch.tensor([list((prompt + text[:end]).encode())])
        nats.append(-asked.model(before)[0, -1].log_softmax(-1)[ord(text[end])].item())
    return nats


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_each_token_costs_what_it_costs_alone(asked, batch):
    found = continuation_nats(asked, PROMPTS, TEXTS, batch=batch)
    for prompt, text, nats in zip(PROMPTS, TEXTS, found, strict=True):
        np.testing.assert_allclose(nats, by_hand(asked, prompt, text), rtol=1e-4)


def test_a_chat_model_is_asked_in_its_form(asked):
    chatting = OurModel(asked.model, asked.tokenizer, chat=lambda prompt: f"<{prompt}>")
    (nats,) = continuation_nats(chatting, ["hello"], ["ab"])
    np.testing.assert_allclose(nats, by_hand(asked, "<hello>", "ab"), rtol=1e-4)


def test_what_cannot_be_scored_is_refused(asked):
    with pytest.raises(ValueError, match=r"^continuations must be one for each of 2 prompts, got 1$"):
        continuation_nats(asked, ["a", "b"], ["c"])
    for prompts, texts in ((["a"], [""]), ([""], ["a"])):
        with pytest.raises(ValueError, match=r"^every prompt and every continuation must have at least one token$"):
            continuation_nats(asked, prompts, texts)
