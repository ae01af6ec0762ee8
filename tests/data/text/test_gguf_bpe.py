"""A tokenizer from GGUF's fields: the byte-level merges, digits one by one, marks found before anything is merged."""

from __future__ import annotations

import json

import pytest
import regex

from lib.data import BPETokenizer, bpe_from_gguf
from lib.data.text.gguf_bpe import CONTROL, NORMAL, PRE_TOKENIZERS

TEXT = "Hello 1234 world's 3.5 naïve  日本 ½²\n\n  def f(x):\n\treturn x12"


def fields(**changes) -> dict:
    """The fields of a tokenizer of ours, trained on a text, with a mark at 0 as released models have."""
    trained = BPETokenizer.train([TEXT] * 3, 300)
    state = json.loads(trained._tokenizer.to_str())["model"]
    tokens = ["<|end|>", *sorted(state["vocab"], key=state["vocab"].get)]
    values = {
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": tokens,
        "token_type": [CONTROL] + [NORMAL] * (len(tokens) - 1),
        "merges": [" ".join(merge) for merge in state["merges"]],
    }
    return {f"tokenizer.ggml.{name}": value for name, value in (values | changes).items()}


def test_the_same_merges_give_the_same_tokens_one_number_on():
    trained = BPETokenizer.train([TEXT] * 3, 300)
    read = bpe_from_gguf(fields())
    assert read.encode(TEXT).tolist() == (trained.encode(TEXT) + 1).tolist()
    assert read.decode(read.encode(TEXT)) == TEXT and read.vocab_size == trained.vocab_size + 1


def test_a_mark_is_one_token_wherever_it_stands():
    read = bpe_from_gguf(fields())
    assert (read.encode("Hello<|end|> world<|end|>") == 0).sum() == 2
    assert read.decode([0]) == "<|end|>"


def test_smollm_cuts_as_llama_cpp_does():
    """Its two expressions, one after the other: every sign of category N for itself, then GPT-2's."""
    gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    cut = PRE_TOKENIZERS["smollm"]()
    for text in (TEXT, " 12 ³4", "a1b2  3\n\n4", "½ Ⅳ 四 ١٢"):
        parts = [part for piece in regex.split(r"(\p{N})", text) for part in regex.findall(gpt2, piece)]
        assert [text[begin:end] for _, (begin, end) in cut.pre_tokenize_str(text)] == parts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "llama"}, "^tokenizer.ggml.model must be 'gpt2', got 'llama'$"),
        ({"pre": "qwen2"}, "^tokenizer.ggml.pre must be 'gpt-2' or 'smollm', got 'qwen2'$"),
        ({"add_bos_token": True}, "^tokenizer.ggml.add_bos_token must be False, got True$"),
        ({"add_space_prefix": True}, "^tokenizer.ggml.add_space_prefix must be False, got True$"),
        (
            {"token_type": [NORMAL]},
            r"^tokenizer.ggml.token_type must be one of 1, 3 and 4 for each of \d+ tokens, got",
        ),
        ({"merges": ["no such"]}, "^tokenizer.ggml.merges must join two of the tokens each: "),
        ({"merges": ["a"]}, "^tokenizer.ggml.merges must join two of the tokens each: "),
    ],
)
def test_fields_that_it_cannot_follow_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        bpe_from_gguf(fields(**changes))


def test_fields_without_a_tokenizer_are_refused():
    with pytest.raises(ValueError, match=r"^tokenizer.ggml.model must be 'gpt2', got None$"):
        bpe_from_gguf({"general.architecture": "llama"})
