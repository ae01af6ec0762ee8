"""Layers and small models, built from torch, `kernels` and the plain types of `lib.data`."""

from lib.nn.adapters.edits import edit_positions
from lib.nn.adapters.families import decoder_blocks
from lib.nn.adapters.interventions import (
    INTERVENTIONS,
    RED,
    ActivationAddition,
    ConsReFT,
    DiReFT,
    Intervention,
    LobiReFT,
    LoReFT,
    NoReFT,
    OrthogonalDiReFT,
)
from lib.nn.adapters.lora import LoRALinear, add_lora, merge_lora
from lib.nn.adapters.reft import EMBEDDING, ReFT, ReFTConfig, intervention_parameters
from lib.nn.language.accounting import (
    ParameterCount,
    attention_flops,
    block_flops,
    cache_bytes,
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    linear_flops,
    recurrent_state_bytes,
)
from lib.nn.language.clip_text import ClipTextConfig, ClipTextEncoder
from lib.nn.language.decoder import Decoder, DecoderLayer, DecoderLM
from lib.nn.language.depth import DepthConfig, DepthLM
from lib.nn.language.encoder import EncoderConfig, TextEncoder
from lib.nn.language.exact_gru import ExactByteLM
from lib.nn.language.generation import generate, sample
from lib.nn.language.gguf_file import GGUFFile
from lib.nn.language.gru_bytes import GRUByteLM
from lib.nn.language.jamba import JambaConfig, JambaLM
from lib.nn.language.transformer import TransformerConfig, TransformerLM
from lib.nn.layers.attention import Attention
from lib.nn.layers.caches import KVCache, RaggedKVCache
from lib.nn.layers.depth_routing import (
    RoutedLayer,
    RoutedState,
    Routing,
    predictor_loss,
    routed_layers,
    router_loss,
    routing_rule,
    routings,
    selected_indices,
    top_k_indices,
)
from lib.nn.layers.experts import Experts, MixtureOfExperts, load_balancing_loss
from lib.nn.layers.feedforward import MLP, GatedMLP
from lib.nn.layers.mamba import MambaMixer, MambaState
from lib.nn.layers.norms import RMSNorm
from lib.nn.layers.parameters import UndecayedParameter
from lib.nn.layers.positions import apply_rotary, rotary_angles
from lib.nn.layers.protocols import Mixer, State
from lib.nn.layers.short_conv import ConvolvedAttention, ShortConv
from lib.nn.sampling import filter_logits, pick
from lib.nn.vision.codebooks import code_usage
from lib.nn.vision.conditional_blocks import VARConfig
from lib.nn.vision.cross_attention import CrossAttention, attention_maps
from lib.nn.vision.diffusion_sampling import sample_latents
from lib.nn.vision.diffusion_steps import ddim_step, ddpm_step
from lib.nn.vision.features import FeatureNetwork
from lib.nn.vision.guidance import Sampling, mix_guidance
from lib.nn.vision.noise_schedule import NoiseSchedule
from lib.nn.vision.phi import phi_owner
from lib.nn.vision.quantizers import MultiScaleQuantizer, Quantized
from lib.nn.vision.released_autoencoder import ReleasedDecoder, ReleasedEncoder
from lib.nn.vision.small_autoencoder import SmallDecoder, SmallEncoder
from lib.nn.vision.text_to_image import TextToImage
from lib.nn.vision.token_ar import TokenAR
from lib.nn.vision.unet import PreparedContext, PreparedTime, UNet
from lib.nn.vision.unet_config import UNetConfig
from lib.nn.vision.var import VAR, keep_masks
from lib.nn.vision.vqvae import VQVAE
from lib.nn.weights import load_weights, read_weights

__all__ = [
    "EMBEDDING",
    "INTERVENTIONS",
    "MLP",
    "RED",
    "VAR",
    "VQVAE",
    "ActivationAddition",
    "Attention",
    "ClipTextConfig",
    "ClipTextEncoder",
    "ConsReFT",
    "ConvolvedAttention",
    "CrossAttention",
    "Decoder",
    "DecoderLM",
    "DecoderLayer",
    "DepthConfig",
    "DepthLM",
    "DiReFT",
    "EncoderConfig",
    "ExactByteLM",
    "Experts",
    "FeatureNetwork",
    "GGUFFile",
    "GRUByteLM",
    "GatedMLP",
    "Intervention",
    "JambaConfig",
    "JambaLM",
    "KVCache",
    "LoRALinear",
    "LoReFT",
    "LobiReFT",
    "MambaMixer",
    "MambaState",
    "Mixer",
    "MixtureOfExperts",
    "MultiScaleQuantizer",
    "NoReFT",
    "NoiseSchedule",
    "OrthogonalDiReFT",
    "ParameterCount",
    "PreparedContext",
    "PreparedTime",
    "Quantized",
    "RMSNorm",
    "RaggedKVCache",
    "ReFT",
    "ReFTConfig",
    "ReleasedDecoder",
    "ReleasedEncoder",
    "RoutedLayer",
    "RoutedState",
    "Routing",
    "Sampling",
    "ShortConv",
    "SmallDecoder",
    "SmallEncoder",
    "State",
    "TextEncoder",
    "TextToImage",
    "TokenAR",
    "TransformerConfig",
    "TransformerLM",
    "UNet",
    "UNetConfig",
    "UndecayedParameter",
    "VARConfig",
    "add_lora",
    "apply_rotary",
    "attention_flops",
    "attention_maps",
    "block_flops",
    "cache_bytes",
    "code_usage",
    "count_parameters",
    "ddim_step",
    "ddpm_step",
    "decoder_blocks",
    "edit_positions",
    "filter_logits",
    "forward_flops",
    "generate",
    "intervention_parameters",
    "keep_masks",
    "kv_cache_bytes",
    "linear_flops",
    "load_balancing_loss",
    "load_weights",
    "merge_lora",
    "mix_guidance",
    "phi_owner",
    "pick",
    "predictor_loss",
    "read_weights",
    "recurrent_state_bytes",
    "rotary_angles",
    "routed_layers",
    "router_loss",
    "routing_rule",
    "routings",
    "sample",
    "sample_latents",
    "selected_indices",
    "top_k_indices",
]
