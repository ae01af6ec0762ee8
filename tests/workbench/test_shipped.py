"""A shipped base in a notebook: one line, a curve, its recipe, and a sentence where the recipe has moved on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lib.bases import Card, described, files_of, store
from lib.workbench.shipped import ShippedCard, shipped_base
from tests.bases.toy import toy

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root in which a toy lies under the name of a real base."""
    for place in ("lib.bases.files.recipe_of", "lib.workbench.shipped.recipe_of"):
        monkeypatch.setattr(place, lambda name: toy())
    model, history = toy().train(progress=False)
    store(toy(), model, described(toy(), model, history, hardware="a desk, 1 core"), tmp_path)
    return tmp_path


def base(root: Path, **options: object) -> tuple[torch.nn.Module, ShippedCard]:
    return shipped_base("skills", root=root, device=torch.device("cpu"), **options)


def test_a_base_shows_one_line(root, capsys):
    model, card = base(root)
    assert not model.training and capsys.readouterr().out == f"{card.line}\n"
    assert card.line.startswith("base skills: a line; 2 weights, 60 steps in 0 minutes on ")


def test_a_base_of_another_recipe_says_so(root, capsys):
    file = files_of("skills", root)[1]
    replace(Card.read(file), recipe_digest="of other code").write(file)
    base(root)
    said = capsys.readouterr().out
    assert said.endswith(
        ". Its recipe or code it calls has changed since; run.base('skills', retrain=True) trains it anew\n"
    )


def test_retraining_happens_here_and_writes_nothing(root, tmp_path, capsys):
    before = {file: file.read_bytes() for file in (root / "data" / "bases").iterdir()}
    model, card = base(root, retrain=True, checkpoint=tmp_path / "base.safetensors")
    stored, _ = base(root)
    assert {file: file.read_bytes() for file in (root / "data" / "bases").iterdir()} == before
    assert torch.allclose(model.weight, stored.weight, atol=2e-3) and not torch.equal(model.weight, stored.weight)
    assert not model.training and card.line in capsys.readouterr().out and not (tmp_path / "base.safetensors").exists()


def test_a_missing_base_is_one_sentence(tmp_path):
    with pytest.raises(
        RuntimeError,
        match=r"^the base 'skills' has no skills.safetensors in data/bases: `git checkout data/bases` brings",
    ):
        base(tmp_path)
    with pytest.raises(ValueError, match="name must be one of the bases"):
        shipped_base("llama", root=tmp_path, device=torch.device("cpu"))


def test_the_curve_has_a_line_for_each_series(root):
    _, card = base(root)
    ax = card.curve()
    assert [line.get_label() for line in ax.get_lines()] == ["even", "odd"]
    title = ax.get_title() or ax.get_title(loc="left")  # where the house style puts it, if a test before set that
    assert title == "How the base learned, in 0 minutes" and ax.get_yscale() == "log"
    single = ShippedCard(**vars(replace(card, losses={"steps": [1, 2], "loss": [2.0, 1.0]})))
    assert single.curve(ax.figure.add_subplot()).get_legend() is None


def test_recipe_and_facts_are_shown_as_tables(root):
    _, card = base(root)
    recipe, facts = card.recipe(), card.facts()
    assert recipe.plain.startswith("lib/bases/skills.py\n") and "RECIPE = Recipe(" in recipe.plain
    assert recipe.html.startswith("<details><summary><code>lib/bases/skills.py</code></summary><pre>")
    assert "a desk, 1 core" in facts.plain and "closeness to the line (fraction)" in facts.html


def test_the_real_bases_are_loaded_checked_and_compared_at_little_cost():
    """Process time, since a clock would tell of the machine's other work: each takes less than two seconds, and all
    that a notebook asks for together less than five. Notebook 12 is to ask for four of them."""
    import re
    import time

    from lib.bases import base_names
    from lib.bases.registry import ROOT

    cost = {}
    for name in base_names():
        start = time.process_time()
        shipped_base(name, root=ROOT, device=torch.device("cpu"))
        cost[name] = time.process_time() - start
    assert max(cost.values()) < 2, cost
    asked = {path.name: set(re.findall(r'run\.base\(\\"(\w+)\\"', path.read_text())) for path in NOTEBOOKS}
    assert sum(map(bool, asked.values())) >= 3
    asked["12"] = {"text_to_image", "render_detector", "render_segmenter", "picture_captioner"}
    for notebook, names in asked.items():
        assert sum(cost[name] for name in names) < 5, (notebook, cost)
