"""Released models in our own families against transformers with the same weights: numbers, tokens, greedy text."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib.data import ChatML
from lib.evaluation import Decoding, continuation_nats
from lib.workbench.real import RELEASED, real_model, weights_file

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("real models")]  # one process loads them
CPU = torch.device("cpu")
PROMPTS = [
    "The capital of France is",
    "Question: What is 12 + 30?\nAnswer:",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "Naïve café, 3.5 €: „schön“ — 日本語",
]
TEXTS = ["A cat sits on the mat.", "A kitten lies on a rug.", "Interest rates rose again on Tuesday.", "Café №5"]


@pytest.fixture(scope="module")
def ours():
    return real_model("smollm2", CPU)


@pytest.fixture(scope="module")
def theirs():
    """transformers' own reading of the same file, with its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = weights_file(RELEASED["smollm2"])
    how = {"gguf_file": path.name}
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **how).eval()
    return model, AutoTokenizer.from_pretrained(path.parent, **how)


def test_tokens_are_those_of_transformers(ours, theirs):
    for text in (*PROMPTS, "<|im_start|>user\nHi<|im_end|>\n", "  two  spaces\n\n\n\tand tabs", "x = 1234567"):
        assert ours.tokenizer.encode(text).tolist() == theirs[1](text, add_special_tokens=False).input_ids
        assert ours.tokenizer.decode(ours.tokenizer.encode(text)) == text


@torch.inference_mode()
def test_logits_are_those_of_transformers(ours, theirs):
    for prompt in PROMPTS:
        tokens = ours.encode(prompt)[None]
        torch.testing.assert_close(ours.model(tokens), theirs[0](tokens).logits, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_greedy_text_is_that_of_transformers(ours, theirs):
    how = Decoding(max_new_tokens=12)
    written = ours.complete(PROMPTS, how)
    assert written[0].startswith(" Paris")
    for prompt, text in zip(PROMPTS, written, strict=True):
        tokens = ours.encode(prompt)[None]
        out = theirs[0].generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=12, do_sample=False, eos_token_id=ours.eos
        )
        assert text == theirs[1].decode(out[0, tokens.shape[1] :], skip_special_tokens=True)


def test_the_true_capital_is_likelier_than_another(ours):
    paris, london = continuation_nats(ours, PROMPTS[:1] * 2, [" Paris", " London"])
    assert paris.sum() + 2 < london.sum()


def test_a_chat_is_what_its_own_template_writes(theirs):
    message = [{"role": "user", "content": "What is 2 + 2?"}]
    expected = theirs[1].apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    assert "named SmolLM" in expected
    assert ChatML.from_template(theirs[1].chat_template)("What is 2 + 2?") == expected


def test_embeddings_are_those_of_transformers():
    """As sentence-transformers does: BertModel, the mean over real tokens, length one."""
    from transformers import AutoTokenizer, BertModel

    folder, ours = weights_file(RELEASED["minilm"]).parent, real_model("minilm", CPU)
    model, tokenizer = BertModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert np.array_equal(ours.tokenizer.encode(TEXTS)[0], batch["input_ids"].numpy())
    with torch.no_grad():
        states, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    vectors = ours.embed(TEXTS)
    np.testing.assert_allclose(vectors, expected.numpy(), atol=1e-4)
    assert vectors[0] @ vectors[1] > 0.4 > vectors[0] @ vectors[2] + 0.2
