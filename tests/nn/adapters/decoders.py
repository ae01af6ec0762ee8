"""Small language models: ours, and one of each family that Hugging Face builds."""

from __future__ import annotations

import torch

from lib.nn import TransformerConfig, TransformerLM


def ours(seed=0):
    torch.manual_seed(seed)
    return TransformerLM(TransformerConfig(40, 24, 3, 4, intermediate_size=48, gated=True)).eval()


def tiny_decoder(family):
    import transformers

    torch.manual_seed(0)
    common = {"vocab_size": 40, "max_position_embeddings": 64}
    ends = {"bos_token_id": None, "eos_token_id": None}
    if family == "GPT2":
        config = transformers.GPT2Config(n_embd=24, n_layer=3, n_head=4, n_positions=64, vocab_size=40, **ends)
        return transformers.GPT2LMHeadModel(config).eval()
    make_config, make_model = {
        "Llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "Gemma": (transformers.GemmaConfig, transformers.GemmaForCausalLM),
        "GPTNeoX": (transformers.GPTNeoXConfig, transformers.GPTNeoXForCausalLM),
        "GPTBigCode": (transformers.GPTBigCodeConfig, transformers.GPTBigCodeForCausalLM),
        "OPT": (transformers.OPTConfig, transformers.OPTForCausalLM),
    }[family]
    extra = {"head_dim": 6} if family == "Gemma" else {}
    if family in ("Llama", "Gemma"):
        extra |= {"num_key_value_heads": 2, "intermediate_size": 48}
    config = make_config(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=4, pad_token_id=None, **common, **ends, **extra
    )
    return make_model(config).eval()
