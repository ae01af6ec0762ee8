"""Multi-scale residual quantization (Tian et al., VAR, arXiv 2404.02905, section 3.2): a map as a pyramid of codes.

One codebook serves all scales. Scale k quantizes what the coarser scales have left over, at its own resolution:

    z_k = down(f - f_hat, n_k),    r_k = argmin_v |e_v - z_k|^2,    f_hat += phi_k(up(e[r_k], n))

down is area pooling, up is bicubic, phi_k (`lib.nn.vision.phi`) mends what interpolation blurs. Any prefix of the
pyramid gives an f_hat and so an image. Parameter names are those of the released checkpoints.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from kernels import nearest_code
from lib.nn.vision.codebooks import k_means
from lib.nn.vision.phi import Phi, make_phi

LONG_HISTORY = 100
"""Forward passes in training after which the record of used codes moves slowly."""


@dataclass
class Quantized:
    """What a training forward pass gives.

    `output`: f_hat with the straight-through gradient, (batch, channels, n, n). `loss`: the codebook's loss, a scalar.
    `indices`: (batch, n_k^2) codes of every scale. `errors`: mean squared error of every prefix, without gradient.
    """

    output: Float[Tensor, "batch channels side side"]
    loss: Float[Tensor, ""]
    indices: list[Int[Tensor, "batch _rows"]]
    errors: Float[Tensor, " scales"]


class MultiScaleQuantizer(nn.Module):
    """The quantizer: maps to codes and back, with the training loss and a record of which codes are used.

    vocab_size, channels: the codebook (V, C). patch_nums: sides n_1 < ... < n_K of the scales, the last one the map's
    own. share_phi: how many phi for all scales (0: each its own, None: no phi at all). beta: weight of the commitment.
    cosine: search by angle instead of distance; what is subtracted is the raw code all the same. residual=False
    quantizes f itself at each scale (an ablation: the paper says that it is worse).
    The record (hits of each code and how many passes they are from) is in the state_dict.
    Raises ValueError for scales that do not grow, a negative share_phi or a map of another side.
    """

    def __init__(
        self,
        vocab_size: int,
        channels: int,
        patch_nums: Sequence[int],
        *,
        share_phi: int | None = 4,
        rho: float = 0.5,
        beta: float = 0.25,
        cosine: bool = False,
        residual: bool = True,
    ):
        super().__init__()
        if not patch_nums or patch_nums[0] < 1 or any(b <= a for a, b in itertools.pairwise(patch_nums)):
            raise ValueError(f"patch_nums must grow from at least 1, got {tuple(patch_nums)}")
        self.patch_nums, self.vocab_size, self.channels = tuple(patch_nums), vocab_size, channels
        self.beta, self.cosine, self.residual = beta, cosine, residual
        self.embedding = nn.Embedding(vocab_size, channels)
        scales = len(self.patch_nums)
        self.quant_resi = make_phi(channels, scales, share_phi, rho)
        self.register_buffer("ema_vocab_hit_SV", torch.zeros(scales, vocab_size))
        self.register_buffer("records", torch.zeros((), dtype=torch.long))

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """Weights without a count of records (the released ones) count as a long history if they have hits."""
        hits = state_dict.get(prefix + "ema_vocab_hit_SV")
        if prefix + "records" not in state_dict and hits is not None:
            state_dict[prefix + "records"] = torch.tensor(LONG_HISTORY if hits.any() else 0)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    @property
    def side(self) -> int:
        return self.patch_nums[-1]

    @property
    def length(self) -> int:
        """Codes of an image, over all scales."""
        return sum(side**2 for side in self.patch_nums)

    def down(self, x: Float[Tensor, "batch channels side side"], scale: int) -> Float[Tensor, "batch channels low low"]:
        """Area pooling to a scale's side; the last scale's is the map's own."""
        return x if self.patch_nums[scale] == x.shape[-1] else F.adaptive_avg_pool2d(x, self.patch_nums[scale])

    def search(self, z: Float[Tensor, "rows channels"]) -> Int[Tensor, " rows"]:
        """The nearest code of each row, in float32 whatever autocast says."""
        with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
            z, codes = z.float(), self.embedding.weight.float()
            if self.cosine:  # among unit vectors the nearest is the one at the smallest angle
                z, codes = F.normalize(z, dim=-1), F.normalize(codes, dim=-1)
            return nearest_code(z, codes)

    def contribution(self, codes: Int[Tensor, "batch _rows"], scale: int) -> Float[Tensor, "batch channels side side"]:
        """phi_k(up(e[r_k])): what a scale's codes add to f_hat."""
        low = self.patch_nums[scale]
        h = self.embedding(codes).transpose(1, 2).unflatten(-1, (low, low))  # (batch, channels, low, low)
        if low != self.side:
            h = F.interpolate(h, size=(self.side, self.side), mode="bicubic")  # (batch, channels, side, side)
        return self.quant_resi[scale](h)

    @torch.no_grad()
    def encode(self, f: Float[Tensor, "batch channels side side"]) -> list[Int[Tensor, "batch _rows"]]:
        """The codes of every scale, coarse to fine, each (batch, n_k^2), rows first."""
        return [codes for codes, _ in self._scales(f.float())]

    def partial_sums(self, indices: Sequence[Int[Tensor, "batch _rows"]]) -> list[Float[Tensor, "batch channels n n"]]:
        """f_hat after each of the given scales; the last is what the decoder gets. Takes a prefix of the scales too."""
        sums: list[Tensor] = []
        for scale, codes in enumerate(indices):
            h = self.contribution(codes, scale)
            sums.append(h if not sums or not self.residual else sums[-1] + h)
        return sums

    def next_map(self, f_hat: Float[Tensor, "batch channels side side"], scale: int) -> Float[Tensor, "batch tokens c"]:
        """What a transformer sees when it predicts `scale`: the sum so far, pooled to that scale, as rows."""
        return self.down(f_hat, scale).flatten(2).transpose(1, 2)

    @torch.no_grad()
    def teacher_input(self, indices: Sequence[Int[Tensor, "batch _rows"]]) -> Float[Tensor, "batch rest channels"]:
        """`next_map` of scales 2 to K in a row: (batch, L - n_1^2, channels). Empty for a single scale."""
        sums = self.partial_sums(indices[:-1])
        rows = [self.next_map(f_hat, scale) for scale, f_hat in enumerate(sums, start=1)]
        return torch.cat(rows, 1) if rows else self.embedding.weight.new_zeros(len(indices[0]), 0, self.channels)

    def forward(self, f: Float[Tensor, "batch channels side side"]) -> Quantized:
        """Codes, the straight-through map and the loss, averaged over the prefixes (every one is to be good):

        L = 1/K sum_k [ beta |sg(f_hat_k) - f|^2 + |f_hat_k - sg(f)|^2 ]
        """
        f = f.float()
        sums, indices = None, []
        losses, errors = [], []
        for scale, (codes, _) in enumerate(self._scales(f.detach())):
            indices.append(codes)
            h = self.contribution(codes, scale)
            sums = h if sums is None or not self.residual else sums + h
            losses.append(self.beta * F.mse_loss(sums.detach(), f) + F.mse_loss(sums, f.detach()))
            errors.append(F.mse_loss(sums.detach(), f.detach()))
        if self.training:
            self._record(indices)
        output = f + (sums - f).detach()
        return Quantized(output, torch.stack(losses).mean(), indices, torch.stack(errors))

    def _scales(self, f: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(codes, pooled residual as rows) of one scale after the other."""
        if f.shape[-2:] != (self.side, self.side):
            raise ValueError(f"f must be a map of side {self.side}, got {tuple(f.shape[-2:])}")
        rest = f.clone()
        for scale, side in enumerate(self.patch_nums):
            pooled = self.down(rest if self.residual else f, scale)  # (batch, channels, side, side)
            rows = pooled.permute(0, 2, 3, 1).reshape(-1, self.channels)  # (batch side side, channels)
            codes = self.search(rows).view(len(f), side * side)
            yield codes, rows
            with torch.no_grad():
                rest = rest - self.contribution(codes, scale)

    @torch.no_grad()
    def _record(self, indices: Sequence[Tensor]) -> None:
        """Exponential mean of each code's hits per scale: copied at first, then decay 0.9, from 100 records on 0.99."""
        records = int(self.records)
        for scale, codes in enumerate(indices):
            hits = torch.bincount(codes.flatten(), minlength=self.vocab_size).to(self.ema_vocab_hit_SV)
            decay = 0.0 if records == 0 else 0.9 if records < LONG_HISTORY else 0.99
            self.ema_vocab_hit_SV[scale].mul_(decay).add_(hits, alpha=1 - decay)
        self.records += 1

    @torch.no_grad()
    def start_from(self, f: Float[Tensor, "batch channels side side"], *, rounds: int = 10, seed: int = 0) -> None:
        """Set every phi to the identity and the codebook to k-means centres of what each scale will see (ours).

        Scale after scale gets a part of the codebook in proportion to its side, centres of what the scales before it,
        quantized with their own parts, have left over. Codes of the wrong size are never chosen and never move.
        """
        for phi in (part for part in self.modules() if isinstance(part, Phi)):
            nn.init.dirac_(phi.weight)
            nn.init.zeros_(phi.bias)
        parts = [self.vocab_size * side // sum(self.patch_nums) for side in self.patch_nums[:-1]]
        parts.append(self.vocab_size - sum(parts))
        rest, begin = f.float(), 0
        for scale, part in enumerate(parts):
            rows = self.down(rest if self.residual else f.float(), scale).permute(0, 2, 3, 1).reshape(-1, self.channels)
            centres = k_means(rows, part, rounds, seed)
            self.embedding.weight[begin : begin + part] = centres
            if part:
                codes = begin + nearest_code(rows, centres)
                rest = rest - self.contribution(codes.view(len(f), -1), scale)
            begin += part

    @torch.no_grad()
    def revive(self, f: Float[Tensor, "batch channels side side"], *, below: float = 0.03, seed: int = 0) -> int:
        """Replace codes whose share of the hits is under `below` of an even share by random residuals (ours).

        Returns how many. Hits are those of the last forward passes in training mode.
        """
        share = self.ema_vocab_hit_SV.sum(0)
        dead = (share < below * share.sum() / self.vocab_size).nonzero().flatten()
        if len(dead):
            draw = torch.Generator().manual_seed(seed)
            rows = [rows for _, rows in self._scales(f.float())]
            # A scale is as likely as another, so that the coarse ones, with few rows, get their part.
            scale = torch.randint(len(rows), (len(dead),), generator=draw)
            picks = [rows[s][int(torch.randint(len(rows[s]), (1,), generator=draw))] for s in scale.tolist()]
            self.embedding.weight[dead] = torch.stack(picks)
            self.ema_vocab_hit_SV[:, dead] = self.ema_vocab_hit_SV.mean()
        return len(dead)
