"""Every notebook keeps to the rules of the course, and links to the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.course.hygiene import RULES, dead_links, new_words, unlinked
from lib.course.links import names_of
from lib.course.notebook_file import read
from lib.workbench.course import Course
from lib.workbench.glossary import meaning

COURSE = Course(Path(__file__).resolve().parents[2])

every_notebook = pytest.mark.parametrize("notebook", COURSE.notebooks(), ids=lambda path: path.stem)


@every_notebook
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_notebook_keeps_to_the_rule(notebook, rule):
    assert rule(read(notebook)) == []


@every_notebook
def test_a_notebook_links_to_the_map_to_its_neighbours_and_to_each_that_it_names(notebook):
    assert unlinked(read(notebook), notebook.name[:2], names_of(COURSE)) == []


@every_notebook
def test_relative_links_lead_somewhere(notebook):
    assert dead_links(read(notebook), notebook.parent) == []


@every_notebook
def test_the_words_that_a_notebook_announces_are_in_the_glossary(notebook):
    for word in new_words(read(notebook)):
        assert meaning(word)
