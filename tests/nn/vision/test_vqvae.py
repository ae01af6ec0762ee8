"""The image tokenizer: its linear start, training, checkpoints."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from lib.nn import VQVAE, MultiScaleQuantizer, SmallDecoder, SmallEncoder, code_usage
from tests.nn.vision.halves import pictures


def test_a_tokenizer_learns_and_its_whole_pyramid_is_better_than_its_top():
    torch.manual_seed(0)
    images = pictures()
    vae = VQVAE(SmallEncoder(8, 16), SmallDecoder(8, 16), MultiScaleQuantizer(16, 8, (1, 2, 4)))
    vae.start_from(images)
    one_colour = images.mean((2, 3), keepdim=True).expand_as(images)
    optimizer = torch.optim.AdamW(vae.train().parameters(), lr=3e-3)
    for step in range(80):
        out, quantized = vae(images)
        loss = F.mse_loss(out, images) + quantized.loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == 30:
            vae.quantize.revive(vae.latents(images))
    vae.eval()
    strip = vae.film_strip(vae.encode(images))
    errors = [F.mse_loss(image, images).item() for image in strip]
    assert errors[-1] < 0.05 * F.mse_loss(one_colour, images).item() and errors[-1] < 0.5 * errors[0]
    torch.testing.assert_close(vae.reconstruct(images), strip[-1])
    stats = code_usage(vae.encode(images), 16)
    assert stats["used_overall"] >= 6 and 1 <= stats["perplexity_overall"] <= 16


def test_checkpoints_load_strictly_and_without_pickle(tmp_path):
    from safetensors.torch import save_file

    shape = {"ch": 32, "patch_nums": (1, 2), "vocab_size": 20}
    vae = VQVAE.released(**shape)
    torch.save(vae.state_dict(), tmp_path / "vae.pth")
    save_file(vae.state_dict(), tmp_path / "vae.safetensors")
    for name in ("vae.pth", "vae.safetensors"):
        loaded = VQVAE.from_checkpoint(tmp_path / name, **shape)
        assert all(
            torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), vae.state_dict().values(), strict=True)
        )
    with pytest.raises(FileNotFoundError, match=r"^there is no checkpoint 'none.pth'$"):
        VQVAE.from_checkpoint(tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"^weights of 'vae.pth' do not fit the model: "):
        VQVAE.from_checkpoint(tmp_path / "vae.pth", **{**shape, "vocab_size": 21})


def test_released_weights_know_no_count_of_records(tmp_path):
    shape = {"ch": 32, "patch_nums": (1, 2), "vocab_size": 20}
    torch.manual_seed(0)
    vae = VQVAE.released(**shape)
    vae.quantize.ema_vocab_hit_SV.fill_(3.0)
    torch.save(
        {name: value for name, value in vae.state_dict().items() if name != "quantize.records"}, tmp_path / "w.pth"
    )
    loaded = VQVAE.from_checkpoint(tmp_path / "w.pth", **shape)
    assert loaded.quantize.records == 100 and torch.equal(loaded.quant_conv.weight, vae.quant_conv.weight)


def test_a_copy_after_a_pass_encodes_the_same():
    torch.manual_seed(0)
    vae = VQVAE(SmallEncoder(6, 16), SmallDecoder(6, 16), MultiScaleQuantizer(16, 6, (1, 2, 4))).train()
    images = pictures(4)
    rebuilt, quantized = vae(images)
    (rebuilt.sum() + quantized.loss).backward()
    twin = copy.deepcopy(vae).eval()
    assert all(torch.equal(a, b) for a, b in zip(twin.encode(images), vae.eval().encode(images), strict=True))
