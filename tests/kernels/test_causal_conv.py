"""The causal convolution against PyTorch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch

from kernels import causal_conv, causal_conv_reference


@pytest.mark.parametrize("length", [1, 2, 7, 20])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("past", [True, False])
def test_values_and_gradients_equal_a_grouped_convolution(length, width, bias, past):
    torch.manual_seed(0)
    leaves = [torch.randn(length, 2, 5), torch.randn(5, width)]
    leaves.append(torch.randn(5) if bias else None)
    leaves.append(torch.randn(width - 1, 2, 5) if past else None)
    leaves = [None if t is None else t.double().requires_grad_() for t in leaves]
    ours, theirs = causal_conv(*leaves), causal_conv_reference(*leaves)
    torch.testing.assert_close(ours, theirs)
    present = [t for t in leaves if t is not None and t.numel()]
    cotangent = torch.randn_like(ours)
    for a, b in zip(*(torch.autograd.grad((y * cotangent).sum(), present) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"^weight must"):
        causal_conv(torch.zeros(4, 2, 3), torch.zeros(5, 4))
    with pytest.raises(ValueError, match=r"^past must"):
        causal_conv(torch.zeros(4, 2, 3), torch.zeros(3, 4), past=torch.zeros(2, 2, 3))
