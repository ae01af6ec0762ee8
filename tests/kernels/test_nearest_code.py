"""The nearest code: equal to the matrix of distances, ties to the lowest, in every form."""

from __future__ import annotations

import pytest
import torch

from kernels import nearest_code, nearest_code_reference


@pytest.fixture(params=["torch", "triton"])
def form(request, monkeypatch):
    if request.param == "triton":
        pytest.importorskip("triton")
    monkeypatch.setenv("WORKBENCH_KERNELS", request.param)
    return request.param


@pytest.mark.parametrize(("rows", "codes", "dim"), [(1, 1, 1), (5, 7, 3), (130, 64, 16), (70, 100, 33), (64, 17, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_the_reference(form, rows, codes, dim, dtype):
    draw = torch.Generator().manual_seed(rows + codes)
    z, codebook = (torch.randn(n, dim, generator=draw).to(dtype) for n in (rows, codes))
    found = nearest_code(z, codebook)
    assert found.dtype == torch.int64 and found.shape == (rows,)
    distances = (z.double()[:, None] - codebook.double()).square().sum(-1)
    best = distances.min(1).values
    torch.testing.assert_close(distances.gather(1, found[:, None])[:, 0], best, rtol=1e-5, atol=1e-5)
    clear = distances.topk(min(2, codes), largest=False).values
    clear = clear[:, -1] - clear[:, 0] > 1e-4 if codes > 1 else torch.ones(rows, dtype=torch.bool)
    assert torch.equal(found[clear], nearest_code_reference(z, codebook)[clear])


def test_the_lowest_of_equal_codes_wins(form):
    codebook = torch.tensor([[2.0, 0.0], [1.0, 1.0], [1.0, 1.0], [2.0, 0.0]]).repeat(20, 1)
    z = torch.tensor([[1.0, 1.0], [2.0, 0.0], [1.5, 0.5]])
    assert nearest_code(z, codebook).tolist() == [1, 0, 0]


def test_strided_inputs_and_many_rows(form):
    draw = torch.Generator().manual_seed(0)
    z, codebook = torch.randn(6, 300, generator=draw).t(), torch.randn(40, 12, generator=draw)[:, ::2]
    assert torch.equal(nearest_code(z, codebook), nearest_code_reference(z, codebook))
    if form == "torch":
        many = torch.randn(3000, 6, generator=draw)
        assert torch.equal(nearest_code(many, codebook), nearest_code_reference(many, codebook))
    assert nearest_code(z[:0], codebook).shape == (0,)


def test_no_gradient_passes(form):
    z = torch.randn(4, 3, requires_grad=True)
    assert not nearest_code(z, torch.randn(5, 3, requires_grad=True)).requires_grad


@pytest.mark.wrong_arguments
def test_bad_input_is_named():
    with pytest.raises(
        ValueError, match=r"^z and codebook must be \(rows, dim\) and \(codes, dim\), got \(2, 3\) and \(4, 5\)$"
    ):
        nearest_code(torch.zeros(2, 3), torch.zeros(4, 5))
    with pytest.raises(ValueError, match=r"^codebook must hold at least one code, got none$"):
        nearest_code(torch.zeros(2, 3), torch.zeros(0, 3))


def nearest_by_differences(z, codebook):
    return (z.double()[:, None] - codebook.double()).square().sum(-1).argmin(1)


@pytest.mark.parametrize("mean", [0.0, 3.0, 10.0, 100.0, 1000.0, -1e5])
def test_codes_far_from_the_origin_are_found_as_near_it(form, mean):
    draw = torch.Generator().manual_seed(0)
    z, codebook = (torch.randn(n, 8, generator=draw) for n in (300, 32))
    z, codebook = mean + 0.5 * z, mean + 0.5 * codebook
    assert torch.equal(nearest_code(z, codebook), nearest_by_differences(z, codebook))


@pytest.mark.parametrize("scale", [1e-35, 1e-30, 1e-12, 1e12, 1e20, 1e30])
def test_codes_of_any_size_are_found(scale):
    draw = torch.Generator().manual_seed(0)
    z, codebook = (scale * torch.randn(n, 8, generator=draw) for n in (300, 32))
    assert torch.equal(nearest_code(z, codebook), nearest_by_differences(z, codebook))


def test_codes_near_the_origin_are_compared_as_they_are(monkeypatch):
    """A mean within four spreads moves nothing, so that results are the same bits as before."""
    monkeypatch.setenv("WORKBENCH_KERNELS", "torch")
    draw = torch.Generator().manual_seed(0)
    z, codebook = torch.randn(500, 4, generator=draw), 1.5 + torch.randn(64, 4, generator=draw)
    plain = torch.addmm(codebook.square().sum(1), z, codebook.t().mul(-2).contiguous()).argmin(1)
    assert torch.equal(nearest_code(z, codebook), plain)
