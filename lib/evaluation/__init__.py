"""Metrics, one way to ask any language model, and a sandbox for the code that models write."""

from lib.evaluation.attention import attention_layers, attention_maps, attention_mass, heads_removed
from lib.evaluation.completion import (
    Decoding,
    LanguageModel,
    OurModel,
    Recorder,
    Transcript,
    TransformersModel,
)
from lib.evaluation.embedding import Embedder, OurEmbedder
from lib.evaluation.images import frechet_distance, precision_recall
from lib.evaluation.language import (
    LanguageScore,
    bigram_bits_per_byte,
    bits_per_byte,
    compression_bits_per_byte,
    evaluate_language_model,
    language_baselines,
    token_nats,
)
from lib.evaluation.likelihood import continuation_logits, continuation_nats
from lib.evaluation.ngram import NGram, unigram_nats
from lib.evaluation.quiet import quiet_transformers
from lib.evaluation.sandbox.process import (
    Limits,
    Outcome,
    Sandbox,
    SandboxUnavailable,
    agrees,
    guarantees,
    run_program,
)
from lib.evaluation.sandbox.subset import (
    OutsideSubset,
    evaluate_subset,
)
from lib.evaluation.statistics import Interval, paired_interval, seed_interval, wilson_interval
from lib.evaluation.timing import interleaved
from lib.evaluation.traffic import Traffic, interpreter_traffic, tensor_traffic

__all__ = [
    "Decoding",
    "Embedder",
    "Interval",
    "LanguageModel",
    "LanguageScore",
    "Limits",
    "NGram",
    "OurEmbedder",
    "OurModel",
    "Outcome",
    "OutsideSubset",
    "Recorder",
    "Sandbox",
    "SandboxUnavailable",
    "Traffic",
    "Transcript",
    "TransformersModel",
    "agrees",
    "attention_layers",
    "attention_maps",
    "attention_mass",
    "bigram_bits_per_byte",
    "bits_per_byte",
    "compression_bits_per_byte",
    "continuation_logits",
    "continuation_nats",
    "evaluate_language_model",
    "evaluate_subset",
    "frechet_distance",
    "guarantees",
    "heads_removed",
    "interleaved",
    "interpreter_traffic",
    "language_baselines",
    "paired_interval",
    "precision_recall",
    "quiet_transformers",
    "run_program",
    "seed_interval",
    "tensor_traffic",
    "token_nats",
    "unigram_nats",
    "wilson_interval",
]
