"""A pretrained model that ships, as a notebook takes it: loaded and checked, one line shown, its curve on request."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from lib.bases import Card, described, is_of_its_recipe, load, recipe_file, recipe_of
from lib.workbench.display import Table, html_table, show
from lib.workbench.hardware import hardware

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ShippedCard(Card):
    """A base's card with what a notebook shows of it."""

    def curve(self, ax: Axes | None = None) -> Axes:
        """The loss of the training that made the base, a line for each kind of batch, on `ax` or a new figure."""
        from lib.workbench.plots import curves, figure

        ax = figure(width=6.0, height=2.8)[1] if ax is None else ax
        series = {name: values for name, values in self.losses.items() if name != "steps"}
        if list(series) == ["loss"]:
            series = {"base": series["loss"]}
        axes = {"x": "training (steps)", "y": "loss (nats per token)"}
        title = f"How the base learned, in {self.minutes:.0f} minutes"
        curves(ax, series, at=self.losses["steps"], title=title, legend=False, **axes)
        if len(series) > 1:
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))  # beside the lines, which go everywhere
        ax.set_yscale("log")
        return ax

    def recipe(self) -> Table:
        """The module that describes the base, folded: how it was made, line by line."""
        path = recipe_file(self.name)
        code, name = path.read_text(encoding="utf-8"), f"lib/bases/{path.name}"
        html = f"<details><summary><code>{name}</code></summary><pre>{escape(code)}</pre></details>"
        return Table(html=html, plain=f"{name}\n\n{code}")

    def facts(self) -> Table:
        """The card as a table."""
        rows = [
            ["trained on", f"{self.date}, {self.hardware}, torch {self.torch}"],
            ["weights", f"{self.parameters:,}, stored in half precision"],
            ["steps, seed", f"{self.steps:,}, {self.seed}"],
            ["minutes", f"{self.minutes:.0f}"],
            [f"gate: {self.measure}", f"{self.gate:.3f}, at least {self.least:g}"],
            ["digest of recipe and code", self.recipe_digest[:12]],
        ]
        return html_table(["base", self.name], rows)


def shipped_base(
    name: str, *, root: Path, device: torch.device, retrain: bool = False, checkpoint: Path | None = None
) -> tuple[nn.Module, ShippedCard]:
    """The base `name` on `device`, in eval mode, and its card; one line about it is shown.

    It is read from `data/bases` below `root` and must pass its gate on this machine. `retrain` trains it here instead,
    with a progress bar, and writes nothing but `checkpoint`, from which an interrupted training goes on.
    Raises ValueError for a name without a recipe, and RuntimeError, in one sentence that says what to do, when a file
    is missing or damaged or the gate does not hold.
    """
    if retrain:
        recipe = recipe_of(name)
        model, history = recipe.train(checkpoint=checkpoint)
        card = described(recipe, model, history, hardware=hardware())
    else:
        model, card = load(name, root)
    shown = ShippedCard(**vars(card))
    said = shown.line
    if not is_of_its_recipe(card):
        said += f". Its recipe or code it calls has changed since; run.base({name!r}, retrain=True) trains it anew"
    show({"text/plain": said, "text/html": f"<p>{escape(said)}</p>"})
    return model.to(device).eval(), shown
