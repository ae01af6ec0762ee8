"""A pre-norm decoder whose layers may mix time in different ways: attention, Mamba, or what a later paper brings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.nn.layers.experts import MixtureOfExperts
from lib.nn.layers.norms import RMSNorm
from lib.nn.layers.protocols import Mixer, ResidualWriter, State


class DecoderLayer(nn.Module):
    """u = x + mixer(norm(x));  y = u + feed_forward(norm(u)). A layer is called as its mixer is."""

    def __init__(self, dim: int, mixer: Mixer, feed_forward: ResidualWriter, eps: float = 1e-6):
        super().__init__()
        self.input_layernorm = RMSNorm(dim, eps)
        self.mixer = mixer
        self.pre_ff_layernorm = RMSNorm(dim, eps)
        self.feed_forward = feed_forward

    def new_state(self) -> State:
        return self.mixer.new_state()

    def residual_weights(self) -> list[Tensor]:
        return [*self.mixer.residual_weights(), *self.feed_forward.residual_weights()]

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        state: State | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        x = x + self.mixer(self.input_layernorm(x), state, mask, positions)
        return x + self.feed(self.pre_ff_layernorm(x), mask)

    def feed(
        self, x: Float[Tensor, "batch length dim"], mask: Bool[Tensor, "#batch total"] | None = None
    ) -> Float[Tensor, "batch length dim"]:
        """The feed-forward layer; experts are told what is padding, which must not take their places."""
        if isinstance(self.feed_forward, MixtureOfExperts):
            return self.feed_forward(x, mask)
        return self.feed_forward(x)


class Decoder(nn.Module):
    """Token embedding, layers, final norm: tokens (batch, length) -> hidden states (batch, length, dim)."""

    def __init__(self, vocab_size: int, dim: int, layers: Sequence[Mixer], eps: float = 1e-6):
        super().__init__()
        if not len(layers):
            raise ValueError("layers must be at least one, got none: num_hidden_layers must be at least 1")
        self.embed_tokens = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList(layers)
        self.final_layernorm = RMSNorm(dim, eps)

    def new_states(self) -> list[State]:
        """One empty state a layer, for decoding: a KV cache for attention, a fixed-size state for Mamba."""
        return [layer.new_state() for layer in self.layers]

    def forward(
        self,
        tokens: Int[Tensor, "batch length"],
        states: Sequence[State] | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        try:
            x = self.embed_tokens(tokens)  # (batch, length, dim)
        except IndexError:  # looked at only now: a look before would cost every step of decoding something
            last, found = self.embed_tokens.num_embeddings - 1, (int(tokens.min()), int(tokens.max()))
            raise ValueError(f"tokens must be in 0..{last}, got {found[0]}..{found[1]}") from None
        for index, layer in enumerate(self.layers):
            x = layer(x, None if states is None else states[index], mask, positions)
        return self.final_layernorm(x)

    def router_logits(self) -> list[Tensor | None]:
        """The experts' routers' logits of the last forward pass, one entry for each mixture of experts."""
        return [module.router_logits for module in self.modules() if isinstance(module, MixtureOfExperts)]


class DecoderLM(nn.Module):
    """A language model around a decoder, `self.model`: tokens (batch, length) -> logits (batch, length, vocab).

    The output matrix is the embedding itself unless a subclass says otherwise.
    """

    def __init__(self, model: Decoder):
        super().__init__()
        self.model = model

    @property
    def output_weight(self) -> Float[Tensor, "vocab dim"]:
        return self.model.embed_tokens.weight

    def forward(
        self,
        tokens: Int[Tensor, "batch length"],
        states: Sequence[State] | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        *,
        last_only: bool = False,
    ) -> Float[Tensor, "batch scored vocab"]:
        """Logits of every position, or with `last_only` of the last one (scored 1), going on from `states`."""
        hidden = self.model(tokens, states, mask)  # (batch, length, dim)
        return F.linear(hidden[:, -1:] if last_only else hidden, self.output_weight)

    def new_states(self) -> list[State]:
        return self.model.new_states()

    def router_logits(self) -> list[Tensor | None]:
        return self.model.router_logits()

    def shrink_residual_branches(self) -> None:
        """Divide what writes to the residual stream by the root of the number of branches, as Mamba's own LM does."""
        with torch.no_grad():
            for layer in self.model.layers:
                for weight in layer.residual_weights():
                    weight.mul_((2 * len(self.model.layers)) ** -0.5)
