"""The links between the notebooks."""

from __future__ import annotations

import pytest

from lib.course.hygiene import unlinked
from lib.course.links import linked, navigation, with_links
from lib.course.notebook_file import source
from lib.workbench.course import CourseError

NAMES = {"00": "00_start_here.ipynb", "01": "01_jamba.ipynb", "03": "03_neurally_compressed_text.ipynb"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("See notebook 01.", "See [notebook 01](01_jamba.ipynb)."),
        ("Notebook 01 first", "[Notebook 01](01_jamba.ipynb) first"),
        ("see notebook 02 for", "see notebook 02 (to come) for"),
        ("see notebook 02 (to come) for", "see notebook 02 (to come) for"),
        ("notebook 01 (to come)", "[notebook 01](01_jamba.ipynb)"),
        ("[notebook 02](02_gone.ipynb)", "notebook 02 (to come)"),
        ("[notebook 01](01_renamed.ipynb)", "[notebook 01](01_jamba.ipynb)"),
        ("notebooks 01 and 02", "notebooks [01](01_jamba.ipynb) and 02 (to come)"),
        ("notebooks 02 (to come), 03", "notebooks 02 (to come), [03](03_neurally_compressed_text.ipynb)"),
        (
            "notebooks [01](01_jamba.ipynb) and 03",
            "notebooks [01](01_jamba.ipynb) and [03](03_neurally_compressed_text.ipynb)",
        ),
        ("`notebook 01` in code", "`notebook 01` in code"),
        ("```\nnotebook 01\n```", "```\nnotebook 01\n```"),
        ("[notebook 01's scan](01_jamba.ipynb)", "[notebook 01's scan](01_jamba.ipynb)"),
        ("this is notebook 07", "this is notebook 07"),
        ("notebook 99 is none", "notebook 99 is none"),
    ],
)
def test_a_mention_becomes_a_link_or_says_to_come(text, wanted):
    assert linked(text, NAMES, here="07") == wanted
    assert linked(wanted, NAMES, here="07") == wanted


def test_the_bar_leads_to_the_nearest_notebooks_that_exist():
    after = "[03 Training LLMs over Neurally Compressed Text →](03_neurally_compressed_text.ipynb)"
    assert navigation("01", NAMES) == f"[map](00_start_here.ipynb) · {after}"
    assert navigation("03", NAMES) == "[← 01 Jamba](01_jamba.ipynb) · [map](00_start_here.ipynb)"
    assert navigation("00", NAMES) == "[README](../README.md) · [01 Jamba →](01_jamba.ipynb)"


def notebook(*texts: str) -> dict:
    return {"cells": [{"cell_type": "markdown", "id": t[:4], "metadata": {}, "source": [t]} for t in texts]}


@pytest.mark.parametrize("number", ["00", "01", "03"])
def test_linking_twice_changes_nothing_and_satisfies_the_rule(number):
    once = with_links(notebook("# Title\n\nA promise, as in notebook 02.\n", "Prose"), number, NAMES)
    assert with_links(once, number, NAMES) == once
    assert unlinked(once, number, NAMES) == []
    assert len(once["cells"]) == 3


@pytest.mark.parametrize("number", ["00", "01", "03"])
def test_a_new_neighbour_replaces_the_bars_and_leaves_one_of_each(number):
    once = with_links(notebook("# Title", "Prose"), number, NAMES)
    again = with_links(once, number, NAMES | {"02": "02_mixture_of_depths.ipynb", "04": "04_aurora_m.ipynb"})
    assert len(again["cells"]) == 3
    assert source(again["cells"][0]).count(" · ") == source(again["cells"][-1]).count(" · ")
    assert source(again["cells"][0]).startswith("# Title\n\n[")


def test_a_notebook_without_links_is_told_what_it_lacks():
    assert len(unlinked(notebook("# Title", "see notebook 01"), "03", NAMES)) == 3


def test_a_notebook_that_begins_with_code_or_not_at_all_is_left_as_it_is():
    code = {"cell_type": "code", "id": "c", "metadata": {}, "source": "seed = 0", "outputs": []}
    for cells in ([], [code]):
        with pytest.raises(CourseError, match=r"^notebook 01 must begin with a markdown cell, its title$"):
            with_links({"cells": cells}, "01", NAMES)
