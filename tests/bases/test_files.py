"""Bases are stored in half precision, loaded with their gate, and never without a word where something is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib.bases import (
    Card,
    base_names,
    described,
    files_of,
    is_of_its_recipe,
    load,
    recipe_digest,
    recipe_of,
    renewed,
    store,
)
from lib.bases.files import MOST_BYTES, MOST_BYTES_TOGETHER, in_half_precision
from lib.bases.registry import ROOT
from tests.bases.toy import batches, toy

FILES = "lib.bases.files"


@pytest.fixture
def stored(tmp_path, monkeypatch) -> tuple[Path, torch.nn.Module]:
    """A root in which the toy lies under the name of a real base, and its model."""
    monkeypatch.setattr(f"{FILES}.recipe_of", lambda name: toy())
    recipe = toy()
    model, history = recipe.train(progress=False)
    store(recipe, model, described(recipe, model, history, hardware="a desk, 1 core"), tmp_path)
    return tmp_path, model


def test_what_was_stored_is_loaded_in_single_precision(stored):
    root, model = stored
    loaded, card = load("skills", root)
    assert torch.equal(loaded.weight, model.weight.half().float()) and loaded.weight.dtype == torch.float32
    assert not loaded.training and card.gate >= 0.9 and card.hardware == "a desk, 1 core"
    assert set(card.losses) == {"steps", "even", "odd"} and card.first_losses == toy().first_losses(8)
    assert [file.name for file in files_of("skills", root)] == ["skills.safetensors", "skills.json"]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda weights, card: weights.unlink(), r"has no skills.safetensors in data/bases"),
        (lambda weights, card: card.unlink(), r"cannot be loaded, there is no card skills.json"),
        (lambda weights, card: card.write_text("{}"), r"cannot be loaded, skills.json is no card: .*"),
        (lambda weights, card: weights.write_bytes(b"x" * 99), r"cannot be loaded, skills.safetensors is damaged: .*"),
        (lambda weights, card: weights.write_bytes(flipped(weights)), r"cannot .*, skills.safetensors is damaged: .*"),
        (lambda weights, card: save_file({"w": torch.ones(1)}, weights), r"cannot .* skills.safetensors is damaged.*"),
        (lambda weights, card: other_weights(card), r"cannot be loaded, its weights are not those of its card"),
    ],
)  # fmt: skip
def test_a_missing_or_damaged_file_is_one_sentence(stored, harm, message):
    root, _ = stored
    harm(*files_of("skills", root))
    again = r"`make bases BASE=skills` and run.base\('skills', retrain=True\) train it anew"
    advice = f"`git checkout data/bases` brings the committed one back; {again}"
    with pytest.raises(RuntimeError, match=f"^the base 'skills' {message}: {advice}$") as caught:
        load("skills", root)
    assert str(root) not in str(caught.value) and "\n" not in str(caught.value)


def flipped(weights: Path) -> bytes:
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    return bytes(content)


def other_weights(card: Path) -> None:
    replace(Card.read(card), weights_digest="0" * 64).write(card)


def test_weights_of_another_network_are_refused(stored, monkeypatch):
    monkeypatch.setattr(f"{FILES}.recipe_of", lambda name: toy(model=lambda: torch.nn.Linear(2, 1)))
    with pytest.raises(RuntimeError, match=r"^the base 'skills' does not fit the network of its recipe: "):
        load("skills", stored[0])


def test_a_base_below_its_gate_is_neither_loaded_nor_stored(stored, monkeypatch, tmp_path):
    root, model = stored
    strict = toy(least=1.5)
    message = r"^the base 'skills' reaches 0.9\d+ and needs 1.500 \(closeness .* \(fraction\)\): train it longer$"
    monkeypatch.setattr(f"{FILES}.recipe_of", lambda name: strict)
    with pytest.raises(RuntimeError, match=message):
        load("skills", root)
    before = [file.read_bytes() for file in files_of("skills", root)]
    with pytest.raises(RuntimeError, match=message):
        store(strict, model, Card.read(files_of("skills", root)[1]), root)
    assert [file.read_bytes() for file in files_of("skills", root)] == before


def test_a_base_that_is_too_large_is_not_stored(stored, monkeypatch):
    root, model = stored
    card = Card.read(files_of("skills", root)[1])
    monkeypatch.setattr(f"{FILES}.MOST_BYTES", 3)
    with pytest.raises(RuntimeError, match=r"^the base 'skills' has 0.0 MB, and all together 0.0 MB; at most"):
        store(toy(), model, card, root)


def test_half_precision_refuses_what_it_cannot_hold_and_leaves_whole_numbers():
    model = torch.nn.BatchNorm1d(2)
    assert in_half_precision(model)["num_batches_tracked"].dtype == torch.int64
    with torch.no_grad():
        model.weight.fill_(1e6)
    with pytest.raises(ValueError, match="weight holds numbers that half precision cannot"):
        in_half_precision(model)


def test_a_card_is_renewed_only_where_a_fresh_training_begins_alike(stored, monkeypatch):
    model, card = load("skills", stored[0])
    old = replace(card, recipe_digest="of other code")
    assert not is_of_its_recipe(old)
    assert renewed(model, old) == replace(old, recipe_digest=recipe_digest("skills"))
    assert renewed(model, replace(old, gate=0.5)) is None
    assert renewed(model, replace(old, numbers_digest="of another schedule")) is None
    for changes in ({"lr": 0.2}, {"steps": 61}, {"seed": 1}, {"data": other_data_at_the_end}):
        monkeypatch.setattr(f"{FILES}.recipe_of", lambda name, changes=changes: toy(**changes))
        assert renewed(model, old) is None


def other_data_at_the_end():
    """What is as before for the first steps, and is not later."""
    batch = batches()
    return lambda step: batch(step if step < 50 else 0)


# -- the bases that ship


@pytest.mark.parametrize("name", base_names())
def test_a_card_is_of_todays_recipe(name):
    """`make bases` renews a card whose first losses and gate are as before, and trains anew where they are not."""
    card = Card.read(files_of(name)[1])
    assert is_of_its_recipe(card), f"make bases BASE={name}"
    recipe = recipe_of(name)
    assert (card.name, card.steps, card.seed, card.least) == (name, recipe.steps, recipe.seed, recipe.least)


@pytest.mark.parametrize("name", base_names())
def test_the_gate_holds_when_a_base_is_loaded(name):
    model, card = load(name)
    assert abs(recipe_of(name).measured(model) - card.gate) < 0.02
    assert sum(parameter.numel() for parameter in model.parameters()) == card.parameters


@pytest.mark.parametrize("name", base_names())
def test_a_fresh_training_begins_as_the_card_says(name):
    card = Card.read(files_of(name)[1])
    assert recipe_of(name).first_losses(3) == pytest.approx(card.first_losses[:3], rel=1e-4)


def test_bases_are_small_and_no_pickle():
    files = sorted((ROOT / "data" / "bases").iterdir())
    expected = [file.name for name in base_names() for file in files_of(name)]
    assert [file.name for file in files] == sorted(expected)
    sizes = [file.stat().st_size for file in files if file.suffix == ".safetensors"]
    assert max(sizes) <= MOST_BYTES and sum(sizes) <= MOST_BYTES_TOGETHER


def test_git_takes_bases_as_binary():
    lines = (ROOT / ".gitattributes").read_text().splitlines()
    assert "data/bases/*.safetensors binary" in lines
