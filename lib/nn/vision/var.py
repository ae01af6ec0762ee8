"""VAR (Tian et al., arXiv 2404.02905): a transformer that predicts an image scale by scale, each scale in one pass.

    p(r_1, ..., r_K) = prod_k p(r_k | r_1, ..., r_{k-1})

At scale k it sees the sum of the coarser scales' contributions, pooled to n_k x n_k, and gives the logits of all n_k^2
codes at once; within a scale every token attends to every other, and to all coarser scales. Classes enter by adaptive
layer norms. Parameter names are those of the released checkpoints. `TokenAR` is the token-by-token rival on the very
same blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.layers.attention import KVCache
from lib.nn.vision.quantizers import MultiScaleQuantizer
from lib.nn.vision.vqvae import load_weights


@dataclass(frozen=True)
class VARConfig:
    """Sizes; width 64 depth, `depth` heads and drop path 0.1 depth / 24 are the paper's rule.

    qk_norm: queries and keys of unit length with a learned temperature a head. shared_adaln: one projection of the
    class for all blocks (the 512-pixel model). adaln=False leaves the class out of the blocks (the paper's first row:
    a plain GPT-2; the class still is the start token). gamma_init scales what opens the residual branches.
    """

    depth: int
    num_classes: int
    patch_nums: tuple[int, ...]
    vocab_size: int
    channels: int
    width: int | None = None
    num_heads: int | None = None
    mlp_ratio: float = 4.0
    qk_norm: bool = True
    adaln: bool = True
    shared_adaln: bool = False
    label_dropout: float = 0.1
    drop_path: float = 0.0
    gamma_init: float = 1e-3

    @property
    def dim(self) -> int:
        return self.width or 64 * self.depth

    @property
    def heads(self) -> int:
        return self.num_heads or self.depth

    @property
    def length(self) -> int:
        return sum(side**2 for side in self.patch_nums)


@dataclass(frozen=True)
class Sampling:
    """How codes are drawn. Guidance: (1 + t) conditional - t unconditional logits, t rising from 0 at the first step to
    `guidance` at the last, or constant with ramp=False; top_k, top_p: see `filter_logits`; greedy takes the likeliest.
    """

    guidance: float = 0.0
    ramp: bool = True
    top_k: int = 0
    top_p: float = 0.0
    greedy: bool = False

    @property
    def guided(self) -> bool:
        """Whether the unconditional logits are needed: the second half of a doubled batch."""
        return self.guidance != 0

    def pick(
        self, logits: Float[Tensor, "rows tokens vocab"], progress: float, generator: torch.Generator | None = None
    ) -> Int[Tensor, "batch tokens"]:
        """One code a place, independently of each other; `progress` runs from 0 at the first step to 1 at the last."""
        if self.guided:
            logits = mix_guidance(logits, self.guidance * (progress if self.ramp else 1.0))
        if self.greedy:
            return logits.argmax(-1)
        probabilities = filter_logits(logits, self.top_k, self.top_p).softmax(-1)
        return torch.multinomial(probabilities.flatten(0, 1), 1, generator=generator).view(logits.shape[:2])


class _Attention(nn.Module):
    def __init__(self, config: VARConfig):
        super().__init__()
        dim, self.heads, self.qk_norm = config.dim, config.heads, config.qk_norm
        self.head_dim = dim // config.heads
        if self.qk_norm:
            self.scale_mul_1H11 = nn.Parameter(torch.full((1, config.heads, 1, 1), math.log(4.0)))
        self.mat_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("zero_k_bias", torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KVCache | None) -> Tensor:
        bias = torch.cat((self.q_bias, self.zero_k_bias, self.v_bias))
        projected = F.linear(x, self.mat_qkv.weight, bias).unflatten(-1, (3, self.heads, self.head_dim))
        q, k, v = (part.transpose(1, 2) for part in projected.unbind(2))
        scale = 0.25 / math.sqrt(self.head_dim)
        if self.qk_norm:
            temperature = self.scale_mul_1H11.clamp(max=math.log(100.0)).exp()
            q, k, scale = F.normalize(q, dim=-1) * temperature, F.normalize(k, dim=-1), 1.0
        if cache is not None:
            k, v = cache.append(k, v)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class _Block(nn.Module):
    """x += gamma_1 attn(norm(x)(1 + s_1) + b_1);  x += gamma_2 ffn(norm(x)(1 + s_2) + b_2)."""

    def __init__(self, config: VARConfig, drop_path: float):
        super().__init__()
        dim = config.dim
        self.attn, self.ffn = _Attention(config), _FeedForward(dim, round(dim * config.mlp_ratio))
        self.dim, self.drop_path, self.shared = dim, drop_path, config.shared_adaln
        self.adaln = config.adaln
        if config.adaln and config.shared_adaln:
            self.ada_gss = nn.Parameter(torch.randn(1, 1, 6, dim) / dim**0.5)
        elif config.adaln:
            self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None, cache: KVCache | None) -> Tensor:
        """`condition`: the class's embedding (batch, dim), or its shared projection (batch, 1, 6, dim)."""
        if not self.adaln:
            x = x + self._drop(self.attn(F.layer_norm(x, (self.dim,), eps=1e-6), mask, cache))
            return x + self._drop(self.ffn(F.layer_norm(x, (self.dim,), eps=1e-6)))
        six = self.ada_gss + condition if self.shared else self.ada_lin(condition).unflatten(-1, (1, 6, self.dim))
        gamma1, gamma2, scale1, scale2, shift1, shift2 = six.unbind(2)
        normed = F.layer_norm(x, (self.dim,), eps=1e-6) * (1 + scale1) + shift1
        x = x + self._drop(gamma1 * self.attn(normed, mask, cache))
        normed = F.layer_norm(x, (self.dim,), eps=1e-6) * (1 + scale2) + shift2
        return x + self._drop(gamma2 * self.ffn(normed))

    def _drop(self, branch: Tensor) -> Tensor:
        """Stochastic depth (arXiv 1603.09382): a whole branch of a sample is left out, the others are scaled up."""
        if not self.training or not self.drop_path:
            return branch
        keep = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop_path
        return branch * keep / (1 - self.drop_path)


class _Head(nn.Module):
    """Adaptive norm before the logits: (scale, shift) from the raw class embedding, in that order."""

    def __init__(self, dim: int, adaln: bool):
        super().__init__()
        self.dim, self.adaln = dim, adaln
        if adaln:
            self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        normed = F.layer_norm(x, (self.dim,), eps=1e-6)
        if not self.adaln:
            return normed
        scale, shift = self.ada_lin(condition)[:, None].chunk(2, dim=-1)
        return normed * (1 + scale) + shift


class _Conditioned(nn.Module):
    """What VAR and its token-by-token rival share: class embedding, blocks, head, start values."""

    def __init__(self, config: VARConfig):
        super().__init__()
        self.config = config

    def _build(self) -> None:
        """Class embedding, blocks and head; the subclass has made its own parts before."""
        config, dim = self.config, self.config.dim
        rates = [config.drop_path * block / max(1, config.depth - 1) for block in range(config.depth)]
        if config.adaln and config.shared_adaln:
            self.shared_ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList([_Block(config, rate) for rate in rates])
        self.head_nm, self.head = _Head(dim, config.adaln), nn.Linear(dim, config.vocab_size)

    def reset_parameters(self) -> None:
        """Truncated normals of std (3 w)^-1/2, biases 0; branches shrunk by (2 depth)^-1/2, gates by gamma_init."""
        config, std = self.config, math.sqrt(1 / (3 * self.config.dim))
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("scale_mul_1H11") or name.endswith("ada_gss"):
                    continue
                if name.endswith("bias"):
                    parameter.zero_()
                else:
                    nn.init.trunc_normal_(parameter, std=std)
            self.head.weight.mul_(0.02)
            for block in self.blocks:
                block.attn.proj.weight.div_(math.sqrt(2 * config.depth))
                block.ffn.fc2.weight.div_(math.sqrt(2 * config.depth))
                if config.adaln and not config.shared_adaln:
                    block.ada_lin[1].weight[2 * config.dim :].mul_(0.5)
                    block.ada_lin[1].weight[: 2 * config.dim].mul_(config.gamma_init)
                elif config.adaln:
                    block.ada_gss[:, :, 2:].mul_(0.5)
                    block.ada_gss[:, :, :2].mul_(config.gamma_init)
            if config.adaln:
                self.head_nm.ada_lin[1].weight.mul_(0.5)

    def condition(self, labels: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """The class's embedding."""
        return self.class_emb(labels)

    def run_blocks(
        self,
        x: Float[Tensor, "batch rows dim"],
        condition: Float[Tensor, "batch dim"],
        mask: Tensor | None,
        caches: list[KVCache] | None,
    ) -> Float[Tensor, "batch rows vocab"]:
        """Logits of some rows, each of which sees those that `mask` allows and all that `caches` hold."""
        given = condition
        if self.config.adaln and self.config.shared_adaln:
            given = self.shared_ada_lin(condition).unflatten(-1, (1, 6, self.config.dim))
        for index, block in enumerate(self.blocks):
            x = block(x, given, mask, None if caches is None else caches[index])
        return self.head(self.head_nm(x, condition).float())

    def drop_labels(self, labels: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """In training, some labels become the null class, so that guidance has something to lead away from."""
        if not self.training or not self.config.label_dropout:
            return labels
        dropped = torch.rand(len(labels), device=labels.device) < self.config.label_dropout
        return torch.where(dropped, self.config.num_classes, labels)

    def _doubled(self, labels: Tensor) -> Tensor:
        return torch.cat((labels, torch.full_like(labels, self.config.num_classes)))


class VAR(_Conditioned):
    """The model. Training: `forward(labels, quantizer.teacher_input(codes))`; sampling: `generate`."""

    def __init__(self, config: VARConfig):
        super().__init__(config)
        dim, sides = config.dim, config.patch_nums
        self.word_embed = nn.Linear(config.channels, dim)
        self.class_emb = nn.Embedding(config.num_classes + 1, dim)
        self.pos_start = nn.Parameter(torch.empty(1, sides[0] ** 2, dim))
        self.pos_1LC = nn.Parameter(torch.empty(1, config.length, dim))
        self.lvl_embed = nn.Embedding(len(sides), dim)
        levels = torch.cat([torch.full((side**2,), scale) for scale, side in enumerate(sides)])
        self.register_buffer("lvl_1L", levels[None].contiguous())
        hidden = levels[:, None] < levels[None]
        bias = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))
        self.register_buffer("attn_bias_for_masking", bias[None, None].contiguous())
        self._build()
        self.reset_parameters()

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
        condition = self.condition(self.drop_labels(labels))
        start = self.start(condition)
        x = torch.cat((start, self.word_embed(teacher.float())), 1)
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
        known: Sequence[Int[Tensor, "batch tokens"]] | None = None,
        keep: Sequence[Bool[Tensor, "batch tokens"]] | None = None,
    ) -> tuple[Float[Tensor, "batch channels side side"], list[Int[Tensor, "batch tokens"]]]:
        """Sample images scale by scale through the key-value cache: (f_hat, the codes of every scale).

        Draws as `sampling` says. With `known` codes and `keep` (True where a code is given), those codes replace what
        was sampled: in-painting and editing without training.
        """
        sampling, sides, begin = sampling or Sampling(), self.config.patch_nums, 0
        condition = self.condition(self._doubled(labels) if sampling.guided else labels)
        caches = [KVCache() for _ in self.blocks]
        levels = self.lvl_embed(self.lvl_1L) + self.pos_1LC
        f_hat = condition.new_zeros(len(labels), quantizer.channels, sides[-1], sides[-1])
        rows, chosen = self.start(condition), []
        for scale, side in enumerate(sides):
            end = begin + side**2
            logits = self.run_blocks(rows + levels[:, begin:end], condition, None, caches)
            codes = sampling.pick(logits, scale / max(1, len(sides) - 1), generator)
            if known is not None and keep is not None:
                codes = torch.where(keep[scale], known[scale], codes)
            chosen.append(codes)
            contribution = quantizer.contribution(codes, scale)
            f_hat = contribution if not quantizer.residual else f_hat + contribution
            if scale + 1 < len(sides):
                rows = self.word_embed(quantizer.next_map(f_hat, scale + 1))
                rows = rows.repeat(2, 1, 1) if sampling.guided else rows
            begin = end
        return f_hat, chosen


class TokenAR(_Conditioned):
    """The rival: one code after the other, on the same blocks, with strictly causal attention.

    `length` codes in a row: the raster order of a single scale, or all scales' codes flattened. Codes enter by an
    embedding of their own.
    """

    def __init__(self, config: VARConfig, length: int):
        super().__init__(config)
        self.length = length
        self.class_emb = nn.Embedding(config.num_classes + 1, config.dim)
        self.embed_codes = nn.Embedding(config.vocab_size, config.dim)
        self.positions = nn.Parameter(torch.empty(1, length, config.dim))
        self._build()
        self.reset_parameters()

    def forward(
        self, labels: Int[Tensor, " batch"], codes: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length vocab"]:
        """Logits of every code from the class and the codes before it."""
        condition = self.condition(self.drop_labels(labels))
        x = torch.cat((condition[:, None], self.embed_codes(codes[:, :-1])), 1) + self.positions
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
        condition = self.condition(self._doubled(labels) if sampling.guided else labels)
        caches = [KVCache() for _ in self.blocks]
        row, chosen = condition[:, None], []
        for place in range(self.length):
            logits = self.run_blocks(row + self.positions[:, place : place + 1], condition, None, caches)
            code = sampling.pick(logits, place / max(1, self.length - 1), generator)
            if known is not None and keep is not None:
                code = torch.where(keep[:, place : place + 1], known[:, place : place + 1], code)
            chosen.append(code)
            row = self.embed_codes(code)
            row = row.repeat(2, 1, 1) if sampling.guided else row
        return torch.cat(chosen, 1)


def mix_guidance(logits: Float[Tensor, "twice tokens vocab"], weight: float) -> Float[Tensor, "batch tokens vocab"]:
    """(1 + t) conditional - t unconditional, the first and the second half of the batch."""
    conditional, unconditional = logits.chunk(2)
    return (1 + weight) * conditional - weight * unconditional


def filter_logits(logits: Float[Tensor, "... vocab"], top_k: int = 0, top_p: float = 0.0) -> Float[Tensor, "... vocab"]:
    """-inf outside the `top_k` largest (ties with the last of them stay), then outside the fewest that hold `top_p`.

    0 switches either off. The largest always stays.
    """
    if top_k > 0:
        least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p > 0:
        ordered, places = logits.sort(dim=-1)
        outside = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
        outside[..., -1] = False
        logits = logits.masked_fill(outside.scatter(-1, places, outside), float("-inf"))
    return logits


def keep_masks(
    keep: Float[Tensor, "batch height width"], patch_nums: Sequence[int], *, force_coarsest: bool = False
) -> list[Bool[Tensor, "batch tokens"]]:
    """A full-resolution mask (1: given) at every scale: bilinear resize, then above one half.

    force_coarsest: maps of at most three codes count as given, the released demonstration's rule, which leaks: those
    codes were computed from the whole image, the hidden part included.
    """
    masks = []
    for side in patch_nums:
        low = F.interpolate(keep[:, None].float(), size=(side, side), mode="bilinear", align_corners=False)
        mask = low.flatten(1) > 0.5
        masks.append(torch.ones_like(mask) if force_coarsest and side * side <= 3 else mask)
    return masks
