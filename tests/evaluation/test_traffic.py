"""Counted bytes against what pencil and paper say."""

from __future__ import annotations

import os
from unittest import mock

import pytest
import torch

from kernels import dispatch, rms_norm
from lib.evaluation import interpreter_traffic, tensor_traffic


def test_operations_count_arguments_and_results_once():
    x, y = torch.rand(10, 4), torch.rand(10, 4)
    with tensor_traffic() as traffic:
        x + y
    assert (traffic.read, traffic.written) == (2 * 160, 160)
    with tensor_traffic() as traffic:
        x.add_(y)
    assert (traffic.read, traffic.written) == (2 * 160, 160)
    with tensor_traffic() as traffic:
        torch.mul(x, y[:1].expand(10, 4), out=torch.empty(10, 4))
    assert (traffic.read, traffic.written) == (160 + 16, 160)


def test_views_and_allocations_are_free_and_a_copy_reads_only_its_source():
    x = torch.rand(10, 4)
    with tensor_traffic() as traffic:
        x.t().unsqueeze(0)[..., :2].reshape(8)[:3].view(3, 1)
        place = torch.empty(20)
    assert traffic.total == 2 * 32  # the reshape alone copies
    with tensor_traffic() as traffic:
        place.copy_(x.flatten()[:20])
    assert (traffic.read, traffic.written) == (80, 80)


def test_the_backward_pass_is_counted():
    x = torch.rand(8, 8, requires_grad=True)
    y = x @ x
    with tensor_traffic() as traffic:
        y.backward(torch.ones_like(y))
    assert traffic.total >= 2 * 3 * 256  # two matrix products


@pytest.mark.skipif(not dispatch.interpreted(), reason="needs the interpreter")
def test_the_interpreter_counts_each_address_under_the_mask():
    x, weight = torch.rand(5, 20), torch.rand(20)
    with mock.patch.dict(os.environ, WORKBENCH_KERNELS="triton"), interpreter_traffic() as traffic:
        rms_norm(x, weight)
    assert (traffic.read, traffic.written) == (4 * (100 + 20), 4 * (100 + 5))  # one program; y and 1 / rms
    with interpreter_traffic() as nothing:
        rms_norm(x, weight)
    assert nothing.total == 0
