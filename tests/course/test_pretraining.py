"""`make bases` trains what is missing or was changed, and only that."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lib.bases import Card, base_names, files_of, is_of_its_recipe
from lib.course.commands import main
from lib.course.pretraining import make_base
from lib.training.checkpoint import read_tensors
from lib.workbench.course import Course, CourseError
from tests.bases.toy import toy


@pytest.fixture
def course(tmp_path, monkeypatch) -> Course:
    recipes(monkeypatch)
    return Course(tmp_path)


def recipes(monkeypatch, **changes: object) -> None:
    """All bases are the toy, with changes."""
    for place in ("lib.bases.files.recipe_of", "lib.course.pretraining.recipe_of"):
        monkeypatch.setattr(place, lambda name: toy(**changes))


def content(course: Course) -> list[bytes]:
    return [file.read_bytes() for file in files_of("skills", course.root)]


def test_a_missing_base_is_trained(course, capsys):
    said = make_base(course, "skills")
    assert said.startswith("written: data/bases/skills.safetensors (0.0 MB) and skills.json; base skills: a line; ")
    assert is_of_its_recipe(Card.read(files_of("skills", course.root)[1]))
    assert "has no skills.safetensors" in capsys.readouterr().out


def test_a_base_of_todays_recipe_is_left_alone(course):
    make_base(course, "skills")
    before = content(course)
    assert make_base(course, "skills") == "skills is what its recipe gives; RETRAIN=1 trains it all the same"
    assert content(course) == before
    assert make_base(course, "skills", retrain=True).startswith("written: ")


def test_an_edit_that_changes_nothing_renews_the_card(course):
    make_base(course, "skills")
    weights, card_file = files_of("skills", course.root)
    card, before = Card.read(card_file), weights.read_bytes()
    replace(card, recipe_digest="of other code").write(card_file)
    said = "skills: code was edited, first losses and gate are the same: the card has the new digest"
    assert make_base(course, "skills") == said
    assert Card.read(card_file) == card and weights.read_bytes() == before


def test_an_edit_that_changes_the_training_trains_anew(course, monkeypatch, capsys):
    make_base(course, "skills")
    card_file = files_of("skills", course.root)[1]
    replace(Card.read(card_file), recipe_digest="of other code").write(card_file)
    recipes(monkeypatch, lr=0.2)
    assert make_base(course, "skills").startswith("written: ")
    assert "has changed, and so has what it does" in capsys.readouterr().out
    assert Card.read(card_file).first_losses == toy(lr=0.2).first_losses(8)


def test_a_base_that_misses_its_gate_is_not_written(course, monkeypatch):
    recipes(monkeypatch, least=1.5)
    kept = course.build / "bases" / "skills-not-stored.safetensors"
    with pytest.raises(CourseError, match=r"needs 1\.500 .*\. Its weights lie in build/bases/skills-not-stored\.saf"):
        make_base(course, "skills")
    assert not any(file.exists() for file in files_of("skills", course.root))
    weights, _ = read_tensors(kept)
    assert torch.equal(weights["weight"], toy().train(progress=False)[0].weight)


def test_the_command_takes_one_base_or_all(course, monkeypatch, capsys):
    assert main(["bases", "skills"], course) == 0
    monkeypatch.setattr("lib.course.pretraining.base_names", lambda: ["skills"])
    assert main(["bases", "", "--retrain", ""], course) == 0
    assert "skills is what its recipe gives" in capsys.readouterr().out
    assert main(["bases", "", "--retrain", "1"], course) == 0
    assert "written: " in capsys.readouterr().out


def test_an_unknown_base_is_one_sentence(tmp_path, capsys):
    assert main(["bases", "llama"], Course(tmp_path)) == 2
    assert capsys.readouterr().err.startswith(f"name must be one of the bases {', '.join(base_names())}, got 'llama'")
