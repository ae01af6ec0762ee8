"""Metrics, one way to ask any language model, and a sandbox for the code that models write."""

from lib.evaluation.atomic_claims import ClaimAccuracy, ClaimTable, claim_holds, verify_caption, verify_captions
from lib.evaluation.attention import attention_layers, attention_maps, attention_mass, heads_removed
from lib.evaluation.bootstrap import bootstrap_interval, paired_bootstrap
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
from lib.evaluation.kernel_distance import kernel_distance
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
from lib.evaluation.relations import (
    NEAR_RELATIONS,
    PromptScores,
    SpatialPrompt,
    VisorScores,
    compbench_spatial,
    geneval_position,
    holds,
    intersection_over_union,
    prompt_scores,
    visor,
    visor_picture,
)
from lib.evaluation.representations import linear_cka
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
    "NEAR_RELATIONS",
    "ClaimAccuracy",
    "ClaimTable",
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
    "PromptScores",
    "Recorder",
    "Sandbox",
    "SandboxUnavailable",
    "SpatialPrompt",
    "Traffic",
    "Transcript",
    "TransformersModel",
    "VisorScores",
    "agrees",
    "attention_layers",
    "attention_maps",
    "attention_mass",
    "bigram_bits_per_byte",
    "bits_per_byte",
    "bootstrap_interval",
    "claim_holds",
    "compbench_spatial",
    "compression_bits_per_byte",
    "continuation_logits",
    "continuation_nats",
    "evaluate_language_model",
    "evaluate_subset",
    "frechet_distance",
    "geneval_position",
    "guarantees",
    "heads_removed",
    "holds",
    "interleaved",
    "interpreter_traffic",
    "intersection_over_union",
    "kernel_distance",
    "language_baselines",
    "linear_cka",
    "paired_bootstrap",
    "paired_interval",
    "precision_recall",
    "prompt_scores",
    "quiet_transformers",
    "run_program",
    "seed_interval",
    "tensor_traffic",
    "token_nats",
    "unigram_nats",
    "verify_caption",
    "verify_captions",
    "visor",
    "visor_picture",
    "wilson_interval",
]
