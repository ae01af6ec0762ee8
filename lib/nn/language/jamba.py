"""Jamba (AI21 Labs, arXiv 2403.19887): attention in one layer of eight, Mamba in the rest, experts in every second."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.nn.language import hugging_face
from lib.nn.language.config_fields import check_type, read_fields
from lib.nn.language.decoder import Decoder, DecoderLayer, DecoderLM
from lib.nn.layers.attention import Attention
from lib.nn.layers.experts import MixtureOfExperts
from lib.nn.layers.feedforward import GatedMLP
from lib.nn.layers.mamba import MambaMixer

OURS = {"rope_theta": None, "mamba_inner_norms": True, "expert_intermediate_size": None}
"""Fields of `JambaConfig` that Hugging Face's Jamba does not have, at the values that it stands for."""
ALSO_READ = ("num_local_experts", "layers_block_type", "layer_types", "layers_num_experts")
"""Hugging Face's other ways to say what the fields of `JambaConfig` say."""


@dataclass(frozen=True)
class JambaConfig:
    """The released model's sizes by default; field names are Hugging Face's.

    Layer i attends iff i % attn_layer_period == attn_layer_offset, else it is Mamba; it has experts iff
    i % expert_layer_period == expert_layer_offset. An offset that no layer reaches switches the kind off.
    Ours: `rope_theta` (None: no positions, as in the paper), `mamba_inner_norms`, and `expert_intermediate_size`
    (None: as wide as the dense layers, as in the paper; smaller for comparisons at equal active width).
    """

    vocab_size: int = 65536
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 8
    attn_layer_period: int = 8
    attn_layer_offset: int = 4
    num_experts: int = 16
    num_experts_per_tok: int = 2
    expert_layer_period: int = 2
    expert_layer_offset: int = 1
    mamba_d_state: int = 16
    mamba_d_conv: int = 4
    mamba_expand: int = 2
    mamba_dt_rank: int | str = "auto"
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    tie_word_embeddings: bool = False
    rope_theta: float | None = None
    mamba_inner_norms: bool = True
    expert_intermediate_size: int | None = None

    def __post_init__(self):
        if isinstance(self.mamba_dt_rank, str) and self.mamba_dt_rank != "auto":
            raise ValueError(f"mamba_dt_rank must be a whole number or 'auto', got {self.mamba_dt_rank!r}")
        for kind in ("attn", "expert"):
            period, offset = getattr(self, f"{kind}_layer_period"), getattr(self, f"{kind}_layer_offset")
            if not 0 <= offset < period:
                raise ValueError(f"{kind}_layer_offset must be in 0..{period - 1} (the period less one), got {offset}")

    @classmethod
    def from_pattern(cls, pattern: str, *, experts: bool = False, **sizes: Any) -> JambaConfig:
        """A small config from a string such as "MMAM": A attends, M is Mamba, each letter one layer.

        Raises ValueError when no period and offset describe the pattern.
        """
        if not pattern or set(pattern) - {"A", "M"}:
            raise ValueError(f"pattern must be made of the letters A and M, got {pattern!r}")
        attending = [index for index, letter in enumerate(pattern) if letter == "A"]
        period = attending[1] - attending[0] if len(attending) > 1 else len(pattern) + 1
        offset = attending[0] if attending else len(pattern)
        moe = (2, 1) if experts else (len(pattern) + 1, len(pattern))
        config = cls(
            num_hidden_layers=len(pattern),
            attn_layer_period=period,
            attn_layer_offset=offset,
            expert_layer_period=moe[0],
            expert_layer_offset=moe[1],
            **sizes,
        )
        if config.pattern != pattern:
            raise ValueError(f"pattern must repeat with one period, got {pattern!r}")
        return config

    @classmethod
    def from_dict(cls, values: dict) -> JambaConfig:
        """From a Hugging Face `config.json`. Raises ValueError for a field that ours cannot follow."""
        plain = {name: value for name, value in values.items() if name not in OURS or value != OURS[name]}
        found = read_fields(cls, plain, "jamba", hugging_face.JAMBA_REQUIRED, ours=OURS, read=ALSO_READ)
        if "num_key_value_heads" in values and values["num_key_value_heads"] is None:
            found["num_key_value_heads"] = found.get("num_attention_heads", cls.num_attention_heads)
        if values.get("num_local_experts") is not None:
            check_type("num_local_experts", values["num_local_experts"], "int")
            if found.setdefault("num_experts", values["num_local_experts"]) != values["num_local_experts"]:
                raise ValueError(
                    f"num_local_experts must be num_experts ({found['num_experts']}), got {values['num_local_experts']}"
                )
        config = cls(**found)
        config._check_lists(values)
        return config

    def _check_lists(self, values: dict) -> None:
        """Lists of the layers' kinds, where a file has them, say what the periods and offsets say."""
        said = {
            "layers_block_type": lambda i: "attention" if self.attends(i) else "mamba",
            "layer_types": lambda i: "full_attention" if self.attends(i) else "linear_attention",
            "layers_num_experts": lambda i: self.num_experts if self.has_experts(i) else 1,
        }
        for name, expected in said.items():
            found = values.get(name)
            if found is None:
                continue
            if not isinstance(found, list) or len(found) != self.num_hidden_layers:
                raise ValueError(
                    f"{name} must be a list of num_hidden_layers ({self.num_hidden_layers}), got {found!r}"
                )
            for i, kind in enumerate(found):
                if kind != expected(i):
                    wanted = expected(i)
                    raise ValueError(f"{name} must be {wanted!r} in layer {i}, as period and offset say, got {kind!r}")

    def to_dict(self) -> dict:
        return {"model_type": "jamba", "architectures": ["JambaForCausalLM"], **asdict(self)}

    @property
    def pattern(self) -> str:
        return "".join("A" if self.attends(i) else "M" for i in range(self.num_hidden_layers))

    @property
    def dt_rank(self) -> int:
        return -(-self.hidden_size // 16) if self.mamba_dt_rank == "auto" else int(self.mamba_dt_rank)

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def expert_width(self) -> int:
        return self.expert_intermediate_size or self.intermediate_size

    def attends(self, layer: int) -> bool:
        return layer % self.attn_layer_period == self.attn_layer_offset

    def has_experts(self, layer: int) -> bool:
        return self.num_experts > 1 and layer % self.expert_layer_period == self.expert_layer_offset


EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


class JambaLM(DecoderLM):
    """The language model: tokens (batch, length) -> logits (batch, length, vocab)."""

    def __init__(self, config: JambaConfig):
        layers = [_layer(config, index) for index in range(config.num_hidden_layers)]
        super().__init__(Decoder(config.vocab_size, config.hidden_size, layers, config.rms_norm_eps))
        self.config = config
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings N(0, initializer_range); residual branches shrunk by sqrt(their number), as Mamba's own LM does.

        The layers keep the start they gave themselves: nothing here may touch the mixers' dt bias.
        """
        nn.init.normal_(self.model.embed_tokens.weight, std=self.config.initializer_range)
        nn.init.normal_(self.lm_head.weight, std=self.config.initializer_range)
        self.shrink_residual_branches()
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    @property
    def output_weight(self) -> Float[Tensor, "vocab dim"]:
        return self.lm_head.weight

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> JambaLM:
        """Read a Hugging Face Jamba folder: config.json and safetensors, sharded or not, experts stacked or not.

        Raises FileNotFoundError or ValueError with one sentence when a file, a field or a weight does not fit.
        """
        config = JambaConfig.from_dict(hugging_face.read_config(folder))
        weights = hugging_face.from_jamba(hugging_face.read_folder(folder))
        hugging_face.require_layers(weights, config.num_hidden_layers)
        if config.tie_word_embeddings:
            if hugging_face.untied(weights, EMBEDDING, HEAD):
                config = replace(config, tie_word_embeddings=False)
            for name, other in ((HEAD, EMBEDDING), (EMBEDDING, HEAD)):
                if name not in weights and other in weights:
                    weights[name] = weights[other]
        model = hugging_face.filled(lambda: cls(config), weights, dtype)
        if config.tie_word_embeddings:
            model.lm_head.weight = model.model.embed_tokens.weight
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors in Hugging Face's layout, experts one by one.

        An output matrix that is not the embedding is written, whatever `tie_word_embeddings` says. Raises ValueError
        for a model that transformers cannot build (`rope_theta`, no inner norms, experts of their own width) and for
        one whose adapters are not merged.
        """
        config = self.config.to_dict()
        for name, theirs in OURS.items():
            value = config.pop(name)
            if value != theirs and not (name == "expert_intermediate_size" and value == self.config.intermediate_size):
                raise ValueError(f"{name} must be {theirs} in Hugging Face's layout, which cannot say {value}")
        weights = hugging_face.own_weights(self, lambda: type(self)(self.config))
        if config["tie_word_embeddings"]:
            config["tie_word_embeddings"] = not hugging_face.untied(weights, EMBEDDING, HEAD)
        theirs = hugging_face.to_jamba(weights, self.config.pattern)
        if config["tie_word_embeddings"]:
            del theirs[HEAD]
        hugging_face.write_folder(folder, config, theirs)


def _layer(config: JambaConfig, index: int) -> DecoderLayer:
    dim = config.hidden_size
    if config.attends(index):
        heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
        mixer = Attention(dim, heads, kv_heads, rope_theta=config.rope_theta)
    else:
        mixer = MambaMixer(
            dim,
            config.mamba_d_state,
            config.mamba_d_conv,
            config.mamba_expand,
            config.dt_rank,
            inner_norms=config.mamba_inner_norms,
            conv_bias=config.mamba_conv_bias,
            bias=config.mamba_proj_bias,
            eps=config.rms_norm_eps,
        )
    if config.has_experts(index):
        feed_forward = MixtureOfExperts(dim, config.expert_width, config.num_experts, config.num_experts_per_tok)
    else:
        feed_forward = GatedMLP(dim, config.intermediate_size)
    return DecoderLayer(dim, mixer, feed_forward, config.rms_norm_eps)
