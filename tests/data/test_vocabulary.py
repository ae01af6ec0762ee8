"""A closed vocabulary: what is written is read back, what is unknown is named."""

import numpy as np
import pytest

from lib.data import Vocabulary

WORDS = Vocabulary(["yes", "no", "pad", "maybe"], first=("pad", "eos"))


def test_the_first_words_come_first_and_once():
    assert WORDS.names == ("pad", "eos", "yes", "no", "maybe") and len(WORDS) == 5
    assert [WORDS.ids[word] for word in WORDS.names] == list(range(5))
    assert "eos" in WORDS and "perhaps" not in WORDS


@pytest.mark.parametrize("text", ["", "no", "yes no  maybe eos"])
def test_a_text_is_read_back(text):
    tokens = WORDS.encode(text)
    assert tokens.dtype == np.int64 and tokens.shape == (len(text.split()),)
    assert WORDS.decode(tokens) == " ".join(text.split())
    np.testing.assert_array_equal(WORDS.encode(text.split()), tokens)


def test_other_names_can_be_shown_in_place_of_words():
    assert WORDS.decode([2, 3], {3: "never"}) == "yes never"


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match=r"^text must be of the 5 known words, such as pad, .*, got 'perhaps'$"):
        WORDS.encode("yes perhaps")
    with pytest.raises(ValueError, match=r"^token must be in 0\.\.4, got 5$"):
        WORDS.decode([0, 5])
    with pytest.raises(ValueError, match=r"^token must be in 0\.\.4, got -1$"):
        WORDS.name(-1)
    with pytest.raises(ValueError, match="tokens must be one sequence"):
        WORDS.decode([[1, 2]])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "words must be different and at least one, got none"),
        (["a", "b", "a"], "words must be different and at least one, got 'a'"),
        (["a b"], "words must be without blanks and not empty, got 'a b'"),
        ([""], "words must be without blanks and not empty, got ''"),
    ],
)
def test_words_that_could_not_be_told_apart_are_refused(words, says):
    with pytest.raises(ValueError, match=f"^{says}$"):
        Vocabulary(words)
