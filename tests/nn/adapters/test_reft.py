"""Where edits land: prompts only, any decoder, saved and loaded."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib.nn import (
    EMBEDDING,
    INTERVENTIONS,
    ReFT,
    ReFTConfig,
    TransformerConfig,
    TransformerLM,
    decoder_blocks,
    generate,
    intervention_parameters,
)
from tests.nn.adapters.decoders import ours, tiny_decoder

CONFIG = ReFTConfig("LoReFT", (EMBEDDING, 0, 1), rank=3, prefix=2, suffix=1)


def stirred(reft, seed=0):
    """Interventions far from the identity."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in reft.interventions.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw))
    return reft.eval()


def read(reft, tokens, **options):
    """The edited logits of prompts without padding."""
    out = reft(tokens, lengths=[tokens.shape[1]] * len(tokens), **options)
    return out if isinstance(out, torch.Tensor) else out.logits


@pytest.mark.parametrize(
    ("dim", "config", "count"),
    [
        (4096, ReFTConfig("LoReFT", tuple(range(32)), 8, 7, 7), 2_097_408),
        (5120, ReFTConfig("LoReFT", tuple(range(40)), 8, 7, 7), 3_277_120),
        (4096, ReFTConfig("LoReFT", (3, 9, 18, 24), 4, 5, 5, tied=False), 262_176),
        (4096, ReFTConfig("DiReFT", (3, 9, 18, 24), 2, 5, 5, tied=False), 131_088),
        (768, ReFTConfig("LoReFT", tuple(range(12)), 1, 3, 0), 18_444),
        (1024, ReFTConfig("NoReFT", tuple(range(24)), 1, 3, 0), 49_176),
        (4096, ReFTConfig("LoReFT", (15,), 4, 0, 1), 32_772),
        (4096, ReFTConfig("ConsReFT", (15,), 1, 0, 1), 4_097),
        (5120, ReFTConfig("ConsReFT", (15,), 1, 0, 1), 5_121),
        (4096, ReFTConfig("RED", tuple(range(32)), 1, None, None), 262_144),
    ],
)
def test_parameter_counts_of_the_paper(dim, config, count):
    assert intervention_parameters(dim, config) == count


@pytest.mark.parametrize("kind", list(INTERVENTIONS))
@pytest.mark.parametrize("tied", [True, False])
def test_counts_are_those_of_the_module(kind, tied):
    config = ReFTConfig(kind, (EMBEDDING, 2), 3, 2, 1, tied=tied)
    assert ReFT(ours(), config).num_parameters() == intervention_parameters(24, config)


def test_an_edit_reaches_its_positions_later_layers_and_later_tokens_only():
    model, tokens = ours(), torch.randint(0, 40, (2, 9))
    plain = model(tokens)
    for site in (EMBEDDING, 0, 1, 2):
        reft = stirred(ReFT(ours(), ReFTConfig("LoReFT", (site,), 3, 0, 2)))
        edited = read(reft, tokens)
        torch.testing.assert_close(edited[:, :7], plain[:, :7], atol=1e-6, rtol=0)
        assert (edited[:, 7:] - plain[:, 7:]).abs().amax(-1).min() > 1e-3
    torch.testing.assert_close(reft.model(tokens), plain, atol=1e-6, rtol=0)  # without `edits`: the frozen model


def test_a_hook_is_the_formula_on_the_residual_stream():
    model, tokens = ours(), torch.randint(0, 40, (3, 8))
    reft = stirred(ReFT(model, ReFTConfig("LoReFT", (1,), 3, 2, 1)))
    phi = reft.interventions[0][0]
    lengths = torch.tensor([8, 5, 2])
    with torch.no_grad():
        x = model.model.embed_tokens(tokens)
        for index, layer in enumerate(model.model.layers):
            x = layer(x)
            if index == 1:
                for row, places in enumerate(([0, 1, 7], [0, 1, 4], [0, 1])):
                    x[row, places] = phi(x[row, places])
        expected = F.linear(model.model.final_layernorm(x), model.output_weight)
        torch.testing.assert_close(reft(tokens, lengths=lengths), expected, atol=1e-5, rtol=0)


def test_untied_groups_edit_their_own_ends():
    reft = ReFT(ours(), ReFTConfig("LobiReFT", (0,), 1, 2, 1, tied=False))
    tokens = torch.randint(0, 40, (1, 6))
    plain = read(reft, tokens)
    with torch.no_grad():
        reft.interventions[0][1].constant.fill_(3.0)  # the suffix's
    edited = read(reft, tokens)
    torch.testing.assert_close(edited[:, :5], plain[:, :5], atol=1e-6, rtol=0)
    assert (edited[:, 5] - plain[:, 5]).abs().max() > 1e-3


def test_generation_edits_the_prompt_once_with_and_without_a_cache():
    model, reft = ours(), stirred(ReFT(ours(), CONFIG), seed=3)
    prompt = torch.randint(0, 40, (2, 5))
    wanted = prompt
    for _ in range(6):  # without a cache: the whole text anew, the prompt's positions edited
        logits = reft(wanted, lengths=torch.tensor([5, 5]))
        wanted = torch.cat((wanted, logits[:, -1:].argmax(-1)), 1)
    assert torch.equal(reft.generate(prompt, 6), wanted)
    assert not torch.equal(generate(model, prompt, 6), wanted)
    one = torch.tensor([[7]])  # a prompt as long as a decoding step
    wanted = one
    for _ in range(4):
        wanted = torch.cat((wanted, reft(wanted, lengths=[1])[:, -1:].argmax(-1)), 1)
    assert torch.equal(reft.generate(one, 4), wanted)


def test_left_padding_moves_the_positions():
    reft = stirred(ReFT(ours(), CONFIG))
    prompt = torch.randint(1, 40, (1, 6))
    padded, mask = F.pad(prompt, (3, 0)), F.pad(torch.ones(1, 6, dtype=torch.bool), (3, 0))
    shifted = reft(padded, None, mask, lengths=[6], offsets=[3])
    torch.testing.assert_close(shifted[:, 3:], read(reft, prompt), atol=1e-4, rtol=0)
    assert torch.equal(reft.generate(padded, 4, mask=mask)[:, 9:], reft.generate(prompt, 4)[:, 6:])


def test_only_interventions_learn_and_the_model_stays_in_eval_mode():
    reft = ReFT(ours(), CONFIG).train()
    before = {name: value.clone() for name, value in reft.model.state_dict().items()}
    assert reft.interventions.training and not reft.model.training
    optimizer = torch.optim.AdamW([p for p in reft.parameters() if p.requires_grad], lr=0.01)
    tokens = torch.randint(0, 40, (8, 7))
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(read(reft, tokens)[:, -1], torch.full((8,), 11))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(before[name], value) for name, value in reft.model.state_dict().items())


@pytest.mark.parametrize("family", ["Llama", "GPT2", "Gemma"])
def test_any_decoder_takes_edits_learns_generates_and_remembers_them(family, tmp_path):
    model = tiny_decoder(family)
    tokens = torch.randint(0, 40, (4, 6))
    plain = model(tokens).logits
    reft = ReFT(model, CONFIG).train()
    optimizer = torch.optim.AdamW([p for p in reft.parameters() if p.requires_grad], lr=0.02)
    loss = F.cross_entropy(read(reft, tokens)[:, -1], torch.full((4,), 3))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in reft.interventions.parameters())
    optimizer.step()
    stirred(reft)
    edited = read(reft, tokens)
    assert (edited - plain).abs().max() > 1e-3
    torch.testing.assert_close(model(tokens).logits, plain, atol=1e-6, rtol=0)
    wanted = tokens
    for _ in range(4):
        wanted = torch.cat((wanted, reft(wanted, lengths=[6] * 4).logits[:, -1:].argmax(-1)), 1)
    got = reft.generate(tokens, max_new_tokens=4, do_sample=False, attention_mask=torch.ones_like(tokens))
    assert torch.equal(got, wanted)
    whole = {"max_new_tokens": 4, "do_sample": False, "attention_mask": torch.ones_like(tokens)}
    assert torch.equal(reft.generate(tokens, use_cache=False, **whole), wanted)
    beams = reft.generate(tokens, num_beams=3, **whole)
    assert beams.shape == wanted.shape and torch.equal(beams[:, :6], tokens)
    padded, mask = F.pad(tokens, (2, 0)), F.pad(torch.ones_like(tokens), (2, 0))
    left = reft.generate(padded, max_new_tokens=4, do_sample=False, attention_mask=mask)
    assert torch.equal(left[:, 8:], wanted[:, 6:])
    reft.save(tmp_path)
    again = ReFT.load(tiny_decoder(family), tmp_path)
    torch.testing.assert_close(read(again, tokens), edited, atol=1e-6, rtol=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reft.json", "reft.safetensors"]


def test_bad_input_gets_one_sentence(tmp_path):
    tokens = torch.randint(0, 40, (2, 6))
    for fields, message in (
        ({"kind": "LoRA"}, r"^kind must be one of LoReFT, .*got 'LoRA'$"),
        ({"sites": ()}, r"^sites must be different block numbers from -1 on, got \(\)$"),
        ({"sites": (0, 0)}, r"^sites must be different"),
        ({"prefix": None}, r"^prefix and suffix must both be numbers"),
        ({"prefix": 0, "suffix": 0}, r"^prefix and suffix must be at least 0"),
        (
            {"prefix": None, "suffix": None, "tied": False},
            r"^prefix and suffix must be numbers for untied",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            ReFTConfig(**{"kind": "LoReFT", "sites": (0,), **fields})
    with pytest.raises(ValueError, match=r"^sites must be among the model's blocks 0 to 2, got 3$"):
        ReFT(ours(), ReFTConfig("LoReFT", (3,)))
    with pytest.raises(ValueError, match=r"^Linear must keep its blocks in model.layers, .*; it has none of these$"):
        ReFT(nn.Linear(3, 3), CONFIG)
    reft = ReFT(ours(), CONFIG)
    with pytest.raises(ValueError, match=r"^offsets must have one entry a row, as lengths \(2\), got 1$"):
        reft(tokens, lengths=[6, 6], offsets=[0])
    with pytest.raises(ValueError, match=r"^every prompt must hold a token and lie within the 6 tokens$"):
        reft(tokens, lengths=[6, 6], offsets=[0, 1])
    says = r"^prompts must have the shape \(3, 6\) that edits were asked for, got \(2, 6\)$"
    with pytest.raises(ValueError, match=says):
        reft(tokens, lengths=[6, 6, 6])
    with pytest.raises(TypeError):
        reft(tokens)  # whoever trains must say where prompts end
    with pytest.raises(FileNotFoundError, match=r"^there is no reft.json in "):
        ReFT.load(ours(), tmp_path)
    reft.save(tmp_path)
    torch.manual_seed(0)
    wider = TransformerLM(TransformerConfig(40, 32, 3, 4))
    with pytest.raises(ValueError, match=r"^weights of 'reft.safetensors' do not fit the model: "):
        ReFT.load(wider, tmp_path)


def test_a_reft_of_kind_identity_starts_without_a_change():
    tokens = torch.randint(0, 40, (2, 6))
    reft = ReFT(ours(), CONFIG, identity=True)
    torch.testing.assert_close(read(reft, tokens), reft.model(tokens), atol=1e-5, rtol=0)


def test_every_prompt_position_and_no_other():
    reft = stirred(ReFT(ours(), ReFTConfig("LoReFT", (2,), 3, None, None)))
    tokens = torch.randint(0, 40, (2, 8))
    plain, edited = reft.model(tokens), reft(tokens, lengths=[8, 3])
    changed = (edited - plain).abs().amax(-1) > 1e-4
    assert changed[0].all() and changed[1].tolist() == [True] * 3 + [False] * 5


def test_strength_and_active_rows_are_the_calls_own():
    reft, tokens = stirred(ReFT(ours(), ReFTConfig("LoReFT", (2,), 4, None, None))), torch.randint(0, 40, (2, 6))
    plain, edited = reft.model(tokens), read(reft, tokens)
    torch.testing.assert_close(read(reft, tokens, strength=0.0), plain, atol=1e-6, rtol=0)
    assert (read(reft, tokens, strength=0.5) - edited).abs().max() > 1e-3
    torch.testing.assert_close(read(reft, tokens), edited)
    first, none = torch.tensor([1, 1, 0, 0]), torch.zeros(4)
    torch.testing.assert_close(read(reft, tokens, active=none), plain, atol=1e-6, rtol=0)
    mixed = read(reft, tokens, active=torch.stack((first, none.long())))  # a choice for each example
    torch.testing.assert_close(mixed[1], plain[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(mixed[0], read(reft, tokens, active=first)[0], atol=1e-6, rtol=0)
    assert (mixed[0] - edited[0]).abs().max() > 1e-3
    reft.train()
    read(reft, tokens, active=first).sum().backward()
    phi = reft.interventions[0][0]
    assert phi.source.weight.grad[:2].abs().max() > 0 and phi.source.weight.grad[2:].abs().max() == 0


def test_edits_end_with_the_call_also_after_an_error_and_copies_are_copies():
    model = ours()
    one, two = stirred(ReFT(model, CONFIG)), stirred(ReFT(model, CONFIG), seed=1)
    tokens = torch.randint(0, 40, (2, 6))
    plain, edited = model(tokens), read(one, tokens)
    assert (read(two, tokens) - edited).abs().max() > 1e-3
    twin = copy.deepcopy(one)
    torch.testing.assert_close(read(twin, tokens), edited)
    with pytest.raises(ValueError, match=r"^tokens must be in 0\.\.39"):
        one(torch.full((2, 6), 999), lengths=[6, 6])
    torch.testing.assert_close(model(tokens), plain, atol=0, rtol=0)
    with one.edits(6, [6, 6]), two.edits(6, [6, 6], strength=0.0):
        torch.testing.assert_close(model(tokens), edited, atol=1e-6, rtol=0)


def test_fit_trains_the_interventions_of_a_model_with_dropout():
    import transformers

    from lib.training import fit

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_embd=24, n_layer=2, n_head=4, n_positions=64, vocab_size=40, bos_token_id=None, eos_token_id=None
    )
    reft, modes = ReFT(transformers.GPT2LMHeadModel(config), ReFTConfig("DiReFT", (0, 1), 2)), []

    def objective(reft, batch):
        modes.append((reft.interventions.training, reft.model.training))
        return F.cross_entropy(read(reft, batch["tokens"])[:, -1], batch["wanted"])

    batch = {"tokens": torch.randint(0, 40, (4, 6)), "wanted": torch.full((4,), 7)}
    history = fit(reft, lambda step: batch, objective, steps=20, lr=0.05, progress=False)
    losses = history.records["loss"]
    assert set(modes) == {(True, False)} and losses[-1] < losses[0] - 0.2


def test_hooks_go_once_the_answer_begins():
    reft, tokens = stirred(ReFT(ours(), CONFIG)), torch.arange(6)[None]
    blocks = list(reft.model.model.layers)

    def hooks():
        return sum(len(block._forward_hooks) + len(block._forward_pre_hooks) for block in blocks)

    with reft.edits(6, [6]), torch.no_grad():
        states = reft.model.new_states()
        reft.model(tokens, states)
        assert hooks()
        reft.model(tokens[:, :1], states)
        assert not hooks()
    assert not hooks()


def test_a_model_of_another_build_is_refused_whatever_lists_it_has():
    other = nn.Module()
    other.experts = nn.ModuleList([nn.Linear(3, 3)])
    with pytest.raises(ValueError, match=r"^Module must keep its blocks in model.layers, .*; it has none of these$"):
        decoder_blocks(other)
    other.model = nn.Module()
    other.model.layers = nn.ModuleList([nn.Linear(3, 3)])
    with pytest.raises(ValueError, match=r"^the configuration of Module must say its width as one of hidden_size, "):
        ReFT(other, ReFTConfig("LoReFT", (0,)))


@pytest.mark.parametrize("text", ["", "[1]", '{"kind": "LoReFT"}', '{"kind": "LoReFT", "sites": [0], "colour": 1}'])
def test_a_foreign_configuration_gets_one_sentence(text, tmp_path):
    ReFT(ours(), CONFIG).save(tmp_path)
    (tmp_path / "reft.json").write_text(text)
    with pytest.raises(ValueError, match=r"^reft.json must hold the fields of a ReFTConfig: [^\n]*$"):
        ReFT.load(ours(), tmp_path)
    (tmp_path / "reft.json").write_text('{"kind": "LoReFT", "sites": [0, 1], "rank": 3}')
    with pytest.raises(ValueError, match=r"^weights of 'reft.safetensors' do not fit the model: "):
        ReFT.load(ours(), tmp_path)
    (tmp_path / "reft.safetensors").write_text("nothing")
    with pytest.raises(ValueError, match=r"^'reft.safetensors' is no safetensors file of plain tensors: "):
        ReFT.load(ours(), tmp_path)


def test_an_edit_of_the_last_prompt_token_may_start_from_the_cache_of_what_stands_before():
    """Prompts of unequal length, read once without their last tokens, give the same logits and gradients."""
    config, lengths = ReFTConfig("LoReFT", (1,), rank=2, prefix=0, suffix=1), (6, 4)
    reft = stirred(ReFT(ours(), config))
    prompts = [torch.randint(0, 40, (1, length), generator=torch.Generator().manual_seed(length)) for length in lengths]
    answers = torch.randint(0, 40, (2, 3), generator=torch.Generator().manual_seed(9))
    heads, mask = torch.zeros(2, 5, dtype=torch.long), torch.ones(2, 9, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        heads[row, 6 - lengths[row] :] = prompt[0, :-1]
        mask[row, : 6 - lengths[row]] = False
    states = reft.model.new_states()
    with torch.no_grad():
        reft.model(heads, states, mask[:, :5])
    tails = torch.cat((torch.stack([prompt[0, -1:] for prompt in prompts]), answers), 1)
    for _ in range(2):  # the second step starts from the same cache
        cached = reft(tails, [state.repeated() for state in states], mask, lengths=[1, 1])
    whole = [
        reft(torch.cat((prompt, answers[row : row + 1]), 1), lengths=[lengths[row]])[0, lengths[row] - 1 :]
        for row, prompt in enumerate(prompts)
    ]
    torch.testing.assert_close(cached, torch.stack(whole))
    parameters = list(reft.interventions.parameters())
    ours_, full = (torch.autograd.grad(out.square().sum(), parameters) for out in (cached, torch.stack(whole)))
    for one, other in zip(ours_, full, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("length", "seed"), [(2, 4), (2, 11), (3, 11), (3, 0), (20, 4)])
def test_an_assistant_that_speculates_changes_nothing(seed, length):
    """A short prompt is narrower than what an assistant proposes at once; that is generated, not read anew."""
    model = tiny_decoder("Llama")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    assistant, prompt = (
        copy.deepcopy(model),
        torch.randint(40, (1, length), generator=torch.Generator().manual_seed(seed)),
    )
    reft = stirred(ReFT(model, ReFTConfig("LoReFT", (0, 1), rank=2, prefix=2, suffix=1)), seed)
    how = {"max_new_tokens": 24, "do_sample": False, "pad_token_id": 0}
    greedy = reft.generate(prompt, **how)
    assert torch.equal(reft.generate(prompt, assistant_model=assistant, **how), greedy)
    assert torch.equal(reft.generate(prompt, use_cache=False, **how), greedy)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"rank": "4"}, "rank has another type, got '4'"),
        ({"sites": "01"}, "sites has another type"),
        ({"sites": [0, 1.5]}, "sites has another type"),
        ({"tied": "no"}, "tied has another type"),
        ({"angle": 3}, "angle is none of them, got 3"),
        ({"kind": "ReFT"}, "kind must be one of"),
    ],
)
def test_a_configuration_of_something_else_is_one_sentence(tmp_path, field, words):
    stirred(ReFT(ours(), CONFIG)).save(tmp_path)
    values = json.loads((tmp_path / "reft.json").read_text())
    (tmp_path / "reft.json").write_text(json.dumps(values | field))
    with pytest.raises(ValueError, match=f"^reft.json must hold the fields of a ReFTConfig: {words}[^\n]*$"):
        ReFT.load(ours(), tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"[1, 2]", b"{", b"\xff\xfe", b"[" * 100_000], ids=lambda data: repr(data[:4])
)
def test_a_damaged_configuration_is_one_sentence(tmp_path, data):
    stirred(ReFT(ours(), CONFIG)).save(tmp_path)
    (tmp_path / "reft.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"^reft.json must hold the fields of a ReFTConfig: [^\n]*$"):
        ReFT.load(ours(), tmp_path)
