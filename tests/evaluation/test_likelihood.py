"""The likelihood of given texts: of every token once, whatever stands beside it in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data import ByteTokenizer
from lib.evaluation import OurModel, continuation_logits, continuation_nats
from lib.evaluation.likelihood import shared_length
from lib.nn import KVCache, TransformerConfig, TransformerLM

PROMPTS = ["a", "some longer prompt", "hello"]
TEXTS = [" world", "s", " you and me"]


@pytest.fixture
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


@pytest.mark.parametrize("states_repeat", [True, False])
def test_what_all_prompts_begin_with_changes_nothing(asked, states_repeat, monkeypatch):
    if not states_repeat:
        monkeypatch.delattr(KVCache, "repeated")
    prompts = [f"the same beginning {end}" for end in ("", "a", "and b")]
    seen = []
    asked.model.register_forward_pre_hook(lambda model, inputs: seen.append(inputs[0].shape))
    found = continuation_nats(asked, prompts, TEXTS, batch=2)
    if states_repeat:
        assert seen[0] == (1, len("the same beginning ") - 1) and max(shape[1] for shape in seen[1:]) < 20
    for prompt, text, nats in zip(prompts, TEXTS, found, strict=True):
        np.testing.assert_allclose(nats, by_hand(asked, prompt, text), rtol=1e-4)


def test_a_prompt_that_is_the_others_beginning_keeps_its_last_token():
    heads = [torch.tensor(ids) for ids in ([1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 5])]
    assert shared_length(heads) == 2 and shared_length(heads[:1]) == 0 and shared_length([heads[0][:1]] * 2) == 0
    assert shared_length([torch.tensor([1, 2, 9, 4]), torch.tensor([1, 3, 9, 4])]) == 1


def test_logits_give_the_same_nats(asked):
    found = continuation_nats(asked, PROMPTS, TEXTS)
    for text, nats, logits in zip(TEXTS, found, continuation_logits(asked, PROMPTS, TEXTS, batch=2), strict=True):
        assert logits.shape == (len(text), 256)
        right = logits.log_softmax(-1).gather(1, torch.tensor(list(text.encode()))[:, None])[:, 0]
        np.testing.assert_allclose(-right, nats, rtol=1e-4)


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
