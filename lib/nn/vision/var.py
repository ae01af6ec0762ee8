"""VAR (Tian et al., arXiv 2404.02905): a transformer that predicts an image scale by scale, each scale in one pass.

    p(r_1, ..., r_K) = prod_k p(r_k | r_1, ..., r_{k-1})

At scale k it sees the sum of the coarser scales' contributions, pooled to n_k x n_k, and gives the logits of all n_k^2
codes at once; within a scale every token attends to every other, and to all coarser scales. Classes enter by adaptive
layer norms. Parameter names are those of the released checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
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
from lib.nn.vision.quantizers import MultiScaleQuantizer
from lib.nn.weights import load_weights


class VAR(CodePredictor):
    """The model. Training: `forward(labels, quantizer.teacher_input(codes))`; sampling: `generate`."""

    def __init__(self, config: VARConfig):
        super().__init__()
        self.config = config
        dim, sides = config.hidden_size, config.patch_nums
        self.word_embed = nn.Linear(config.channels, dim)
        self.class_emb = ClassEmbedding(config.num_classes, dim, config.label_dropout)
        self.pos_start = nn.Parameter(torch.empty(1, sides[0] ** 2, dim))
        self.pos_1LC = nn.Parameter(torch.empty(1, config.length, dim))
        self.lvl_embed = nn.Embedding(len(sides), dim)
        levels = torch.cat([torch.full((side**2,), scale) for scale, side in enumerate(sides)])
        self.register_buffer("lvl_1L", levels[None].contiguous())
        hidden = levels[:, None] < levels[None]
        bias = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))
        self.register_buffer("attn_bias_for_masking", bias[None, None].contiguous())
        self.shared_ada_lin = SharedProjection(dim) if config.adaln and config.shared_adaln else nn.Identity()
        self.blocks = Blocks(config)
        self.head_nm, self.head = AdaptiveNorm(dim, config.adaln), nn.Linear(dim, config.vocab_size)
        initialize(self, config)

    @classmethod
    def from_checkpoint(cls, path: str | Path, config: VARConfig) -> VAR:
        """A released var_d16.pth and its like, read without pickle's code. See `VQVAE.from_checkpoint`."""
        model = cls(config)
        load_weights(model, path)
        return model.eval()

    def forward(
        self, labels: Int[Tensor, " batch"], teacher: Float[Tensor, "batch rest channels"]
    ) -> Float[Tensor, "batch length vocab"]:
        """Logits of all codes of all scales, coarse to fine; row i predicts the code at i itself."""
        condition = self.class_emb.with_dropout(labels)  # (batch, dim)
        rest = self.word_embed(teacher.to(self.word_embed.weight.dtype))  # (batch, rest, dim)
        x = torch.cat((self.start(condition), rest), 1)  # (batch, length, dim)
        x = x + self.lvl_embed(self.lvl_1L) + self.pos_1LC
        return self.run_blocks(x, condition, self.attn_bias_for_masking, None)

    def start(self, condition: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch first dim"]:
        """The rows of the first scale: the class, and a place."""
        return condition[:, None] + self.pos_start

    @torch.inference_mode()
    def generate(
        self,
        labels: Int[Tensor, " batch"],
        quantizer: MultiScaleQuantizer,
        sampling: Sampling | None = None,
        *,
        generator: torch.Generator | None = None,
        known: Sequence[Int[Tensor, "batch _rows"]] | None = None,
        keep: Sequence[Bool[Tensor, "batch _rows"]] | None = None,
    ) -> tuple[Float[Tensor, "batch channels side side"], list[Int[Tensor, "batch _rows"]]]:
        """Sample images scale by scale through the key-value cache: (f_hat, the codes of every scale).

        Draws as `sampling` says. With `known` codes and `keep` (True where a code is given), those codes replace what
        was sampled: in-painting and editing without training.
        """
        sampling, sides, begin = sampling or Sampling(), self.config.patch_nums, 0
        condition = self.class_emb.with_null(labels) if sampling.guided else self.class_emb(labels)
        caches = [KVCache() for _ in self.blocks]
        places = self.lvl_embed(self.lvl_1L) + self.pos_1LC  # (1, length, dim)
        f_hat = condition.new_zeros(len(labels), quantizer.channels, sides[-1], sides[-1])
        rows, chosen = self.start(condition), []
        for scale, side in enumerate(sides):
            end = begin + side**2
            logits = self.run_blocks(rows + places[:, begin:end], condition, None, caches)  # (rows, side^2, vocab)
            codes = sampling.pick(logits, scale / max(1, len(sides) - 1), generator)  # (batch, side^2)
            if known is not None and keep is not None:
                codes = torch.where(keep[scale].bool(), known[scale], codes)
            chosen.append(codes)
            contribution = quantizer.contribution(codes, scale)
            f_hat = contribution if not quantizer.residual else f_hat + contribution
            if scale + 1 < len(sides):
                rows = self.word_embed(quantizer.next_map(f_hat, scale + 1).to(self.word_embed.weight.dtype))
                rows = rows.repeat(2, 1, 1) if sampling.guided else rows
            begin = end
        return f_hat, chosen


def keep_masks(
    keep: Float[Tensor, "batch height width"], patch_nums: Sequence[int], *, force_coarsest: bool = False
) -> list[Bool[Tensor, "batch _rows"]]:
    """A full-resolution mask (1: given) at every scale: bilinear resize, then above one half.

    force_coarsest: maps of at most three codes count as given, the released demonstration's rule, which leaks: those
    codes were computed from the whole image, the hidden part included.
    """
    masks = []
    for side in patch_nums:
        low = F.interpolate(keep[:, None].float(), size=(side, side), mode="bilinear", align_corners=False)
        mask = low.flatten(1) > 0.5  # (batch, side^2)
        masks.append(torch.ones_like(mask) if force_coarsest and side * side <= 3 else mask)
    return masks
