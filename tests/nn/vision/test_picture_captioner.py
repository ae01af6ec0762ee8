"""The captioner's likelihoods are those of its words, its cache changes nothing, and it learns from what it sees."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from lib.nn.vision.picture_captioner import CaptionerConfig, PictureCaptioner

CONFIG = CaptionerConfig(
    7, hidden_size=16, num_attention_heads=2, intermediate_size=24, max_position_embeddings=9, channels=(4, 6, 8),
    picture_size=16,
)  # fmt: skip


@pytest.fixture
def captioner() -> PictureCaptioner:
    torch.manual_seed(0)
    captioner = PictureCaptioner(CONFIG)
    captioner(torch.randn(6, 3, 16, 16), torch.ones(6, 2, dtype=torch.long))  # moves the statistics of the norms
    return captioner.eval()


def test_places_begin_as_a_linear_map_of_their_coordinates(captioner):
    """From the top and from the left: a step to the right adds the same vector everywhere, and so does a step down."""
    grid = captioner.encoder.places.detach().unflatten(0, (4, 4))
    for steps in (grid.diff(dim=0), grid.diff(dim=1)):
        assert steps.abs().max() > 0.1
        torch.testing.assert_close(steps, steps[:1, :1].expand_as(steps), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(grid.mean((0, 1)), torch.zeros(16), atol=1e-5, rtol=0)


def test_likelihoods_of_all_captions_of_a_length_sum_to_one(captioner):
    picture = torch.randn(1, 3, 16, 16)
    every = torch.tensor([[1, *words] for words in itertools.product(range(7), repeat=3)])
    with torch.no_grad():
        logits = captioner(picture.expand(len(every), 3, 16, 16), every[:, :-1])
        nats = logits.log_softmax(-1).gather(-1, every[:, 1:, None])[..., 0].sum(1)
        said = captioner.log_likelihood(picture.expand(len(every), 3, 16, 16), every)
    assert nats.exp().sum().item() == pytest.approx(1, abs=1e-4)
    without = (every[:, 1:] != CONFIG.pad).all(1)
    torch.testing.assert_close(said.sum(1)[without], nats[without], rtol=1e-4, atol=1e-5)


def test_padding_counts_nothing_and_hides_itself(captioner):
    pictures = torch.randn(2, 3, 16, 16)
    short, padded = torch.tensor([[1, 4, 2]] * 2), torch.tensor([[1, 4, 2, 0, 0]] * 2)
    said = captioner.log_likelihood(pictures, padded)
    torch.testing.assert_close(said[:, :2], captioner.log_likelihood(pictures, short))
    assert torch.equal(said[:, 2:], torch.zeros(2, 2)) and (said[:, :2] < 0).all()


def test_a_word_depends_on_earlier_words_and_on_its_own_picture(captioner):
    pictures, tokens = torch.randn(2, 3, 16, 16), torch.tensor([[1, 4, 5, 6], [1, 3, 5, 6]])
    before = captioner(pictures, tokens)
    later = tokens.clone()
    later[:, 3] = 3
    torch.testing.assert_close(captioner(pictures, later)[:, :3], before[:, :3])
    other = pictures.clone()
    other[0] += 1
    changed = captioner(other, tokens) - before
    assert changed[0].abs().max() > 1e-4 and changed[1].abs().max() < 1e-6


def test_the_picture_learns_from_the_likelihood(captioner):
    """A small step along the gradient makes the caption likelier."""
    tokens = torch.tensor([[1, 4, 5, 2]])
    picture = torch.randn(1, 3, 16, 16, requires_grad=True)
    first = captioner.log_likelihood(picture, tokens).sum()
    (slope,) = torch.autograd.grad(first, picture)
    assert slope.abs().max() > 0
    with torch.no_grad():
        moved = captioner.log_likelihood(picture + 0.05 * slope / slope.norm(), tokens).sum()
    assert moved > first


def test_writing_takes_the_likeliest_word_with_and_without_cache(captioner):
    pictures = torch.randn(5, 3, 16, 16)
    written = captioner.write(pictures, 9)
    assert written[:, 0].tolist() == [CONFIG.bos] * 5 and written.shape[1] <= 9
    tokens = torch.full((5, 1), CONFIG.bos)
    ended = torch.zeros(5, dtype=torch.bool)
    for _ in range(written.shape[1] - 1):
        with torch.no_grad():
            step = captioner(pictures, tokens)[:, -1].argmax(-1)
        step = step.masked_fill(ended, CONFIG.pad)
        ended |= step == CONFIG.eos
        tokens = torch.cat((tokens, step[:, None]), 1)
    assert torch.equal(written, tokens)


def test_captions_end_and_are_padded(captioner):
    with torch.no_grad():
        captioner.embed_tokens.weight[CONFIG.eos] *= 0
        captioner.final_norm.weight *= 20
    words = captioner.write(torch.randn(40, 3, 16, 16), temperature=1.0, generator=torch.Generator().manual_seed(0))
    for row in words.tolist():
        if CONFIG.eos in row:
            assert set(row[row.index(CONFIG.eos) + 1 :]) <= {CONFIG.pad}


def test_drawn_words_follow_the_probabilities(captioner):
    picture = torch.randn(1, 3, 16, 16).expand(4000, 3, 16, 16)
    drawn = captioner.write(picture, 2, temperature=1.0, generator=torch.Generator().manual_seed(1))[:, 1]
    again = captioner.write(picture, 2, temperature=1.0, generator=torch.Generator().manual_seed(1))[:, 1]
    assert torch.equal(drawn, again)
    with torch.no_grad():
        expected = captioner(picture[:1], torch.tensor([[1]]))[0, 0].softmax(-1)
    torch.testing.assert_close(torch.bincount(drawn, minlength=7) / 4000, expected, atol=0.03, rtol=0)


def test_it_learns_to_say_what_it_sees():
    """Bright or dark, left or right: two words of a picture."""
    torch.manual_seed(0)
    captioner = PictureCaptioner(CONFIG)
    optimizer = torch.optim.AdamW(captioner.parameters(), lr=5e-3)
    draw = torch.Generator().manual_seed(0)

    def batch():
        bright, right = torch.randint(0, 2, (2, 32), generator=draw)
        pictures = 0.1 * torch.randn(32, 3, 16, 16, generator=draw)
        for row in range(32):
            pictures[row, :, 4:12, 8 * right[row] : 8 * right[row] + 8] += 2 * bright[row] - 1
        ones = torch.ones_like(bright)
        return pictures, torch.stack((ones, 3 + bright, 5 + right, 2 * ones), 1)

    for _ in range(60):
        optimizer.zero_grad()
        (-captioner.log_likelihood(*batch()).mean()).backward()
        optimizer.step()
    pictures, tokens = batch()
    assert torch.equal(captioner.eval().write(pictures, 4), tokens)


def test_bad_input_is_named(captioner):
    with pytest.raises(ValueError, match=r"^hidden_size must be a multiple of num_attention_heads \(3\), got 16$"):
        CaptionerConfig(7, hidden_size=16, num_attention_heads=3)
    with pytest.raises(ValueError, match=r"^picture_size must be a multiple of 4, got 18$"):
        CaptionerConfig(7, picture_size=18)
    with pytest.raises(ValueError, match=r"^pictures must be 16 pixels a side, got \(32, 32\)$"):
        captioner(torch.zeros(1, 3, 32, 32), torch.ones(1, 1, dtype=torch.long))
    with pytest.raises(ValueError, match=r"^tokens must be at most max_position_embeddings \(9\) long, got 10$"):
        captioner(torch.zeros(1, 3, 16, 16), torch.ones(1, 10, dtype=torch.long))
    with pytest.raises(ValueError, match=r"^max_length must be in 2..9, got 10$"):
        captioner.write(torch.zeros(1, 3, 16, 16), 10)


def test_every_weight_takes_part():
    captioner = PictureCaptioner(CONFIG)
    tokens = torch.tensor([[1, 3, 4, 5, 6, 3, 4, 5, 2]] * 3)
    F.mse_loss(captioner.log_likelihood(torch.randn(3, 3, 16, 16), tokens), torch.zeros(3, 8)).backward()
    unused = [name for name, weight in captioner.named_parameters() if not weight.grad.abs().sum() > 0]
    assert unused == []
