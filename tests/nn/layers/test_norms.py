"""RMSNorm is its equation, in float32 whatever the type; Gemma's form starts from a gain of one too."""

from __future__ import annotations

import pytest
import torch

from lib.nn import RMSNorm


@pytest.mark.parametrize("unit_offset", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_equation(unit_offset, dtype):
    torch.manual_seed(0)
    norm, x = RMSNorm(12, 1e-5, unit_offset=unit_offset), torch.randn(4, 5, 12).to(dtype)
    torch.nn.init.normal_(norm.weight)
    wide = x.double()
    gain = norm.weight.double() + (1 if unit_offset else 0)
    wanted = wide / (wide.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 1e-2}
    torch.testing.assert_close(norm.to(dtype)(x).double(), wanted, **tolerance)


@pytest.mark.parametrize("unit_offset", [False, True])
def test_at_its_start_the_gain_is_one(unit_offset):
    rows = RMSNorm(16, unit_offset=unit_offset)(100 * torch.randn(8, 16))
    torch.testing.assert_close(rows.square().mean(-1), torch.ones(8), rtol=1e-4, atol=1e-4)


def test_its_form_is_printed():
    assert str(RMSNorm(8)) == "RMSNorm(8, eps=1e-06)"
    assert str(RMSNorm(8, unit_offset=True)) == "RMSNorm(8, eps=1e-06, unit_offset=True)"
