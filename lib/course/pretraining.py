"""`make bases`: train the bases that ship, and keep their cards true."""

from __future__ import annotations

from lib.bases import base_names, described, files_of, is_of_its_recipe, load, recipe_of, renewed, store
from lib.training.checkpoint import write_tensors
from lib.workbench.course import Course, CourseError
from lib.workbench.hardware import hardware


def make_base(course: Course, name: str, *, retrain: bool = False) -> str:
    """Bring one base up to date and say in a sentence what was done.

    A base of today's recipe is left alone. Where code was edited that changes neither the first losses nor the gate,
    its card gets the new digest. Otherwise, or with `retrain`, it is trained; an interrupted training goes on from
    build/bases. Raises CourseError for a name without a recipe and where the trained base misses its gate; its weights
    are then kept in build/bases, to be looked at: an hour of training is not lost with a threshold.
    """
    try:
        recipe = recipe_of(name)
    except ValueError as error:
        raise CourseError(str(error)) from None
    if not retrain and (said := _kept(course, name)):
        return said
    course.check_writable("data/bases")
    checkpoint = course.build / "bases" / f"{name}.safetensors"
    model, history = recipe.train(checkpoint=checkpoint)
    try:
        card = described(recipe, model, history, hardware=hardware())
        weights, card_file = store(recipe, model, card, course.root)
    except RuntimeError as error:
        kept = course.build / "bases" / f"{name}-not-stored.safetensors"
        write_tensors(kept, {key: part.detach().cpu() for key, part in model.state_dict().items()}, {"name": name})
        raise CourseError(f"{error}. Its weights lie in {kept.relative_to(course.root)}") from None
    megabytes = weights.stat().st_size / 1e6
    return f"written: data/bases/{weights.name} ({megabytes:.1f} MB) and {card_file.name}; {card.line}"


def make_bases(course: Course, name: str = "", *, retrain: bool = False) -> list[str]:
    """`make_base` for one base, or for all where no name is given."""
    return [make_base(course, each, retrain=retrain) for each in ([name] if name else base_names())]


def _kept(course: Course, name: str) -> str | None:
    """What is said of a base that need not be trained; None for one that must be."""
    try:
        model, card = load(name, course.root)
    except RuntimeError as error:
        print(error)
        return None
    if is_of_its_recipe(card):
        return f"{name} is what its recipe gives; RETRAIN=1 trains it all the same"
    if (new := renewed(model, card)) is None:
        print(f"{name}: its recipe or the code that it calls has changed, and so has what it does: training anew")
        return None
    new.write(files_of(name, course.root)[1])
    return f"{name}: code was edited, first losses and gate are the same: the card has the new digest"
