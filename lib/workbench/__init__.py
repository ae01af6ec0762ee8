"""What only a notebook needs: the run header, the claims ledger, exercises, plots, widgets; and the two commands.

Names are imported on first use, so that the set-up command runs on a Python that has nothing installed yet.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.workbench.claims import CLAIMS_MIME, Claim, Ledger
    from lib.workbench.display import Table, html_table, theme, tint
    from lib.workbench.exercises import Exercise, exercise
    from lib.workbench.guide import course_map, environment_report
    from lib.workbench.plots import (
        MODELS,
        PALETTE,
        bars,
        colour,
        curves,
        dots,
        figure,
        heat_map,
        house_style,
        intervals,
        label_axes,
        model_style,
        pictures,
        smooth,
    )
    from lib.workbench.run import SCALES, Run, isolated_randomness, seed_everything
    from lib.workbench.widgets import Exploration, explore

_HOMES = {
    "claims": ("CLAIMS_MIME", "Claim", "Ledger"),
    "display": ("Table", "html_table", "theme", "tint"),
    "exercises": ("Exercise", "exercise"),
    "guide": ("course_map", "environment_report"),
    "plots": (
        "MODELS",
        "PALETTE",
        "bars",
        "colour",
        "curves",
        "dots",
        "figure",
        "heat_map",
        "house_style",
        "intervals",
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
    "PALETTE",
    "SCALES",
    "Claim",
    "Exercise",
    "Exploration",
    "Ledger",
    "Run",
    "Table",
    "bars",
    "colour",
    "course_map",
    "curves",
    "dots",
    "environment_report",
    "exercise",
    "explore",
    "figure",
    "heat_map",
    "house_style",
    "html_table",
    "intervals",
    "isolated_randomness",
    "label_axes",
    "model_style",
    "pictures",
    "seed_everything",
    "smooth",
    "theme",
    "tint",
]


def __getattr__(name: str) -> object:
    """Import `name` from the module that defines it (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"lib.workbench has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"lib.workbench.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
