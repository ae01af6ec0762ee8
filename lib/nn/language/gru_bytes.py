"""A small recurrent byte model with piecewise linear gates, which `ExactByteLM` can repeat in integers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lib.data.coding.byte_models import check_alphabet


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
        inputs = self.input_proj(self.embed_tokens(tokens)).transpose(0, 1)  # (length, batch, 3 hidden)
        h = inputs.new_zeros(len(tokens), self.hidden_size) if state is None else state
        hidden = _Recurrence.apply(inputs.contiguous(), h, self.state_proj.weight)  # (length, batch, hidden)
        return self.lm_head(hidden.transpose(0, 1))


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
