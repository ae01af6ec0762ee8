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
from lib.evaluation.images import frechet_distance, precision_recall
from lib.evaluation.language import (
    LanguageScore,
    bigram_bits_per_byte,
    bits_per_byte,
    compression_bits_per_byte,
    evaluate_language_model,
    language_baselines,
)
from lib.evaluation.ngram import NGram
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
from lib.evaluation.statistics import Interval, SeedSummary, bootstrap_mean, seed_summary, wilson_interval
from lib.evaluation.traffic import Traffic, interpreter_traffic, tensor_traffic

__all__ = [
    "Decoding",
    "Interval",
    "LanguageModel",
    "LanguageScore",
    "Limits",
    "NGram",
    "OurModel",
    "Outcome",
    "OutsideSubset",
    "Recorder",
    "Sandbox",
    "SandboxUnavailable",
    "SeedSummary",
    "Traffic",
    "Transcript",
    "TransformersModel",
    "agrees",
    "attention_layers",
    "attention_maps",
    "attention_mass",
    "bigram_bits_per_byte",
    "bits_per_byte",
    "bootstrap_mean",
    "compression_bits_per_byte",
    "evaluate_language_model",
    "evaluate_subset",
    "frechet_distance",
    "guarantees",
    "heads_removed",
    "interpreter_traffic",
    "language_baselines",
    "precision_recall",
    "run_program",
    "seed_summary",
    "tensor_traffic",
    "wilson_interval",
]
