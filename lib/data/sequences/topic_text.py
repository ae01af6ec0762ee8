"""Topic text: a small language whose entropy is known, so that a loss can be read as nats above the best possible.

First-order Markov chains over forty tokens, one chain per topic. The first token reveals the topic (its number modulo
the number of topics); from then on p(next | token, topic) is one of four successors with unequal odds. The next
token cannot be guessed from the last one alone: a model must keep the topic in mind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lib.data.batches import IGNORE, SequenceBatch, shift_left
from lib.data.checks import check_positive, check_whole
from lib.data.randomness import language_stream
from lib.data.sequences.layout import TEXT


@dataclass(frozen=True)
class TopicBatch(SequenceBatch):
    """`topics` (batch,), and for every position that carries loss what the generator knows about the next token.

    `surprise` (batch, length): -log p(target | token, topic) in nats. `entropy` (batch, length): the expectation of
    that surprise before the target is drawn. Both are 0 where there is no loss.
    """

    topics: np.ndarray
    surprise: np.ndarray
    entropy: np.ndarray


@dataclass(frozen=True)
class TopicText:
    """The language (fixed by `language_seed`, not by the run's seed) and how to draw text from it.

    Raises ValueError when the vocabulary has too few text tokens, or an argument is out of range.
    """

    num_tokens: int = 40
    num_topics: int = 8
    num_successors: int = 4
    length: int = 128
    language_seed: int = 0

    def __post_init__(self):
        check_positive(num_tokens=self.num_tokens, num_topics=self.num_topics, num_successors=self.num_successors)
        if self.num_tokens > len(TEXT):
            raise ValueError(f"num_tokens must be at most {len(TEXT)}, got {self.num_tokens}")
        for name in ("num_topics", "num_successors"):
            if getattr(self, name) > self.num_tokens:
                raise ValueError(f"{name} must be at most num_tokens = {self.num_tokens}, got {getattr(self, name)}")
        check_whole(2, length=self.length)
        check_whole(0, language_seed=self.language_seed)

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Successors and their odds (whole numbers from 1 to 8), both (topics, tokens, successors)."""
        rng = language_stream(self.language_seed, 0x7E87)
        shape = (self.num_topics, self.num_tokens, self.num_tokens)
        everyone = np.broadcast_to(np.arange(self.num_tokens), shape)
        successors = rng.permuted(everyone, axis=2)[..., : self.num_successors]
        return successors, rng.integers(1, 9, size=successors.shape)

    @cached_property
    def transitions(self) -> np.ndarray:
        """p(next | token, topic) as (topics, tokens, tokens)."""
        successors, odds = self._tables
        table = np.zeros((self.num_topics, self.num_tokens, self.num_tokens))
        np.put_along_axis(table, successors, odds / odds.sum(axis=2, keepdims=True), axis=2)
        return table

    @cached_property
    def token_entropy(self) -> np.ndarray:
        """H(next | token, topic) in nats as (topics, tokens)."""
        table = self.transitions
        return -(table * np.log(table, where=table > 0, out=np.zeros_like(table))).sum(axis=2)

    def entropy(self, length: int | None = None) -> float:
        """Exact expected nats per predicted token of a text of `length` tokens, its first token given.

        The first token is uniform; its distribution is carried through the chain of its topic, position by position.
        No predictor that sees the text can do better on average.
        """
        length = self._length(length)
        starts = np.arange(self.num_tokens)
        state = np.zeros((self.num_topics, self.num_tokens))
        state[starts % self.num_topics, starts] = 1 / self.num_tokens
        total = 0.0
        for _ in range(length - 1):
            total += float((state * self.token_entropy).sum())
            state = np.einsum("kt,ktn->kn", state, self.transitions)
        return total / (length - 1)

    def batch(self, rng: np.random.Generator, size: int, length: int | None = None) -> TopicBatch:
        """`size` texts of `length` tokens (the task's own when None); loss on every next token."""
        check_positive(size=size)
        length = self._length(length)
        numbers, topics = self._draw(rng, size, length)
        tokens = TEXT.start + numbers
        surprise, entropy = np.zeros((size, length)), np.zeros((size, length))
        surprise[:, :-1] = -np.log(self.transitions[topics[:, None], numbers[:, :-1], numbers[:, 1:]])
        entropy[:, :-1] = self.token_entropy[topics[:, None], numbers[:, :-1]]
        return TopicBatch(tokens, shift_left(tokens), topics, surprise, entropy)

    def filler(self, rng: np.random.Generator, size: int, length: int) -> np.ndarray:
        """Text tokens (size, length) for `RecallTask.needle`, of any length from 1."""
        check_positive(size=size, length=length)
        return TEXT.start + self._draw(rng, size, length)[0]

    def excess(self, nats, batch: TopicBatch) -> float:
        """Mean of a model's `nats` (batch, length) above the generator's own surprise, over positions with loss.

        Subtracting what the very same tokens cost the generator removes the luck of the draw: the expectation is
        that of mean loss - `entropy()`, with far less noise.
        """
        nats = np.asarray(nats, dtype=np.float64)
        if nats.shape != batch.tokens.shape:
            raise ValueError(f"nats must have the shape of tokens {batch.tokens.shape}, got {nats.shape}")
        counted = batch.targets != IGNORE
        return float((nats - batch.surprise)[counted].mean())

    def _length(self, length: int | None) -> int:
        """The task's own length where none is asked for; 0 is a wrong one."""
        length = self.length if length is None else length
        check_whole(2, length=length)
        return length

    def _draw(self, rng: np.random.Generator, size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        successors, odds = self._tables
        cumulative = odds.cumsum(axis=2)
        numbers = np.empty((size, length), dtype=np.int64)
        numbers[:, 0] = rng.integers(0, self.num_tokens, size=size)
        topics = numbers[:, 0] % self.num_topics
        for position in range(1, length):
            last = numbers[:, position - 1]
            bounds = cumulative[topics, last]
            draw = rng.integers(0, bounds[:, -1])
            choice = (draw[:, None] >= bounds).sum(axis=1)
            numbers[:, position] = successors[topics, last, choice]
        return numbers, topics
