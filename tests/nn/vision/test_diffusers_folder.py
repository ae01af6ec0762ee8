"""Weights of a diffusers folder: whole, in shards, a variant; nothing outside of it, damage in one sentence."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from lib.nn.vision.diffusers_folder import STEM, read_diffusers_weights

INDEX = f"{STEM}.safetensors.index.json"


def tensors(*names: str) -> dict[str, torch.Tensor]:
    return {name: torch.full((2,), float(len(name))) for name in names}


def test_the_whole_file_goes_before_shards(tmp_path):
    save_file(tensors("a", "bb"), tmp_path / f"{STEM}.safetensors")
    (tmp_path / INDEX).write_text("damaged")
    assert set(read_diffusers_weights(tmp_path)) == {"a", "bb"}


def test_shards_are_read_where_the_index_names_them(tmp_path):
    for name in ("a", "bb"):
        save_file(tensors(name), tmp_path / f"{name}.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {n: f"{n}.safetensors" for n in ("a", "bb")}}))
    found = read_diffusers_weights(tmp_path)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"a": [1, 1], "bb": [2, 2]}


def test_a_variant_is_another_file(tmp_path):
    save_file(tensors("a"), tmp_path / f"{STEM}.fp16.safetensors")
    assert set(read_diffusers_weights(tmp_path, "fp16")) == {"a"}
    with pytest.raises(FileNotFoundError, match=rf"^folder must hold {STEM}.safetensors, found no such file in '.*'$"):
        read_diffusers_weights(tmp_path)


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        ("{", "must be JSON with a weight_map, the file of each weight"),
        ('{"weight_map": 3}', "must be JSON with a weight_map, the file of each weight"),
        ('{"weight_map": {}}', "must name the file of at least one weight, got none"),
        ('{"weight_map": {"a": "../a.safetensors"}}', "must name safetensors files in the folder itself, got '../a"),
        ('{"weight_map": {"a": "a.bin"}}', "must name safetensors files in the folder itself, got 'a.bin'"),
        ('{"weight_map": {"a": "a.safetensors", "b": "a2.safetensors"}}', "a lies in 'a2.safetensors' and in another"),
    ],
)
def test_a_damaged_index_gives_one_sentence(index, sentence, tmp_path):
    for name in ("a", "a2"):
        save_file(tensors("a"), tmp_path / f"{name}.safetensors")
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(ValueError, match=sentence):
        read_diffusers_weights(tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "a.safetensors"}}')
    with pytest.raises(FileNotFoundError, match=r"^folder must hold a.safetensors, found no such file in '.*'$"):
        read_diffusers_weights(tmp_path)
