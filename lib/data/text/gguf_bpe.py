"""The byte-pair encoding that a GGUF file carries among its fields: tokens, merges, kinds of token, how text is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lib.data.text.tokenizers import BPETokenizer

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import PreTokenizer

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
"""llama.cpp's kinds of token; the last two are found in a text before anything is merged."""


def _gpt2() -> PreTokenizer:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _smollm() -> PreTokenizer:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


PRE_TOKENIZERS: dict[str, Callable[[], PreTokenizer]] = {"gpt-2": _gpt2, "smollm": _smollm}
"""How a text is cut before merging, by llama.cpp's names. SmolLM's is GPT-2's with every digit for itself."""


def bpe_from_gguf(fields: Mapping[str, Any]) -> BPETokenizer:
    """The tokenizer of a GGUF file's `tokenizer.ggml.` fields.

    Raises ValueError for another kind than byte-level BPE, a way of cutting that is not in PRE_TOKENIZERS, a space or
    a token put before the text, or fields that do not fit together.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models

    values = {name.removeprefix("tokenizer.ggml."): value for name, value in fields.items()}
    _require(values, "model", ("gpt2",))
    _require(values, "pre", tuple(PRE_TOKENIZERS))
    for name in ("add_space_prefix", "add_bos_token", "add_eos_token"):
        _require({name: False} | values, name, (False,))
    tokens, kinds = values.get("tokens", []), values.get("token_type", [])
    merges = [tuple(merge.split(" ")) for merge in values.get("merges", [])]
    if not tokens or len(tokens) != len(kinds) or set(kinds) - {NORMAL, CONTROL, USER_DEFINED}:
        raise ValueError(
            f"tokenizer.ggml.token_type must be one of {NORMAL}, {CONTROL} and {USER_DEFINED} for each of "
            f"{len(tokens)} tokens, got {len(kinds)} of {sorted(set(kinds))}"
        )
    try:
        tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    except Exception as error:  # the bindings raise bare Exception
        raise ValueError(f"tokenizer.ggml.merges must join two of the tokens each: {error}") from None
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[values["pre"]]()
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, kinds, strict=True):
        if kind != NORMAL:
            tokenizer.add_tokens([AddedToken(token, special=kind == CONTROL, normalized=False)])
    return BPETokenizer(tokenizer)


def _require(values: Mapping[str, Any], name: str, allowed: tuple) -> None:
    if values.get(name) not in allowed:
        listed = " or ".join(map(repr, allowed))
        raise ValueError(f"tokenizer.ggml.{name} must be {listed}, got {values.get(name)!r}")
