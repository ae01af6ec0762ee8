"""Format episodes: labels consistent within an episode, and rates that separate meaning from form."""

import numpy as np
import pytest

from lib.data import IGNORE, FormatTask, stream
from lib.data.sequences.layout import COLON, NL, PAD, decode


@pytest.fixture(scope="module")
def batch():
    return FormatTask().batch(np.random.default_rng(0), 400)


def test_every_example_is_words_of_its_class_a_colon_the_episodes_label_and_a_line_end(batch):
    names = FormatTask().names
    for row in range(5):
        line = decode(batch.tokens[row], names).removesuffix(" _ _")
        examples = [example.split() for example in line.removesuffix(" /").split(" / ")]
        assert len(examples) == 21
        used: dict[str, str] = {}
        for number, (*words, colon, label) in enumerate(examples):
            letter = label[0]
            assert len(words) == 3 and colon == ":" and ord(letter) - ord("A") == batch.classes[row, number]
            assert {word[0] for word in words} == {letter.lower()}
            assert used.setdefault(letter, label) == label


def test_loss_is_on_every_label_and_nowhere_else(batch):
    assert (batch.tokens[batch.scored] == COLON).all()
    assert batch.scored.sum() == 400 * 21
    rows = np.arange(400)[:, None]
    assert (batch.targets[rows, batch.positions] == batch.tokens[rows, batch.positions + 1]).all()
    assert (batch.targets[rows, batch.positions] == np.take_along_axis(batch.labels, batch.classes, axis=1)).all()
    assert (batch.tokens[:, -2:] == PAD).all() and (batch.tokens[:, 5] == NL).all()


def test_counted_examples_are_in_the_second_half_and_their_class_was_shown_before(batch):
    assert not batch.counted[:, :11].any()
    for row in range(400):
        for number in range(11, 21):
            assert batch.counted[row, number] == (batch.classes[row, number] in batch.classes[row, :number])
    assert 0.8 < batch.counted[:, 11:].mean() < 1


def test_classes_and_synonyms_are_uniform(batch):
    classes = np.bincount(batch.classes.ravel(), minlength=6)
    expected = batch.classes.size / 6
    assert ((classes - expected) ** 2 / expected).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001
    form = (batch.labels[:, :, None] == batch.synonyms[None]).sum(axis=0)
    assert form.sum() == 2400 and ((form - 50) ** 2 / 50).sum() < 76.1  # 42 degrees of freedom


def test_words_and_labels_of_different_classes_are_disjoint():
    synonyms = FormatTask().synonyms
    assert len(np.unique(synonyms)) == 48
    names = FormatTask().names
    assert len(names) == len(set(names.values())) == 96


def test_the_right_class_with_a_guessed_form_is_semantic_but_exact_only_by_chance(batch):
    task = FormatTask()
    guess = np.random.default_rng(1).integers(0, 8, batch.classes.shape)
    predictions = np.zeros_like(batch.tokens)
    np.put_along_axis(predictions, batch.positions, batch.synonyms[batch.classes, guess], axis=1)
    rates = task.score(predictions, batch)
    assert rates["semantic"] == 1.0
    assert rates["exact"] == rates["format"] and abs(rates["exact"] - task.chance) < 0.02


def test_the_right_form_of_a_wrong_class_is_format_only(batch):
    wrong = (batch.classes + 1) % 6
    predictions = np.zeros_like(batch.tokens)
    np.put_along_axis(predictions, batch.positions, np.take_along_axis(batch.labels, wrong, axis=1), axis=1)
    assert FormatTask().score(predictions, batch) == {"semantic": 0.0, "format": 1.0, "exact": 0.0}
    assert FormatTask().score(np.full_like(batch.tokens, IGNORE), batch) == dict.fromkeys(
        ("semantic", "format", "exact"), 0.0
    )
    assert FormatTask().score(batch.targets, batch) == dict.fromkeys(("semantic", "format", "exact"), 1.0)


def test_only_counted_examples_enter_the_score(batch):
    first_half = batch.targets.copy()
    first_half[:, batch.positions[0, :11]] = 0
    assert FormatTask().score(first_half, batch)["exact"] == 1.0


def test_the_hash_of_generated_format_data_is_pinned():
    assert FormatTask().batch(stream(0, "test", 4), 4).digest() == (
        "1f6f3d307e53209e81161bbbb0b1a91207f3a2187839f0205ea62831b94d3478"
    )


def test_wrong_arguments_are_answered_in_one_sentence(batch):
    with pytest.raises(ValueError, match=r"num_classes \* num_synonyms must be at most 64, got 90"):
        FormatTask(num_classes=6, num_synonyms=15)
    with pytest.raises(ValueError, match=r"length must hold two examples \(12\), got 11"):
        FormatTask(length=11)
    with pytest.raises(ValueError, match="predictions must have the shape of tokens"):
        FormatTask().score(batch.tokens[:, :-1], batch)
