"""One way to ask for vectors of texts: `embed(texts) -> (texts, dim)`, rows of length one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from lib.data.text.word_pieces import WordPieces
from lib.nn.language.encoder import TextEncoder


class Embedder(Protocol):
    """Whatever turns texts into vectors of length one, so that a dot product is a cosine."""

    name: str

    def embed(self, texts: Sequence[str]) -> np.ndarray: ...


class OurEmbedder:
    """One of our encoders with its tokenizer, `batch` texts of like length at a time."""

    def __init__(self, model: TextEncoder, tokenizer: WordPieces, *, batch: int = 32, name: str = "ours"):
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch = batch
        self.name = name

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, (len(texts), dim). Raises ValueError for one text instead of several, or none."""
        if isinstance(texts, str) or not len(texts):
            raise ValueError(f"texts must be a sequence of at least one text, got {texts!r}")
        device = next(self.model.parameters()).device
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # little padding in each batch
        vectors = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for begin in range(0, len(order), self.batch):
            rows = order[begin : begin + self.batch]
            ids, mask = self.tokenizer.encode([texts[index] for index in rows])
            embedded = self.model.embed(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            vectors[rows] = embedded.float().cpu().numpy()
        return vectors
