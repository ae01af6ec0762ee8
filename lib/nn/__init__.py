"""Layers and small models, built from torch and `kernels` only."""

from lib.nn.accounting import count_parameters, jamba_cache_bytes, kv_cache_bytes, recurrent_state_bytes
from lib.nn.attention import Attention, KVCache
from lib.nn.decoder import Decoder, DecoderLayer
from lib.nn.experts import Experts, MixtureOfExperts, load_balancing_loss
from lib.nn.feedforward import GatedMLP
from lib.nn.generation import generate, sample
from lib.nn.jamba import JambaConfig, JambaLM
from lib.nn.mamba import MambaMixer, MambaState
from lib.nn.norms import RMSNorm
from lib.nn.positions import apply_rotary, rotary_angles

__all__ = [
    "Attention",
    "Decoder",
    "DecoderLayer",
    "Experts",
    "GatedMLP",
    "JambaConfig",
    "JambaLM",
    "KVCache",
    "MambaMixer",
    "MambaState",
    "MixtureOfExperts",
    "RMSNorm",
    "apply_rotary",
    "count_parameters",
    "generate",
    "jamba_cache_bytes",
    "kv_cache_bytes",
    "load_balancing_loss",
    "recurrent_state_bytes",
    "rotary_angles",
    "sample",
]
