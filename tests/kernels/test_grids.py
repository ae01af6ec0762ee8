"""CUDA's second and third grid axes end at 65,535: what may be many (sequences, tokens) must lie on the first.

The launches are looked at and not made, so that nothing waits for 70,000 programs in the interpreter.
"""

from __future__ import annotations

import pytest
import torch

from kernels import (
    causal_conv,
    dispatch,
    gather_rms_norm,
    grouped_experts,
    nearest_code,
    rms_norm,
    scatter_add_rows,
    selective_scan,
    selective_state_update,
)

MANY, MOST = 70_000, 65_535


def draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()


def conv(batch, length):
    return causal_conv(draw(length, batch, 2), draw(2, 2))


def scan(batch, length):
    u, delta = draw(batch, 2, length), draw(batch, 2, length)
    return selective_scan(u, delta, draw(2, 1), draw(batch, 1, length), draw(batch, 1, length))


def gather(batch, length):
    return gather_rms_norm(draw(batch, length, 2), torch.zeros(batch, 1, dtype=torch.int64), draw(2))[0]


def scatter(batch, length):
    indices = torch.zeros(batch, 1, dtype=torch.int64)
    return scatter_add_rows(draw(batch, length, 2), indices, draw(batch, 1, 2), draw(batch, 1))


def norm(batch, length):
    return rms_norm(draw(batch, length, 2), draw(2))


def update(batch, length):
    with torch.no_grad():
        x, dt, row = draw(batch, 2), draw(batch, 2), draw(batch, 1)
        return selective_state_update(torch.zeros(batch, 2, 1), x, dt, draw(2, 1), row, row)


def experts(batch, length):
    tokens = batch * length
    chosen = torch.zeros(tokens, 1, dtype=torch.int64)
    return grouped_experts(draw(tokens, 2), draw(1, 4, 2), draw(1, 2, 2), chosen, draw(tokens, 1))


def code(batch, length):
    with torch.no_grad():
        return nearest_code(draw(batch * length, 2), draw(3, 2))


@pytest.fixture
def launches(monkeypatch) -> list[tuple[int, ...]]:
    """The grids of the launches of this test, none of which runs."""
    if not dispatch.HAS_TRITON or not dispatch.interpreted():
        pytest.skip("needs triton's interpreter")
    from triton.runtime import interpreter

    grids = []

    def record(self, grid):
        return lambda *arguments, **flags: grids.append(tuple(grid(flags)) if callable(grid) else tuple(grid))

    monkeypatch.setenv("WORKBENCH_KERNELS", "triton")
    monkeypatch.setattr(interpreter.InterpretedFunction, "__getitem__", record)
    return grids


@pytest.mark.parametrize("size", [(MANY, 1), (1, MANY)], ids=["sequences", "tokens"])
@pytest.mark.parametrize("call", [conv, scan, gather, scatter, norm, update, experts, code], ids=lambda f: f.__name__)
def test_only_the_first_axis_grows_with_sequences_and_tokens(call, size, launches):
    made = call(*size)
    if made.requires_grad:
        made.sum().backward()
    assert launches
    for grid in launches:
        assert all(axis <= MOST for axis in grid[1:]), grid
