"""The encoder: padding is not seen, a vector has length one, too long a text is refused (parity: tests/parity)."""

from __future__ import annotations

import pytest
import torch

from lib.nn import EncoderConfig, TextEncoder

TINY = EncoderConfig(40, 32, 2, 4, 48, max_position_embeddings=12)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(TINY).eval()


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    return torch.randint(0, 40, (3, 9), generator=torch.Generator().manual_seed(0))


def test_padding_changes_nothing(encoder, tokens):
    mask = torch.arange(9) < torch.tensor([[9], [5], [1]])
    together = encoder.embed(tokens, mask)
    for row, length in enumerate((9, 5, 1)):
        torch.testing.assert_close(together[row], encoder.embed(tokens[row : row + 1, :length])[0])
    other = torch.where(mask, tokens, (tokens + 1) % 40)
    torch.testing.assert_close(encoder.embed(other, mask), together)


def test_every_token_sees_every_other_and_where_it_stands(encoder, tokens):
    hidden = encoder(tokens)
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 40
    assert not torch.allclose(encoder(changed)[:, 0], hidden[:, 0])
    assert not torch.allclose(encoder.embed(tokens.flip(1)), encoder.embed(tokens))


def test_a_vector_is_the_mean_of_length_one(encoder, tokens):
    mean = encoder(tokens).mean(1)
    torch.testing.assert_close(encoder.embed(tokens), mean / mean.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(encoder.embed(tokens).norm(dim=-1), torch.ones(3))


def test_a_text_without_a_token_and_one_too_long_are_refused(encoder, tokens):
    with pytest.raises(ValueError, match=r"^mask must leave at least one real token of every text$"):
        encoder.embed(tokens, torch.zeros(3, 9, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"^tokens must be at most max_position_embeddings \(12\) long, got 13$"):
        encoder(torch.zeros(1, 13, dtype=torch.long))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match=r"^hidden_size must be a multiple of num_attention_heads \(3\), got 32$"):
        EncoderConfig(40, 32, num_attention_heads=3)
