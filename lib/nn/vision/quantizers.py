"""Multi-scale residual quantization (Tian et al., VAR, arXiv 2404.02905, section 3.2): a map as a pyramid of codes.

One codebook serves all scales. Scale k quantizes what the coarser scales have left over, at its own resolution:

    z_k = down(f - f_hat, n_k),    r_k = argmin_v |e_v - z_k|^2,    f_hat += phi_k(up(e[r_k], n))

down is area pooling, up is bicubic, phi_k(h) = (1 - rho) h + rho conv(h) mends what interpolation blurs. Any prefix
of the pyramid gives an f_hat and so an image. Parameter names are those of the released checkpoints.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from kernels import nearest_code


@dataclass
class Quantized:
    """What a training forward pass gives.

    `output`: f_hat with the straight-through gradient, (batch, channels, n, n). `loss`: the codebook's loss, a scalar.
    `indices`: (batch, n_k^2) codes of every scale. `errors`: mean squared error of every prefix, without gradient.
    """

    output: Float[Tensor, "batch channels side side"]
    loss: Float[Tensor, ""]
    indices: list[Int[Tensor, "batch tokens"]]
    errors: Float[Tensor, " scales"]


class Phi(nn.Conv2d):
    """phi(h) = (1 - rho) h + rho conv(h), a 3 x 3 convolution mixed with the identity."""

    def __init__(self, channels: int, rho: float = 0.5):
        super().__init__(channels, channels, 3, padding=1)
        self.rho = rho

    def forward(self, h: Float[Tensor, "batch channels side side"]) -> Float[Tensor, "batch channels side side"]:
        return h.mul(1 - self.rho) + super().forward(h).mul(self.rho)


class _SharedPhi(nn.Module):
    """One phi for all scales, under the name that the released code gives it."""

    def __init__(self, channels: int, rho: float):
        super().__init__()
        self.qresi = Phi(channels, rho)

    def __getitem__(self, scale: int) -> Phi:
        return self.qresi


class _PartlySharedPhi(nn.Module):
    """A few phi for more scales: scale i of K takes the one whose tick is nearest to i / (K - 1)."""

    def __init__(self, channels: int, rho: float, count: int, scales: int):
        super().__init__()
        self.qresi_ls = nn.ModuleList([Phi(channels, rho) for _ in range(count)])
        self.owner = phi_owner(scales, count)

    def __getitem__(self, scale: int) -> Phi:
        return self.qresi_ls[self.owner[scale]]


def phi_owner(scales: int, count: int = 4) -> list[int]:
    """Which of `count` phi each scale uses, the released rule: in float64, the first of two at equal distance.

    Ticks are linspace(1/3m, 1 - 1/3m) for m = 4 and linspace(1/2m, 1 - 1/2m) otherwise. One scale takes the first.
    """
    margin = 1 / (3 * count) if count == 4 else 1 / (2 * count)
    ticks = np.linspace(margin, 1 - margin, count)
    return [int(np.argmin(np.abs(ticks - scale / max(1, scales - 1)))) for scale in range(scales)]


class MultiScaleQuantizer(nn.Module):
    """The quantizer: maps to codes and back, with the training loss and a record of which codes are used.

    vocab_size, channels: the codebook (V, C). patch_nums: sides n_1 < ... < n_K of the scales, the last one the map's
    own. share_phi: how many phi for all scales (0: each its own, None: no phi at all). beta: weight of the commitment.
    cosine: search by angle instead of distance; what is subtracted is the raw code all the same. residual=False
    quantizes f itself at each scale (an ablation: the paper says that it is worse).
    Raises ValueError for scales that do not grow or a map of another side.
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
        if share_phi is None:
            self.quant_resi = [nn.Identity()] * scales
        elif share_phi == 0:
            self.quant_resi = nn.ModuleList([Phi(channels, rho) for _ in range(scales)])
        elif share_phi == 1:
            self.quant_resi = _SharedPhi(channels, rho)
        else:
            self.quant_resi = _PartlySharedPhi(channels, rho, share_phi, scales)
        self.register_buffer("ema_vocab_hit_SV", torch.zeros(scales, vocab_size))
        self.records = 0

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

    def contribution(self, codes: Int[Tensor, "batch tokens"], scale: int) -> Float[Tensor, "batch channels side side"]:
        """phi_k(up(e[r_k])): what a scale's codes add to f_hat."""
        low = self.patch_nums[scale]
        h = self.embedding(codes).transpose(1, 2).unflatten(-1, (low, low))
        if low != self.side:
            h = F.interpolate(h, size=(self.side, self.side), mode="bicubic")
        return self.quant_resi[scale](h)

    @torch.no_grad()
    def encode(self, f: Float[Tensor, "batch channels side side"]) -> list[Int[Tensor, "batch tokens"]]:
        """The codes of every scale, coarse to fine, each (batch, n_k^2), rows first."""
        return [codes for codes, _ in self._scales(f.float())]

    def partial_sums(self, indices: Sequence[Int[Tensor, "batch tokens"]]) -> list[Float[Tensor, "batch channels n n"]]:
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
    def teacher_input(self, indices: Sequence[Int[Tensor, "batch tokens"]]) -> Float[Tensor, "batch rest channels"]:
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

    def _scales(self, f: Tensor):
        """(codes, pooled residual as rows) of one scale after the other."""
        if f.shape[-2:] != (self.side, self.side):
            raise ValueError(f"f must be a map of side {self.side}, got {tuple(f.shape[-2:])}")
        rest = f.clone()
        for scale, side in enumerate(self.patch_nums):
            pooled = self.down(rest if self.residual else f, scale)
            rows = pooled.permute(0, 2, 3, 1).reshape(-1, self.channels)
            codes = self.search(rows).view(len(f), side * side)
            yield codes, rows
            with torch.no_grad():
                rest = rest - self.contribution(codes, scale)

    @torch.no_grad()
    def _record(self, indices: Sequence[Tensor]) -> None:
        """Exponential mean of each code's hits per scale: copied at first, then decay 0.9, from 100 records on 0.99."""
        for scale, codes in enumerate(indices):
            hits = torch.bincount(codes.flatten(), minlength=self.vocab_size).to(self.ema_vocab_hit_SV)
            decay = 0.0 if self.records == 0 else 0.9 if self.records < 100 else 0.99
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
            centres = _k_means(rows, part, rounds, seed)
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


def _k_means(points: Tensor, count: int, rounds: int, seed: int) -> Tensor:
    """Lloyd's iterations from `count` random points; with too few points, centres repeat with a little noise."""
    draw = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(points), generator=draw)[:count]
    if len(chosen) < count:
        more = torch.randint(len(points), (count - len(chosen),), generator=draw)
        chosen = torch.cat((chosen, more))
    noise = 1e-3 * torch.randn(count, points.shape[1], generator=draw).to(points)
    centres = points[chosen.to(points.device)] + noise
    for _ in range(rounds if count else 0):
        owner = nearest_code(points, centres)
        hits = torch.bincount(owner, minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, owner, points)
        centres = torch.where(hits > 0, sums / hits.clamp(min=1), centres)
    return centres


def code_usage(indices: Sequence[Int[Tensor, "batch tokens"]], vocab_size: int) -> dict[str, list[float] | float]:
    """Codes used and perplexity exp(H), per scale and over all: an even use of V codes has the perplexity V."""
    counts = [torch.bincount(codes.flatten().cpu(), minlength=vocab_size).double() for codes in indices]

    def perplexity(count: Tensor) -> float:
        p = count / count.sum()
        return float(torch.exp(-(p * p.clamp(min=1e-12).log()).sum()))

    total = torch.stack(counts).sum(0)
    return {
        "used": [int((count > 0).sum()) for count in counts],
        "perplexity": [perplexity(count) for count in counts],
        "used_overall": int((total > 0).sum()),
        "perplexity_overall": perplexity(total),
    }
