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
from lib.data.scenes.spatial_captions import general as general_caption
from lib.data.scenes.spatial_captions import prompt as spatial_prompt
from lib.data.scenes.spatial_captions import spatial_long, spatial_short
from lib.data.scenes.spatial_captions import swapped as swapped_prompt
from lib.data.scenes.spatial_claims import Claim, claims_of, linguistics, spatial_share
from lib.data.scenes.spatial_words import VOCABULARY as SPATIAL_VOCABULARY
from lib.data.scenes.spatial_words import decode_caption, encode_captions, flip_words, negated, wrong_relations
from lib.data.scenes.spatial_world import SPATIAL_SPLITS, SpatialWorld, boxes, noisy, things, type_pairs
from lib.data.scenes.things import Thing
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
    "SPATIAL_SPLITS",
    "SPATIAL_VOCABULARY",
    "SPLITS",
    "TASKS",
    "VOCAB_SIZE",
    "ArithmeticCode",
    "BPETokenizer",
    "ByteModel",
    "ByteTokenizer",
    "Bytes",
    "ChatML",
    "Claim",
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
    "SpatialWorld",
    "TextCompressor",
    "Thing",
    "Tokenizer",
    "TopicBatch",
    "TopicText",
    "Variety",
    "Vocabulary",
    "Windows",
    "WordPieces",
    "boxes",
    "bpe_from_gguf",
    "build_corpus",
    "by_step",
    "claims_of",
    "common_bytes",
    "counterfactual",
    "decode",
    "decode_caption",
    "decode_windows",
    "drawn_rows",
    "encode_captions",
    "encode_windows",
    "final_answer",
    "flip_words",
    "general_caption",
    "generator",
    "linguistics",
    "load_corpus",
    "negated",
    "noisy",
    "parse_pseudocode",
    "program_of",
    "questions",
    "register_programs",
    "render_pseudocode",
    "run_pseudocode",
    "shift_left",
    "shuffled_rows",
    "spatial_long",
    "spatial_prompt",
    "spatial_share",
    "spatial_short",
    "split_of_hash",
    "stream",
    "swapped_prompt",
    "things",
    "token_name",
    "type_pairs",
    "windows",
    "wrong_relations",
]
