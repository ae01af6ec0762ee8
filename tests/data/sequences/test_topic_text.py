"""Topic text: its exact entropy is what its generator pays."""

import numpy as np
import pytest

from lib.data import IGNORE, TopicText, stream
from lib.data.sequences.layout import TEXT


def test_transitions_are_distributions_over_four_successors():
    table = TopicText().transitions
    assert table.shape == (8, 40, 40)
    assert table.sum(axis=2) == pytest.approx(1)
    assert ((table > 0).sum(axis=2) == 4).all()


def test_the_exact_entropy_agrees_with_a_monte_carlo_estimate():
    text = TopicText()
    surprise = text.batch(np.random.default_rng(0), 4000, length=64).surprise[:, :-1].mean(axis=1)
    error = surprise.std() / np.sqrt(len(surprise))
    assert error < 0.005
    assert abs(surprise.mean() - text.entropy(64)) < 4 * error
    assert 0 < text.entropy(64) < np.log(4)


def test_transition_frequencies_are_those_of_the_table():
    text = TopicText(num_tokens=6, num_topics=2, num_successors=3, length=400)
    batch = text.batch(np.random.default_rng(1), 300)
    numbers = batch.tokens - TEXT.start
    counts = np.zeros((2, 6, 6))
    np.add.at(counts, (batch.topics[:, None].repeat(399, axis=1), numbers[:, :-1], numbers[:, 1:]), 1)
    seen = counts.sum(axis=2) > 2000
    assert seen.sum() >= 6
    shares = counts[seen] / counts[seen].sum(axis=1, keepdims=True)
    assert np.abs(shares - text.transitions[seen]).max() < 0.04


def test_the_first_token_reveals_the_topic_and_without_it_the_text_is_harder():
    text = TopicText()
    batch = text.batch(np.random.default_rng(2), 64)
    assert (batch.topics == (batch.tokens[:, 0] - TEXT.start) % 8).all()
    blind = text.transitions.mean(axis=0)
    numbers = batch.tokens - TEXT.start
    without_topic = -np.log(blind[numbers[:, :-1], numbers[:, 1:]]).mean()
    assert without_topic > text.entropy() + 0.5


def test_excess_of_the_generator_is_zero_and_of_a_uniform_guess_is_what_it_wastes():
    text = TopicText()
    batch = text.batch(np.random.default_rng(3), 200)
    assert text.excess(batch.surprise, batch) == 0
    uniform = text.excess(np.full(batch.tokens.shape, np.log(40)), batch)
    assert uniform == pytest.approx(np.log(40) - text.entropy(), abs=0.03)


def test_loss_is_on_every_next_token():
    batch = TopicText().batch(np.random.default_rng(4), 3)
    assert (batch.targets[:, :-1] == batch.tokens[:, 1:]).all() and (batch.targets[:, -1] == IGNORE).all()
    assert (batch.surprise[:, -1] == 0).all() and (batch.entropy[:, -1] == 0).all()
    assert batch.entropy[:, :-1].min() > 0


def test_the_language_does_not_depend_on_the_rng_but_on_its_own_seed():
    assert (TopicText().transitions == TopicText().transitions).all()
    assert (TopicText().transitions != TopicText(language_seed=1).transitions).any()


def test_the_hash_of_generated_text_is_pinned():
    assert TopicText().batch(stream(0, "test", 5), 4).digest() == (
        "1250f71b25032529d6180ecc195db7d0379d37d804b2bfc74fe48692d9643af7"
    )


def test_wrong_arguments_are_answered_in_one_sentence():
    with pytest.raises(ValueError, match="num_tokens must be at most 90, got 91"):
        TopicText(num_tokens=91)
    with pytest.raises(ValueError, match="num_successors must be at most num_tokens = 3, got 4"):
        TopicText(num_tokens=3, num_topics=2)
    with pytest.raises(ValueError, match="length must be an integer of at least 2, got 1"):
        TopicText(length=1)
    rng = np.random.default_rng(0)
    for call in (lambda: TopicText().batch(rng, 2, length=0), lambda: TopicText().entropy(0)):  # not the task's own
        with pytest.raises(ValueError, match="length must be an integer of at least 2, got 0"):
            call()
    with pytest.raises(ValueError, match="length must be an integer of at least 1, got 0"):
        TopicText().filler(rng, 2, 0)
