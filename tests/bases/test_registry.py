"""Recipes are found by name, and a digest is of what a recipe does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lib.bases import base_names, recipe_digest, recipe_file, recipe_of
from lib.bases.registry import ROOT


def test_every_recipe_goes_by_the_name_of_its_module():
    assert {"reasoner", "skills"} <= set(base_names())
    for name in base_names():
        assert recipe_of(name).name == name and recipe_file(name).is_file()


def test_an_unknown_base_is_one_sentence():
    with pytest.raises(ValueError, match=rf"^name must be one of the bases {', '.join(base_names())}, got 'llama'$"):
        recipe_of("llama")
    with pytest.raises(ValueError, match=r"got 'card'$"):
        recipe_of("card")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of its own with our code, in which code can be edited."""
    for folder in ("lib", "kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("lib.bases.registry.ROOT", tmp_path)
    monkeypatch.setattr("lib.bases.registry.recipe_file", lambda name: tmp_path / "lib" / "bases" / f"{name}.py")
    return tmp_path


def edited(root: Path, file: str, old: str, new: str) -> str:
    """The digest of the skills after one edit, which is then undone."""
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        return recipe_digest("skills")
    finally:
        path.write_text(text)


def test_a_docstring_changes_nothing_and_a_constant_does(copy):
    before = recipe_digest("skills")
    assert edited(copy, "lib/bases/skills.py", "Cross-entropy of", "What is left of") == before
    assert edited(copy, "lib/bases/skills.py", "BATCH = 64", "BATCH = 65") != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/data/sequences/skills.py", "SYMBOLS = 16", "SYMBOLS = 17"),
        ("lib/nn/layers/norms.py", "eps: float = 1e-6", "eps: float = 1e-5"),
        ("lib/training/objectives/language.py", "-100", "-101"),
        ("lib/training/optimizer.py", "0.98", "0.99"),
        ("lib/training/schedules.py", "math.cos", "math.sin"),
    ],
)
def test_the_code_that_a_recipe_calls_is_part_of_it(copy, file, old, new):
    assert edited(copy, file, old, new) != recipe_digest("skills")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/training/progress.py", "True", "False"),
        ("lib/bases/files.py", "8_000_000", "9_000_000"),
        ("lib/bases/reasoner.py", "4000", "5000"),
        ("lib/nn/vision/vqvae.py", "1", "2"),
    ],
)
def test_what_a_recipe_does_not_call_is_no_part_of_it(copy, file, old, new):
    assert edited(copy, file, old, new) == recipe_digest("skills")
