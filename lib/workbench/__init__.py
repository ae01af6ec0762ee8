"""What only a notebook needs: the run, claims and their verdicts, tuning, exercises, plots, widgets."""

from lib.workbench.claims import Claim, Ledger
from lib.workbench.course import CLAIMS_MIME, SCALES
from lib.workbench.display import Table, html_table, theme, tint
from lib.workbench.exercises import Exercise, exercise
from lib.workbench.glossary import show_glossary
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
from lib.workbench.randomness import isolated_randomness, seed_everything
from lib.workbench.run import Run
from lib.workbench.verdicts import all_of, at_least, at_most, beats, is_true, within
from lib.workbench.widgets import Exploration, explore

__all__ = [
    "CLAIMS_MIME", "MODELS", "PALETTE", "SCALES", "Claim", "Exercise", "Exploration", "Ledger", "Run", "Table",
    "all_of", "at_least", "at_most", "bars", "beats", "colour", "course_map", "curves", "dots", "environment_report",
    "exercise", "explore", "figure", "heat_map", "house_style", "html_table", "intervals", "is_true",
    "isolated_randomness", "label_axes", "model_style", "pictures", "seed_everything", "show_glossary", "smooth",
    "theme", "tint", "within",
]  # fmt: skip
