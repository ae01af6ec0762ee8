"""Generators, corpora and tokenizers: numpy and plain Python, no torch."""

from lib.data.corpora import Corpus, build_corpus, load_corpus
from lib.data.format_following import FormatBatch, FormatTask
from lib.data.mixed_difficulty import CATEGORIES, DifficultyBatch, MixedDifficulty
from lib.data.mixture import TASKS, Mixture, MixtureBatch, stream
from lib.data.recall import RecallBatch, RecallTask
from lib.data.tokenizers import BPETokenizer, ByteTokenizer, Tokenizer
from lib.data.topic_text import TopicBatch, TopicText
from lib.data.vocabulary import IGNORE, VOCAB_SIZE, SequenceBatch, decode, token_name

__all__ = [
    "CATEGORIES",
    "IGNORE",
    "TASKS",
    "VOCAB_SIZE",
    "BPETokenizer",
    "ByteTokenizer",
    "Corpus",
    "DifficultyBatch",
    "FormatBatch",
    "FormatTask",
    "MixedDifficulty",
    "Mixture",
    "MixtureBatch",
    "RecallBatch",
    "RecallTask",
    "SequenceBatch",
    "Tokenizer",
    "TopicBatch",
    "TopicText",
    "build_corpus",
    "decode",
    "load_corpus",
    "stream",
    "token_name",
]
