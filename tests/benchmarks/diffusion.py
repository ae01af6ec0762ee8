"""Latent diffusion.

The U-Net of notebooks 12 and 13 (32 and 64 channels, 16 x 16 latents) against diffusers' model of the same
configuration and weights: a training step, and pictures drawn from a prompt in 15 guided steps of DDIM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from lib.nn import ClipTextConfig, NoiseSchedule, TextToImage, UNetConfig
from tests.benchmarks.registry import Bench, Result

UNET = UNetConfig(
    sample_size=16, in_channels=12, out_channels=12, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(32, 64), layers_per_block=1,
    norm_num_groups=8, cross_attention_dim=64, attention_head_dim=4,
)  # fmt: skip
TEXT = ClipTextConfig(
    vocab_size=50, hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)  # fmt: skip
LENGTH, STEPS, GUIDANCE = 24, 15, 3.0


def results(bench: Bench) -> Iterator[Result]:
    peers = {"theirs": "diffusers `UNet2DConditionModel`"}
    for batch, repeats in ((64, 7), (8, 11)):
        yield from bench.race(f"U-Net, training step, batch {batch}", training_candidates(batch), peers, repeats)
    peers = {"theirs": "diffusers U-Net and `DDIMScheduler`"}
    for batch, repeats in ((1, 11), (16, 3)):
        case = f"pictures from words, 15 guided steps, batch {batch}"
        yield from bench.race(case, drawing_candidates(batch), peers, repeats)


def models() -> tuple[TextToImage, torch.nn.Module]:
    """Ours, and diffusers' U-Net with the same weights."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    ours = TextToImage(TEXT, UNET, NoiseSchedule("scaled_linear", 1000, "v"))
    theirs = UNet2DConditionModel.from_config(UNET.to_dict())
    theirs.load_state_dict(ours.unet.state_dict())
    return ours, theirs


def training_candidates(batch: int) -> dict[str, Callable[[], object]]:
    """Forward and backward of the squared error, gradients of the text's states included, as when both learn."""
    ours, theirs = models()
    x, target = torch.randn(2, batch, 12, 16, 16)
    t = torch.randint(0, 1000, (batch,))
    states = torch.randn(batch, LENGTH, 64, requires_grad=True)

    def step(model: torch.nn.Module, output: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            model.zero_grad(set_to_none=True)
            states.grad = None
            F.mse_loss(output(), target).backward()

        return run

    return {
        "ours": step(ours.unet, lambda: ours.unet(x, t, states)),
        "theirs": step(theirs, lambda: theirs(x, t, states).sample),
    }


def drawing_candidates(batch: int) -> dict[str, Callable[[], object]]:
    """The same pictures from the same noise, texts included: both encode with our text encoder."""
    from diffusers import DDIMScheduler

    ours, theirs = models()
    ours.eval()
    theirs.eval()
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="v_prediction",
    )  # fmt: skip
    tokens = torch.tensor([[1, *range(3, 11), 2, *[0] * (LENGTH - 10)]]).repeat(batch, 1)
    empty = torch.tensor([[1, 2, *[0] * (LENGTH - 2)]]).repeat(batch, 1)
    noise = torch.randn(batch, 12, 16, 16)

    @torch.no_grad()
    def drawn_by_diffusers() -> torch.Tensor:
        states, seen = ours.text_states(torch.cat((tokens, empty)))
        scheduler.set_timesteps(STEPS)
        x = noise
        for t in scheduler.timesteps:
            output = theirs(torch.cat((x, x)), t, states, encoder_attention_mask=seen).sample
            conditional, unconditional = output.chunk(2)
            x = scheduler.step(unconditional + GUIDANCE * (conditional - unconditional), t, x).prev_sample
        return ours.pictures(x).clamp(-1, 1)

    return {"ours": lambda: ours.draw(tokens, noise, STEPS, GUIDANCE), "theirs": drawn_by_diffusers}
