"""The exact twin, in integers, of a small recurrent byte model: a coder can trust it on every machine.

Arithmetic coding breaks on the smallest difference between the encoder's and the decoder's probabilities, and floating
point sums differ with the batch, the threads and the library. The twin rounds weights and activations to multiples of
2^-8 and keeps every sum below 2^24: float32 then holds each partial sum exactly, so any order of summation gives the
same bits, at the speed of an ordinary matrix product. The gates are piecewise linear, so nothing else needs rounding
by the processor's own functions.

A number x is held as the whole number x times its unit: weights and states times 2^8, their products times 2^16.
Going from one unit to the other is a shift, floor(x 2^-8 + 1/2), exact because 2^-8 is a power of two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lib.data.coding.arithmetic_coder import TOTAL
from lib.nn.language.gru_bytes import GRUByteLM

_UNIT = 1 << 8
"""What 1 is, for weights and activations."""
_PRODUCT = _UNIT**2
"""What 1 is, for a product of a weight and an activation, and for sums of such."""
_EXACT = 1 << 24
"""Up to here float32 holds every integer."""
_STEPS, _RANGE = 32, 20
"""Log-probabilities in steps of 1/32 bit, down to 20 bits below the most probable symbol."""


def _whole(values: Tensor) -> Tensor:
    return torch.floor(values + 0.5).float()


@contextmanager
def _whole_floats(device: torch.device) -> Iterator[None]:
    """Products of float32 as such: neither autocast nor a faster, coarser form may round an integer away."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class ExactByteLM:
    """`GRUByteLM` in integers held by float32 tensors: a `lib.data.coding.byte_models.ByteModel`.

    What is coded with one export must be decoded with the same: rounding the weights is the one step that is not
    promised to be equal everywhere.
    Raises ValueError when a weight is so large that a sum could pass 2^24.
    """

    def __init__(self, model: GRUByteLM):
        self.alphabet, self.hidden_size = model.alphabet, model.hidden_size
        self.device = model.lm_head.weight.device
        with torch.no_grad():
            embedded, proj = model.embed_tokens.weight.double(), model.input_proj
            inputs = embedded @ proj.weight.double().t() + proj.bias.double()
            self._inputs = _whole(inputs * _PRODUCT)  # (symbols, 3 hidden): what each symbol adds to the gates
            self._state_weight = _whole(model.state_proj.weight.double() * _UNIT)
            bits = 1 / math.log(2)  # logits in bits, so that 2^-i/32 is all the table has to know
            self._head = _whole(model.lm_head.weight.double() * bits * _UNIT)
            self._head_bias = _whole(model.lm_head.bias.double() * bits * _PRODUCT)
        self._check_sums()
        powers = np.floor(2.0 ** (_RANGE - np.arange(_STEPS * _RANGE + 1) / _STEPS) + 0.5)  # 2^20 is the best's
        self._powers = torch.from_numpy(powers).to(self.device)
        bos = self._on_device(np.array([len(self.alphabet)]))
        self._start = self._step(self._head.new_zeros(1, self.hidden_size), bos)

    def _check_sums(self) -> None:
        sums = torch.cat(
            (
                self._state_weight.abs().sum(1) * _UNIT + self._inputs.abs().max(),
                self._head.abs().sum(1) * _UNIT + self._head_bias.abs(),
            )
        )
        if not (sums <= _EXACT).all():
            raise ValueError(f"weights must keep every sum below 2^24 for exact arithmetic, got {sums.max():.0f}")

    def _on_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def start(self, streams: int) -> Float[Tensor, "streams hidden"]:
        return self._start.expand(streams, -1)

    def select(self, state: Tensor, rows: Int[np.ndarray, " kept"]) -> Tensor:
        return state[self._on_device(rows)]

    @torch.no_grad()
    def feed(
        self, state: Tensor, symbols: Int[np.ndarray, " streams"], reset: Bool[np.ndarray, " streams"]
    ) -> Float[Tensor, "streams hidden"]:
        if reset.any():
            state = state.clone()
            state[self._on_device(np.flatnonzero(reset))] = self._start
        fed = self._step(state, self._on_device(np.maximum(symbols, 0)))
        idle = np.flatnonzero(symbols < 0)
        if len(idle):
            idle = self._on_device(idle)
            fed[idle] = state[idle]
        return fed

    @torch.no_grad()
    def _step(self, h: Tensor, symbols: Tensor) -> Tensor:
        """One step for all streams; every value is an integer, times 2^-8 it is the model's own."""
        size = self.hidden_size
        inputs = self._inputs.index_select(0, symbols)
        with _whole_floats(self.device):
            product = h @ self._state_weight.t()
        # a / 4 + 1/2 with a in products' units: divided by 4 and by 2^8 it is in activations', where 1/2 is 2^7.
        gates = inputs[:, : 2 * size] + product[:, : 2 * size]
        gates.mul_(1 / (4 * _UNIT)).floor_().add_(_UNIT // 2).clamp_(0, _UNIT)
        # n = clip(W e + b + r (U h)): U h down to activations' units, times r up to products' again, the sum down.
        new = product[:, 2 * size :].mul(1 / _UNIT).floor_().mul_(gates[:, :size])
        new.add_(inputs[:, 2 * size :]).mul_(1 / _UNIT).add_(0.5).floor_().clamp_(-_UNIT, _UNIT)
        # h' = n + z (h - n): the product down to activations' units.
        return (h - new).mul_(gates[:, size:]).mul_(1 / _UNIT).add_(0.5).floor_().add_(new)

    @torch.no_grad()
    def tables(self, state: Float[Tensor, "streams hidden"]) -> Int[np.ndarray, "streams symbols_plus_2"]:
        """Counts 1 + floor(p (2^14 - K - 1)), the rest to the most probable symbol; the escape has one."""
        with _whole_floats(self.device):
            logits = torch.addmm(self._head_bias, state, self._head.t())
        where = self._on_device(logits.cpu().numpy().argmax(1)[:, None])  # numpy promises the first where two are equal
        best = logits.gather(1, where)
        # Steps of 1/32 bit below the best: from units of 2^-16 bits a factor of 2^5 2^-16, a power of two again.
        below = logits.neg_().add_(best).mul_(_STEPS / _PRODUCT).add_(0.5).clamp_(max=_STEPS * _RANGE).int()
        weights = self._powers.take(below.long())
        symbols, total = weights.shape[1], TOTAL
        counts = weights.mul_((total - symbols - 1) / weights.sum(1, keepdim=True)).floor_().add_(1)
        counts.scatter_add_(1, where, total - 1 - counts.sum(1, keepdim=True))
        table = np.empty((len(counts), symbols + 2), dtype=np.int64)
        table[:, 0], table[:, -1] = 0, total
        torch.from_numpy(table[:, 1:-1]).copy_(counts.cumsum_(1))
        return table
