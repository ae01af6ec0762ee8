"""Evidence planted in a test: as many seeds as each claim has predicates."""

from __future__ import annotations

import base64
import re

from lib.workbench import at_least

ROW = {"says": "the hybrid copies, Mamba does not", "paper": "48.8 against 77.4", "here": "0.97 against 0.4"}


def evidence(**predicates: list) -> dict:
    """A record of as many seeds as each claim has predicates; plain booleans are records of earlier code."""

    def claim(id: str, said: object) -> dict:
        if said is None or isinstance(said, bool):
            return {"id": id, "kind": "measured", "holds": said, **ROW}
        return {"id": id, "kind": "paper", "holds": said.holds, "test": said.to_json(), **ROW}

    seeds = range(len(next(iter(predicates.values()))))
    runs = [{"seed": seed, "claims": [claim(id, said[seed]) for id, said in predicates.items()]} for seed in seeds]
    return {"paper": "01-jamba", "scale": "laptop", "runs": runs}


RECALL = evidence(J9=[at_least(value, 0.9) for value in (0.94, 0.95, 0.96)])


def drawings(html: str) -> list[str]:
    return [base64.b64decode(data).decode() for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)
