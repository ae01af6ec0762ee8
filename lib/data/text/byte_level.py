"""Is a tokenizer of Hugging Face's byte-level byte-pair encoding? A tokenizer.json may hold anything, so it is asked.

GPT-2 writes every byte as one printable character, merges those, and turns them back: nothing is lost and nothing is
unknown. What a file adds to that (a normalizer, a space before the text, SentencePiece's marks) loses something.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tokenizers

LOSSLESS_CUTS = ("Digits", "Split", "ByteLevel")
"""Pre-tokenizers that only cut; of a Split this holds unless it removes what it finds."""
NEVER = frozenset((0xC0, 0xC1, *range(0xF5, 0x100)))
"""Bytes that no text in UTF-8 holds."""


@cache
def byte_of_character() -> dict[str, int]:
    """GPT-2's printable character of each byte: printable bytes stand for themselves, the others from 256 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(rest)}


def check_byte_level(tokenizer: tokenizers.Tokenizer) -> None:
    """Raise ValueError, which names the part, unless the tokenizer is byte-level BPE that loses nothing."""
    parts = json.loads(tokenizer.to_str())
    model, cuts = parts["model"], _in_a_row(parts["pre_tokenizer"], "pretokenizers")
    if model["type"] != "BPE" or model.get("byte_fallback"):
        kind = model["type"] + (" with byte fallback, as SentencePiece's" if model.get("byte_fallback") else "")
        raise ValueError(f"model must be byte-level BPE, got {kind}")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise ValueError(f"{name} of the BPE must not be set, got {model[name]!r}")
    if found := _in_a_row(parts["normalizer"], "normalizers"):
        raise ValueError(f"normalizer must be none, since it changes the text, got {found[0]['type']}")
    kinds = [cut["type"] for cut in cuts]
    if "ByteLevel" not in kinds or not set(kinds) <= set(LOSSLESS_CUTS):
        raise ValueError(f"pre_tokenizer must be byte-level, got {', '.join(kinds) or 'none'}")
    for cut in cuts:
        if cut.get("add_prefix_space") or cut.get("behavior") == "Removed":
            what = "put a space before the text" if cut.get("add_prefix_space") else "remove parts of the text"
            raise ValueError(f"pre_tokenizer must not {what}, its {cut['type']} does")
    if [part["type"] for part in _in_a_row(parts["decoder"], "decoders")] != ["ByteLevel"]:
        raise ValueError("decoder must be byte-level, as the pre_tokenizer is")
    for number, token in tokenizer.get_added_tokens_decoder().items():
        if token.lstrip or token.rstrip:
            raise ValueError(f"added tokens must not take the spaces beside them, {token.content!r} does")
        if tokenizer.decode([number], skip_special_tokens=False) != token.content:
            raise ValueError(f"added tokens must be decoded to themselves, {token.content!r} is not")


def token_bytes(tokenizer: tokenizers.Tokenizer) -> list[bytes]:
    """The bytes of each token. An added one stands in a text as it is, any other in GPT-2's characters."""
    byte_of = byte_of_character()
    texts = [b""] * tokenizer.get_vocab_size()
    added = tokenizer.get_added_tokens_decoder()
    for token, number in tokenizer.get_vocab().items():
        if number in added:
            texts[number] = token.encode("utf-8")
        elif strange := sorted(set(token) - byte_of.keys()):
            raise ValueError(f"tokens must be written in GPT-2's characters for bytes, {token!r} holds {strange[0]!r}")
        else:
            texts[number] = bytes(byte_of[character] for character in token)
    return texts


def _in_a_row(part: dict[str, Any] | None, members: str) -> list[dict[str, Any]]:
    """The parts of a Sequence, or the one part, or none."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [inner for member in part[members] for inner in _in_a_row(member, members)]
