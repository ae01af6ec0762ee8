"""Our JambaLM against Hugging Face's JambaForCausalLM on random tiny checkpoints read from disk."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import JambaConfig as TheirConfig
from transformers.models.jamba.modeling_jamba import JambaForCausalLM, load_balancing_loss_func

from lib.nn import JambaConfig, JambaLM, add_lora, load_balancing_loss, merge_lora

TINY = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "mamba_d_state": 8,
    "attn_layer_period": 4,
    "attn_layer_offset": 2,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
}
VARIANTS = {
    "one attention layer of four, experts in every second": {},
    "the released pattern of eight": {"num_hidden_layers": 8, "attn_layer_period": 8, "attn_layer_offset": 4},
    "no experts": {"num_experts": 1, "num_experts_per_tok": 1},
    "attention only, one key-value head": {
        "attn_layer_period": 1,
        "attn_layer_offset": 0,
        "num_key_value_heads": 1,
    },
    "as many key-value heads as heads": {"num_key_value_heads": 4},
    "tied embeddings": {"tie_word_embeddings": True},
    "no convolution bias, biases in the projections, top 1": {
        "mamba_conv_bias": False,
        "mamba_proj_bias": True,
        "num_experts_per_tok": 1,
    },
}


def random_checkpoint(folder, max_shard_size="5GB", **changes) -> JambaForCausalLM:
    """A random model with weights large enough for the logits to mean something, saved as Hugging Face saves it."""
    torch.manual_seed(0)
    theirs = JambaForCausalLM(TheirConfig(**TINY | changes, use_mamba_kernels=False)).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "A_log" not in name:
                parameter.add_(0.15 * torch.randn_like(parameter))
    theirs.save_pretrained(folder, max_shard_size=max_shard_size)
    return theirs


@pytest.fixture(params=VARIANTS, ids=list(VARIANTS))
def pair(request, tmp_path):
    theirs = random_checkpoint(tmp_path, **VARIANTS[request.param])
    return JambaLM.from_pretrained(tmp_path), theirs


@pytest.mark.parametrize("length", [1, 3, 21])
def test_logits_equal_transformers_jamba(pair, length):
    ours, theirs = pair
    tokens = torch.randint(0, 97, (2, length), generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        expected = theirs(tokens, use_cache=False).logits
        assert expected.std() > 0.1
        torch.testing.assert_close(ours(tokens), expected, rtol=1e-4, atol=1e-4)


def test_prefill_and_steps_equal_the_full_forward(pair):
    ours, _ = pair
    tokens = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        states = ours.new_states()
        pieces = [ours(tokens[:, :9], states), ours(tokens[:, 9:12], states)]  # a segment of several tokens, too
        pieces += [ours(tokens[:, i : i + 1], states) for i in range(12, 19)]
        torch.testing.assert_close(torch.cat(pieces, dim=1), ours(tokens), rtol=1e-5, atol=1e-5)


def test_gradients_equal_transformers_jamba(tmp_path):
    theirs = random_checkpoint(tmp_path)
    ours = JambaLM.from_pretrained(tmp_path)
    tokens = torch.randint(0, 97, (2, 13), generator=torch.Generator().manual_seed(2))
    ours(tokens).logsumexp(-1).sum().backward()
    theirs(tokens, use_cache=False).logits.logsumexp(-1).sum().backward()
    their_gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    compared = 0
    for name, parameter in ours.named_parameters():
        for kind in ("mamba", "self_attn"):
            expected = their_gradients.get(name.replace(".mixer.", f".{kind}."))
            if expected is not None:
                torch.testing.assert_close(parameter.grad, expected, rtol=1e-3, atol=1e-4, msg=name)
                compared += 1
                break
    assert compared == len(their_gradients)


def test_load_balancing_loss_equals_transformers(tmp_path):
    theirs = random_checkpoint(tmp_path)
    ours = JambaLM.from_pretrained(tmp_path)
    tokens = torch.randint(0, 97, (2, 13), generator=torch.Generator().manual_seed(3))
    mask = torch.ones(2, 13, dtype=torch.long)
    mask[1, 9:] = 0
    with torch.no_grad():
        output = theirs(tokens, use_cache=False, output_router_logits=True)
        ours(tokens)
    for a, b in zip(ours.router_logits(), output.router_logits, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(load_balancing_loss(ours.router_logits(), 2), output.aux_loss, rtol=1e-5, atol=1e-5)
    expected = load_balancing_loss_func(output.router_logits, 4, 2, mask)
    torch.testing.assert_close(
        load_balancing_loss(ours.router_logits(), 2, mask.bool()), expected, rtol=1e-5, atol=1e-5
    )


def test_left_padding_leaves_no_trace(pair):
    ours, _ = pair
    tokens = torch.randint(0, 97, (2, 12), generator=torch.Generator().manual_seed(4))
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[0, :5] = False
    with torch.no_grad():
        padded = ours(tokens, mask=mask)
        torch.testing.assert_close(padded[:1, 5:], ours(tokens[:1, 5:]), rtol=1e-4, atol=1e-5)
        states = ours.new_states()
        ours(tokens[:, :10], states, mask[:, :10])
        step = ours(tokens[:, 10:11], states, mask[:, :11])
        torch.testing.assert_close(step[:, 0], padded[:, 10], rtol=1e-4, atol=1e-5)


def test_sharded_folders_load(tmp_path):
    theirs = random_checkpoint(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    tokens = torch.arange(7)[None]
    with torch.no_grad():
        expected = theirs(tokens, use_cache=False).logits
        torch.testing.assert_close(JambaLM.from_pretrained(tmp_path)(tokens), expected, rtol=1e-4, atol=1e-4)


def test_experts_are_stored_one_by_one_and_our_folder_loads_in_transformers(tmp_path):
    random_checkpoint(tmp_path / "theirs")
    ours = JambaLM.from_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    stored, again = (load_file(tmp_path / who / "model.safetensors") for who in ("theirs", "ours"))
    assert "model.layers.1.feed_forward.experts.3.gate_proj.weight" in stored
    assert stored.keys() == again.keys()
    assert all(torch.equal(stored[name], again[name]) for name in stored)
    theirs = JambaForCausalLM.from_pretrained(tmp_path / "ours").eval()
    tokens = torch.arange(7)[None]
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens, use_cache=False).logits, ours(tokens), rtol=1e-4, atol=1e-4)


def test_a_folder_that_lacks_something_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        JambaLM.from_pretrained(tmp_path)
    random_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        JambaLM.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="model_type"):
        JambaConfig.from_dict({"model_type": "llama"})


def their_logits(folder, tokens):
    with torch.no_grad():
        return JambaForCausalLM.from_pretrained(folder).eval()(tokens).logits


def our_logits(folder, tokens):
    with torch.no_grad():
        return JambaLM.from_pretrained(folder)(tokens)


@pytest.mark.parametrize("stored", ["another output matrix", "the output matrix alone", "both, the same"])
def test_a_tied_folder_with_an_output_matrix_reads_as_transformers_reads_it(tmp_path, stored):
    random_checkpoint(tmp_path, tie_word_embeddings=True)
    weights = load_file(tmp_path / "model.safetensors")
    embedding = weights["model.embed_tokens.weight"]
    weights["lm_head.weight"] = embedding.flip(0).clone() if stored == "another output matrix" else embedding.clone()
    if stored == "the output matrix alone":
        del weights["model.embed_tokens.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    tokens = torch.randint(0, 97, (2, 9))
    torch.testing.assert_close(our_logits(tmp_path, tokens), their_logits(tmp_path, tokens), rtol=1e-4, atol=1e-4)


def test_an_adapted_tied_head_is_the_same_in_transformers(tmp_path):
    random_checkpoint(tmp_path / "theirs", tie_word_embeddings=True)
    model, tokens = JambaLM.from_pretrained(tmp_path / "theirs"), torch.randint(0, 97, (2, 9))
    with torch.no_grad():
        for parameter in add_lora(model, ["lm_head", "in_proj"], 3):
            parameter.add_(0.2 * torch.randn_like(parameter))
        expected = model(tokens)
    merge_lora(model).save_pretrained(tmp_path / "ours")
    torch.testing.assert_close(our_logits(tmp_path / "ours", tokens), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(their_logits(tmp_path / "ours", tokens), expected, rtol=1e-4, atol=1e-4)


def test_saving_into_a_sharded_folder_is_read_by_both(tmp_path):
    random_checkpoint(tmp_path, max_shard_size="10KB")
    model, tokens = JambaLM.from_pretrained(tmp_path), torch.randint(0, 97, (2, 9))
    with torch.no_grad():
        model.lm_head.weight.mul_(-2)
        expected = model(tokens)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(our_logits(tmp_path, tokens), expected)
    torch.testing.assert_close(their_logits(tmp_path, tokens), expected, rtol=1e-4, atol=1e-4)


def test_the_balancing_loss_takes_transformers_integer_mask():
    torch.manual_seed(0)
    logits, mask = [torch.randn(12, 4) for _ in range(2)], torch.ones(2, 6, dtype=torch.long)
    mask[1, 3:] = 0
    theirs = load_balancing_loss_func(tuple(logits), 4, 2, mask)
    torch.testing.assert_close(load_balancing_loss(logits, 2, mask), theirs)
