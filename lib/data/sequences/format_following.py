"""The format test: does a model that knows the class also write the label the way this prompt writes it?

An example is three words of one class, a colon, the label and a line end. Every class owns several synonymous
labels, and each episode settles on one of them per class:

    a3 a0 a7 : A5 /  c1 c1 c6 : C2 /  a4 a0 a2 : A5 / ...

A model which has learned the classes but does not look at the prompt answers A1 or A7: right in meaning, wrong in
form. That is what the Jamba paper reports of pure Mamba on IMDB, "Very Positive" for "Positive" (arXiv 2403.19887,
section 6.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.data.batches import IGNORE, SequenceBatch, check_predictions
from lib.data.checks import check_positive
from lib.data.sequences.layout import COLON, NL, PAD, TEXT, VALUES

FIRST_LABEL = VALUES.start + 16
"""Labels follow the sixteen values that the recall task uses, so that no answer of one is an answer of the other."""
FIRST_WORD = TEXT.start + 40
"""Words follow the forty tokens of the topic text."""


@dataclass(frozen=True)
class FormatBatch(SequenceBatch):
    """What is needed to score an episode, besides tokens and targets.

    `classes` (batch, examples): the class of each example. `positions` (batch, examples): where its label is
    predicted, which is the position of its colon (the label stands one later). `labels` (batch, classes): the label
    token that this episode uses for each class. `synonyms` (classes, synonyms): all label tokens of each class, the
    same in every episode. `counted` (batch, examples) bool: second half of the episode, class shown before.
    """

    classes: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    synonyms: np.ndarray
    counted: np.ndarray


@dataclass(frozen=True)
class FormatTask:
    """Draws format episodes; the loss is on every label, the first of its class included.

    Raises ValueError when the vocabulary has too few words or labels, or `length` holds fewer than two examples.
    """

    num_classes: int = 6
    num_synonyms: int = 8
    words_per_class: int = 8
    words_per_example: int = 3
    length: int = 128

    def __post_init__(self):
        check_positive(**{name: getattr(self, name) for name in self.__dataclass_fields__})
        for what, room, need in (
            ("num_classes * num_synonyms", VALUES.stop - FIRST_LABEL, self.num_classes * self.num_synonyms),
            ("num_classes * words_per_class", TEXT.stop - FIRST_WORD, self.num_classes * self.words_per_class),
        ):
            if need > room:
                raise ValueError(f"{what} must be at most {room}, got {need}")
        if self.num_examples < 2:
            raise ValueError(f"length must hold two examples ({2 * self.example_length}), got {self.length}")

    @property
    def example_length(self) -> int:
        return self.words_per_example + 3

    @property
    def num_examples(self) -> int:
        return self.length // self.example_length

    @property
    def chance(self) -> float:
        """Share of exact labels when the class is known and the form is guessed."""
        return 1 / self.num_synonyms

    @property
    def synonyms(self) -> np.ndarray:
        """(classes, synonyms) label tokens."""
        labels = FIRST_LABEL + np.arange(self.num_classes * self.num_synonyms, dtype=np.int64)
        return labels.reshape(self.num_classes, self.num_synonyms)

    @property
    def names(self) -> dict[int, str]:
        """Names for `decode`: word `c1` and label `C1` belong to the third class."""
        words = {
            FIRST_WORD + i: divmod(i, self.words_per_class) for i in range(self.num_classes * self.words_per_class)
        }
        labels = {int(token): place for place, token in np.ndenumerate(self.synonyms)}
        named = {token: f"{chr(ord('a') + c)}{i}" for token, (c, i) in words.items()}
        return named | {token: f"{chr(ord('A') + c)}{i}" for token, (c, i) in labels.items()}

    def batch(self, rng: np.random.Generator, size: int) -> FormatBatch:
        """`size` episodes of `num_examples` examples, padded at the end."""
        check_positive(size=size)
        shape = (size, self.num_examples)
        form = rng.integers(0, self.num_synonyms, size=(size, self.num_classes))
        classes = rng.integers(0, self.num_classes, size=shape)
        words = rng.integers(0, self.words_per_class, size=(*shape, self.words_per_example))
        labels = np.take_along_axis(self.synonyms[None], form[..., None], axis=2)[..., 0]

        examples = np.empty((*shape, self.example_length), dtype=np.int64)
        examples[..., : self.words_per_example] = FIRST_WORD + classes[..., None] * self.words_per_class + words
        examples[..., -3] = COLON
        examples[..., -2] = np.take_along_axis(labels, classes, axis=1)
        examples[..., -1] = NL
        tokens = np.full((size, self.length), PAD, dtype=np.int64)
        tokens[:, : self.num_examples * self.example_length] = examples.reshape(size, -1)

        colon = np.arange(self.num_examples, dtype=np.int64) * self.example_length + self.words_per_example
        targets = np.full_like(tokens, IGNORE)
        targets[:, colon] = tokens[:, colon + 1]
        seen = np.stack([(classes[:, :i] == classes[:, i, None]).any(axis=1) for i in range(self.num_examples)], axis=1)
        counted = seen & (2 * np.arange(self.num_examples) >= self.num_examples)
        return FormatBatch(
            tokens, targets, classes, np.broadcast_to(colon, shape).copy(), labels, self.synonyms, counted
        )

    def score(self, predictions, batch: FormatBatch) -> dict[str, float]:
        """Rates over the counted examples; `predictions` (batch, length) is the argmax over the whole vocabulary.

        "semantic": any label of the right class. "format": a label this episode uses, of whatever class.
        "exact": both, the one right token.
        """
        predictions = check_predictions(predictions, batch)
        if not batch.counted.any():
            raise ValueError("batch must have a counted example, got none: no class of a second half was shown before")
        answers = np.take_along_axis(predictions, batch.positions, axis=1)
        right = np.take_along_axis(batch.labels, batch.classes, axis=1)
        hits = {
            "semantic": (answers[..., None] == batch.synonyms[batch.classes]).any(axis=-1),
            "format": (answers[..., None] == batch.labels[:, None, :]).any(axis=-1),
            "exact": answers == right,
        }
        return {name: float(hit[batch.counted].mean()) for name, hit in hits.items()}
