"""The Mamba mixer (Gu and Dao, arXiv 2312.00752) with Jamba's inner norms (arXiv 2403.19887, section 6.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from kernels import causal_conv, selective_scan_time_first, selective_state_update
from lib.nn.layers.masks import real_columns
from lib.nn.layers.norms import RMSNorm
from lib.nn.layers.parameters import UndecayedParameter


@dataclass
class MambaState:
    """What a Mamba layer remembers: the last d_conv - 1 inputs of the convolution, and the recurrent state h.

    conv (batch, d_conv - 1, d_inner) in the activations' type; ssm (batch, d_inner, d_state) in float32.
    Both are None before the first token. The size does not depend on how many tokens were seen.
    """

    conv: Tensor | None = None
    ssm: Tensor | None = None

    @property
    def nbytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (self.conv, self.ssm) if t is not None)


class MambaMixer(nn.Module):
    """x -> in_proj -> causal conv -> SiLU -> selective scan -> gate -> out_proj.

    The step size and the in- and output vectors of the state space come from the token itself:

        delta_low, B, C = x_proj(u);  delta = softplus(dt_proj(norm(delta_low)) + bias);  B, C = norm(B), norm(C)

    With `inner_norms=False` the three norms are left out: the original Mamba. Parameters carry Hugging Face's names.
    Input and output: (batch, length, dim); inside, time comes first, which makes every step's slice contiguous.
    """

    def __init__(
        self,
        dim: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
        *,
        inner_norms: bool = True,
        conv_bias: bool = True,
        bias: bool = False,
        eps: float = 1e-6,
    ):
        super().__init__()
        self.d_inner, self.d_state, self.d_conv = expand * dim, d_state, d_conv
        self.dt_rank = math.ceil(dim / 16) if dt_rank is None else dt_rank
        self.in_proj = nn.Linear(dim, 2 * self.d_inner, bias=bias)
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, d_conv, groups=self.d_inner, bias=conv_bias)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        self.A_log = UndecayedParameter(torch.empty(self.d_inner, d_state))
        self.D = UndecayedParameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, dim, bias=bias)
        self.dt_layernorm = RMSNorm(self.dt_rank, eps) if inner_norms else nn.Identity()
        self.b_layernorm = RMSNorm(d_state, eps) if inner_norms else nn.Identity()
        self.c_layernorm = RMSNorm(d_state, eps) if inner_norms else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self, dt_min: float = 1e-3, dt_max: float = 1e-1) -> None:
        """Mamba's own start: A = -1..-d_state in every channel, and softplus(dt bias) log-uniform in [dt_min, dt_max].

        A memory of ten to a thousand tokens rests on this bias; a model-wide "zero all biases" would destroy it.
        """
        with torch.no_grad():
            self.A_log.copy_(torch.arange(1, self.d_state + 1).float().log().expand_as(self.A_log))
            self.D.fill_(1.0)
            nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
            log_dt = torch.empty(self.d_inner).uniform_(math.log(dt_min), math.log(dt_max))
            dt = log_dt.exp().clamp(min=1e-4)
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def new_state(self) -> MambaState:
        return MambaState()

    def residual_weights(self) -> list[Tensor]:
        return [self.out_proj.weight]

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        state: MambaState | None = None,
        mask: Bool[Tensor, "batch total"] | None = None,
        positions: Tensor | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Mix along time, going on from `state` (updated) if there is one; any number of tokens per call.

        `mask` is True at real tokens; its last `length` columns concern this call, and without a state it has no more.
        Left padding leaves no trace:
        it is zeroed before the convolution and again after it, since biases would revive it.
        `positions` is accepted for the decoder's sake and not used: a recurrence knows the order.
        """
        real = real_columns(mask, len(x), x.shape[1], None if state is not None and state.conv is not None else 0)
        keep = None if real is None else real.t()[:, :, None].to(x.dtype)  # (length, batch, 1)
        x = x.transpose(0, 1)  # (length, batch, dim)
        hidden, gate = self.in_proj(x).chunk(2, dim=-1)  # each (length, batch, d_inner)
        hidden = self.convolve(hidden if keep is None else hidden * keep, state)
        if keep is not None:
            hidden = hidden * keep
        mixed = self.scan(hidden, gate, state)  # (length, batch, d_inner)
        return self.out_proj(mixed).transpose(0, 1)  # (batch, length, dim)

    def convolve(
        self, hidden: Float[Tensor, "length batch d_inner"], state: MambaState | None
    ) -> Float[Tensor, "length batch d_inner"]:
        """silu(bias + sum_j w[j] u_{t - (k - 1) + j}), going on from the inputs in the state."""
        past = None if state is None or state.conv is None else state.conv.transpose(0, 1)
        if state is not None:
            seen = F.pad(hidden, (0, 0, 0, 0, self.d_conv - 1, 0)) if past is None else torch.cat((past, hidden))
            state.conv = seen[len(hidden) :].transpose(0, 1).contiguous()
        return causal_conv(hidden, self.conv1d.weight[:, 0], self.conv1d.bias, past)

    def scan(
        self,
        hidden: Float[Tensor, "length batch d_inner"],
        gate: Float[Tensor, "length batch d_inner"],
        state: MambaState | None,
    ) -> Float[Tensor, "length batch d_inner"]:
        """The gated selective scan, going on from the state's h; a single token takes the kernel for one step."""
        delta, B, C = self.selection(hidden)  # (length, batch, d_inner), twice (length, batch, d_state)
        A = -torch.exp(self.A_log.float())
        if state is not None and state.ssm is not None and len(hidden) == 1:
            mixed = selective_state_update(
                state.ssm, hidden[0], delta[0], A, B[0], C[0], self.D, gate[0], self.dt_proj.bias, dt_softplus=True
            )  # (batch, d_inner)
            return mixed[None]
        mixed, last_state = selective_scan_time_first(
            hidden,
            delta,
            A,
            B,
            C,
            D=self.D,
            z=gate,
            delta_bias=self.dt_proj.bias,
            delta_softplus=True,
            return_last_state=True,
            initial_state=None if state is None else state.ssm,
        )
        if state is not None:
            state.ssm = last_state.contiguous()  # (batch, d_inner, d_state)
        return mixed

    def selection(self, hidden: Float[Tensor, "... d_inner"]) -> tuple[Tensor, Tensor, Tensor]:
        """What makes the scan selective: delta (..., d_inner) before its bias and softplus, B and C (..., d_state)."""
        sizes = (self.dt_rank, self.d_state, self.d_state)
        delta_low, B, C = self.x_proj(hidden).split(sizes, dim=-1)
        delta = F.linear(self.dt_layernorm(delta_low), self.dt_proj.weight)
        return delta, self.b_layernorm(B), self.c_layernorm(C)
