"""Sampling and decoding with caches."""

from __future__ import annotations

import pytest
import torch

from lib.nn import JambaConfig, JambaLM, generate, sample


@pytest.fixture(params=["AAAA", "MMMM", "MMAM"])
def model(request):
    torch.manual_seed(0)
    sizes = {"vocab_size": 23, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
    config = JambaConfig.from_pattern(
        request.param, experts=True, num_key_value_heads=2, num_experts=4, initializer_range=0.3, **sizes
    )
    return JambaLM(config).eval()


def test_greedy_decoding_equals_argmax_over_full_forwards(model):
    tokens = torch.randint(0, 23, (3, 5))
    expected = tokens
    with torch.no_grad():
        for _ in range(8):
            expected = torch.cat((expected, model(expected)[:, -1:].argmax(-1)), dim=1)
    assert torch.equal(generate(model, tokens, 8), expected)


def test_left_padded_prompts_decode_as_if_alone(model):
    tokens = torch.randint(0, 23, (2, 6))
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[0, :3] = False
    together = generate(model, tokens, 6, mask=mask)
    assert torch.equal(together[:1, 3:], generate(model, tokens[:1, 3:], 6))
    assert torch.equal(together[1:], generate(model, tokens[1:], 6))


def test_sampling_is_reproducible_and_stops_at_the_end_token(model):
    tokens = torch.randint(0, 23, (2, 4))
    draws = [generate(model, tokens, 9, temperature=1.0, generator=torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draws)
    end = draws[0][0, 5].item()
    stopped = generate(model, tokens, 9, temperature=1.0, eos_token_id=end, generator=torch.Generator().manual_seed(7))
    first = (stopped[0, 4:] == end).nonzero()[0].item()
    assert first <= 1 and (stopped[0, 4 + first :] == end).all()


def test_top_k_and_top_p_keep_the_tokens_they_should():
    probabilities = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).expand(4000, 4)
    generator = torch.Generator().manual_seed(0)

    def seen(**options):
        return set(sample(probabilities.log(), generator=generator, **options).tolist())

    assert seen() == {0, 1, 2, 3}
    assert seen(top_k=2) == {0, 1}
    assert seen(top_p=0.75) == {0, 1}
    assert seen(top_p=0.4) == {0}
    assert seen(temperature=0.0) == {0}
    counts = torch.bincount(sample(probabilities.log(), top_k=2, generator=generator), minlength=4) / 4000
    assert counts[0].item() == pytest.approx(0.625, abs=0.03)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"temperature": -1}, "temperature"), ({"top_k": 0}, "top_k"), ({"top_p": 1.5}, r"top_p must be in \(0, 1\]")],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        sample(torch.zeros(1, 3), **options)


@pytest.mark.wrong_arguments
def test_right_padding_and_masks_of_other_shapes_are_refused(model):
    tokens = torch.tensor([[3, 4, 5, 0, 0]])
    with pytest.raises(
        ValueError, match=r"^mask must be True at each prompt's last token, since padding stands on the"
    ):
        generate(model, tokens, 3, mask=torch.tensor([[1, 1, 1, 0, 0]]))
    for shape in ((1, 9), (3, 5), (5,)):
        with pytest.raises(ValueError, match=r"^mask must have the shape of tokens \(1, 5\), got"):
            generate(model, tokens, 3, mask=torch.ones(shape))


def test_any_of_several_end_tokens_ends_a_row(model):
    tokens = torch.randint(0, 23, (4, 5), generator=torch.Generator().manual_seed(2))
    free = generate(model, tokens, 8)[:, 5:]
    ends = [int(free[0, 1]), int(free[1, 2])]
    stopped = generate(model, tokens, 8, eos_token_id=ends)[:, 5:]
    for row, full in zip(stopped, free, strict=True):
        hits = [place for place, token in enumerate(full.tolist()) if token in ends]
        stop = hits[0] + 1 if hits else len(row)
        assert torch.equal(row[:stop], full[:stop]) and (row[stop:] == ends[0]).all()
    assert torch.equal(
        generate(model, tokens, 8, eos_token_id=ends[0]), generate(model, tokens, 8, eos_token_id=ends[:1])
    )


def test_gradients_pass_through_the_states(model):
    tokens = torch.randint(0, 23, (2, 7), generator=torch.Generator().manual_seed(3))
    whole = torch.autograd.grad(model(tokens).square().sum(), list(model.parameters()), allow_unused=True)
    states = model.new_states()
    logits = torch.cat([model(part, states) for part in tokens.split([4, 1, 1, 1], dim=1)], dim=1)
    steps = torch.autograd.grad(logits.square().sum(), list(model.parameters()), allow_unused=True)
    for by_steps, at_once in zip(steps, whole, strict=True):
        if at_once is not None:
            torch.testing.assert_close(by_steps, at_once, rtol=1e-3, atol=1e-4)


@pytest.mark.wrong_arguments
def test_a_token_outside_the_vocabulary_is_named(model):
    with pytest.raises(ValueError, match=r"^tokens must be in 0..22, got 0..23$"):
        model(torch.tensor([[0, 23]]))
