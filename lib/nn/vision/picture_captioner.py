"""A small image-to-text model: it reads a picture and writes a caption, or says how likely a given caption is.

    log p(caption | picture) = sum_i log p(w_i | w_<i, picture)

Convolutions turn the picture into a grid of states (8x8 for 32 pixels); to each a learned vector of its place is added,
which begins as a linear map of the coordinates (with random vectors, names were learned in 300 steps and relations not
in 2,600). A causal transformer over words looks at the states by cross-attention, layer by layer. So BLIP is built (Li
et al., arXiv 2201.12086), and so is what stands here for LLaVA (SPRIGHT, arXiv 2404.01197) and for BLIP (CoMat, arXiv
2404.03653).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.nn.layers.attention import Attention
from lib.nn.layers.caches import KVCache
from lib.nn.layers.feedforward import MLP
from lib.nn.layers.norms import RMSNorm
from lib.nn.sampling import pick

ROPE_THETA = 10_000.0
"""Positions of words are relative (rotary): "the word before", which names the thing that is spoken of, is then the
same anywhere in a caption."""


@dataclass(frozen=True)
class CaptionerConfig:
    """Sizes. `channels` are those of the convolutions at full, half and quarter size of the picture.

    pad, bos, eos: the tokens that fill, begin and end a caption. Raises ValueError for a hidden_size that the heads do
    not divide, and for a picture_size that is no multiple of 4.
    """

    vocab_size: int
    hidden_size: int = 64
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 256
    max_position_embeddings: int = 64
    channels: tuple[int, int, int] = (24, 48, 64)
    picture_size: int = 32
    pad: int = 0
    bos: int = 1
    eos: int = 2

    def __post_init__(self):
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise ValueError(f"hidden_size must be a multiple of num_attention_heads ({heads}), got {self.hidden_size}")
        if self.picture_size < 4 or self.picture_size % 4:
            raise ValueError(f"picture_size must be a multiple of 4, got {self.picture_size}")


class PictureEncoder(nn.Module):
    """Pictures in [-1, 1] -> one state a place of the grid, row after row: (batch, (size / 4)^2, hidden_size)."""

    def __init__(self, config: CaptionerConfig):
        super().__init__()
        fine, middle, coarse = config.channels
        side = config.picture_size // 4
        self.size = config.picture_size
        self.convolutions = nn.Sequential(
            _convolution(3, fine),
            _convolution(fine, middle, stride=2),
            _convolution(middle, coarse, stride=2),
            _convolution(coarse, coarse),
        )
        self.project = nn.Linear(coarse, config.hidden_size)
        along = torch.linspace(-(3**0.5), 3**0.5, side)  # a standard deviation of about 1
        corners = torch.cartesian_prod(along, along)  # (places, 2): from the top, from the left
        self.places = nn.Parameter(corners @ torch.randn(2, config.hidden_size) * 0.5**0.5)
        self.norm = RMSNorm(config.hidden_size)

    def forward(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch places dim"]:
        """Raises ValueError for pictures of another size."""
        if pictures.shape[2:] != (self.size, self.size):
            raise ValueError(f"pictures must be {self.size} pixels a side, got {tuple(pictures.shape[2:])}")
        maps = self.convolutions(pictures.contiguous(memory_format=torch.channels_last))
        states = maps.flatten(2).mT  # (batch, places, coarse)
        return self.norm(self.project(states) + self.places)


class LookingAttention(nn.Module):
    """softmax(Q K^T / sqrt(head_dim)) V with Q from the words and K, V from the picture's states."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim, dim, bias=False) for _ in range(4))

    def keys_values(self, states: Float[Tensor, "batch places dim"]) -> tuple[Tensor, Tensor]:
        """What is seen of the picture, computed once for all words: (batch, heads, places, head_dim) both."""
        return self._heads(self.k_proj(states)), self._heads(self.v_proj(states))

    def forward(self, x: Float[Tensor, "batch length dim"], seen: tuple[Tensor, Tensor]) -> Tensor:
        attended = F.scaled_dot_product_attention(self._heads(self.q_proj(x)), *seen)
        return self.o_proj(attended.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class CaptionLayer(nn.Module):
    """x += self-attention(norm x);  x += looking(norm x, picture);  x += MLP(norm x)."""

    def __init__(self, config: CaptionerConfig):
        super().__init__()
        dim, heads = config.hidden_size, config.num_attention_heads
        self.words_norm, self.picture_norm, self.mlp_norm = (RMSNorm(dim) for _ in range(3))
        self.words, self.picture = Attention(dim, heads, rope_theta=ROPE_THETA), LookingAttention(dim, heads)
        self.mlp = MLP(dim, config.intermediate_size)

    def forward(
        self, x: Float[Tensor, "batch length dim"], seen: tuple[Tensor, Tensor], cache: KVCache | None
    ) -> Float[Tensor, "batch length dim"]:
        x = x + self.words(self.words_norm(x), cache)
        x = x + self.picture(self.picture_norm(x), seen)
        return x + self.mlp(self.mlp_norm(x))


class PictureCaptioner(nn.Module):
    """Pictures and tokens -> logits of the next tokens. Padding stands on the right, so causality alone hides it."""

    def __init__(self, config: CaptionerConfig):
        super().__init__()
        self.config, dim = config, config.hidden_size
        self.encoder = PictureEncoder(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, dim)
        self.layers = nn.ModuleList(CaptionLayer(config) for _ in range(config.num_hidden_layers))
        self.final_norm = RMSNorm(dim)
        nn.init.normal_(self.embed_tokens.weight, std=dim**-0.5)

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"], tokens: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length vocab"]:
        """Logits of the token after each. Raises ValueError for too long a caption and pictures of another size."""
        return self._logits(tokens, self._seen(pictures), None, 0)

    def log_likelihood(
        self, pictures: Float[Tensor, "batch 3 height width"], tokens: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch predicted"]:
        """log p of every token after the first, given those before and the picture (nats); 0 where it is padding.

        Differentiable in the pictures: a reward for a picture that fits its caption.
        """
        logits = self(pictures, tokens[:, :-1])
        nats = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        return -nats.view(len(tokens), -1).masked_fill(tokens[:, 1:] == self.config.pad, 0)

    @torch.no_grad()
    def write(
        self,
        pictures: Float[Tensor, "batch 3 height width"],
        max_length: int | None = None,
        *,
        temperature: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "batch written"]:
        """A caption a picture, <bos> first and padding after <eos>, at most `max_length` tokens with both.

        Without a temperature the likeliest word is taken, with one a word is drawn. In the mode that the model is in:
        call `eval()` before. Raises ValueError for a length below 2 or beyond the positions.
        """
        longest = self.config.max_position_embeddings
        max_length = longest if max_length is None else max_length
        if not 2 <= max_length <= longest:
            raise ValueError(f"max_length must be in 2..{longest}, got {max_length}")
        seen, caches = self._seen(pictures), [KVCache() for _ in self.layers]
        step = torch.full((len(pictures), 1), self.config.bos, device=pictures.device)
        tokens, ended = step, torch.zeros_like(step, dtype=torch.bool)
        for position in range(max_length - 1):
            logits = self._logits(step, seen, caches, position)[:, -1]
            step = pick(logits, temperature or 0.0, generator=generator)[:, None]
            step = step.masked_fill(ended, self.config.pad)
            tokens, ended = torch.cat((tokens, step), 1), ended | (step == self.config.eos)
            if ended.all():
                break
        return tokens

    def _seen(self, pictures: Tensor) -> list[tuple[Tensor, Tensor]]:
        states = self.encoder(pictures)
        return [layer.picture.keys_values(states) for layer in self.layers]

    def _logits(
        self, tokens: Tensor, seen: list[tuple[Tensor, Tensor]], caches: list[KVCache] | None, start: int
    ) -> Float[Tensor, "batch length vocab"]:
        length, longest = start + tokens.shape[1], self.config.max_position_embeddings
        if length > longest:
            raise ValueError(f"tokens must be at most max_position_embeddings ({longest}) long, got {length}")
        x = self.embed_tokens(tokens)
        for index, layer in enumerate(self.layers):
            x = layer(x, seen[index], None if caches is None else caches[index])
        return F.linear(self.final_norm(x), self.embed_tokens.weight)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
