"""LoRA and DoRA: equal to peft's on random weights, nothing at first, free once merged."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.nn import LoRALinear, TransformerConfig, TransformerLM, add_lora, merge_lora


def model():
    torch.manual_seed(0)
    return TransformerLM(TransformerConfig(30, 16, 2, 2, intermediate_size=32)).eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dora", [True, False])
def test_a_layer_is_pefts(dora, bias):
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 20, bias=bias))
    ours = LoRALinear(copy.deepcopy(net[0]), 3, alpha=6, dora=dora)
    config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=["0"], use_dora=dora, lora_dropout=0.0)
    theirs = peft.get_peft_model(net, config)
    layer = theirs.base_model.model[0]
    with torch.no_grad():
        for ours_part, theirs_part in ((ours.lora_A, layer.lora_A), (ours.lora_B, layer.lora_B)):
            theirs_part["default"].weight.copy_(ours_part.normal_())
        if dora:
            torch.testing.assert_close(ours.magnitude, layer.lora_magnitude_vector["default"].weight)
            layer.lora_magnitude_vector["default"].weight.copy_(ours.magnitude.mul_(1.3))
    x, g = torch.randn(5, 4, 12), torch.randn(5, 4, 20)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=0)
    (ours(x) * g).sum().backward()
    (theirs(x) * g).sum().backward()
    torch.testing.assert_close(ours.lora_A.grad, layer.lora_A["default"].weight.grad, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(ours.lora_B.grad, layer.lora_B["default"].weight.grad, atol=1e-4, rtol=1e-5)
    if dora:
        theirs_grad = layer.lora_magnitude_vector["default"].weight.grad
        torch.testing.assert_close(ours.magnitude.grad, theirs_grad, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("dora", [True, False])
def test_nothing_at_first_then_learned_then_merged(dora):
    net, tokens = model(), torch.randint(0, 30, (4, 7))
    plain = net(tokens)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    trained = add_lora(net, ("q_proj", "v_proj"), 2, dora=dora)
    torch.testing.assert_close(net(tokens), plain, atol=1e-5, rtol=0)
    per_layer = 2 * (16 * 2 + 2 * 16 + dora * 16)
    assert sum(p.numel() for p in trained) == 2 * per_layer
    assert {id(p) for p in trained} == {id(p) for p in net.parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained, lr=0.05)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(net(tokens).flatten(0, 1), tokens.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    after = {name.replace(".base.", "."): value for name, value in net.state_dict().items()}
    assert all(torch.equal(value, after[name]) for name, value in before.items())  # the model itself has not moved
    adapted = net(tokens)
    merge_lora(net)
    assert not any(isinstance(module, LoRALinear) for module in net.modules())
    assert set(net.state_dict()) == set(before)
    torch.testing.assert_close(net(tokens), adapted, atol=1e-5, rtol=0)


def test_counts_of_the_paper():
    """LoRA of rank 32 on q, k, v, up and down of LLaMA-7B, and of rank 16 on q and v (ReFT, tables 1 and 3)."""

    def counted(rank, shapes):
        with torch.device("meta"):
            layers = [LoRALinear(nn.Linear(inner, outer, bias=False), rank) for inner, outer in shapes]
        return 32 * sum(p.numel() for layer in layers for p in (layer.lora_A, layer.lora_B))

    attention = (4096, 4096)
    assert counted(32, [attention] * 3 + [(4096, 11008), (11008, 4096)]) == 56_098_816
    assert counted(16, [attention] * 2) == 8_388_608


def test_bad_input_gets_one_sentence():
    with pytest.raises(ValueError, match=r"^targets must name linear layers of TransformerLM, got gate$"):
        add_lora(model(), ("q_proj", "gate"), 2)
    net = model()
    for targets, rank in ((("q_proj", "gate"), 2), (("q_proj",), 17), (("proj",), 2)):
        with pytest.raises(ValueError, match=r"^(targets|rank) "):
            add_lora(net, targets, rank)
    assert all(p.requires_grad for p in net.parameters()) and not any(isinstance(m, LoRALinear) for m in net.modules())
    with pytest.raises(ValueError, match=r"^rank must be 1..16, the smallest side of the layers, got 17$"):
        add_lora(model(), ("q_proj",), 17)


def test_layers_whose_weight_is_read_by_their_owner():
    torch.manual_seed(0)
    net = TransformerLM(TransformerConfig(30, 16, 1, 2, intermediate_size=32, tie_word_embeddings=False)).eval()
    tokens = torch.randint(0, 30, (2, 5))
    plain = net(tokens)
    trained = add_lora(net, ("lm_head",), 2)
    torch.testing.assert_close(net(tokens), plain, atol=1e-6, rtol=0)
    nn.init.normal_(trained[1])
    net(tokens).sum().backward()
    assert (net(tokens) - plain).abs().max() > 0.1 and trained[0].grad.abs().max() > 0


def test_adapters_of_a_bfloat16_layer_are_float32():
    layer = LoRALinear(nn.Linear(8, 6).bfloat16(), 2, dora=True)
    assert layer.lora_A.dtype == layer.magnitude.dtype == torch.float32
    y = layer(torch.randn(3, 8, dtype=torch.bfloat16))
    assert y.dtype == torch.bfloat16 and layer.merged().weight.dtype == torch.bfloat16
    assert not any(p.requires_grad for p in layer.merged().parameters())


def test_without_alpha_the_scale_is_one():
    layer = LoRALinear(nn.Linear(8, 6), 4)
    nn.init.normal_(layer.lora_B)
    x = torch.randn(3, 8)
    torch.testing.assert_close(layer(x), layer.base(x) + x @ layer.lora_A.t() @ layer.lora_B.t(), atol=1e-5, rtol=0)


def test_a_copy_after_a_pass_is_a_copy():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    add_lora(net, ["0", "1"], 2, dora=True)
    x = torch.randn(3, 6)
    net(x).sum().backward()
    twin = copy.deepcopy(net)
    assert torch.equal(twin(x), net(x)) and twin[0].lora_A is not net[0].lora_A


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-22])
def test_dora_of_a_vanishing_row_is_the_layer_itself_at_first(size):
    torch.manual_seed(0)
    base = nn.Linear(8, 5)
    with torch.no_grad():
        base.weight[1].mul_(size)
    x = torch.randn(4, 8)
    expected = base(x)
    layer = LoRALinear(base, 2, dora=True)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.merged()(x), expected)
    layer(x).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters() if p.requires_grad)


def test_targets_may_be_one_name_and_must_be_some():
    assert len(add_lora(model(), "q_proj", 2)) == 2 * 2
    with pytest.raises(ValueError, match=r"^targets must name at least one linear layer, got none$"):
        add_lora(model(), [], 2)
