"""The token-by-token rival of VAR on the very same blocks: p(c_1, ..., c_L) = prod_i p(c_i | c_1, ..., c_{i-1})."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.layers.caches import KVCache
from lib.nn.vision.conditional_blocks import (
    AdaptiveNorm,
    Blocks,
    ClassEmbedding,
    CodePredictor,
    SharedProjection,
    VARConfig,
    initialize,
)
from lib.nn.vision.guidance import Sampling


class TokenAR(CodePredictor):
    """One code after the other, on VAR's blocks, with strictly causal attention.

    `length` codes in a row: the raster order of a single scale, or all scales' codes flattened. Codes enter by an
    embedding of their own.
    """

    def __init__(self, config: VARConfig, length: int):
        super().__init__()
        self.config, self.length = config, length
        dim = config.hidden_size
        self.class_emb = ClassEmbedding(config.num_classes, dim, config.label_dropout)
        self.embed_codes = nn.Embedding(config.vocab_size, dim)
        self.positions = nn.Parameter(torch.empty(1, length, dim))
        self.shared_ada_lin = SharedProjection(dim) if config.adaln and config.shared_adaln else nn.Identity()
        self.blocks = Blocks(config)
        self.head_nm, self.head = AdaptiveNorm(dim, config.adaln), nn.Linear(dim, config.vocab_size)
        initialize(self, config)

    def forward(
        self, labels: Int[Tensor, " batch"], codes: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length vocab"]:
        """Logits of every code from the class and the codes before it."""
        condition = self.class_emb.with_dropout(labels)  # (batch, dim)
        x = torch.cat((condition[:, None], self.embed_codes(codes[:, :-1])), 1) + self.positions  # (batch, length, dim)
        mask = torch.ones(self.length, self.length, dtype=torch.bool, device=x.device).tril()
        return self.run_blocks(x, condition, mask, None)

    @torch.inference_mode()
    def generate(
        self,
        labels: Int[Tensor, " batch"],
        sampling: Sampling | None = None,
        *,
        generator: torch.Generator | None = None,
        known: Int[Tensor, "batch length"] | None = None,
        keep: Bool[Tensor, "batch length"] | None = None,
    ) -> Int[Tensor, "batch length"]:
        """Sample code by code through the key-value cache; arguments as `VAR.generate`'s."""
        sampling = sampling or Sampling()
        condition = self.class_emb.with_null(labels) if sampling.guided else self.class_emb(labels)
        caches = [KVCache() for _ in self.blocks]
        row, chosen = condition[:, None], []  # (rows, 1, dim)
        for place in range(self.length):
            logits = self.run_blocks(row + self.positions[:, place : place + 1], condition, None, caches)
            code = sampling.pick(logits, place / max(1, self.length - 1), generator)  # (batch, 1)
            if known is not None and keep is not None:
                code = torch.where(keep[:, place : place + 1].bool(), known[:, place : place + 1], code)
            chosen.append(code)
            row = self.embed_codes(code)
            row = row.repeat(2, 1, 1) if sampling.guided else row
        return torch.cat(chosen, 1)
