"""Generators, corpora and tokenizers: numpy and plain Python, no torch."""

from lib.data.batches import IGNORE, SequenceBatch, drawn_rows, shift_left, shuffled_rows, windows
from lib.data.coding.baselines import BPE, Bytes, GZip
from lib.data.coding.byte_models import ByteModel, MarkovModel, common_bytes
from lib.data.coding.compressors import ArithmeticCode, EqualInfo, TextCompressor
from lib.data.coding.equal_info import Windows, decode_windows, encode_windows
from lib.data.programs.interpreter import run as run_pseudocode
from lib.data.programs.reader import parse as parse_pseudocode
from lib.data.programs.tasks import (
    counterfactual,
    program_of,
    register_programs,
)
from lib.data.programs.tree import Program, PseudocodeError
from lib.data.programs.writing import render as render_pseudocode
from lib.data.questions import Question, final_answer, questions
from lib.data.randomness import ROLES, SPLITS, by_step, generator, split_of_hash, stream
from lib.data.scenes.captions import COLOURS, SHAPES
from lib.data.scenes.scenes import Scenes
from lib.data.scenes.world import SceneWorld, Variety
from lib.data.sequences.format_following import FormatBatch, FormatTask
from lib.data.sequences.layout import VOCAB_SIZE, decode, token_name
from lib.data.sequences.mixed_difficulty import CATEGORIES, DifficultyBatch, MixedDifficulty
from lib.data.sequences.mixture import TASKS, Mixture, MixtureBatch
from lib.data.sequences.recall import RecallBatch, RecallTask
from lib.data.sequences.skills import SkillBatch, Skills
from lib.data.sequences.topic_text import TopicBatch, TopicText
from lib.data.text.chat import ChatML
from lib.data.text.corpora import Corpus, build_corpus, load_corpus
from lib.data.text.gguf_bpe import bpe_from_gguf
from lib.data.text.grammar import GrammarText
from lib.data.text.tokenizers import BPETokenizer, ByteTokenizer, Tokenizer
from lib.data.text.word_pieces import WordPieces
from lib.data.vocabulary import Vocabulary

__all__ = [
    "BPE",
    "CATEGORIES",
    "COLOURS",
    "IGNORE",
    "ROLES",
    "SHAPES",
    "SPLITS",
    "TASKS",
    "VOCAB_SIZE",
    "ArithmeticCode",
    "BPETokenizer",
    "ByteModel",
    "ByteTokenizer",
    "Bytes",
    "ChatML",
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
    "Vocabulary",
    "Windows",
    "WordPieces",
    "bpe_from_gguf",
    "build_corpus",
    "by_step",
    "common_bytes",
    "counterfactual",
    "decode",
    "decode_windows",
    "drawn_rows",
    "encode_windows",
    "final_answer",
    "generator",
    "load_corpus",
    "parse_pseudocode",
    "program_of",
    "questions",
    "register_programs",
    "render_pseudocode",
    "run_pseudocode",
    "shift_left",
    "shuffled_rows",
    "split_of_hash",
    "stream",
    "token_name",
    "windows",
]
