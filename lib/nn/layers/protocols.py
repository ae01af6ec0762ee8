"""What a decoder asks of the layers that mix time, and of what they remember between two calls."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor


@runtime_checkable
class State(Protocol):
    """What a mixer remembers of the tokens it has seen. The mixer updates it in place."""

    @property
    def nbytes(self) -> int:
        """Bytes of what is remembered, not of the room reserved for more."""
        ...


@runtime_checkable
class Mixer(Protocol):
    """A layer that moves information along time: attention, Mamba, or a whole decoder layer."""

    def new_state(self) -> State:
        """The state before the first token."""
        ...

    def __call__(
        self,
        x: Float[Tensor, "batch length dim"],
        state: State | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Int[Tensor, "... length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Mix `x` with what `state` remembers, and let `state` remember `x`.

        `mask` is True at real tokens, of the past and of `x` together (total = seen + length). `positions` count from
        the first token unless they are given.
        """
        ...


@runtime_checkable
class ResidualWriter(Protocol):
    """A layer whose output is added to the residual stream."""

    def residual_weights(self) -> list[Tensor]:
        """The weights of its last linear maps: scaling them scales what the layer adds."""
        ...
