"""Coloured objects: eight kinds of question about things on a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.data.questions.base import Family, Question

COLOUR_NAMES = (
    "red orange yellow green blue brown magenta fuchsia mauve teal turquoise burgundy silver gold black grey purple "
    "pink"
).split()
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
)
_THINGS = (
    "button thimble marble spoon whistle coaster ribbon candle sponge badge peg dice ruler brush comb crayon bell "
    "tray mug stapler envelope notebook lighter bracelet"
).split()
_SURFACES = ("shelf", "bench", "carpet", "windowsill")
_SIDES = ("left", "right")


def coloured_objects(rng: np.random.Generator, size: int) -> Question:
    """`size` things in a row (or groups, for counting); eight kinds of question, with the shares of BBH."""
    FAMILY.check(size)
    name = list(_KINDS)[rng.choice(len(_KINDS), p=np.array([kind.share for kind in _KINDS.values()]) / 250)]
    kind = _KINDS[name]
    size = max(size, kind.fewest)
    things = [_THINGS[i] for i in rng.choice(len(_THINGS), size, replace=False)]
    colours = [COLOUR_NAMES[i] for i in rng.choice(len(COLOUR_NAMES), size, replace=name == "neither")]
    surface = _SURFACES[rng.integers(len(_SURFACES))]
    if kind.ask is None:
        return _remove(rng, size, things, surface)
    there = "is a row of things" if kind.in_a_row else "are several things"
    listed = [_article(f"{colour} {thing}") for colour, thing in zip(colours, things, strict=True)]
    scene = f"On the {surface} there {there}: {', '.join(listed[:-1])} and {listed[-1]}."
    ask, answer, options = kind.ask(rng, things, colours, int(rng.integers(size)))
    pairs = [[colour, thing] for colour, thing in zip(colours, things, strict=True)]
    return Question("coloured_objects", f"{scene} {ask}", tuple(options), answer, (pairs,), size)


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _plural(thing: str) -> str:
    return thing if thing == "dice" else f"{thing}{'es' if thing[-2:] in ('sh', 'ch') else 's'}"


# The kinds: from the things, their colours and a place `at` drawn among them to the question, answer and options.


def _beside(rng, things, colours, at):
    side, size = _SIDES[rng.integers(2)], len(things)
    at = int(rng.integers(1, size)) if side == "left" else int(rng.integers(size - 1))
    ask = f"Which colour has the thing directly to the {side} of the {things[at]}?"
    return ask, colours[at - 1 if side == "left" else at + 1], COLOUR_NAMES


def _not_colour_beside(rng, things, colours, at):
    side, colour = _SIDES[rng.integers(2)], colours[rng.integers(len(colours))]
    part = colours[:at] if side == "left" else colours[at + 1 :]
    ask = f"How many things that are not {colour} lie to the {side} of the {things[at]}?"
    return ask, NUMBER_WORDS[sum(other != colour for other in part)], NUMBER_WORDS[:7]


def _furthest(rng, things, colours, at):
    size = len(things)
    at = int(rng.choice([i for i in range(size) if 2 * i != size - 1]))  # from the middle two are equally far
    ask = f"Which colour has the thing furthest from the {things[at]}?"
    return ask, colours[-1 if at < size - 1 - at else 0], COLOUR_NAMES


def _which_colour(rng, things, colours, at):
    return f"Which colour has the {things[at]}?", colours[at], COLOUR_NAMES


def _yes_no(rng, things, colours, at):
    colour = colours[at] if rng.random() < 0.5 else COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
    return f"Is the {things[at]} {colour}?", "yes" if colour == colours[at] else "no", ("yes", "no")


def _end(rng, things, colours, at):
    side = ("left-most", "right-most")[rng.integers(2)]
    return f"Which colour has the {side} thing?", colours[0 if side == "left-most" else -1], COLOUR_NAMES


def _neither(rng, things, colours, at):
    _, two = (COLOUR_NAMES[i] for i in rng.choice(len(COLOUR_NAMES), 2, replace=False))
    one = colours[at]
    two = two if two != one else COLOUR_NAMES[(COLOUR_NAMES.index(one) + 1) % len(COLOUR_NAMES)]
    ask = f"How many things are neither {one} nor {two}?"
    return ask, NUMBER_WORDS[sum(colour not in (one, two) for colour in colours)], NUMBER_WORDS[:7]


@dataclass(frozen=True)
class _Kind:
    """`share` of 250 questions, `fewest` things; `ask` is None for the one that lists groups instead of things."""

    share: int
    fewest: int
    in_a_row: bool
    ask: Callable | None


_KINDS = {
    "remove": _Kind(57, 2, False, None),
    "beside": _Kind(40, 3, True, _beside),
    "not_colour_beside": _Kind(31, 3, True, _not_colour_beside),
    "furthest": _Kind(29, 3, True, _furthest),
    "which_colour": _Kind(28, 2, False, _which_colour),
    "yes_no": _Kind(27, 2, False, _yes_no),
    "end": _Kind(21, 2, True, _end),
    "neither": _Kind(17, 3, False, _neither),
}


def _remove(rng, size, things, surface) -> Question:
    """Groups of one to three; some are taken away, the rest are counted by colour or kind."""
    groups = []
    for thing in things:
        groups.append((int(rng.integers(1, 4)), COLOUR_NAMES[rng.integers(6)], thing))
    gone = groups[rng.integers(size)]
    by_colour = bool(rng.integers(2))
    what = gone[1] if by_colour else gone[2]
    left = [group for group in groups if (group[1] if by_colour else group[2]) != what]
    kept = groups[rng.integers(size)][1]
    listed = [
        _article(f"{colour} {thing}") if n == 1 else f"{NUMBER_WORDS[n]} {colour} {_plural(thing)}"
        for n, colour, thing in groups
    ]
    scene = f"On the {surface} there are several things: {', '.join(listed[:-1])} and {listed[-1]}."
    taken = f"all {what} things" if by_colour else f"all {_plural(what)}"
    ask = f"If one takes away {taken}, how many {kept} things are left?"
    answer = NUMBER_WORDS[sum(n for n, colour, _ in left if colour == kept)]
    arguments = ([list(group) for group in groups],)
    return Question("coloured_objects", f"{scene} {ask}", tuple(NUMBER_WORDS), answer, arguments, size)


def solve_coloured_objects(text: str, options: Sequence[str]) -> str:
    """The scene as a list of (colour, thing), one entry a thing; then the question by its form."""
    scene, ask = re.match(r"(.*?: .*?)\. (.*)", text).groups()
    row = _read_scene(scene)
    colours, names = [colour for colour, _ in row], [thing for _, thing in row]

    def place(word: str) -> int:
        return names.index(word)

    if m := re.match(r"If one takes away all (\w+)( things)?, how many (\w+) things", ask):
        what = m[1]
        rest = [c for c, t in row if (c != what if m[2] else what not in (t, f"{t}s", f"{t}es"))]
        return NUMBER_WORDS[rest.count(m[3])]
    if m := re.search(r"directly to the (left|right) of the (\w+)", ask):
        return colours[place(m[2]) + (1 if m[1] == "right" else -1)]
    if m := re.search(r"not (\w+) lie to the (left|right) of the (\w+)", ask):
        part = colours[: place(m[3])] if m[2] == "left" else colours[place(m[3]) + 1 :]
        return NUMBER_WORDS[len(part) - part.count(m[1])]
    if m := re.search(r"furthest from the (\w+)", ask):
        return max(((abs(i - place(m[1])), c) for i, c in enumerate(colours)), key=lambda pair: pair[0])[1]
    if m := re.search(r"the (left|right)-most", ask):
        return colours[0 if m[1] == "left" else -1]
    if m := re.match(r"Is the (\w+) (\w+)\?", ask):
        return "yes" if colours[place(m[1])] == m[2] else "no"
    if m := re.search(r"neither (\w+) nor (\w+)", ask):
        return NUMBER_WORDS[len(colours) - colours.count(m[1]) - colours.count(m[2])]
    return colours[place(re.search(r"has the (\w+)\?", ask)[1])]


def _read_scene(scene: str) -> list[tuple[str, str]]:
    row: list[tuple[str, str]] = []
    for part in re.split(r", | and ", scene.partition(": ")[2]):
        count, colour, thing = part.split()
        number = 1 if count in ("a", "an") else NUMBER_WORDS.index(count)
        single = next(t for t in _THINGS if thing in (t, f"{t}s", f"{t}es"))
        row += [(colour, single)] * number
    return row


FAMILY = Family("coloured_objects", coloured_objects, solve_coloured_objects, (2, 3, 4, 5), (6,), range(2, 7))
"""Seven things could be more than the number words and options name."""
