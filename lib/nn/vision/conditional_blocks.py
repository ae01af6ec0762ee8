"""The parts of VAR and its rival: class embedding, transformer blocks with adaptive layer norms, head, start values.

    x += gamma_1 attention(norm(x) (1 + s_1) + b_1);  x += gamma_2 ffn(norm(x) (1 + s_2) + b_2)

gamma, s and b are linear in the class's embedding (Peebles & Xie, DiT, arXiv 2212.09748). Parameter names are those of
VAR's released checkpoints (arXiv 2404.02905).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.nn.layers.caches import KVCache


@dataclass(frozen=True)
class VARConfig:
    """Sizes. hidden_size is 64 num_hidden_layers unless given, and there are as many heads as layers unless told.

    Both are the paper's rule, as is a drop path of 0.1 num_hidden_layers / 24.
    qk_norm: queries and keys of unit length with a learned temperature a head. shared_adaln: one projection of the
    class for all blocks (the 512-pixel model). adaln=False leaves the class out of the blocks (the paper's first row:
    a plain GPT-2; the class still is the start token). gamma_init scales what opens the residual branches.
    Raises ValueError for a hidden_size that the heads do not divide.
    """

    num_hidden_layers: int
    num_classes: int
    patch_nums: tuple[int, ...]
    vocab_size: int
    channels: int
    hidden_size: int | None = None
    num_attention_heads: int | None = None
    mlp_ratio: float = 4.0
    qk_norm: bool = True
    adaln: bool = True
    shared_adaln: bool = False
    label_dropout: float = 0.1
    drop_path: float = 0.0
    gamma_init: float = 1e-3

    def __post_init__(self):
        object.__setattr__(self, "patch_nums", tuple(self.patch_nums))
        object.__setattr__(self, "hidden_size", self.hidden_size or 64 * self.num_hidden_layers)
        object.__setattr__(self, "num_attention_heads", self.num_attention_heads or self.num_hidden_layers)
        if self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise ValueError(f"hidden_size must be a multiple of num_attention_heads ({heads}), got {self.hidden_size}")

    @property
    def length(self) -> int:
        """Codes of an image, over all scales."""
        return sum(side**2 for side in self.patch_nums)


class ClassEmbedding(nn.Embedding):
    """A vector for each class, and a last one for the null class, which says nothing."""

    def __init__(self, num_classes: int, dim: int, dropout: float):
        super().__init__(num_classes + 1, dim)
        self.null, self.dropout = num_classes, dropout

    def with_dropout(self, labels: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """In training, some labels become the null class, so that guidance has something to lead away from."""
        if self.training and self.dropout:
            dropped = torch.rand(len(labels), device=labels.device) < self.dropout
            labels = torch.where(dropped, self.null, labels)
        return self(labels)

    def with_null(self, labels: Int[Tensor, " batch"]) -> Float[Tensor, "twice dim"]:
        """The classes, then as often the null class: what guided sampling needs."""
        return self(torch.cat((labels, torch.full_like(labels, self.null))))


class ConditionalAttention(nn.Module):
    """softmax(q k^T / (4 sqrt(d))) v, or with `qk_norm` softmax(t q k^T / (|q| |k|)) v, t <= 100 learned a head."""

    def __init__(self, config: VARConfig):
        super().__init__()
        dim, self.heads, self.qk_norm = config.hidden_size, config.num_attention_heads, config.qk_norm
        self.head_dim = dim // self.heads
        if self.qk_norm:
            self.scale_mul_1H11 = nn.Parameter(torch.full((1, self.heads, 1, 1), math.log(4.0)))
        self.mat_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("zero_k_bias", torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch rows dim"], mask: Tensor | None, cache: KVCache | None
    ) -> Float[Tensor, "batch rows dim"]:
        bias = torch.cat((self.q_bias, self.zero_k_bias, self.v_bias))
        projected = F.linear(x, self.mat_qkv.weight, bias).unflatten(-1, (3, self.heads, self.head_dim))
        q, k, v = (part.transpose(1, 2) for part in projected.unbind(2))  # (batch, heads, rows, head_dim)
        scale = 0.25 / math.sqrt(self.head_dim)
        if self.qk_norm:
            temperature = self.scale_mul_1H11.clamp(max=math.log(100.0)).exp()
            q, k, scale = F.normalize(q, dim=-1) * temperature, F.normalize(k, dim=-1), 1.0
        if cache is not None:
            k, v = cache.append(k, v)  # (batch, heads, rows so far, head_dim)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        return self.proj(mixed.transpose(1, 2).flatten(2))  # (batch, rows, dim)


class FeedForward(nn.Module):
    """W_2 gelu(W_1 x), under the released names."""

    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x: Float[Tensor, "batch rows dim"]) -> Float[Tensor, "batch rows dim"]:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """x += gamma_1 attn(norm(x)(1 + s_1) + b_1);  x += gamma_2 ffn(norm(x)(1 + s_2) + b_2)."""

    def __init__(self, config: VARConfig, drop_path: float):
        super().__init__()
        dim = config.hidden_size
        self.attn, self.ffn = ConditionalAttention(config), FeedForward(dim, round(dim * config.mlp_ratio))
        self.dim, self.drop_path = dim, drop_path
        self.adaln, self.shared = config.adaln, config.shared_adaln
        if config.adaln and config.shared_adaln:
            self.ada_gss = nn.Parameter(torch.randn(1, 1, 6, dim) / dim**0.5)
        elif config.adaln:
            self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))

    def forward(
        self, x: Float[Tensor, "batch rows dim"], condition: Tensor, mask: Tensor | None, cache: KVCache | None
    ) -> Float[Tensor, "batch rows dim"]:
        """`condition`: the class's embedding (batch, dim), or its shared projection (batch, 1, 6, dim)."""
        if not self.adaln:
            x = x + self._drop(self.attn(self._norm(x), mask, cache))
            return x + self._drop(self.ffn(self._norm(x)))
        six = self.ada_gss + condition if self.shared else self.ada_lin(condition).unflatten(-1, (1, 6, self.dim))
        gamma1, gamma2, scale1, scale2, shift1, shift2 = six.unbind(2)  # (batch, 1, dim) each
        x = x + self._drop(gamma1 * self.attn(self._norm(x) * (1 + scale1) + shift1, mask, cache))
        return x + self._drop(gamma2 * self.ffn(self._norm(x) * (1 + scale2) + shift2))

    def _norm(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.dim,), eps=1e-6)

    def _drop(self, branch: Tensor) -> Tensor:
        """Stochastic depth (arXiv 1603.09382): a whole branch of a sample is left out, the others are scaled up."""
        if not self.training or not self.drop_path:
            return branch
        keep = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop_path
        return branch * keep / (1 - self.drop_path)


class Blocks(nn.ModuleList):
    """The blocks one after the other; stochastic depth rises from none to `drop_path` at the last."""

    def __init__(self, config: VARConfig):
        last = max(1, config.num_hidden_layers - 1)
        rates = [config.drop_path * block / last for block in range(config.num_hidden_layers)]
        super().__init__([Block(config, rate) for rate in rates])

    def forward(
        self, x: Float[Tensor, "batch rows dim"], condition: Tensor, mask: Tensor | None, caches: list[KVCache] | None
    ) -> Float[Tensor, "batch rows dim"]:
        for index, block in enumerate(self):
            x = block(x, condition, mask, None if caches is None else caches[index])
        return x


class SharedProjection(nn.Sequential):
    """One projection of the class for all blocks: (batch, dim) -> (batch, 1, 6, dim)."""

    def __init__(self, dim: int):
        super().__init__(nn.SiLU(), nn.Linear(dim, 6 * dim))

    def forward(self, condition: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch 1 6 dim"]:
        return super().forward(condition).unflatten(-1, (1, 6, -1))


class AdaptiveNorm(nn.Module):
    """The norm before the logits, norm(x) (1 + s) + b: (s, b) from the raw class embedding, in that order."""

    def __init__(self, dim: int, adaln: bool):
        super().__init__()
        self.dim, self.adaln = dim, adaln
        if adaln:
            self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim))

    def forward(
        self, x: Float[Tensor, "batch rows dim"], condition: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch rows dim"]:
        normed = F.layer_norm(x, (self.dim,), eps=1e-6)
        if not self.adaln:
            return normed
        scale, shift = self.ada_lin(condition)[:, None].chunk(2, dim=-1)  # (batch, 1, dim) each
        return normed * (1 + scale) + shift


class CodePredictor(nn.Module):
    """What VAR and its rival share: `shared_ada_lin`, `blocks`, `head_nm` and `head`, which each builds by itself."""

    def run_blocks(
        self,
        x: Float[Tensor, "batch rows dim"],
        condition: Float[Tensor, "batch dim"],
        mask: Tensor | None,
        caches: list[KVCache] | None,
    ) -> Float[Tensor, "batch rows vocab"]:
        """Logits of some rows, each of which sees those that `mask` allows and all that `caches` hold."""
        x = self.blocks(x, self.shared_ada_lin(condition), mask, caches)
        return self.head(self.head_nm(x, condition).to(self.head.weight.dtype))


@torch.no_grad()
def initialize(model: nn.Module, config: VARConfig) -> None:
    """Truncated normals of std (3 w)^-1/2, biases 0; branches shrunk by (2 layers)^-1/2, gates by gamma_init.

    `model` has `blocks`, `head_nm` and `head`; parameters are drawn in the order of its names.
    """
    dim, shrink = config.hidden_size, math.sqrt(2 * config.num_hidden_layers)
    std = math.sqrt(1 / (3 * dim))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif not name.endswith(("scale_mul_1H11", "ada_gss")):  # these have their start value
            nn.init.trunc_normal_(parameter, std=std)
    model.head.weight.mul_(0.02)
    for block in model.blocks:
        block.attn.proj.weight.div_(shrink)
        block.ffn.fc2.weight.div_(shrink)
        if config.adaln and not config.shared_adaln:
            block.ada_lin[1].weight[2 * dim :].mul_(0.5)
            block.ada_lin[1].weight[: 2 * dim].mul_(config.gamma_init)
        elif config.adaln:
            block.ada_gss[:, :, 2:].mul_(0.5)
            block.ada_gss[:, :, :2].mul_(config.gamma_init)
    if config.adaln:
        model.head_nm.ada_lin[1].weight.mul_(0.5)
