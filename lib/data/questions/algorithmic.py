"""Seven families of algorithmic questions, shaped like BIG-Bench-Hard's: generators, and solvers that read the text.

Format and difficulty follow what was measured on BBH's public files (how many people, swaps, steps, options; which
answers occur how often); wording, names and items are our own, since BBH asks that its items stay out of training data.
A generator builds a question from a hidden state. A solver knows the text and the options only and shares no code with
it, so that each checks the other. `PSEUDOCODE` has a task-level program for each family (Think-and-Execute,
arXiv 2404.02575); `Question.arguments` is what it is called with.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.data.randomness import bounded, check_split, generator, split_of_hash

PEOPLE = (
    "Aino Bela Chidi Dora Emil Freya Goran Hana Ivo Jaya Kofi Lena Milo Nadia Oskar Petra Quinn Rosa Sami Tove Uma "
    "Viktor Wanda Yusuf Zora Anton Bruna Cyril Delia Edda Faris Gilda Henk Ines Jonas Kaia Lorenz Mira Nils Olga Pavel "
    "Rhea Silas Tilda Ugo Vera Wim Xenia Yana Zeno"
).split()
"""Fifty first names."""
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
)


@dataclass(frozen=True)
class Question:
    """`text` with the question, `options` where there are any, the right `answer` (an option's words, or the text to
    give), `arguments` for the family's pseudocode, and `size` (people, swaps, instructions, tokens ...)."""

    family: str
    text: str
    options: tuple[str, ...]
    answer: str
    arguments: tuple
    size: int

    @property
    def prompt(self) -> str:
        """The text, and the options with their letters."""
        if not self.options:
            return self.text
        return "\n".join(
            [self.text, "Options:", *(f"({chr(65 + i)}) {option}" for i, option in enumerate(self.options))]
        )

    @property
    def key(self) -> int:
        """What tells questions apart: equal ones are the same in every process."""
        return zlib.crc32(self.prompt.encode())

    def is_right(self, given: str) -> bool:
        """Exact match after the letter is taken away: `(B)`, `B`, `(B) words` and the option's words all count."""
        text = " ".join(given.split())
        if not self.options:
            return text == self.answer
        letter = chr(65 + self.options.index(self.answer))
        rest = re.sub(
            r"^\(?([A-Z])\)(?:\s+|$)|^([A-Z])$", lambda m: "" if letter in m.groups() else "\0", text, count=1
        )
        if rest != text:
            return rest in ("", self.answer)
        return text == self.answer


def final_answer(text: str, marker: str = "Final answer:") -> str:
    """What follows the last marker, up to the end of its line; '' where there is none."""
    _, found, rest = text.rpartition(marker)
    return rest.strip().split("\n")[0].strip().rstrip(".") if found and rest.strip() else ""


# -- web of lies: everybody speaks of the one before


def web_of_lies(rng: np.random.Generator, size: int) -> Question:
    people = [PEOPLE[i] for i in rng.choice(len(PEOPLE), size, replace=False)]
    says = [bool(rng.integers(2)) for _ in people]
    spoken = {True: "tells the truth", False: "lies"}
    lines = [f"{people[0]} {spoken[says[0]]}."]
    lines += [f"{b} claims that {a} {spoken[said]}." for a, b, said in zip(people, people[1:], says[1:], strict=False)]
    truth = says[0]
    for said in says[1:]:
        truth = truth == said
    text = f"{' '.join(lines)} Is {people[-1]} telling the truth?"
    claims = [[b, a, said] for a, b, said in zip([people[0], *people], people, says, strict=False)]
    return Question("web_of_lies", text, ("Yes", "No"), "Yes" if truth else "No", (claims, people[-1]), size)


def solve_web_of_lies(text: str, options: Sequence[str]) -> str:
    """An even number of lies is none: whether 'lies' is said an odd number of times."""
    return "No" if len(re.findall(r"\blies\b", text)) % 2 else "Yes"


# -- navigate: is one back at the start?


def navigate(rng: np.random.Generator, size: int) -> Question:
    """Half facing one way all the time, half turning; about four of ten come back."""
    turning, home = bool(rng.integers(2)), rng.random() < 0.42
    for _ in range(2000):
        moves = _turning_moves(rng, size) if turning else _facing_moves(rng, size)
        if (_displacement(moves) == 0) == home:
            break
    said = {"turn": "Turn {}.", "step": "Go {} step{}{}."}
    lines = [] if turning else ["Look north all the time."]
    for kind, value in moves:
        if kind == "turn":
            lines.append(said["turn"].format(value))
        else:
            way = "" if turning else f" {kind}"
            lines.append(said["step"].format(value, "" if value == 1 else "s", way))
    text = f"Follow these instructions: {' '.join(lines)} Are you where you began?"
    listed = [[kind, value] for kind, value in moves]
    answer = "Yes" if _displacement(moves) == 0 else "No"
    return Question("navigate", text, ("Yes", "No"), answer, (listed,), size)


def _facing_moves(rng, size):
    ways = ("forward", "backward", "left", "right")
    return [(ways[rng.integers(4)], int(rng.integers(1, 11))) for _ in range(size)]


def _turning_moves(rng, size):
    kinds, moves = ("ahead", "left", "right", "around"), []
    for kind in rng.choice(4, size, p=(0.64, 0.11, 0.09, 0.16)):
        moves.append(("ahead", int(rng.integers(1, 11))) if kind == 0 else ("turn", kinds[kind]))
    return moves


def _displacement(moves) -> complex:
    at, heading = 0j, 1j
    side = {"forward": 1, "ahead": 1, "backward": -1, "left": 1j, "right": -1j}
    for kind, value in moves:
        if kind == "turn":
            heading *= {"left": 1j, "right": -1j, "around": -1}[value]
        else:
            at += heading * side[kind] * value
    return at


def solve_navigate(text: str, options: Sequence[str]) -> str:
    """Walk on a grid, the compass in quarters."""
    x = y = quarter = 0
    for word, steps, way in re.findall(r"Turn (\w+)\.|Go (\d+) steps?(?: (\w+))?\.", text):
        if word:
            quarter += {"right": 1, "around": 2, "left": 3}[word]
            continue
        direction = (quarter + {"": 0, "forward": 0, "right": 1, "backward": 2, "left": 3}[way]) % 4
        x += (0, int(steps), 0, -int(steps))[direction]
        y += (int(steps), 0, -int(steps), 0)[direction]
    return "Yes" if x == 0 and y == 0 else "No"


# -- dyck: close the brackets

_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}


def dyck(rng: np.random.Generator, size: int) -> Question:
    """A well-formed word of `size` brackets whose last one to three, all closing, are missing."""
    length = max(4, size + size % 2)
    while True:
        word, stack = [], []
        for left in range(length, 0, -1):
            if stack and (len(stack) == left or rng.random() < 0.5):
                word.append(_PAIRS[stack.pop()])
            else:
                stack.append("([{<"[rng.integers(4)])
                word.append(stack[-1])
        closing = next(n for n, token in enumerate(reversed(word)) if token in _PAIRS)
        cut = int(rng.choice(3, p=(0.32, 0.39, 0.29))) + 1
        if closing >= cut:
            break
    shown, missing = word[:-cut], word[-cut:]
    text = "Close all brackets that are still open, in the right order. Input: " + " ".join(shown)
    return Question("dyck", text, (), " ".join(missing), (shown,), length)


def solve_dyck(text: str, options: Sequence[str]) -> str:
    """Take away matched neighbours until none is left."""
    rest = text.rpartition("Input: ")[2].replace(" ", "")
    while (shorter := re.sub(r"\(\)|\[\]|\{\}|<>", "", rest)) != rest:
        rest = shorter
    return " ".join(reversed(rest.translate(str.maketrans("([{<", ")]}>"))))


# -- temporal sequences: the one free slot

_SEEN_DOING = (
    "repairing a bicycle", "feeding the ducks", "painting a fence", "tuning a piano", "sorting stamps", "baking bread",
    "pruning roses", "flying a kite", "playing chess", "mending a net", "reading maps", "washing a van",
    "picking pears", "rehearsing a play", "testing a drone", "folding paper",
)  # fmt: skip
_PLACES = (
    "library", "swimming hall", "market", "museum", "harbour", "town hall", "bakery", "cinema", "workshop", "garden",
    "post office", "gallery",
)  # fmt: skip


def _clock(hour: int) -> str:
    return f"{(hour - 1) % 12 + 1}{'am' if hour % 24 < 12 else 'pm'}"


def temporal(rng: np.random.Generator, size: int) -> Question:
    """`size` sightings (three to five in BBH) leave one gap between waking up and closing time."""
    who, *witnesses = [PEOPLE[i] for i in rng.choice(len(PEOPLE), size + 1, replace=False)]
    place = _PLACES[rng.integers(len(_PLACES))]
    while True:
        wake = int(rng.choice([5, 6, 7, 8, 9, 10], p=(0.25, 0.25, 0.25, 0.1, 0.1, 0.05)))
        lengths = rng.choice([1, 2, 3, 4, 5], size + 1, p=(0.35, 0.3, 0.2, 0.1, 0.05))
        ends = wake + np.cumsum(lengths)
        if ends[-1] <= 22:
            break
    gap = int(rng.choice(size + 1, p=_gap_shares(size + 1)))
    slots = list(zip([wake, *ends[:-1].tolist()], ends.tolist(), strict=True))
    busy = slots[:gap] + slots[gap + 1 :]
    doing = rng.choice(len(_SEEN_DOING), size, replace=False)
    lines = [f"{who} got up at {_clock(wake)}."]
    for witness, (start, end), what in zip(witnesses, busy, doing, strict=True):
        lines.append(f"{witness} saw {who} {_SEEN_DOING[what]} from {_clock(start)} to {_clock(end)}.")
    lines.append(f"The {place} was closed after {_clock(int(ends[-1]))}.")
    wrong = [busy[i] for i in rng.choice(size, 3, replace=False)]
    options = [wrong[0], wrong[1], wrong[2], slots[gap]]
    options = [options[i] for i in rng.permutation(4)]
    said = tuple(f"{_clock(start)} to {_clock(end)}" for start, end in options)
    text = f"{who} went to the {place} today. {' '.join(lines)} When can that have been?"
    answer = f"{_clock(slots[gap][0])} to {_clock(slots[gap][1])}"
    return Question("temporal", text, said, answer, (wake, [list(b) for b in busy], int(ends[-1])), size)


def _gap_shares(slots: int) -> list[float]:
    """First 24 %, last 17 %, the middle ones share the rest."""
    return [0.24, *[0.59 / (slots - 2)] * (slots - 2), 0.17]


def solve_temporal(text: str, options: Sequence[str]) -> str:
    """Mark every hour; the free ones between getting up and closing are the answer."""

    def hour(word: str) -> int:
        number, half = int(word[:-2]) % 12, word[-2:]
        return number + (12 if half == "pm" else 0)

    wake, close = (hour(re.search(p, text)[1]) for p in (r"got up at (\w+)", r"closed after (\w+)"))
    free = set(range(wake, close))
    for start, end in re.findall(r"from (\w+) to (\w+)", text):
        free -= set(range(hour(start), hour(end)))
    start, end = min(free), max(free) + 1
    return next(option for option in options if tuple(map(hour, option.split(" to "))) == (start, end))


# -- shuffled objects: who has what after the swaps

_FRAMES = {
    "ball": ("At the start of a game, each holds a ball.", "the {} ball", "swap balls",
             "amber navy olive coral ivory lilac ochre teal rust mint".split()),
    "gift": ("At a party, each has got a parcel.", "the {} parcel", "exchange parcels",
             "square round flat heavy tiny striped dotted golden torn soft".split()),
    "dance": ("At a dance, each has a partner.", "{}", "change partners",
              "Alma Boris Carla Dmitri Elsa Fabio Greta Hugo Ilse Jorge".split()),
    "post": ("In a team, each plays in a position.", "{}", "trade positions",
             "goalkeeper sweeper fullback stopper winger anchor playmaker striker libero captain".split()),
    "book": ("In a reading circle, each has a book.", "the {} novel", "trade books",
             "crime desert ghost island river winter garden harbour mirror forest".split()),
}  # fmt: skip
_PLAYERS = ("Anke", "Bero", "Cleo", "Dag", "Enya", "Finn", "Gro")


def shuffled_objects(rng: np.random.Generator, size: int) -> Question:
    """`size` people (3, 5 or 7 in BBH) in a fixed order, as many swaps, never the same pair twice in a row."""
    people = list(_PLAYERS[:size])
    opening, form, verb, kinds = _FRAMES[list(_FRAMES)[rng.integers(len(_FRAMES))]]
    things = [form.format(kinds[i]) for i in rng.choice(len(kinds), size, replace=False)]
    swaps: list[list[str]] = []
    while len(swaps) < size:
        pair = [people[i] for i in rng.choice(size, 2, replace=False)]
        if not swaps or set(pair) != set(swaps[-1]):
            swaps.append(pair)
    holds = dict(zip(people, things, strict=True))
    start = ", ".join(f"{person} has {thing}" for person, thing in holds.items())
    for a, b in swaps:
        holds[a], holds[b] = holds[b], holds[a]
    openers = ["First", *["Then"] * (size - 2), "Finally"]
    told = " ".join(f"{when}, {a} and {b} {verb}." for when, (a, b) in zip(openers, swaps, strict=True))
    asked = people[rng.integers(size)]
    together = f"{', '.join(people[:-1])} and {people[-1]} are together."
    text = f"{together} {opening} {start}. {told} What has {asked} in the end?"
    arguments = ([[p, t] for p, t in zip(people, things, strict=True)], swaps, asked)
    return Question("shuffled_objects", text, tuple(things), holds[asked], arguments, size)


def solve_shuffled_objects(text: str, options: Sequence[str]) -> str:
    """Backwards: whose thing at the start does the asked person have at the end?"""
    person = re.search(r"What has (\w+) in the end", text)[1]
    for a, b in reversed(re.findall(r"(?:First|Then|Finally), (\w+) and (\w+) ", text)):
        person = b if person == a else a if person == b else person
    return re.search(rf"\b{person} has ([^,.]+)[,.]", text)[1]


# -- coloured objects on a table

COLOUR_NAMES = (
    "red orange yellow green blue brown magenta fuchsia mauve teal turquoise burgundy silver gold black grey purple "
    "pink"
).split()
_THINGS = (
    "button thimble marble spoon whistle coaster ribbon candle sponge badge peg dice ruler brush comb crayon bell "
    "tray mug stapler envelope notebook lighter bracelet"
).split()
_SURFACES = ("shelf", "bench", "carpet", "windowsill")


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _plural(thing: str) -> str:
    return thing if thing == "dice" else f"{thing}{'es' if thing[-2:] in ('sh', 'ch') else 's'}"


def coloured_objects(rng: np.random.Generator, size: int) -> Question:
    """`size` things in a row (or groups, for counting); eight kinds of question, with the shares of BBH."""
    kinds = ("remove", "beside", "not_colour_beside", "furthest", "which_colour", "yes_no", "end", "neither")
    kind = kinds[rng.choice(8, p=np.array((57, 40, 31, 29, 28, 27, 21, 17)) / 250)]
    size = max(size, 3 if kind in ("beside", "not_colour_beside", "furthest", "neither") else 2)
    things = [_THINGS[i] for i in rng.choice(len(_THINGS), size, replace=False)]
    colours = [COLOUR_NAMES[i] for i in rng.choice(len(COLOUR_NAMES), size, replace=kind == "neither")]
    surface = _SURFACES[rng.integers(len(_SURFACES))]
    if kind == "remove":
        return _remove(rng, size, things, surface)
    row = kind in ("beside", "not_colour_beside", "furthest", "end")
    listed = [_article(f"{c} {t}") for c, t in zip(colours, things, strict=True)]
    there = "is a row of things" if row else "are several things"
    scene = f"On the {surface} there {there}: {', '.join(listed[:-1])} and {listed[-1]}."
    at = int(rng.integers(size))
    options: tuple[str, ...] = tuple(COLOUR_NAMES)
    if kind == "beside":
        side = ("left", "right")[rng.integers(2)]
        at = int(rng.integers(1, size)) if side == "left" else int(rng.integers(size - 1))
        ask = f"Which colour has the thing directly to the {side} of the {things[at]}?"
        answer = colours[at - 1 if side == "left" else at + 1]
    elif kind == "not_colour_beside":
        side, colour = ("left", "right")[rng.integers(2)], colours[rng.integers(size)]
        part = colours[:at] if side == "left" else colours[at + 1 :]
        ask = f"How many things that are not {colour} lie to the {side} of the {things[at]}?"
        answer, options = NUMBER_WORDS[sum(c != colour for c in part)], tuple(NUMBER_WORDS[:7])
    elif kind == "furthest":
        at = int(rng.choice([i for i in range(size) if 2 * i != size - 1]))
        ask = f"Which colour has the thing furthest from the {things[at]}?"
        answer = colours[-1 if at < size - 1 - at else 0]
    elif kind == "end":
        side = ("left-most", "right-most")[rng.integers(2)]
        ask, answer = f"Which colour has the {side} thing?", colours[0 if side == "left-most" else -1]
    elif kind == "which_colour":
        ask, answer = f"Which colour has the {things[at]}?", colours[at]
    elif kind == "yes_no":
        colour = colours[at] if rng.random() < 0.5 else COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
        ask, answer, options = f"Is the {things[at]} {colour}?", "yes" if colour == colours[at] else "no", ("yes", "no")
    else:
        one, two = (COLOUR_NAMES[i] for i in rng.choice(len(COLOUR_NAMES), 2, replace=False))
        one = colours[at]
        two = two if two != one else COLOUR_NAMES[(COLOUR_NAMES.index(one) + 1) % len(COLOUR_NAMES)]
        ask = f"How many things are neither {one} nor {two}?"
        answer, options = NUMBER_WORDS[sum(c not in (one, two) for c in colours)], tuple(NUMBER_WORDS[:7])
    pairs = [[c, t] for c, t in zip(colours, things, strict=True)]
    return Question("coloured_objects", f"{scene} {ask}", options, answer, (pairs,), size)


def _remove(rng, size, things, surface) -> Question:
    """Groups of one to three; some are taken away, the rest are counted by colour or kind."""
    groups = []
    for thing in things:
        groups.append((int(rng.integers(1, 4)), COLOUR_NAMES[rng.integers(6)], thing))
    gone = groups[rng.integers(size)]
    by_colour = bool(rng.integers(2))
    what = gone[1] if by_colour else gone[2]
    left = [g for g in groups if (g[1] if by_colour else g[2]) != what]
    kept = groups[rng.integers(size)][1]
    listed = [
        _article(f"{colour} {thing}") if n == 1 else f"{NUMBER_WORDS[n]} {colour} {_plural(thing)}"
        for n, colour, thing in groups
    ]
    scene = f"On the {surface} there are several things: {', '.join(listed[:-1])} and {listed[-1]}."
    taken = f"all {what} things" if by_colour else f"all {_plural(what)}"
    ask = f"If one takes away {taken}, how many {kept} things are left?"
    answer = NUMBER_WORDS[sum(n for n, colour, _ in left if colour == kept)]
    return Question(
        "coloured_objects", f"{scene} {ask}", tuple(NUMBER_WORDS), answer, ([list(g) for g in groups],), size
    )


def solve_coloured_objects(text: str, options: Sequence[str]) -> str:
    """The scene as a list of (colour, thing), one entry a thing; then the question by its form."""
    scene, ask = re.match(r"(.*?: .*?)\. (.*)", text).groups()
    row: list[tuple[str, str]] = []
    for part in re.split(r", | and ", scene.partition(": ")[2]):
        count, colour, thing = part.split()
        n = 1 if count in ("a", "an") else NUMBER_WORDS.index(count)
        single = next(t for t in _THINGS if thing in (t, f"{t}s", f"{t}es"))
        row += [(colour, single)] * n
    colours, names = [c for c, _ in row], [t for _, t in row]

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


# -- geometric shapes from an outline

_CORNERS = {"triangle": 3, "kite": 4, "trapezoid": 4, "pentagon": 5, "hexagon": 6, "heptagon": 7, "octagon": 8}
_SHAPE_OPTIONS = (
    "circle",
    "heptagon",
    "hexagon",
    "kite",
    "line",
    "octagon",
    "pentagon",
    "rectangle",
    "sector",
    "triangle",
)


def shapes(rng: np.random.Generator, size: int) -> Question:
    """An SVG path of M, L and A commands; pens lift and come down again where they were. `size` plays no role."""
    names = ("line", "sector", "triangle", "kite", "trapezoid", "pentagon", "hexagon", "heptagon", "octagon", "ellipse")
    shape = names[rng.integers(len(names))]
    commands = _outline(shape, rng)
    path, last = [], None
    lifts = set(
        rng.choice(range(1, len(commands) + 1), min(len(commands) - 1, int(rng.integers(0, 3))), replace=False).tolist()
    )
    for number, (kind, point, extra) in enumerate(commands):
        if number in lifts and last is not None and kind != "M":
            path.append(f"M {last[0]:.2f},{last[1]:.2f}")
        path.append(f"{kind} {extra}{point[0]:.2f},{point[1]:.2f}")
        last = point
    options = [*_SHAPE_OPTIONS, shape] if shape in ("trapezoid", "ellipse") else list(_SHAPE_OPTIONS)
    text = f'What is drawn by the SVG path <path d="{" ".join(path)}"/> ?'
    return Question("shapes", text, tuple(options), shape, (), len(commands))


def _outline(shape: str, rng: np.random.Generator) -> list[tuple[str, tuple[float, float], str]]:
    def rounded(point: complex) -> tuple[float, float]:
        return round(point.real, 2), round(point.imag, 2)

    centre = complex(*rng.uniform(30, 70, 2))
    turn = complex(math.cos(a := rng.uniform(0, 2 * math.pi)), math.sin(a))
    r = rng.uniform(10, 28)
    if shape == "line":
        return [("M", rounded(centre), ""), ("L", rounded(centre + r * turn), "")]
    if shape in ("sector", "ellipse"):
        b = r if shape == "sector" else r * rng.uniform(0.4, 0.8)
        arc = f"{r:.2f},{b:.2f} {math.degrees(a):.2f} 0,1 "
        ends = [centre + r * turn, centre + r * turn * complex(math.cos(1.2), math.sin(1.2))]
        if shape == "ellipse":
            ends[1] = centre - r * turn
            return [("M", rounded(ends[0]), ""), ("A", rounded(ends[1]), arc), ("A", rounded(ends[0]), arc)]
        return [
            ("M", rounded(centre), ""),
            ("L", rounded(ends[0]), ""),
            ("A", rounded(ends[1]), arc),
            ("L", rounded(centre), ""),
        ]
    if shape == "kite":
        long, wide = rng.uniform(1.4, 1.9), rng.uniform(0.5, 0.8)
        corners = [r * 0.5 + 0j, 1j * r * wide, -r * long * 0.5 + 0j, -1j * r * wide]
    elif shape == "trapezoid":
        shift, top = rng.uniform(0.15, 0.3), rng.uniform(0.4, 0.6)
        corners = [complex(-r, -r / 2), complex(r, -r / 2), complex(r * (top + shift), r / 2), complex(-r * top, r / 2)]
    else:
        n = _CORNERS[shape]
        angles = 2 * np.pi * (np.arange(n) + rng.uniform(-0.25, 0.25, n)) / n
        corners = [r * complex(math.cos(t), math.sin(t)) for t in angles]
    points = [rounded(centre + turn * corner) for corner in corners]
    return [("M", points[0], ""), *(("L", point, "") for point in [*points[1:], points[0]])]


def solve_shapes(text: str, options: Sequence[str]) -> str:
    """Count lines and arcs; four lines are told apart by which sides are parallel."""
    path = re.search(r'd="([^"]*)"', text)[1]
    lines, arcs = path.count("L"), path.count("A")
    if arcs:
        return "sector" if lines else "ellipse"
    if lines != 4:
        return {1: "line", 3: "triangle", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon"}[lines]
    points = [complex(float(x), float(y)) for x, y in re.findall(r"[ML] (-?[\d.]+),(-?[\d.]+)", path)]
    corners = [p for p, q in zip(points, [None, *points], strict=False) if p != q]
    sides = [b - a for a, b in itertools.pairwise(corners)]
    apart = [abs((sides[i].conjugate() * sides[i + 2]).imag) / abs(sides[i]) / abs(sides[i + 2]) for i in (0, 1)]
    return "trapezoid" if min(apart) < 0.02 else "kite"


@dataclass(frozen=True)
class Family:
    """`ask(rng, size)` draws a question, `solve(text, options)` answers it; sizes in training, and longer ones."""

    ask: Callable[[np.random.Generator, int], Question]
    solve: Callable[[str, Sequence[str]], str]
    sizes: tuple[int, ...]
    longer: tuple[int, ...]


FAMILIES = {
    "web_of_lies": Family(web_of_lies, solve_web_of_lies, tuple(range(3, 13)), (15, 18)),
    "navigate": Family(navigate, solve_navigate, (2, 3, 4, 5, 6), (7, 8, 9)),
    "dyck": Family(dyck, solve_dyck, (4, 6, 8, 10, 12, 14), (16, 20, 24)),
    "temporal": Family(temporal, solve_temporal, (3, 4), (5,)),
    "shuffled_objects": Family(shuffled_objects, solve_shuffled_objects, (3, 4, 5), (7,)),
    "coloured_objects": Family(coloured_objects, solve_coloured_objects, (2, 3, 4, 5), (6,)),
    "shapes": Family(shapes, solve_shapes, (0,), (0,)),
}


def questions(
    family: str, count: int, *, seed: int, split: str, longer: bool = False, sizes: Sequence[int] | None = None
) -> list[Question]:
    """`count` different questions of a split, by the last digit of their checksum: no question is in two splits.

    Their sizes are drawn from the family's, from its `longer` ones, or from `sizes`.
    Raises ValueError for an unknown family or split.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    check_split(split)
    kind = FAMILIES[family]
    sizes = tuple(sizes or (kind.longer if longer else kind.sizes))
    rng = generator(seed, zlib.crc32(family.encode()), longer)

    def draw() -> tuple[int, Question] | None:
        question = kind.ask(rng, int(sizes[rng.integers(len(sizes))]))
        return (question.key, question) if split_of_hash(question.key) == split else None

    return bounded(count, draw, f"{family} has too few different questions of sizes {sizes} in {split}")
