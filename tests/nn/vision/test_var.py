"""VAR's quantizer and transformer against golden numbers, computed with the authors' own modules on filled tensors."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib.nn import (
    VAR,
    VQVAE,
    MultiScaleQuantizer,
    Sampling,
    TokenAR,
    VARConfig,
    keep_masks,
)


def filled(shape, a, b):
    """a sin(b i + 0.3), i the flat index, in float64 and then float32."""
    index = np.arange(math.prod(shape), dtype=np.float64)
    return torch.from_numpy((a * np.sin(b * index + 0.3)).astype(np.float32)).view(shape)


def golden_quantizer(patch_nums=(1, 2, 3, 5), **options):
    quantizer = MultiScaleQuantizer(11, 4, patch_nums, **options)
    with torch.no_grad():
        quantizer.embedding.weight.copy_(filled((11, 4), 1.0, 0.7))
        for j, phi in enumerate(quantizer.quant_resi.qresi_ls):
            phi.weight.copy_(filled((4, 4, 3, 3), 0.2, 0.11 * (j + 1)))
            phi.bias.copy_(filled((4,), 0.05, 0.9 * (j + 1)))
    return quantizer


LATENTS = filled((2, 4, 5, 5), 1.2, 0.37)
INDICES = [
    [[3], [5]],
    [[4, 4, 4, 4], [6, 6, 6, 6]],
    [[5, 5, 5, 4, 4, 4, 5, 5, 5], [4, 3, 3, 4, 4, 4, 4, 4, 5]],
    [
        [4, 4, 4, 6, 6, 5, 7, 0, 2, 2, 5, 5, 4, 2, 5, 6, 8, 8, 10, 3, 6, 6, 6, 6, 6],
        [7, 2, 4, 4, 4, 5, 5, 7, 9, 9, 5, 5, 5, 7, 4, 0, 5, 5, 1, 8, 5, 3, 3, 3, 6],
    ],
]


def test_indices_and_partial_sums_are_the_authors():
    quantizer = golden_quantizer()
    indices = quantizer.encode(LATENTS)
    assert [codes.tolist() for codes in indices] == INDICES
    sums = quantizer.partial_sums(indices)
    expected = [25.77287, -1.82405, 1.76343, 4.29812]
    squares = [202.28168, 152.61624, 196.60742, 177.55204]
    errors = [1.449295, 1.258776, 1.305985, 1.245328]
    for f_hat, total, square, error in zip(sums, expected, squares, errors, strict=True):
        assert f_hat.sum().item() == pytest.approx(total, abs=1e-3)
        assert f_hat.square().sum().item() == pytest.approx(square, abs=1e-3)
        assert F.mse_loss(f_hat, LATENTS).item() == pytest.approx(error, abs=1e-5)
    torch.testing.assert_close(
        sums[-1][0, :, 0, 0], torch.tensor([0.697410, -0.219643, 0.683674, -0.518831]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        sums[-1][1, :, 4, 2], torch.tensor([0.222854, -1.107644, 0.970133, 0.044357]), atol=1e-4, rtol=0
    )


def test_the_teacher_input_is_the_authors():
    quantizer = golden_quantizer()
    teacher = quantizer.teacher_input(quantizer.encode(LATENTS))
    assert teacher.shape == (2, 38, 4) and teacher.sum().item() == pytest.approx(5.74711, abs=1e-3)
    torch.testing.assert_close(
        teacher[0, 0], torch.tensor([0.919467, -1.280709, 0.927664, -0.836113]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        teacher[1, -1], torch.tensor([1.200420, -0.148889, 0.552685, -0.829407]), atol=1e-4, rtol=0
    )


def test_loss_and_gradients_are_the_authors():
    quantizer, f = golden_quantizer().train(), LATENTS.clone().requires_grad_()
    result = quantizer(f)
    assert result.loss.item() == pytest.approx(1.643558, abs=1e-5)
    assert result.loss.item() == pytest.approx(1.25 * result.errors.mean().item(), abs=1e-5)
    weights = [phi.weight for phi in quantizer.quant_resi.qresi_ls]
    biases = [phi.bias for phi in quantizer.quant_resi.qresi_ls]
    gradients = torch.autograd.grad(result.loss, [f, quantizer.embedding.weight, *weights, *biases], retain_graph=True)
    expected = [0.0391616, 0.897466, 1.039272, 0.772845, 0.303991, 0.153233, 0.301374, 0.220127, 0.147232, 0.075143]
    assert [g.norm().item() for g in gradients] == pytest.approx(expected, abs=1e-5)
    (straight,) = torch.autograd.grad(result.output.sum(), f)
    assert torch.equal(straight, torch.ones_like(f))
    assert [codes.tolist() for codes in result.indices] == INDICES
    assert quantizer.ema_vocab_hit_SV.sum(1).tolist() == [2, 8, 18, 50]


def test_cosine_search_is_the_authors():
    quantizer = golden_quantizer(cosine=True)
    indices = quantizer.encode(LATENTS)
    assert [codes.tolist() for codes in indices[:3]] == [
        [[5], [5]],
        [[6] * 4, [6] * 4],
        [[3, 3, 3, 4, 4, 4, 0, 3, 3], [4, 3, 3, 4, 4, 4, 4, 4, 5]],
    ]
    sums = quantizer.partial_sums(indices)
    assert [s.sum().item() for s in sums] == pytest.approx([69.34485, 19.73793, 9.79745, 22.59558], abs=1e-3)
    errors = [F.mse_loss(s, LATENTS).item() for s in sums]
    assert errors == pytest.approx([1.490391, 1.133386, 1.203929, 1.132731], abs=1e-5)


def filled_var(qk_norm):
    config = VARConfig(
        2, 3, (1, 2, 3), 11, 4, hidden_size=16, num_attention_heads=2, qk_norm=qk_norm, label_dropout=0.0
    )
    model = VAR(config).eval()
    names = ["pos_start", "pos_1LC", "word_embed.weight", "word_embed.bias", "class_emb.weight", "lvl_embed.weight"]
    for block in range(2):
        inner = ["attn.scale_mul_1H11"] if qk_norm else []
        inner += ["attn.q_bias", "attn.v_bias", "attn.mat_qkv.weight", "attn.proj.weight", "attn.proj.bias"]
        inner += ["ffn.fc1.weight", "ffn.fc1.bias", "ffn.fc2.weight", "ffn.fc2.bias"]
        inner += ["ada_lin.1.weight", "ada_lin.1.bias"]
        names += [f"blocks.{block}.{name}" for name in inner]
    names += ["head_nm.ada_lin.1.weight", "head_nm.ada_lin.1.bias", "head.weight", "head.bias"]
    parameters = dict(model.named_parameters())
    assert set(names) == set(parameters)
    with torch.no_grad():
        for j, name in enumerate(names):
            tensor = parameters[name]
            if name.endswith("scale_mul_1H11"):
                tensor.fill_(math.log(4))
            else:
                tensor.copy_(filled(tuple(tensor.shape), 0.3, 0.05 + 0.013 * j))
    return model


GOLDEN_VAR = {
    True: (10_831, 6.83618, 123.05285, 2.381179, [[[2], [1]], [[1] * 4] * 2, [[2] * 9, [1] * 9]], -27.34373),
    False: (
        10_827, 32.92363, 369.22768, 2.921177,
        [[[3], [5]], [[2, 1, 1, 2], [7] * 4], [[1, 2, 2, 1, 2, 2, 2, 2, 1], [7, 7, 7, 7, 8, 7, 7, 7, 7]]], 29.82142,
    ),
}  # fmt: skip


@pytest.mark.parametrize("qk_norm", [True, False])
def test_logits_loss_and_greedy_codes_are_the_authors(qk_norm):
    count, total, square, loss, greedy, f_hat_sum = GOLDEN_VAR[qk_norm]
    model, quantizer = filled_var(qk_norm), golden_quantizer((1, 2, 3))
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    codes = quantizer.encode(filled((2, 4, 3, 3), 1.2, 0.37))
    assert [c.tolist() for c in codes] == [
        [[5], [5]],
        [[1, 1, 6, 6], [1, 6, 4, 4]],
        [[4, 4, 2, 7, 7, 7, 5, 5, 2], [2, 7, 5, 7, 7, 5, 3, 1, 6]],
    ]
    labels = torch.tensor([0, 2])
    with torch.no_grad():
        logits = model(labels, quantizer.teacher_input(codes))
    assert logits.shape == (2, 14, 11)
    assert logits.sum().item() == pytest.approx(total, abs=2e-3)
    assert logits.square().sum().item() == pytest.approx(square, abs=2e-3)
    assert F.cross_entropy(logits.flatten(0, 1), torch.cat(codes, 1).flatten()).item() == pytest.approx(loss, abs=1e-4)
    if qk_norm:
        torch.testing.assert_close(
            logits[0, 0, :4], torch.tensor([-0.330205, 0.828253, 1.182926, 0.374038]), atol=1e-4, rtol=0
        )
        torch.testing.assert_close(
            logits[1, 13, -3:], torch.tensor([-0.686389, -0.211443, 0.224097]), atol=1e-4, rtol=0
        )
    f_hat, sampled = model.generate(labels, quantizer, Sampling(guidance=1.5, temperature=0.0))
    assert [c.tolist() for c in sampled] == greedy
    assert f_hat.sum().item() == pytest.approx(f_hat_sum, abs=1e-3)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("adaln", [True, False])
def test_logits_through_the_cache_are_those_of_the_masked_pass(shared, adaln):
    torch.manual_seed(0)
    config = VARConfig(
        3, 5, (1, 2, 4), 20, 6, hidden_size=24, num_attention_heads=3, shared_adaln=shared, adaln=adaln, gamma_init=1.0
    )
    model, quantizer = VAR(config).eval(), MultiScaleQuantizer(20, 6, (1, 2, 4))
    torch.nn.init.normal_(model.head.weight)
    codes, labels = quantizer.encode(torch.randn(3, 6, 4, 4)), torch.tensor([0, 4, 2])
    with torch.no_grad():
        whole = model(labels, quantizer.teacher_input(codes))
    everything = [torch.ones_like(c, dtype=torch.bool) for c in codes]
    seen = []
    original = model.run_blocks
    model.run_blocks = lambda *arguments: seen.append(original(*arguments)) or seen[-1]
    f_hat, forced = model.generate(labels, quantizer, Sampling(temperature=0.0), known=codes, keep=everything)
    torch.testing.assert_close(torch.cat(seen, 1), whole, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(forced, codes, strict=True))
    torch.testing.assert_close(f_hat, quantizer.partial_sums(codes)[-1])


def test_later_scales_never_reach_back():
    torch.manual_seed(1)
    config = VARConfig(2, 3, (1, 2, 3), 11, 4, hidden_size=16, num_attention_heads=2, gamma_init=1.0)
    model = VAR(config).eval()
    torch.nn.init.normal_(model.head.weight)
    teacher, labels = torch.randn(2, 13, 4), torch.tensor([0, 1])
    with torch.no_grad():
        before = model(labels, teacher)
        teacher[:, 4:] += 1.0  # the third scale's input
        after = model(labels, teacher)
    assert torch.equal(before[:, :5], after[:, :5]) and (before[:, 5:] - after[:, 5:]).abs().max() > 1e-3


def test_guidance_zero_is_conditional_sampling_and_the_first_scale_is_unguided():
    torch.manual_seed(3)
    config = VARConfig(2, 3, (1, 2, 3), 11, 4, hidden_size=16, num_attention_heads=2, gamma_init=1.0)
    model, quantizer, labels = VAR(config).eval(), MultiScaleQuantizer(11, 4, (1, 2, 3)), torch.tensor([0, 2, 1])
    torch.nn.init.normal_(model.head.weight)
    draws = [
        model.generate(labels, quantizer, Sampling(g), generator=torch.Generator().manual_seed(5))[1]
        for g in (0.0, 9.0)
    ]
    assert torch.equal(draws[0][0], draws[1][0]) and not torch.equal(draws[0][2], draws[1][2])


def test_masks_of_every_scale_and_the_leaky_rule():
    keep = torch.zeros(1, 8, 8)
    keep[:, :, :4] = 1
    honest, leaky = (keep_masks(keep, (1, 2, 4), force_coarsest=forced) for forced in (False, True))
    assert not honest[0].any() and leaky[0].all()
    assert honest[1].tolist() == [[True, False, True, False]] == leaky[1].tolist()
    assert honest[2].view(4, 4)[0].tolist() == [True, True, False, False]


def test_released_sizes():
    with torch.device("meta"):
        vae = VQVAE.released()
        model = VAR(VARConfig(16, 1000, (1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 4096, 32))
    count = lambda module: sum(parameter.numel() for parameter in module.parameters())  # noqa: E731
    assert count(model) == 310_283_520
    assert count(vae.quantize) == 4096 * 32 + 4 * 9248 and count(vae.quant_conv) == 9248
    assert [round(count(part) / 1e6, 2) for part in (vae, vae.encoder, vae.decoder)] == [108.95, 44.11, 64.65]


def test_area_and_bicubic_are_what_the_definition_says():
    assert torch.equal(F.adaptive_avg_pool2d(LATENTS, 3), F.interpolate(LATENTS, size=3, mode="area"))
    row = F.interpolate(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), size=4, mode="bicubic")[0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([0.683594, 1.015625, 1.5625, 1.894531]), atol=1e-6, rtol=0)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^hidden_size must be a multiple of num_attention_heads \(3\), got 16$"):
        VARConfig(2, 3, (1, 2), 11, 4, hidden_size=16, num_attention_heads=3)


def test_a_copy_after_a_pass_draws_the_same():
    model, quantizer, labels = filled_var(True), golden_quantizer((1, 2, 3)), torch.tensor([0, 2])
    quantizer.train()(filled((2, 4, 3, 3), 1.2, 0.37))
    model.train()(labels, torch.zeros(2, 13, 4)).sum().backward()
    drawn = model.eval().generate(labels, quantizer, Sampling(1.0), generator=torch.Generator().manual_seed(1))[1]
    again = copy.deepcopy(model).generate(
        labels, copy.deepcopy(quantizer), Sampling(1.0), generator=torch.Generator().manual_seed(1)
    )[1]
    assert all(torch.equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_a_state_names_what_the_released_checkpoints_name():
    config = VARConfig(2, 3, (1, 2), 11, 4, 16, 2, shared_adaln=True)
    shared, own = set(VAR(config).state_dict()), set(TokenAR(replace(config, shared_adaln=False), 4).state_dict())
    assert {"shared_ada_lin.1.weight", "blocks.0.ada_gss", "lvl_1L", "attn_bias_for_masking"} <= shared
    assert "blocks.1.ada_lin.1.weight" in own and not any(name.startswith("shared_ada_lin") for name in own)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_works_in_the_precision_of_its_weights(dtype):
    torch.manual_seed(0)
    config = VARConfig(2, 3, (1, 2, 4), 16, 4, hidden_size=32, num_attention_heads=2)
    quantizer, labels = MultiScaleQuantizer(16, 4, (1, 2, 4)), torch.tensor([0, 2])
    model = VAR(config).eval().to(dtype)
    _, codes = model.generate(labels, quantizer, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(labels, quantizer.teacher_input(codes))
        exact = model.double()(labels, quantizer.teacher_input(codes))
    assert logits.dtype == dtype
    torch.testing.assert_close(logits.double(), exact, rtol=0.05, atol=0.05)


@pytest.mark.wrong_arguments
def test_places_to_keep_may_be_numbers():
    torch.manual_seed(0)
    config = VARConfig(2, 3, (1, 2), 16, 4, hidden_size=32, num_attention_heads=2)
    quantizer, labels = MultiScaleQuantizer(16, 4, (1, 2)), torch.tensor([0])
    known, keep = (
        [torch.tensor([[3]]), torch.tensor([[1, 2, 3, 4]])],
        [torch.tensor([[1]]), torch.tensor([[0, 1, 1, 0]])],
    )
    _, codes = VAR(config).eval().generate(labels, quantizer, known=known, keep=keep)
    assert codes[0].item() == 3 and codes[1][0, 1:3].tolist() == [2, 3]
