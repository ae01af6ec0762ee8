"""Language models by bits per byte, beside baselines that anybody can run: a byte bigram, gzip, lzma."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.evaluation.ngram import NGram

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, compresslevel=9, mtime=0),
    "lzma": lambda data: lzma.compress(data, preset=6 | lzma.PRESET_EXTREME),
}


def bits_per_byte(nats: float, num_bytes: float) -> float:
    """nats / (ln 2 * bytes), in totals, or in means per token: a loss of 2.1 nats at 3.2 bytes per token.

    The one figure that can be compared between tokenizers. Raises ValueError unless `num_bytes` is positive.
    """
    if not num_bytes > 0:
        raise ValueError(f"num_bytes must be positive, got {num_bytes}")
    return nats / (math.log(2) * num_bytes)


@dataclass(frozen=True)
class LanguageScore:
    """What a text cost a model: total nats over `tokens` scored tokens, which stand for `num_bytes` bytes."""

    nats: float
    tokens: int
    num_bytes: int

    @property
    def loss(self) -> float:
        """Mean nats per token."""
        return self.nats / self.tokens

    @property
    def bits_per_byte(self) -> float:
        return bits_per_byte(self.nats, self.num_bytes)


@torch.no_grad()
def token_nats(
    model: Callable[..., Float[Tensor, "batch length vocab"]],
    tokens: np.ndarray | Tensor | tuple[np.ndarray | Tensor, ...],
    targets: np.ndarray | Int[Tensor, "rows length"],
    *,
    batch_size: int = 64,
    ignore_index: int = -100,
    device: str | torch.device | None = None,
) -> Float[Tensor, "rows length"]:
    """-ln p(target) at every place, on the CPU, in chunks of `batch_size` rows and without gradients.

    `tokens` is what the model is called with: an array with rows first, or a tuple of them for several arguments. A
    target that is `ignore_index` costs exactly 0, whatever the model says there, so a mean divides by the count of
    the others. Elsewhere nothing is hidden: inf is a target that the model excludes, nan a model that is broken.
    Computed in at least float32. A model that is a module is put in eval mode and back, and gives the device.
    Raises ValueError when the shapes do not fit.
    """
    inputs = tuple(map(torch.as_tensor, tokens if isinstance(tokens, tuple) else (tokens,)))
    targets = torch.as_tensor(targets, dtype=torch.long)
    if targets.ndim != 2 or any(len(part) != len(targets) for part in inputs):
        counts = ", ".join(str(len(part)) for part in inputs)
        raise ValueError(
            f"targets must be (rows, length) with the rows of tokens, got {tuple(targets.shape)} for {counts} rows"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if device is None:
        device = next((p.device for p in model.parameters()), None) if isinstance(model, nn.Module) else None
    chunks = [torch.zeros(0, targets.shape[1])]
    with _evaluating(model):
        for begin in range(0, len(targets), batch_size):
            rows = slice(begin, begin + batch_size)
            logits = model(*(part[rows].to(device) for part in inputs))
            chunks.append(_nats(logits, targets[rows].to(logits.device), ignore_index).cpu())
    return torch.cat(chunks[1:] or chunks)


def _nats(logits: Tensor, targets: Int[Tensor, "batch length"], ignore_index: int) -> Float[Tensor, "batch length"]:
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"model must give logits of {tuple(targets.shape)} and the vocabulary, got {tuple(logits.shape)}"
        )
    flat = logits.flatten(0, 1).to(torch.promote_types(logits.dtype, torch.float32))
    losses = F.cross_entropy(flat, targets.flatten(), ignore_index=ignore_index, reduction="none")
    return losses.view(targets.shape)


@contextlib.contextmanager
def _evaluating(model: object) -> Iterator[None]:
    """Inside, a module is in eval mode; afterwards in the mode it had."""
    training = isinstance(model, nn.Module) and model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()


def evaluate_language_model(
    model: Callable[[Int[Tensor, "batch window"]], Float[Tensor, "batch window vocab"]],
    tokens: np.ndarray | Int[Tensor, " length"],
    *,
    window: int,
    overlap: int | None = None,
    batch_size: int = 16,
    byte_lengths: np.ndarray | None = None,
    device: str | torch.device | None = None,
) -> LanguageScore:
    """Score every token of a text once, except the first, which has no context.

    Windows of `window` tokens overlap by `overlap` (half a window when None): from the second window on, the first
    `overlap` predictions are context and do not count, so every counted token sees at least `overlap` tokens before
    it. The last window is moved back to end with the text. `byte_lengths` is the tokenizer's table of bytes per
    token; None stands for one byte each. The model is asked as in `token_nats`.
    Raises ValueError when the text has fewer than two tokens or an argument is out of range.
    """
    ids = torch.as_tensor(tokens, dtype=torch.long)
    if ids.ndim != 1 or len(ids) < 2:
        raise ValueError(f"tokens must be one text of at least 2 tokens, got shape {tuple(ids.shape)}")
    overlap = window // 2 if overlap is None else overlap
    if window < 1 or not 0 <= overlap < window:
        raise ValueError(f"window must be at least 1 and overlap in 0..window - 1, got {window} and {overlap}")
    window = min(window, len(ids) - 1)
    starts, firsts = map(torch.tensor, _windows(len(ids) - 1, window, min(overlap, window - 1)))
    inputs, targets = ids[:-1].unfold(0, window, 1)[starts], ids[1:].unfold(0, window, 1)[starts]
    losses = token_nats(model, inputs, targets, batch_size=batch_size, device=device).double()
    counted = torch.arange(window) >= firsts[:, None]
    parts = zip(losses.split(batch_size), counted.split(batch_size), strict=True)
    nats = sum(part[scored].sum().item() for part, scored in parts)
    text = ids[1:].cpu().numpy()
    num_bytes = len(text) if byte_lengths is None else int(np.asarray(byte_lengths)[text].sum())
    return LanguageScore(nats, len(text), num_bytes)


def _windows(positions: int, window: int, overlap: int) -> tuple[list[int], list[int]]:
    """Start of each window, and the index in it of the first prediction that counts."""
    starts, firsts, done = [], [], 0
    while done < positions:
        start = max(0, min(done - overlap, positions - window))
        starts.append(start)
        firsts.append(done - start)
        done = start + window
    return starts, firsts


def bigram_bits_per_byte(train: str | bytes, text: str | bytes) -> float:
    """Bits per byte of `text`, its first byte given, under a byte bigram counted on `train` (Witten-Bell 1991).

        p(b | a) = (count(ab) + T(a) p(b)) / (count(a) + T(a)),  p(b) = (count(b) + T / 256) / (count + T)

    T(a) is how many different bytes were seen after a, T how many at all: interpolation without a free parameter, so
    nothing is fitted to `text`. Raises ValueError when either text has fewer than two bytes.
    """
    train, text = _as_bytes(train), _as_bytes(text)
    for name, data in (("train", train), ("text", text)):
        if len(data) < 2:
            raise ValueError(f"{name} must hold at least 2 bytes, got {len(data)}")
    seen, asked = (np.frombuffer(data, dtype=np.uint8) for data in (train, text))
    return float(NGram([seen], 256, order=2).nats([asked])[1, 1:].mean() / math.log(2))


def compression_bits_per_byte(text: str | bytes, method: str = "lzma", prime: str | bytes = b"") -> float:
    """Bits per byte that a compressor needs for `text`.

    With `prime`, what is counted is the growth of the compressed file when `text` is put behind the training text:
    8 (len(C(prime + text)) - len(C(prime))) / len(text). gzip looks back 32 KB and sees the end of `prime` only;
    lzma looks back 8 MiB. Without `prime`, the file's own header counts too.
    Raises ValueError for an unknown method or an empty text.
    """
    if method not in COMPRESSORS:
        raise ValueError(f"method must be one of {', '.join(COMPRESSORS)}, got {method!r}")
    text, prime = _as_bytes(text), _as_bytes(prime)
    if not text:
        raise ValueError("text must not be empty")
    compress = COMPRESSORS[method]
    size = len(compress(prime + text)) - (len(compress(prime)) if prime else 0)
    return 8 * size / len(text)


def language_baselines(train: str | bytes, text: str | bytes) -> dict[str, float]:
    """Bits per byte of `text` for every baseline, under a name that says what it has seen."""
    table = {"byte bigram counted on the training text": bigram_bits_per_byte(train, text)}
    for method in COMPRESSORS:
        table[f"{method} of the text alone"] = compression_bits_per_byte(text, method)
        table[f"{method} of the text behind the training text"] = compression_bits_per_byte(text, method, train)
    return table


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else bytes(text)
