"""The U-Net: diffusers' outputs from diffusers' folders, text and time prepared once, bad input refused."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from lib.nn import UNet
from lib.nn.vision.unet import timestep_waves
from lib.nn.weights import load_weights, write_weights
from tests.nn.vision.tiny_unets import CONFIGS, inputs, ours, theirs

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_folder_of_diffusers_gives_its_outputs(name, tmp_path):
    model = theirs(name)
    model.save_pretrained(tmp_path)
    loaded = UNet.from_diffusers(tmp_path)
    assert not loaded.training
    for height, width, tokens in ((8, 8, 7), (5, 6, 1), (7, 3, 4)):
        x, t, context = inputs(height=height, width=width, tokens=tokens)
        mask = torch.arange(tokens) < torch.tensor([[tokens], [1], [max(tokens - 2, 1)]])
        with torch.no_grad():
            expected = model(x, t, context).sample
            torch.testing.assert_close(loaded(x, t, context), expected, **CLOSE)
            torch.testing.assert_close(loaded(x, 500, context), model(x, 500, context).sample, **CLOSE)
            expected = model(x, t, context, encoder_attention_mask=mask).sample
            torch.testing.assert_close(loaded(x, t, context, mask), expected, **CLOSE)


def test_gradients_are_diffusers_own():
    model, peer = ours(), theirs("the course's")
    peer.load_state_dict(model.state_dict())
    x, t, context = inputs(batch=3, height=16, width=16)
    leaves = {"x": x.requires_grad_(), "context": context.requires_grad_()}

    def gradients(network: torch.nn.Module, output: torch.Tensor) -> dict[str, torch.Tensor]:
        wanted = {**leaves, **dict(network.named_parameters())}
        return dict(zip(wanted, torch.autograd.grad(output.square().mean(), list(wanted.values())), strict=True))

    found, expected = gradients(model, model(x, t, context)), gradients(peer, peer(x, t, context).sample)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(
            gradient, expected[name], atol=1e-6, rtol=1e-3, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("kind", ["shards", "half precision", "variant"])
def test_shards_half_precision_and_variants_are_read(kind, tmp_path):
    model = theirs("the course's")
    if kind != "shards":
        model.half()
    model.save_pretrained(
        tmp_path,
        max_shard_size="1MB" if kind == "shards" else "1GB",
        variant="fp16" if kind == "variant" else None,
    )
    assert kind != "shards" or len(list(tmp_path.glob("*.safetensors"))) > 2
    loaded = UNet.from_diffusers(tmp_path, variant="fp16" if kind == "variant" else None)
    with torch.no_grad():
        x, t, context = inputs()
        torch.testing.assert_close(loaded(x, t, context), model.float()(x, t, context).sample, **CLOSE)
    assert UNet.from_diffusers(
        tmp_path, torch.bfloat16, "fp16" if kind == "variant" else None
    ).conv_in.weight.dtype == torch.bfloat16  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_runs_as_diffusers_does(dtype):
    model, peer = ours(), theirs("the course's")
    peer.load_state_dict(model.state_dict())
    x, t, context = inputs()
    with torch.no_grad():
        exact = model(x, t, context)
        half = model.to(dtype)(x.to(dtype), t, context.to(dtype)).float()
        other = peer.to(dtype)(x.to(dtype), t, context.to(dtype)).sample.float()
    assert half.shape == exact.shape and (half - exact).abs().mean() < 1.5 * (other - exact).abs().mean() + 1e-4


def test_a_prepared_text_and_prepared_times_give_the_same():
    model, (x, _, context) = ours("two layers"), inputs()
    mask = torch.arange(7) < torch.tensor([[7], [3], [1]])
    prepared, times = model.prepare(context, mask), model.prepare_times([900, 3])
    for t, time in zip((900, 3), times, strict=True):
        expected = model(x, torch.tensor([t] * 3), context, mask)
        torch.testing.assert_close(model(x, time, prepared), expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(model(x, float(t) * torch.ones(1), prepared), expected, atol=1e-6, rtol=1e-5)


def test_a_mask_that_hides_nothing_is_left_out_and_one_that_hides_is_kept():
    model, (_, _, context) = ours(), inputs()
    assert all(layer.mask is None for layer in model.prepare(context, torch.ones(3, 7, dtype=torch.bool)).layers)
    mask = torch.arange(7) < torch.tensor([[7], [3], [1]])
    for layer in model.prepare(context, mask).layers:
        assert layer.mask.shape == (3, 1, 1, 7) and torch.equal(layer.mask[:, 0, 0] == 0, mask)
        assert layer.mask[:, 0, 0][~mask].eq(-torch.inf).all()


@pytest.mark.parametrize("name", ["the course's", "two layers", "attention above"])
def test_several_texts_of_the_same_pictures_are_answered_one_by_one(name):
    model, (x, t, _) = ours(name), inputs()
    context = torch.randn(6, 7, 24, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        together = model(x, t, context)
        each = [model(x, t, part) for part in context.split(3)]
        torch.testing.assert_close(together, torch.cat(each), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(model(x, 7, context), model(torch.cat((x, x)), 7, context), atol=1e-6, rtol=1e-5)


def test_the_network_knows_its_time_and_its_text():
    model, (x, t, context) = ours(), inputs()
    assert (model(x, t, context) - model(x, t + 1, context)).abs().max() > 1e-5
    assert (model(x, t, context) - model(x, t, context.flip(1))).abs().max() < 1e-5  # order is the text's own business
    assert (model(x, t, context) - model(x, t, context.flip(0))).abs().max() > 1e-4


def test_waves_by_hand():
    waves = timestep_waves(torch.tensor([0, 2]), 5)
    expected = [[1, 1, 0, 0, 0], [-0.4161468, 0.9998000, 0.9092974, 0.0199987, 0]]
    torch.testing.assert_close(waves, torch.tensor(expected), atol=1e-6, rtol=0)
    swapped = timestep_waves(torch.tensor([2]), 4, cosine_first=False, freq_shift=1)
    torch.testing.assert_close(swapped[0], torch.tensor([0.9092974, 0.0002, -0.4161468, 1]), atol=1e-6, rtol=0)


def test_weights_keep_their_channels_last_when_loaded_copied_and_written(tmp_path):
    model = ours()
    write_weights(tmp_path / "w.safetensors", model.state_dict())
    other = ours("the course's")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    load_weights(other, tmp_path / "w.safetensors")
    for one in (model, other, copy.deepcopy(model)):
        assert one.mid_block.resnets[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    x, t, context = inputs()
    assert torch.equal(model(x, t, context), other(x, t, context))


@pytest.mark.wrong_arguments
def test_inputs_that_do_not_fit_are_refused_with_a_sentence():
    model, (x, t, context) = ours(), inputs()
    mask = torch.ones(3, 7, dtype=torch.bool)
    for sentence, call in {
        r"x must have in_channels \(12\) channels, got 4": lambda: model(x[:, :4], t, context),
        r"context must have cross_attention_dim \(24\) features, got 23": lambda: model(x, t, context[..., 1:]),
        r"context must hold as many texts as x pictures \(3\), or k times as many, got 2": lambda: model(
            x, 1, context[:2]
        ),
        r"context_mask must have the context's shape \(3, 7\), got \(3, 6\)": lambda: model.prepare(
            context, mask[:, 1:]
        ),
        "context_mask must leave at least one token of every text": lambda: model.prepare(context, mask & False),
        "context_mask must be given to prepare, not beside a prepared context": lambda: model(
            x, t, model.prepare(context), mask
        ),
    }.items():
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            call()


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path):
    theirs("the course's").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "layers_per_block": 2}))
    with pytest.raises(
        ValueError, match=r"^weights must match config.json: missing \['down_blocks.0.resnets.1.conv1.bias"
    ):
        UNet.from_diffusers(tmp_path)
    path.write_text(json.dumps({**config, "in_channels": 9}))
    with pytest.raises(ValueError, match=r"^conv_in.weight must have shape \(32, 9, 3, 3\), got \(32, 12, 3, 3\)$"):
        UNet.from_diffusers(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"^folder must hold a config.json, found none in '.*'$"):
        UNet.from_diffusers(tmp_path)
