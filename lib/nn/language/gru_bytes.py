"""A small recurrent byte model, and its exact twin in integers, which a coder can trust on every machine.

Arithmetic coding breaks on the smallest difference between the encoder's and the decoder's probabilities, and floating
point sums differ with the batch, the threads and the library. The twin rounds weights and activations to multiples of
2^-8 and keeps every sum below 2^24: float32 then holds each partial sum exactly, so any order of summation gives the
same bits, at the speed of an ordinary matrix product. The gates are piecewise linear, so nothing else needs rounding
by the processor's own functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lib.data.coding.arithmetic_coder import TOTAL
from lib.data.coding.byte_models import check_alphabet

_BITS = 8
_UNIT = 1 << _BITS
"""Weights and activations are multiples of 2^-8, their products of 2^-16."""
_EXACT = 1 << 24
"""Up to here float32 holds every integer."""
_STEPS, _RANGE = 32, 20
"""Log-probabilities in steps of 1/32 bit, down to 20 bits below the most probable symbol."""


class GRUByteLM(nn.Module):
    """One GRU layer (Cho et al., arXiv 1406.1078) with piecewise linear gates, between an embedding and an output.

        r, z = clip(a / 4 + 1/2, 0, 1),   n = clip(W_n e + b_n + r * (U_n h), -1, 1),   h' = n + z * (h - n)

    Inputs are the alphabet's symbols, then BOS. The hidden state lies in [-1, 1]. Raises ValueError unless the
    alphabet is of different bytes, at least one.
    """

    def __init__(self, alphabet: bytes, hidden_size: int = 128, embedding_dim: int = 32):
        super().__init__()
        self.alphabet, self.hidden_size = check_alphabet(alphabet), hidden_size
        self.embed_tokens = nn.Embedding(len(alphabet) + 1, embedding_dim)
        self.input_proj = nn.Linear(embedding_dim, 3 * hidden_size)
        self.state_proj = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.lm_head = nn.Linear(hidden_size, len(alphabet))
        nn.init.orthogonal_(self.state_proj.weight)

    @property
    def bos(self) -> int:
        return len(self.alphabet)

    def forward(
        self, tokens: Int[Tensor, "batch length"], state: Float[Tensor, "batch hidden"] | None = None
    ) -> Float[Tensor, "batch length symbols"]:
        """Logits of each position's next symbol; `state` None starts from zeros, to be fed BOS first."""
        inputs = self.input_proj(self.embed_tokens(tokens)).transpose(0, 1)
        h = inputs.new_zeros(len(tokens), self.hidden_size) if state is None else state
        hidden = _Recurrence.apply(inputs.contiguous(), h, self.state_proj.weight)
        return self.lm_head(hidden.transpose(0, 1))

    def exact(self) -> ExactByteLM:
        """The integer twin of the weights as they are now."""
        return ExactByteLM(self)


class _Recurrence(torch.autograd.Function):
    """(length, batch, 3 hidden) -> (length, batch, hidden); the weight's gradient is one product at the end."""

    @staticmethod
    def forward(ctx, inputs, state, weight):
        length, batch, width = inputs.shape
        size = width // 3
        hidden = inputs.new_empty(length + 1, batch, size)
        hidden[0] = state
        gates = inputs.new_empty(length, batch, 2 * size)
        news, products = inputs.new_empty(length, batch, size), inputs.new_empty(length, batch, size)
        transposed = weight.t().contiguous()
        for t in range(length):
            product = hidden[t] @ transposed
            torch.add(inputs[t, :, : 2 * size], product[:, : 2 * size], out=gates[t])
            gates[t].mul_(0.25).add_(0.5).clamp_(0, 1)
            products[t] = product[:, 2 * size :]
            torch.addcmul(inputs[t, :, 2 * size :], gates[t, :, :size], products[t], out=news[t])
            news[t].clamp_(-1, 1)
            torch.lerp(news[t], hidden[t], gates[t, :, size:], out=hidden[t + 1])
        ctx.save_for_backward(hidden, gates, news, products, weight)
        return hidden[1:].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        hidden, gates, news, products, weight = ctx.saved_tensors
        length, _, size = news.shape
        r, z = gates[..., :size], gates[..., size:]
        # Slopes of the three gates with respect to what goes into them, for all steps at once.
        slope_r = 0.25 * ((r > 0) & (r < 1)) * products
        slope_z = 0.25 * ((z > 0) & (z < 1)) * (hidden[:-1] - news)
        slope_n = ((news > -1) & (news < 1)) * (1 - z)
        inputs_grad = torch.empty_like(torch.cat((gates, news), -1))
        products_grad = torch.empty_like(inputs_grad)
        carried = torch.zeros_like(grad[0])
        for t in range(length - 1, -1, -1):
            total = grad[t] + carried
            d_n = total * slope_n[t]
            torch.mul(d_n, slope_r[t], out=inputs_grad[t, :, :size])
            torch.mul(total, slope_z[t], out=inputs_grad[t, :, size : 2 * size])
            inputs_grad[t, :, 2 * size :] = d_n
            products_grad[t, :, : 2 * size] = inputs_grad[t, :, : 2 * size]
            torch.mul(d_n, r[t], out=products_grad[t, :, 2 * size :])
            carried = torch.addmm(total * z[t], products_grad[t], weight)
        weight_grad = products_grad.flatten(0, 1).t() @ hidden[:-1].flatten(0, 1)
        return inputs_grad, carried, weight_grad


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
            self._inputs = torch.floor(inputs * _UNIT**2 + 0.5).float()
            self._state_weight = torch.floor(model.state_proj.weight.double() * _UNIT + 0.5).float()
            bits = 1 / math.log(2)  # logits in bits, so that 2^-i/32 is all the table has to know
            self._head = torch.floor(model.lm_head.weight.double() * bits * _UNIT + 0.5).float()
            self._head_bias = torch.floor(model.lm_head.bias.double() * bits * _UNIT**2 + 0.5).float()
        self._check_sums()
        powers = np.floor(2.0 ** (20 - np.arange(_STEPS * _RANGE + 1) / _STEPS) + 0.5)
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
        # In units of 2^-16: a / 4 + 1/2 in units of 2^-8 is a 2^-10 + 128.
        gates = (inputs[:, : 2 * size] + product[:, : 2 * size]).mul_(2.0**-10).floor_().add_(128).clamp_(0, _UNIT)
        new = product[:, 2 * size :].mul(1 / _UNIT).floor_().mul_(gates[:, :size])
        new.add_(inputs[:, 2 * size :]).mul_(1 / _UNIT).add_(0.5).floor_().clamp_(-_UNIT, _UNIT)
        return (h - new).mul_(gates[:, size:]).mul_(1 / _UNIT).add_(0.5).floor_().add_(new)

    @torch.no_grad()
    def tables(self, state: Float[Tensor, "streams hidden"]) -> Int[np.ndarray, "streams symbols_plus_2"]:
        """Counts 1 + floor(p (2^14 - K - 1)), the rest to the most probable symbol; the escape has one."""
        with _whole_floats(self.device):
            logits = torch.addmm(self._head_bias, state, self._head.t())
        where = self._on_device(logits.cpu().numpy().argmax(1)[:, None])  # numpy promises the first where two are equal
        best = logits.gather(1, where)
        # Steps of 1/32 bit below the best: units of 2^-16 bits times 2^-11.
        below = logits.neg_().add_(best).mul_(_STEPS / _UNIT**2).add_(0.5).clamp_(max=_STEPS * _RANGE).int()
        weights = self._powers.take(below.long())
        symbols, total = weights.shape[1], TOTAL
        counts = weights.mul_((total - symbols - 1) / weights.sum(1, keepdim=True)).floor_().add_(1)
        counts.scatter_add_(1, where, total - 1 - counts.sum(1, keepdim=True))
        table = np.empty((len(counts), symbols + 2), dtype=np.int64)
        table[:, 0], table[:, -1] = 0, total
        torch.from_numpy(table[:, 1:-1]).copy_(counts.cumsum_(1))
        return table
