"""One filter for language and pictures: the released sampler's survivors, ties, draws, errors."""

from __future__ import annotations

import pytest
import torch

from lib.nn import filter_logits, pick, sample


@pytest.mark.parametrize(
    ("k", "p", "kept"),
    [
        (2, None, "01"),
        (None, 0.5, "01"),
        (None, 0.3, "0"),
        (None, 0.9, "01234"),
        (4, 0.7, "01"),
        (3, 0.99, "012"),
    ],
)
def test_survivors_of_top_k_and_top_p(k, p, kept):
    logits = torch.tensor([0.35, 0.25, 0.15, 0.10, 0.08, 0.07]).log()
    before = logits.clone()
    assert "".join(map(str, filter_logits(logits, top_k=k, top_p=p).isfinite().nonzero().flatten().tolist())) == kept
    assert torch.equal(logits, before)
    tied = filter_logits(torch.tensor([2.0, 2.0, 2.0, 1.0]), top_k=2)
    assert tied.isfinite().tolist() == [True, True, True, False]


def test_survivors_are_hugging_faces():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    logits = torch.randn(200, 30) * 2
    for top_k, top_p in ((None, 0.9), (None, 0.3), (5, None), (7, 0.8)):
        wanted = transformers.TemperatureLogitsWarper(0.7)(None, logits)
        if top_k:
            wanted = transformers.TopKLogitsWarper(top_k)(None, wanted)
        if top_p:
            wanted = transformers.TopPLogitsWarper(top_p)(None, wanted)
        torch.testing.assert_close(filter_logits(logits, 0.7, top_k, top_p), wanted, rtol=0, atol=1e-6)


def test_ties_stay_in_top_k_and_the_later_stay_in_top_p():
    flat = torch.zeros(4)
    assert filter_logits(flat, top_k=2).isfinite().all()
    assert filter_logits(flat, top_p=0.5).isfinite().tolist() == [False, False, True, True]
    assert filter_logits(flat, top_p=1.0).isfinite().all()
    barred = filter_logits(torch.tensor([0.0, float("-inf"), 1.0]), 2.0)
    assert barred.tolist() == [0.0, float("-inf"), 0.5]


def test_draws_follow_the_probabilities_of_what_is_left():
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log().expand(3, 4000, 4)
    drawn = pick(logits, top_k=3, generator=torch.Generator().manual_seed(0))
    share = torch.bincount(drawn.flatten(), minlength=4) / 12000
    assert drawn.shape == (3, 4000)
    assert share.tolist() == pytest.approx([0, 0.4 / 0.9, 0.2 / 0.9, 0.3 / 0.9], abs=0.02)
    sharp = pick(logits, 0.5, generator=torch.Generator().manual_seed(0))
    assert (sharp == 1).float().mean().item() == pytest.approx(0.16 / 0.30, abs=0.02)
    assert (pick(logits, 0.0) == 1).all()


def test_language_draws_by_rank_whatever_the_order_of_the_vocabulary():
    torch.manual_seed(0)
    logits, order = torch.randn(50, 12), torch.randperm(12)
    draw = lambda z: sample(z, temperature=0.8, top_p=0.9, generator=torch.Generator().manual_seed(3))  # noqa: E731
    assert torch.equal(order[draw(logits[:, order])], draw(logits))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_are_named(bad, temperature):
    logits = torch.zeros(2, 5)
    logits[1, 3] = bad
    for function in (pick, lambda z, t: sample(z, temperature=t)):
        with pytest.raises(ValueError, match=rf"^logits must have a finite maximum in every row, got {bad}$"):
            function(logits, temperature)
    with pytest.raises(ValueError, match=r"^logits must have a finite maximum in every row, got -inf$"):
        pick(torch.full((1, 3), float("-inf")), temperature)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0.0}, r"^temperature must be above 0, got 0.0$"),
        ({"temperature": float("nan")}, r"^temperature must be above 0, got nan$"),
        ({"top_k": 0}, r"^top_k must be at least 1, or None for all, got 0$"),
        ({"top_p": 0.0}, r"^top_p must be in \(0, 1\], or None for all, got 0.0$"),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        filter_logits(torch.zeros(1, 3), **options)
    if "temperature" not in options:
        with pytest.raises(ValueError, match=said):
            pick(torch.zeros(1, 3), 0.0, **options)


@pytest.mark.parametrize("temperature", [1e-30, 1e-39, 1e-45, 5e-324])
@pytest.mark.parametrize("scale", [1.0, 1e30])
def test_a_temperature_next_to_zero_takes_the_largest(temperature, scale):
    logits = scale * torch.randn(6, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pick(logits, temperature), logits.argmax(-1))
    assert torch.equal(pick(logits, temperature, top_k=5, top_p=0.9), logits.argmax(-1))


@pytest.mark.parametrize("temperature", [float("nan"), -1.0])
def test_a_temperature_that_is_none_is_named(temperature):
    with pytest.raises(ValueError, match=r"^temperature must be"):
        pick(torch.zeros(2, 3), temperature)
