"""Where bases lie, how one is trained for the repository, and how one is loaded: weights, card and gate.

data/bases/NAME.safetensors   half precision
data/bases/NAME.json          the card
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch import Tensor, nn

from lib.bases.card import Card, curve_of
from lib.bases.recipe import Recipe
from lib.bases.registry import ROOT, numbers_digest, python_version, recipe_digest, recipe_of
from lib.training.checkpoint import digest, read_tensors, write_tensors
from lib.training.history import History

MOST_BYTES, MOST_BYTES_TOGETHER = 8_000_000, 40_000_000
FIRST = 8
"""Losses that a card keeps number by number."""


def files_of(name: str, root: Path = ROOT) -> tuple[Path, Path]:
    """The base's weights and card."""
    folder = root / "data" / "bases"
    return folder / f"{name}.safetensors", folder / f"{name}.json"


def load(name: str, root: Path = ROOT) -> tuple[nn.Module, Card]:
    """The base on the CPU, in eval mode and single precision, and its card.

    Raises ValueError for a name without a recipe, and RuntimeError, in one sentence that says what to do, when a file
    is missing or damaged or does not fit the recipe, or when the gate does not hold on this machine.
    """
    recipe = recipe_of(name)
    weights_file, card_file = files_of(name, root)
    advice = (
        f"`git checkout data/bases` brings the committed one back; `make bases BASE={name}` and "
        f"run.base({name!r}, retrain=True) train it anew"
    )
    if not weights_file.is_file():
        raise RuntimeError(f"the base {name!r} has no {weights_file.name} in data/bases: {advice}")
    try:
        card = Card.read(card_file)
        tensors, _ = read_tensors(weights_file)
    except (ValueError, FileNotFoundError) as error:
        said = str(error).replace(str(weights_file), weights_file.name)
        raise RuntimeError(f"the base {name!r} cannot be loaded, {said}: {advice}") from None
    if digest(tensors) != card.weights_digest:
        raise RuntimeError(f"the base {name!r} cannot be loaded, its weights are not those of its card: {advice}")
    model = recipe.untrained()
    try:
        model.load_state_dict(in_single_precision(tensors))
    except RuntimeError:
        raise RuntimeError(f"the base {name!r} does not fit the network of its recipe: {advice}") from None
    checked_gate(recipe, model)
    return model.eval(), card


def is_of_its_recipe(card: Card) -> bool:
    """Is the base what its recipe, as it is now, would give? Under another Python the digests cannot tell: then yes."""
    return card.python != python_version() or card.recipe_digest == recipe_digest(card.name)


def checked_gate(recipe: Recipe, model: nn.Module) -> float:
    """The gate's figure. Raises RuntimeError below what the recipe asks for: built on that, nothing means anything."""
    reached = recipe.measured(model)
    if not reached >= recipe.least:
        raise RuntimeError(
            f"the base {recipe.name!r} reaches {reached:.3f} and needs {recipe.least:.3f} ({recipe.measure}): "
            "train it longer"
        )
    return reached


def described(recipe: Recipe, model: nn.Module, history: History, *, hardware: str) -> Card:
    """The card of a base that was just trained; its gate must hold on the weights as they are."""
    losses = history.records["loss"]
    return Card(
        name=recipe.name, title=recipe.title, recipe_digest=recipe_digest(recipe.name),
        weights_digest=digest(in_half_precision(model)), parameters=sum(p.numel() for p in model.parameters()),
        seed=recipe.seed, steps=recipe.steps, minutes=round(history.seconds / 60, 1),
        losses=curve_of(losses, recipe.series), first_losses=losses[:FIRST], data_digest=recipe.data_digest(),
        numbers_digest=numbers_digest(), gate=checked_gate(recipe, model),
        least=recipe.least, measure=recipe.measure, date=date.today().isoformat(), hardware=hardware,
        torch=torch.__version__.partition("+")[0], python=python_version(),
    )  # fmt: skip


def store(recipe: Recipe, model: nn.Module, card: Card, root: Path = ROOT) -> tuple[Path, Path]:
    """Write weights and card; the weights first, so that a card never speaks of weights that are not there.

    Raises RuntimeError, and writes nothing, where the half-precision weights miss the gate or are too large.
    """
    tensors = in_half_precision(model)
    halved = recipe.untrained()
    halved.load_state_dict(in_single_precision(tensors))
    card = replace(card, gate=round(checked_gate(recipe, halved), 6), weights_digest=digest(tensors))
    weights_file, card_file = files_of(recipe.name, root)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    others = sum(p.stat().st_size for p in weights_file.parent.glob("*.safetensors") if p != weights_file)
    if size > MOST_BYTES or size + others > MOST_BYTES_TOGETHER:
        raise RuntimeError(
            f"the base {recipe.name!r} has {size / 1e6:.1f} MB, and all together {(size + others) / 1e6:.1f} MB; "
            f"at most {MOST_BYTES / 1e6:g} and {MOST_BYTES_TOGETHER / 1e6:g} MB ship"
        )
    write_tensors(weights_file, tensors, {"name": recipe.name})
    card.write(card_file)
    return weights_file, card_file


def renewed(model: nn.Module, card: Card) -> Card | None:
    """The card with today's digest where code was edited but what it does was not; None where it was.

    Steps, seed, optimizer and schedule must be the card's; a fresh training must begin with its losses and see its
    data from the first step to the last; and the gate must say of the stored weights what it said, but for two points
    that another machine's rounding may take.
    """
    recipe = recipe_of(card.name)
    settled = (recipe.steps, recipe.seed, numbers_digest()) == (card.steps, card.seed, card.numbers_digest)
    if not settled or abs(recipe.measured(model) - card.gate) > 0.02 or recipe.data_digest() != card.data_digest:
        return None
    fresh = recipe.first_losses(len(card.first_losses))
    same = all(abs(new - old) <= 1e-5 * abs(old) for new, old in zip(fresh, card.first_losses, strict=True))
    return replace(card, recipe_digest=recipe_digest(card.name)) if same else None


def in_half_precision(model: nn.Module) -> dict[str, Tensor]:
    """The model's state, its floating-point tensors as float16; a number beyond float16's range raises ValueError."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    for name, tensor in halved.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{name} holds numbers that half precision cannot")
    return halved


def in_single_precision(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
