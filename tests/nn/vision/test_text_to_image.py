"""Text to image: latents without loss, prompts read once, pictures equal to diffusers' loop, bad input refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lib.nn import ClipTextConfig, NoiseSchedule, TextToImage, UNetConfig, attention_maps, sample_latents
from lib.nn.vision.text_to_image import coordinates
from tests.nn.vision.tiny_unets import arguments

TEXT = ClipTextConfig(20, 24, 32, 1, 2, max_position_embeddings=9, bos_token_id=1, eos_token_id=2, pad_token_id=0)
PROMPTS = torch.tensor([[1, 5, 6, 2, 0, 0], [1, 7, 8, 9, 10, 2]])
NOISE = torch.randn(2, 12, 6, 4, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def model() -> TextToImage:
    torch.manual_seed(0)
    unet = UNetConfig.from_dict(arguments("the course's"))
    return TextToImage(TEXT, unet, NoiseSchedule("scaled_linear", 1000, "v")).eval()


def test_latents_lose_nothing(model):
    pictures = torch.randn(2, 3, 8, 6)
    latents = model.latents(pictures)
    assert (
        latents.shape == (2, 12, 4, 3) and latents[0, :4, 1, 2].tolist() == pictures[0, 0, 2:4, 4:6].flatten().tolist()
    )
    assert torch.equal(model.pictures(latents), pictures)


def test_states_and_which_of_them_may_be_seen(model):
    states, seen = model.text_states(PROMPTS)
    assert states.shape == (2, 6, 24) and seen.int().tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]


def slow_loop(model: TextToImage, steps: int, guidance: float) -> torch.Tensor:
    """diffusers' U-Net and scheduler, both halves of guidance apart and nothing prepared."""
    from diffusers import DDIMScheduler, UNet2DConditionModel

    unet = UNet2DConditionModel(**arguments("the course's")).eval()
    unet.load_state_dict(model.unet.state_dict())
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, prediction_type="v_prediction",
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    halves = [model.text_states(tokens) for tokens in (PROMPTS, torch.tensor([[1, 2, 0, 0, 0, 0]] * 2))]
    x = NOISE
    for t in scheduler.timesteps:
        captioned, empty = (unet(x, t, states, encoder_attention_mask=seen).sample for states, seen in halves)
        x = scheduler.step(empty + guidance * (captioned - empty), t, x).prev_sample
    return model.pictures(x).clamp(-1, 1)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0])
def test_pictures_are_those_of_diffusers_loop(model, guidance):
    with torch.no_grad():
        expected = slow_loop(model, 5, guidance)
    drawn = model.draw(PROMPTS, NOISE, steps=5, guidance=guidance)
    assert drawn.shape == (2, 3, 12, 8) and not drawn.requires_grad and not drawn.is_inference()
    torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=1e-5)


def test_coordinates_say_how_far_from_the_left_and_from_the_top():
    found = coordinates(torch.zeros(2, 5, 3, 2, dtype=torch.float64))
    assert found.dtype == torch.float64 and found.shape == (2, 2, 3, 2)
    assert found[1, 0].tolist() == [[-1, 1]] * 3 and found[1, 1].tolist() == [[-1, -1], [0, 0], [1, 1]]


def test_a_unet_that_takes_coordinates_gets_them_at_every_step():
    """Its weights of the latents are those of a U-Net without; with weights of zero for the coordinates it is the same,
    and with others it is that U-Net on latents and coordinates."""
    torch.manual_seed(0)
    plain = UNetConfig.from_dict(arguments("the course's"))
    schedule = NoiseSchedule("scaled_linear", 1000, "v")
    without = TextToImage(TEXT, plain, schedule).eval()
    places = TextToImage(TEXT, dataclasses.replace(plain, in_channels=14), schedule).eval()
    state = without.state_dict()
    extra = torch.zeros_like(state["unet.conv_in.weight"][:, :2])
    places.load_state_dict(state | {"unet.conv_in.weight": torch.cat((state["unet.conv_in.weight"], extra), 1)})
    drawn = [model.draw(PROMPTS, NOISE, 3) for model in (without, places)]
    torch.testing.assert_close(*drawn, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        places.unet.conv_in.weight[:, 12:] += 0.1
        context = places.context(PROMPTS)
        laid = torch.cat((NOISE, coordinates(NOISE)), 1)
        assert torch.equal(places.denoise(NOISE, 500, context), places.unet(laid, 500, context))
    assert (places.draw(PROMPTS, NOISE, 3) - drawn[0]).abs().max() > 1e-3


def test_drawn_one_by_one_and_together_are_the_same_and_so_is_more_padding(model):
    together = model.draw(PROMPTS, NOISE, steps=3)
    padded = torch.nn.functional.pad(PROMPTS, (0, 3))
    for row in range(2):
        one = slice(row, row + 1)
        torch.testing.assert_close(model.draw(padded[one], NOISE[one], steps=3), together[one], atol=1e-5, rtol=1e-5)


def test_options_reach_the_sampler(model):
    drawn = model.draw(PROMPTS, NOISE, 4, 2.0, "ddpm", spacing="trailing", generator=torch.Generator().manual_seed(0))
    context = model.context(PROMPTS, 2.0)
    with torch.no_grad():
        latents = sample_latents(
            lambda x, t: model.unet(x, t, context), NOISE, model.schedule, 4, method="ddpm", guidance=2.0,
            spacing="trailing", generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
    torch.testing.assert_close(drawn, model.pictures(latents).clamp(-1, 1), atol=1e-5, rtol=1e-5)
    seen = []
    model.draw(PROMPTS, NOISE, 2, on_step=lambda done, x: seen.append((done, x.shape)))
    assert seen == [(1, (2, 12, 6, 4)), (2, (2, 12, 6, 4))]


def test_maps_of_drawing_are_of_captions_first_and_then_of_empty_ones(model):
    with attention_maps(model) as maps:
        model.draw(PROMPTS, NOISE, steps=3)
    kept = maps["unet.mid_block.attentions.0.transformer_blocks.0.attn2"]
    assert len(kept) == 3 and kept[0].shape == (4, 4, 6, 6)
    assert kept[0][0, :, :, 4:].eq(0).all() and kept[0][2:, :, :, 2:].eq(0).all() and kept[0][1].gt(0).all()


def test_a_context_carries_gradients_to_the_text_encoder(model):
    context = model.context(PROMPTS, 3.0)
    model.unet(NOISE, 500, context).square().sum().backward()
    table = model.text_encoder.embeddings.token_embedding.weight.grad
    assert table[[1, 2, 5, 10]].abs().sum(1).gt(0).all() and table[[11, 19]].eq(0).all()
    model.zero_grad()


def test_a_unet_of_other_channels_is_refused():
    unet = dataclasses.replace(UNetConfig.from_dict(arguments("the course's")), in_channels=13)
    with pytest.raises(ValueError, match=r"^in_channels must be out_channels \(12\) or 2 more, got 13$"):
        TextToImage(TEXT, unet, NoiseSchedule("scaled_linear", 1000, "v"))


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("sentence", "change"),
    [
        ("tokens must hold at least one word of every prompt, prompt 1 is empty", {"tokens": [[1, 5, 2], [1, 2, 0]]}),
        ("tokens must hold at least one word of every prompt, prompt 0 is empty", {"tokens": [[2, 5, 2], [1, 5, 2]]}),
        ("tokens must hold an end of text, eos_token_id (2), in every row", {"tokens": [[1, 5, 2], [1, 5, 5]]}),
        ("tokens must be 1 to 9 (max_position_embeddings) long, got 10", {"tokens": [[1, *[5] * 8, 2]] * 2}),
        ("tokens must be in 0..19, the vocabulary", {"tokens": [[1, 20, 2], [1, 5, 2]]}),
        ("tokens must be in 0..19, the vocabulary", {"tokens": [[1, -1, 2], [1, 5, 2]]}),
        ("tokens must hold at least one prompt, got none", {"tokens": torch.zeros(0, 3).long(), "noise": NOISE[:0]}),
        ("guidance must be at least 0, got -1", {"guidance": -1}),
        ("guidance must be at least 0, got nan", {"guidance": float("nan")}),
        ("n must be 1..1000, the times of the schedule, got 1001", {"steps": 1001}),
        ("n must be 1..1000, the times of the schedule, got 0", {"steps": 0}),
        ("sampler must be one of ddim, ddpm, got 'euler'", {"sampler": "euler"}),
        ("noise must be latents (2, 12, height, width), got the shape (1, 12, 6, 4)", {"noise": NOISE[:1]}),
        ("noise must be latents (2, 12, height, width), got the shape (2, 3, 6, 4)", {"noise": NOISE[:, :3]}),
        ("noise must be latents (2, 12, height, width), got the shape (2, 12, 6)", {"noise": NOISE[..., 0]}),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(model, sentence, change):
    arguments = {"tokens": PROMPTS, "noise": NOISE, "steps": 2, **change}
    arguments["tokens"] = torch.as_tensor(arguments["tokens"])
    with pytest.raises(ValueError) as error:
        model.draw(**arguments)
    assert str(error.value) == sentence


def test_odd_pictures_and_parts_that_do_not_fit_are_refused(model):
    with pytest.raises(ValueError, match=r"^pictures must have an even height and width, got 5 x 6$"):
        model.latents(torch.zeros(1, 3, 5, 6))
    with pytest.raises(
        ValueError, match=r"^cross_attention_dim must be the text encoder's hidden_size \(24\), got 16$"
    ):
        TextToImage(TEXT, dataclasses.replace(model.unet.config, cross_attention_dim=16), model.schedule)
