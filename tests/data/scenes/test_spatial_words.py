"""Words of captions: closed, encoded with their ends, mirrored, negated and made wrong."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data.scenes.spatial_captions import general, prompt, spatial_long, spatial_short
from lib.data.scenes.spatial_words import (
    BOS,
    CONTEXT_LENGTH,
    EOS,
    NUMBERS,
    PAD,
    PHRASES,
    VOCABULARY,
    decode_caption,
    encode_captions,
    flip_words,
    negated,
    wrong_relations,
)
from lib.data.scenes.spatial_world import SpatialWorld, things, type_pairs

LONG = "two objects : a red disk and a blue plus . the red disk is to the left of the blue plus ."


def test_every_word_is_used_and_no_other():
    """Thousands of captions of every form use the whole vocabulary but numbers that the world does not reach."""
    rng, used = np.random.default_rng(0), set()
    for regime in ("few", "many"):
        scenes = SpatialWorld(6, regime=regime).draw("test", 700)
        for row in range(len(scenes)):
            shown = things(scenes, row)
            for caption in (general(shown, rng, 0.5), spatial_long(shown, rng), spatial_short(shown, rng)):
                for form in (caption, negated(caption, rng), flip_words(caption), wrong_relations(caption, 0.5, rng)):
                    encode_captions([form], truncate=False)
                    used |= set(form.split())
    for pair in type_pairs():
        encode_captions([prompt(pair[0], relation, pair[1], negate=True) for relation in PHRASES], truncate=False)
    assert set(VOCABULARY.names[3:]) - used == {"four", "eight", "nine", "ten"} < set(NUMBERS)
    assert VOCABULARY.names[:3] == ("<pad>", "<bos>", "<eos>") and len(VOCABULARY) == 40


def test_ends_padding_and_truncation():
    tokens = encode_captions(["a red disk", "", "a blue plus and a red disk"], 7)
    a, red, disk, blue, plus, conj = (VOCABULARY.ids[word] for word in "a red disk blue plus and".split())
    assert tokens.dtype == np.int64
    assert tokens.tolist() == [
        [BOS, a, red, disk, EOS, PAD, PAD],
        [BOS, EOS, PAD, PAD, PAD, PAD, PAD],
        [BOS, a, blue, plus, conj, a, EOS],
    ]
    assert encode_captions(["a " * 62], truncate=False).shape == (1, CONTEXT_LENGTH)
    assert encode_captions([]).shape == (0, 64)


def test_decoding_ends_at_the_first_end():
    for caption in (LONG, ""):
        assert decode_caption(encode_captions([caption])[0]) == caption
    red, disk = VOCABULARY.ids["red"], VOCABULARY.ids["disk"]
    assert decode_caption([BOS, red, disk, EOS, disk, BOS]) == "red disk"
    assert decode_caption([BOS, red, PAD, PAD]) == "red"


def test_flipping_changes_left_and_right_alone_and_twice_nothing():
    assert flip_words(LONG) == LONG.replace("left", "right")
    assert flip_words("a red disk above a blue plus") == "a red disk above a blue plus"
    assert flip_words(flip_words(LONG)) == LONG


def test_negation_says_the_opposite_is_not_so():
    rng = np.random.default_rng(0)
    said = "the red disk is {} the blue plus . the red disk is larger than the blue plus ."
    pairs = [("to the left of", "to the right of"), ("to the right of", "to the left of")]
    for phrase, other in [*pairs, ("above", "below"), ("below", "above")]:
        assert negated(said.format(phrase), rng) == said.format(f"not {other}")
    assert negated(said.format("not above"), rng) == said.format("not above")
    assert negated(LONG, rng, rate=0) == LONG
    assert negated("a red disk above a blue plus", rng) == "a red disk not below a blue plus"
    some = [negated(said.format("above"), rng, rate=0.3) != said.format("above") for _ in range(2000)]
    assert np.mean(some) == pytest.approx(0.3, abs=0.04)


def test_wrong_relations_come_at_their_rate():
    rng = np.random.default_rng(1)
    caption = "the red disk is above the blue plus . the red disk is not to the right of the green plus ."
    wrong = "the red disk is below the blue plus . the red disk is not to the left of the green plus ."
    assert wrong_relations(caption, 1.0, rng) == wrong and wrong_relations(caption, 0.0, rng) == caption
    assert wrong_relations(wrong, 1.0, rng) == caption
    sizes = "the red disk is larger than the blue plus ."
    assert wrong_relations(sizes, 1.0, rng) == sizes
    flips = [wrong_relations(caption, 0.17, rng) for _ in range(2000)]
    share = np.mean([("below" in said) + ("left" in said) for said in flips]) / 2
    assert share == pytest.approx(0.17, abs=0.024)  # four standard errors


def test_bad_input_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^text must be of the 40 known words, such as .*, got 'cube'$"):
        encode_captions(["a red cube"])
    with pytest.raises(ValueError, match=r"^captions must be of at most 5 words, got one of 6$"):
        encode_captions(["a disk and a red disk"], 7, truncate=False)
    with pytest.raises(ValueError, match=r"^captions must be a list of texts, got one text 'a disk'$"):
        encode_captions("a disk")
    with pytest.raises(ValueError, match=r"^length must be an integer of at least 2, got 1$"):
        encode_captions(["a disk"], 1)
    for call in (lambda: negated(LONG, rng, rate=1.1), lambda: wrong_relations(LONG, 1.1, rng)):
        with pytest.raises(ValueError, match=r"^rate must be in 0\.\.1, got 1\.1$"):
            call()
