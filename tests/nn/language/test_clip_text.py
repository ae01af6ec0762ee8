"""CLIP's text encoder: equal to transformers' CLIPTextModel, causal, ended where it must be, bad input refused."""

from __future__ import annotations

import json

import pytest
import torch

from lib.nn.language.clip_text import ClipTextConfig, ClipTextEncoder

TINY = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 11,
    "bos_token_id": 48,
    "pad_token_id": 0,
}
CASES = {
    "first eos": {"eos_token_id": 49, "hidden_act": "quick_gelu"},
    "gelu": {"eos_token_id": 40, "hidden_act": "gelu"},
    "legacy eos": {"eos_token_id": 2, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-4},
}


def theirs(changes: dict, projected: bool = False):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    config = CLIPTextConfig(**{**TINY, **changes})
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def texts(end: int) -> torch.Tensor:
    """Three texts of random words: one ends at once, one early with a second end behind it, one at the last place."""
    tokens = torch.randint(3, 39, (3, 11), generator=torch.Generator().manual_seed(0))
    tokens[:, 0] = 48 if end != 49 else 3
    for row, place in enumerate((1, 5, 10)):
        tokens[row, place] = end
    tokens[1, 8] = end
    return tokens


@pytest.mark.parametrize("case", CASES)
def test_states_and_pooled_states_are_transformers_own(case, tmp_path):
    model = theirs(CASES[case])
    model.save_pretrained(tmp_path)
    ours = ClipTextEncoder.from_hugging_face(tmp_path)
    tokens = texts(49 if case == "legacy eos" else CASES[case]["eos_token_id"])
    with torch.no_grad():
        expected = model(tokens, output_hidden_states=True)
        states = ours(tokens)
        torch.testing.assert_close(states, expected.last_hidden_state, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.pool(states, tokens), expected.pooler_output, atol=1e-5, rtol=1e-5)
        for skipped in (1, 3):
            before = model.final_layer_norm(expected.hidden_states[-1 - skipped])
            torch.testing.assert_close(ours(tokens, skip_layers=skipped), before, atol=1e-5, rtol=1e-5)


def test_a_file_with_projection_prefix_and_half_precision_is_read(tmp_path):
    from safetensors.torch import load_file, save_file

    model = theirs(CASES["gelu"], projected=True)
    model.half().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    old = {n if n.startswith("text_") else f"text_model.{n}": t for n, t in weights.items()}
    save_file(old | {"text_model.embeddings.position_ids": torch.arange(11)[None]}, path)
    ours, tokens = ClipTextEncoder.from_hugging_face(tmp_path), texts(40)
    with torch.no_grad():
        expected = model.float()(tokens).last_hidden_state
        torch.testing.assert_close(ours(tokens), expected, atol=1e-5, rtol=1e-5)
    assert ours.final_layer_norm.weight.dtype == torch.float32


def encoder(**changes) -> ClipTextEncoder:
    torch.manual_seed(0)
    return ClipTextEncoder(ClipTextConfig(**{**TINY, "eos_token_id": 2, **changes})).eval()


def test_a_state_sees_only_what_stands_before_it():
    model, tokens = encoder(), texts(2)
    changed = tokens.clone()
    changed[:, 6:] = 7
    same, other = model(tokens), model(changed)
    torch.testing.assert_close(same[:, :6], other[:, :6])
    assert not torch.allclose(same[:, 6], other[:, 6])


def test_a_new_model_ends_at_its_first_eos_even_when_that_is_two():
    model = encoder()
    assert model.ends(texts(2)).tolist() == [1, 5, 10]
    assert model.until_end(texts(2)).sum(1).tolist() == [2, 6, 11]
    assert encoder(legacy_eos=True).ends(torch.tensor([[1, 9, 4, 9, 2]])).tolist() == [1]


def test_gradients_reach_every_parameter():
    model = encoder()
    model(texts(2)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_bad_texts_are_refused_with_a_sentence():
    model = encoder()
    with pytest.raises(ValueError, match=r"^tokens must be 1 to 11 \(max_position_embeddings\) long, got 12$"):
        model(torch.zeros(1, 12, dtype=torch.long))
    with pytest.raises(ValueError, match=r"^tokens must be 1 to 11 \(max_position_embeddings\) long, got 0$"):
        model(torch.zeros(1, 0, dtype=torch.long))
    with pytest.raises(ValueError, match=r"^tokens must hold an end of text, eos_token_id \(2\), in every row$"):
        model.ends(torch.tensor([[1, 2], [1, 3]]))
    with pytest.raises(ValueError, match=r"^skip_layers must be 0 to 3, the number of layers, got 4$"):
        model(texts(2), skip_layers=4)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("hidden_act", "relu", "hidden_act must be 'quick_gelu' or 'gelu', got 'relu'"),
        ("num_attention_heads", 5, r"hidden_size must be a multiple of num_attention_heads \(5\), got 32"),
        ("eos_token_id", [1, 2], r"eos_token_id must be a whole number of at least 0, got \[1, 2\]"),
        ("model_type", "bert", "model_type must be 'clip_text_model', got 'bert'"),
        ("rope_theta", 1e4, "rope_theta is not among the fields that are known of a clip_text_model, got 10000.0"),
        ("legacy_eos", True, "legacy_eos must not be set, a clip_text_model has no such field, got True"),
    ],
)
def test_a_field_that_ours_cannot_follow_is_named(field, value, sentence, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**TINY, field: value}))
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        ClipTextEncoder.from_hugging_face(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path):
    theirs(CASES["gelu"]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 51}))
    with pytest.raises(
        ValueError, match=r"^embeddings.token_embedding.weight must have shape \(51, 32\), got \(50, 32\)$"
    ):
        ClipTextEncoder.from_hugging_face(tmp_path)
