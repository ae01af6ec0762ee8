"""Metrics: how sure a figure is, and what a text costs a language model."""

from lib.evaluation.attention import attention_layers, attention_maps, attention_mass, heads_removed
from lib.evaluation.images import FeatureNetwork, frechet_distance, precision_recall
from lib.evaluation.language import (
    LanguageScore,
    bigram_bits_per_byte,
    bits_per_byte,
    compression_bits_per_byte,
    evaluate_language_model,
    language_baselines,
)
from lib.evaluation.ngram import NGram
from lib.evaluation.statistics import Interval, SeedSummary, bootstrap_mean, seed_summary, wilson_interval
from lib.evaluation.traffic import Traffic, interpreter_traffic, tensor_traffic

__all__ = [
    "FeatureNetwork",
    "Interval",
    "LanguageScore",
    "NGram",
    "SeedSummary",
    "Traffic",
    "attention_layers",
    "attention_maps",
    "attention_mass",
    "bigram_bits_per_byte",
    "bits_per_byte",
    "bootstrap_mean",
    "compression_bits_per_byte",
    "evaluate_language_model",
    "frechet_distance",
    "heads_removed",
    "interpreter_traffic",
    "language_baselines",
    "precision_recall",
    "seed_summary",
    "tensor_traffic",
    "wilson_interval",
]
