"""What a folder may not do, and what loading must not lose (logits lie in tests/parity)."""

from __future__ import annotations

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib.nn import JambaConfig, JambaLM, TransformerConfig, TransformerLM, add_lora, merge_lora
from lib.nn.language.encoder import EncoderConfig, TextEncoder
from lib.nn.language.hugging_face import read_config, read_folder
from lib.training import parameter_groups

SIZES = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}


@pytest.fixture
def folder(tmp_path):
    TransformerLM(TransformerConfig(20, 16, 1, 2, intermediate_size=24, gated=True)).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_nothing_outside_the_folder_is_read(folder):
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")  # without it the index is asked
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"^weight_map must name safetensors files in the folder itself, got '\.\./"):
        read_folder(folder)


def test_a_config_that_is_no_object_is_named(folder):
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"^config.json must hold an object, got list$"):
        read_config(folder)


def test_what_was_saved_is_what_is_loaded(folder):
    torch.manual_seed(0)
    model = TransformerLM(TransformerConfig(20, 16, 1, 2, 1, 24, gated=True, tie_word_embeddings=False, head_dim=4))
    model.save_pretrained(folder)
    again = TransformerLM.from_pretrained(folder)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_loaded_jamba_still_says_which_parameters_must_not_decay(tmp_path):
    config = JambaConfig.from_pattern(
        "MA", vocab_size=20, hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1
    )
    model = JambaLM(config)
    model.save_pretrained(tmp_path)
    fresh, loaded = (parameter_groups(m, 0.1) for m in (model, JambaLM.from_pretrained(tmp_path)))
    assert [len(group["params"]) for group in loaded] == [len(group["params"]) for group in fresh]


@pytest.mark.parametrize("field", [{"hidden_act": "gelu"}, {"sliding_window": 128}])
def test_a_jamba_that_ours_cannot_follow_is_refused(field):
    with pytest.raises(ValueError, match=f"^{next(iter(field))} must be"):
        JambaConfig.from_dict({"model_type": "jamba"} | field)


def families():
    jamba = JambaConfig.from_pattern("MA", num_key_value_heads=1, mamba_d_state=4, experts=True, num_experts=2, **SIZES)
    return {
        "jamba": lambda: JambaLM(jamba),
        "llama": lambda: TransformerLM(TransformerConfig(20, 16, 2, 2, intermediate_size=24, gated=True)),
        "bert": lambda: TextEncoder(EncoderConfig(20, 16, 2, 2, 24, 32)),
    }


@pytest.fixture(params=["jamba", "llama", "bert"])
def build(request):
    return families()[request.param]


def test_shards_that_lay_in_the_folder_are_gone_after_saving(build, tmp_path):
    old, new = build(), build()
    old.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    first = next(iter(weights))
    save_file({first: weights[first]}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({n: w for n, w in weights.items() if n != first}, tmp_path / "model-00002-of-00002.safetensors")
    places = {n: f"model-0000{1 if n == first else 2}-of-00002.safetensors" for n in weights}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (tmp_path / "model.safetensors").unlink()
    sharded = type(old).from_pretrained(tmp_path)
    assert all(torch.equal(sharded.state_dict()[n], w) for n, w in old.state_dict().items())
    new.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    again = type(new).from_pretrained(tmp_path)
    assert all(torch.equal(again.state_dict()[n], w) for n, w in new.state_dict().items())


def test_where_both_lie_the_one_file_is_read_as_transformers_reads_it(folder):
    expected = read_folder(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "gone.safetensors"}}))
    assert read_folder(folder).keys() == expected.keys()


def test_adapters_that_are_not_merged_are_not_saved(build, tmp_path):
    model = build()
    trained = add_lora(model, [next(n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear))], 2)
    with pytest.raises(ValueError, match=r"^weights must match its config: .*lora_A.*: merge or remove adapters"):
        model.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
    with torch.no_grad():
        trained[1].add_(1.0)
    merge_lora(model).save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert all(torch.equal(again.state_dict()[n], w) for n, w in model.state_dict().items())


def test_a_head_that_is_no_longer_the_embedding_is_kept(tmp_path):
    config = JambaConfig.from_pattern("M", num_key_value_heads=1, tie_word_embeddings=True, **SIZES)
    model, tokens = JambaLM(config).eval(), torch.arange(8)[None]
    (_, lora_B) = add_lora(model, ["lm_head"], 2)
    with torch.no_grad():
        lora_B.add_(1.0)
    expected = model(tokens)
    merge_lora(model).save_pretrained(tmp_path)
    torch.testing.assert_close(JambaLM.from_pretrained(tmp_path)(tokens), expected)
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is False


@pytest.mark.parametrize(
    "changes", [{"rope_theta": 1e4}, {"mamba_inner_norms": False}, {"expert_intermediate_size": 8}]
)
def test_what_transformers_cannot_build_is_not_written_in_its_layout(tmp_path, changes):
    config = JambaConfig.from_pattern("MA", num_key_value_heads=1, experts=True, num_experts=2, **SIZES, **changes)
    with pytest.raises(ValueError, match=rf"^{next(iter(changes))} must be (None|True) in Hugging Face's layout"):
        JambaLM(config).save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


DAMAGE = {
    "no JSON": ("config.json", b"{", "config.json must hold JSON"),
    "another encoding": ("config.json", b"\xff\xfe{}", "config.json must hold JSON"),
    "too deep": ("config.json", b"[" * 100_000, "config.json must hold JSON"),
    "half": ("model.safetensors", None, "'model.safetensors' is no safetensors file"),
    "a pointer": ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "'model.safetensors' is no"),
    "empty": ("model.safetensors", b"", "'model.safetensors' is no safetensors file"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_sentence_that_names_it(build, tmp_path, damage):
    model = build()
    model.save_pretrained(tmp_path)
    name, data, words = DAMAGE[damage]
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:100] if data is None else data)
    with pytest.raises(ValueError, match=f"^{words}[^\n]*$"):
        type(model).from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ({}, "must hold a weight_map, the file of each weight, got NoneType"),
        ({"weight_map": []}, "must hold a weight_map"),
        ({"weight_map": {"x": 3}}, "weight_map must name safetensors files in the folder itself, got 3"),
        ({"weight_map": {"x": "/etc/model.safetensors"}}, "weight_map must name safetensors files in the folder"),
        ({"weight_map": {"x": "model.bin"}}, "weight_map must name safetensors files"),
    ],
)
def test_an_index_that_does_not_say_where_weights_lie(folder, index, words):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=words):
        read_folder(folder)


def test_two_shards_must_not_hold_the_same_weight(folder):
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in names:
        save_file({"model.norm.weight": torch.ones(16)}, folder / name)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": dict(zip("ab", names, strict=True))})
    )
    with pytest.raises(
        ValueError, match=r"^every weight must lie in one file, model.norm.weight lies in .* and in another"
    ):
        read_folder(folder)


def changed(folder, change):
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights) or weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_weights_that_are_no_numbers_of_a_model_are_refused(build, tmp_path):
    model = build()
    model.save_pretrained(tmp_path)
    good = load_file(tmp_path / "model.safetensors")
    name = next(n for n in good if n.endswith("weight"))
    for bad, words in (
        (torch.full_like(good[name], float("nan")), "must be finite in float32, got infinity or NaN"),
        (good[name].to(torch.int8), "must be floating point, got int8"),
        (good[name].bool(), "must be floating point, got bool"),
        (torch.zeros(3), r"must have shape .*, got \(3,\)"),
    ):
        changed(tmp_path, lambda w, bad=bad: {**good, name: bad})
        with pytest.raises(ValueError, match=words):
            type(model).from_pretrained(tmp_path)


@pytest.mark.parametrize("layers", [1, 3, 10**9])
def test_layers_are_counted_before_any_is_built(build, tmp_path, layers):
    model = build()
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"num_hidden_layers": layers}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=f"^num_hidden_layers must be the number of layers among the weights, 2, got {layers}"
    ):
        type(model).from_pretrained(tmp_path)


def test_a_size_beyond_all_memory_is_a_sentence(build, tmp_path):
    model = build()
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"vocab_size": 10**30}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"^config.json must describe a model that can be built, this one cannot"):
        type(model).from_pretrained(tmp_path)


def test_one_weight_under_two_names_is_refused(tmp_path):
    model = families()["jamba"]()
    model.save_pretrained(tmp_path)
    changed(tmp_path, lambda w: w | {"model.layers.0.mixer.D": w["model.layers.0.mamba.D"].clone()})
    with pytest.raises(ValueError, match=r"two of them stand for model.layers.0.mixer.D$"):
        JambaLM.from_pretrained(tmp_path)


def test_files_are_as_readable_as_the_umask_says_and_nothing_else_is_left(build, tmp_path):
    before = os.umask(0o022)
    try:
        build().save_pretrained(tmp_path)
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o644"] * 2
