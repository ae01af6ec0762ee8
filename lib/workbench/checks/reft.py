"""Exercises of notebook 06: the edit with some rows, counting, positions in a padded row, how far an edit reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.nn import EMBEDDING, TransformerConfig, TransformerLM
from lib.workbench.exercises import exercise


@exercise("the edit", returns=Tensor)
def phi(answer):
    """answer(h, R, W, b, active) -> the edited vectors; only the rows that `active` names take part."""
    for width, rank, count in ((12, 3, 5), (8, 4, 2), (10, 1, 3)):
        R = torch.linalg.qr(torch.randn(width, rank))[0].T
        W, b, h = torch.randn(rank, width), torch.randn(rank), torch.randn(count, width)
        for active in (torch.ones(rank, dtype=torch.bool), torch.arange(rank) % 2 == 1, torch.zeros(rank).bool()):
            out = answer(h, R, W, b, active)
            assert out.shape == h.shape, f"as many vectors as before, of the same width; got {tuple(out.shape)}"
            on, V, c = R[active], W[active], b[active]
            stays = torch.eye(width) - on.T @ on
            assert torch.allclose(out @ stays, h @ stays, atol=1e-5), (
                "something changed outside the span of the active rows of R"
            )
            added = len(on) and torch.allclose(out @ on.T, h @ on.T + h @ V.T + c, atol=1e-4)
            assert not added, "the coordinates are overwritten, not added to: subtract R h"
            assert torch.allclose(out @ on.T, h @ V.T + c, atol=1e-5), "the active coordinates must become W h + b"
        assert torch.allclose(answer(h, R, R, 0 * b, active), h, atol=1e-5), "W = R and b = 0 is the identity"


@exercise("numbers trained", returns=int)
def count(answer):
    """answer(dim, layers, rank, groups, constant=False) -> the numbers that a LoReFT trains."""
    assert answer(4096, 1, 1, 1, constant=True) == 4097, "memorisation: one row of R and one constant"
    assert answer(768, 12, 1, 1) == 18_444, "RoBERTa-base, r = 1, twelve layers: R, W and b each"
    assert answer(4096, 32, 8, 1) == 2_097_408, "LLaMA-7B, r = 8, all layers"
    assert answer(4096, 4, 4, 2) == 262_176, "instructions: four layers, prefix and suffix with their own intervention"
    rng = np.random.default_rng(0)
    for _ in range(20):
        dim, layers, rank, groups = (int(rng.integers(1, top)) for top in (5000, 40, 9, 3))
        for constant in (False, True):
            expected = layers * groups * (rank * dim * (1 if constant else 2) + rank)
            got = answer(dim, layers, rank, groups, constant=constant)
            assert got == expected, (
                f"width {dim}, {layers} layers, rank {rank}, {groups} a layer, constant {constant}: "
                f"{expected}, got {got}"
            )


@exercise("positions in a padded row", returns=Sequence)
def positions(answer):
    """answer(length, width, prefix, suffix) -> the columns that are edited."""
    got = sorted(answer(6, 10, 2, 2))
    assert got == [4, 5, 8, 9], f"six tokens at the right end of ten columns begin at column 4; got {got}"
    for prefix, suffix in ((4, 4), (4, 2), (1, 3), (0, 2)):
        for length in range(1, 13):
            columns = [int(column) for column in answer(length, 12, prefix, suffix)]
            assert len(set(columns)) == len(columns), "no column twice: a vector is edited once"
            first, last = prefix, suffix
            if length < prefix + suffix:
                first, last = min(prefix, length // 2), min(suffix, -(-length // 2))
            wanted = [*range(12 - length, 12 - length + first), *range(12 - last, 12)]
            short = ", which is short: fewer tokens than prefix + suffix," if length < prefix + suffix else ""
            assert sorted(columns) == wanted, (
                f"a prompt of {length} tokens{short} with p{prefix} + s{suffix} in 12 columns: "
                f"{wanted}, got {sorted(columns)}"
            )


@exercise("how far an edit reaches")
def reach(answer):
    """answer(site, position, layers, length) -> bool (blocks + 1, length): which hidden vectors change."""
    layers, length = 4, 9
    model = TransformerLM(TransformerConfig(40, 16, layers, 2)).eval()
    tokens = torch.randint(0, 40, (1, length))
    for site, position in ((EMBEDDING, 2), (0, 5), (layers - 1, 3), (1, 0), (2, 8)):
        moved = (_streams(model, tokens, site, position) - _streams(model, tokens)).abs().amax(-1)[:, 0] > 1e-7
        changed, got = moved.numpy(), np.asarray(answer(site, position, layers, length))
        assert got.shape == changed.shape, f"one row for h(0) and one for each block: {changed.shape}, got {got.shape}"
        got = got.astype(bool)
        assert not got[: site + 1].any(), "what lies below the site has been computed before the edit"
        assert not got[:, :position].any(), "attention is causal: earlier positions never see an edit"
        assert got[site + 1, position] and got[site + 1].sum() == 1, (
            "at the site itself only the edited vector changes: no attention has looked at it yet"
        )
        assert got[site + 2 :, position:].all(), (
            "from the next block on, the edited position and all behind it can look at the edited vector"
        )
        assert (got == changed).all(), f"site {site}, position {position}: a model of {layers} blocks says otherwise"


@torch.no_grad()
def _streams(model: TransformerLM, tokens: Tensor, site: int | None = None, position: int = 0) -> Tensor:
    """h(0) and what every block leaves, (blocks + 1, batch, length, dim), with one vector disturbed at `site`."""
    h, kept = model.model.embed_tokens(tokens), []
    for block in (None, *model.model.layers):
        h = h if block is None else block(h)
        if site is not None and len(kept) == site + 1:
            h = h.index_add(1, torch.tensor([position]), torch.ones_like(h[:, :1]))
        kept.append(h)
    return torch.stack(kept)
