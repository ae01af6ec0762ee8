"""The fields of a config.json: what shapes a model is taken or refused by name, never passed over.

Known to be harmless are the fields that concern training, generation or bookkeeping alone. A field that is none of
these, and not null, stops the reading: a model that ours cannot follow must not be built without a word.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

_ABOUT_THE_FILE = """
    model_type architectures auto_map dtype torch_dtype transformers_version tokenizer_class use_bfloat16 prefix
    finetuning_task task_specific_params problem_type id2label label2id num_labels language is_llama_config
"""
_CALLED_AND_TRAINED = """
    use_cache return_dict output_hidden_states output_attentions torchscript gradient_checkpointing attention_dropout
    hidden_dropout hidden_dropout_prob attention_probs_dropout_prob classifier_dropout initializer_range
    router_aux_loss_coef output_router_logits num_logits_to_keep calc_logits_for_entire_prompt use_mamba_kernels
    use_mambapy use_associative_scan attn_implementation max_position_embeddings chunk_size_feed_forward
"""
_GENERATION = """
    pad_token_id bos_token_id eos_token_id sep_token_id cls_token_id mask_token_id decoder_start_token_id max_length
    min_length max_new_tokens min_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty
    temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size
    encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores return_dict_in_generate
    forced_bos_token_id forced_eos_token_id remove_invalid_values exponential_decay_length_penalty suppress_tokens
    begin_suppress_tokens
"""
PASSED_OVER = frozenset((_ABOUT_THE_FILE + _CALLED_AND_TRAINED + _GENERATION).split())
"""Fields that change no logit of a model in eval mode."""

OF_ALL = {"is_encoder_decoder": False, "is_decoder": False, "add_cross_attention": False, "pruned_heads": {}}
"""Fields of every family at the one value that ours can follow, which is also what their absence means."""


def require(values: Mapping[str, Any], model_type: str, required: Mapping[str, Any]) -> None:
    """Raise ValueError unless the config is of this family and holds the required values, or none, in their fields."""
    if values.get("model_type", model_type) != model_type:
        raise ValueError(f"model_type must be {model_type!r}, got {values['model_type']!r}")
    for name, needed in required.items():
        if values.get(name) is not None and values[name] != needed:
            raise ValueError(f"{name} must be {needed!r}, got {values[name]!r}")


def read_fields(
    kind: type,
    values: Mapping[str, Any],
    model_type: str,
    required: Mapping[str, Any],
    *,
    ours: Iterable[str] = (),
    read: Iterable[str] = (),
) -> dict[str, Any]:
    """The fields of the dataclass `kind` among `values`, each of its type.

    `required` are fields at the one value that ours can follow; `ours` are fields of `kind` that this family does not
    have; `read` are further fields that the caller takes care of. A null stands for the default.
    Raises ValueError, which names the field, for another family, a value that is not allowed, and a field that is none
    of these nor in PASSED_OVER.
    """
    required, ours = {**OF_ALL, **required}, set(ours)
    require(values, model_type, required)
    types = {field.name: str(field.type) for field in dataclasses.fields(kind) if field.name not in ours}
    known = {*types, *required, *read, *PASSED_OVER}
    for name, value in values.items():
        if value is None or name.startswith("_") or name in known:
            continue
        if name in ours:
            raise ValueError(f"{name} must not be set, a {model_type} has no such field, got {value!r}")
        raise ValueError(f"{name} is not among the fields that are known of a {model_type}, got {value!r}")
    found = {name: values[name] for name in types if values.get(name) is not None}
    for name, value in found.items():
        check_type(name, value, types[name])
    return found


def check_type(name: str, value: object, kind: str) -> None:
    """Raise ValueError unless `value` is of this `kind`, a dataclass field's annotation.

    Whole numbers are sizes, of at least 1 (an offset of at least 0); other numbers are finite and at least 0.
    """
    allowed = {part.strip() for part in kind.split("|")}
    least = 0 if name.endswith("_offset") else 1
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "bool": isinstance(value, bool),
        "int": whole and value >= least,
        "float": (whole or isinstance(value, float)) and math.isfinite(value) and value >= 0,
        "str": isinstance(value, str),
        "None": value is None,
    }
    words = {
        "bool": "true or false",
        "int": f"a whole number of at least {least}",
        "float": "a finite number of at least 0",
        "str": "a text",
    }
    if not any(fits[part] for part in allowed):
        listed = " or ".join(words[part] for part in ("bool", "int", "float", "str") if part in allowed)
        raise ValueError(f"{name} must be {listed}, got {value!r}")
