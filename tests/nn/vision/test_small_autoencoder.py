"""The small autoencoder: as good as principal components before its first step."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lib.nn import VQVAE, MultiScaleQuantizer, SmallDecoder, SmallEncoder
from lib.nn.vision.small_autoencoder import start_from_principal_components
from tests.nn.vision.halves import pictures


def test_principal_components_are_the_best_linear_start():
    images = pictures()
    vae = VQVAE(SmallEncoder(6, 16), SmallDecoder(6, 16), MultiScaleQuantizer(16, 6, (1, 2, 4)))
    vae.start_from(images)
    with torch.no_grad():
        rebuilt = vae.decode(vae.latents(images))
        spread = vae.latents(images).var((0, 2, 3)).mean().item()
    patches = F.unfold(images, 4, stride=4).transpose(1, 2).flatten(0, 1)
    values = torch.linalg.eigvalsh(torch.cov((patches - patches.mean(0)).t()))
    assert F.mse_loss(rebuilt, images).item() == pytest.approx(values[:-6].sum().item() / 48, rel=0.02)
    assert spread == pytest.approx(1, rel=0.05)
    with pytest.raises(TypeError, match=r"^start_from serves the small networks only, got ReleasedEncoder$"):
        VQVAE.released(ch=32, patch_nums=(1, 2), vocab_size=20).start_from(images)


def test_before_training_the_network_is_its_linear_part():
    torch.manual_seed(0)
    encoder, decoder, images = SmallEncoder(6, 16), SmallDecoder(6, 16), torch.randn(2, 3, 16, 16)
    latents = encoder(images)
    assert latents.shape == (2, 6, 4, 4) and torch.equal(latents, encoder.patch(images))
    patches = F.unfold(images, 4, stride=4)  # (batch, patch, places)
    wanted = encoder.patch.weight.flatten(1) @ patches + encoder.patch.bias[:, None]
    torch.testing.assert_close(latents.flatten(2), wanted)
    assert torch.equal(decoder(latents), decoder.shuffle(decoder.linear(latents)))


def test_the_way_back_puts_each_patch_where_it_was():
    """With as many channels as a patch has pixels the linear start loses nothing."""
    images = pictures(64)[:, :, :8, :8] + torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    encoder, decoder = SmallEncoder(48, 16), SmallDecoder(48, 16)
    start_from_principal_components(encoder, decoder, images)
    with torch.no_grad():
        torch.testing.assert_close(decoder(encoder(images)), images, rtol=1e-3, atol=1e-3)
