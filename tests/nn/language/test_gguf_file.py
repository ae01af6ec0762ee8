"""GGUF: fields and names become a Llama's, what ours cannot follow is refused, damage ends in one sentence."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from lib.nn import GGUFFile, TransformerLM
from lib.nn.language.gguf_file import halves_from_pairs, llama_config_of, llama_weights_of
from lib.nn.layers.positions import apply_rotary, rotary_angles
from tests.nn.language.tiny_gguf import FIELDS, HEADS, LAYERS, random_weights, write

NAMED = {f"llama.{name}": value for name, value in FIELDS.items()} | {"general.architecture": "llama"}


def test_rows_in_halves_turn_as_rows_in_pairs_do():
    """llama.cpp's rotation, written with complex numbers, of its own rows equals ours of the reordered rows."""
    torch.manual_seed(0)
    heads, head_dim, positions = 3, 8, torch.arange(5)
    weight, x = torch.randn(heads * head_dim, 16), torch.randn(5, 16)
    angles = rotary_angles(positions, head_dim)  # (5, 4)
    pairs = torch.view_as_complex((x @ weight.T).reshape(5, heads, head_dim // 2, 2))
    theirs = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)[:, None])
    halves = (x @ halves_from_pairs(weight, heads).T).reshape(1, 5, heads, head_dim).transpose(1, 2)
    ours = apply_rotary(halves, angles)[0].transpose(0, 1)  # (5, heads, head_dim)
    torch.testing.assert_close(ours.unflatten(-1, (2, -1)).transpose(-1, -2), theirs)


def test_rows_that_are_no_even_heads_are_refused():
    with pytest.raises(ValueError, match=r"^rows must be 2 heads of even width, got 6$"):
        halves_from_pairs(torch.zeros(6, 4), 2)


def test_the_fields_are_those_of_a_config():
    config = llama_config_of(NAMED)
    assert config["num_hidden_layers"] == LAYERS and config["rope_theta"] == 50_000.0
    counted = {name: value for name, value in NAMED.items() if name != "llama.vocab_size"}
    assert llama_config_of(counted | {"tokenizer.ggml.tokens": ["a"] * 7})["vocab_size"] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"general.architecture": "gemma"}, "^general.architecture must be 'llama', got 'gemma'$"),
        ({"llama.rope.scaling.type": "linear"}, "^llama.rope.scaling.type must be 'none', got 'linear'$"),
        ({"llama.rope.dimension_count": 8}, "^llama.rope.dimension_count must be 16, got 8$"),
        ({"llama.attention.value_length": 32}, "^llama.attention.value_length must be 16, got 32$"),
        ({"llama.expert_count": 8}, "^llama.expert_count must be 0, got 8$"),
        ({"llama.logit_scale": 2.0}, "^llama's fields must be block_count, .*, got logit_scale$"),
    ],
)
def test_a_field_that_ours_cannot_follow_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        llama_config_of(NAMED | change)


def test_fields_that_do_not_say_the_sizes_are_refused():
    with pytest.raises(ValueError, match=r"^the fields of a llama must say its num_hidden_layers, hidden_size, "):
        llama_config_of({"general.architecture": "llama"})


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.0.attn_q.bias", "blk.0.ffn_inp.weight", "blk.0.output"])
def test_a_tensor_that_no_such_llama_has_is_named(name):
    with pytest.raises(ValueError, match=f"^tensors must be those of a llama .*, got '{name}'$"):
        llama_weights_of({name: torch.zeros(4, 4)}, {"num_attention_heads": 2})


def test_without_the_package_the_command_that_brings_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs the package gguf, which `make real` installs$"):
        GGUFFile(tmp_path / "model.gguf")


@pytest.mark.real
def test_a_file_gives_fields_and_weights_as_they_were_written(tmp_path):
    weights = random_weights()
    write(tmp_path / "model.gguf", FIELDS, weights)
    file = GGUFFile(tmp_path / "model.gguf")
    assert file.fields["llama.block_count"] == LAYERS and file.fields["general.architecture"] == "llama"
    read = file.weights()
    assert read.keys() == weights.keys()
    assert all(np.array_equal(read[name].numpy(), weight) for name, weight in weights.items())


@pytest.mark.real
def test_four_bits_cost_at_most_half_a_step(tmp_path):
    """w = d q + m with d = (max - min) / 15 over 32 weights in a row: |error| <= d / 2, and float16's of d and m."""
    weights = random_weights()
    write(tmp_path / "model.gguf", FIELDS, weights, "Q4_1")
    for name, read in GGUFFile(tmp_path / "model.gguf").weights().items():
        if weights[name].ndim == 2:
            blocks = weights[name].reshape(-1, 32)
            step = (np.ptp(blocks, axis=1, keepdims=True) / 15).repeat(32, 1)
            error = np.abs(read.numpy().reshape(-1, 32) - blocks)
            assert (error <= 0.5 * step + 2e-3 * np.abs(blocks).max()).all() and error.max() > 0


@pytest.mark.real
@pytest.mark.parametrize("tied", [True, False])
def test_what_has_no_output_matrix_is_tied(tmp_path, tied):
    write(tmp_path / "model.gguf", FIELDS, random_weights(tied=tied))
    model = TransformerLM.from_gguf(tmp_path / "model.gguf")
    assert (model.lm_head is None) == tied and model.config.tie_word_embeddings == tied
    assert model.config.num_attention_heads == HEADS and not model.training


@pytest.mark.real
def test_a_missing_tensor_is_named_with_the_file_s_fields(tmp_path):
    weights = random_weights()
    del weights["blk.1.ffn_up.weight"]
    write(tmp_path / "model.gguf", FIELDS, weights)
    with pytest.raises(ValueError, match=r"^weights must match the file's fields: missing \['model.layers.1.feed_for"):
        TransformerLM.from_gguf(tmp_path / "model.gguf")


@pytest.mark.real
def test_a_file_that_is_none_or_cut_short_ends_in_one_sentence(tmp_path):
    path = tmp_path / "model.gguf"
    with pytest.raises(FileNotFoundError, match=r"^path must be a GGUF file, there is no file 'model.gguf'$"):
        GGUFFile(path)
    write(path, FIELDS, random_weights())
    whole = path.read_bytes()
    for size in (0, 3, 8, 30, 100, 400, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"^path must be a GGUF file, 'model.gguf' is damaged or none: "):
            GGUFFile(path)
    path.write_bytes(b"<html>" + whole[6:])
    with pytest.raises(ValueError, match=r"is damaged or none: GGUF magic invalid$"):
        GGUFFile(path)
