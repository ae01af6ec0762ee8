"""Generators, corpora and tokenizers: numpy and plain Python, no torch."""

from lib.data.algorithmic_tasks import (
    Question,
    final_answer,
    questions,
)
from lib.data.byte_models import ByteModel, MarkovModel, common_bytes
from lib.data.compressed_text import BPE, ArithmeticCode, Bytes, EqualInfo, GZip, TextCompressor
from lib.data.corpora import Corpus, build_corpus, load_corpus
from lib.data.equal_info import Windows, decode_windows, encode_windows
from lib.data.format_following import FormatBatch, FormatTask
from lib.data.grammar_text import GrammarText
from lib.data.mixed_difficulty import CATEGORIES, DifficultyBatch, MixedDifficulty
from lib.data.mixture import TASKS, Mixture, MixtureBatch, stream
from lib.data.pseudocode import run as run_pseudocode
from lib.data.pseudocode_syntax import Program, PseudocodeError
from lib.data.pseudocode_syntax import parse as parse_pseudocode
from lib.data.pseudocode_writing import render as render_pseudocode
from lib.data.recall import RecallBatch, RecallTask
from lib.data.scenes import COLOURS, SHAPES, Scenes, SceneWorld, Variety
from lib.data.skills import SkillBatch, Skills
from lib.data.task_programs import (
    counterfactual,
    program_of,
    register_programs,
)
from lib.data.tokenizers import BPETokenizer, ByteTokenizer, Tokenizer
from lib.data.topic_text import TopicBatch, TopicText
from lib.data.vocabulary import IGNORE, VOCAB_SIZE, SequenceBatch, decode, token_name

__all__ = [
    "BPE",
    "CATEGORIES",
    "COLOURS",
    "IGNORE",
    "SHAPES",
    "TASKS",
    "VOCAB_SIZE",
    "ArithmeticCode",
    "BPETokenizer",
    "ByteModel",
    "ByteTokenizer",
    "Bytes",
    "Corpus",
    "DifficultyBatch",
    "EqualInfo",
    "FormatBatch",
    "FormatTask",
    "GZip",
    "GrammarText",
    "MarkovModel",
    "MixedDifficulty",
    "Mixture",
    "MixtureBatch",
    "Program",
    "PseudocodeError",
    "Question",
    "RecallBatch",
    "RecallTask",
    "SceneWorld",
    "Scenes",
    "SequenceBatch",
    "SkillBatch",
    "Skills",
    "TextCompressor",
    "Tokenizer",
    "TopicBatch",
    "TopicText",
    "Variety",
    "Windows",
    "build_corpus",
    "common_bytes",
    "counterfactual",
    "decode",
    "decode_windows",
    "encode_windows",
    "final_answer",
    "load_corpus",
    "parse_pseudocode",
    "program_of",
    "questions",
    "register_programs",
    "render_pseudocode",
    "run_pseudocode",
    "stream",
    "token_name",
]
