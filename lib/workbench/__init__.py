"""What only a notebook needs: the run header, the claims ledger, exercises, plots, widgets; and the two commands.

Names are imported on first use, so that the set-up command runs on a Python that has nothing installed yet.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.workbench.claims import CLAIMS_MIME, Claim, Ledger
    from lib.workbench.exercises import Exercise, exercise
    from lib.workbench.glossary import show_glossary
    from lib.workbench.guide import course_map, environment_report
    from lib.workbench.plots import (
        MODELS,
        bars,
        curves,
        figure,
        heat_map,
        house_style,
        label_axes,
        model_style,
        pictures,
        smooth,
    )
    from lib.workbench.run import SCALES, Run, isolated_randomness, seed_everything
    from lib.workbench.widgets import Exploration, explore

_HOMES = {
    "claims": ("CLAIMS_MIME", "Claim", "Ledger"),
    "exercises": ("Exercise", "exercise"),
    "glossary": ("show_glossary",),
    "guide": ("course_map", "environment_report"),
    "plots": (
        "MODELS",
        "bars",
        "curves",
        "figure",
        "heat_map",
        "house_style",
        "label_axes",
        "model_style",
        "pictures",
        "smooth",
    ),
    "run": ("SCALES", "Run", "isolated_randomness", "seed_everything"),
    "widgets": ("Exploration", "explore"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CLAIMS_MIME",
    "MODELS",
    "SCALES",
    "Claim",
    "Exercise",
    "Exploration",
    "Ledger",
    "Run",
    "bars",
    "course_map",
    "curves",
    "environment_report",
    "exercise",
    "explore",
    "figure",
    "heat_map",
    "house_style",
    "isolated_randomness",
    "label_axes",
    "model_style",
    "pictures",
    "seed_everything",
    "show_glossary",
    "smooth",
]


def __getattr__(name: str) -> object:
    """Import `name` from the module that defines it (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"lib.workbench has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"lib.workbench.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
