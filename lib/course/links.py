"""`make links`: the links between the notebooks, written from the list of papers so that none is forgotten.

Each notebook gets one line, previous · map · next, at the end of its title cell and as its last cell; each mention of
another notebook in its prose becomes a link, or says that it is still to come. Doing it twice changes nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from lib.course.notebook_file import read, source, tags, with_source, write
from lib.workbench.course import PAPERS, Course, CourseError

FRONT_DOOR = "00_start_here"
SHORT_TITLES = {paper.notebook[:2]: paper.title.partition(":")[0] for paper in PAPERS} | {"00": "Start here"}
TO_COME = " (to come)"

_NUMBER = r"(?:\[(?:[Nn]otebook )?\d\d\]\(\d\d_\w+\.ipynb\)|\d\d(?: \(to come\))?)"
_LEFT_ALONE = r"```.*?```|`[^`\n]*`"
_MENTION = re.compile(
    rf"(?P<alone>{_LEFT_ALONE})"
    r"|\[(?P<word>[Nn]otebook) (?P<number>\d\d)\]\(\d\d_\w+\.ipynb\)"
    r"|(?P<link>\[[^\]]*\]\([^)]*\))"
    rf"|(?P<words>\b[Nn]otebooks? )(?P<list>{_NUMBER}(?:(?:, | and |, and | or ){_NUMBER})*)",
    re.DOTALL,
)
_HOME = "[README](../README.md)"
_BAR = re.compile(
    r"\n*(?:(?:\[← [^\n]*)?\[map\]\(00_start_here\.ipynb\)|\[README\]\(\.\./README\.md\)(?= · |\s*\Z))[^\n]*\s*\Z"
)


def linked(text: str, names: dict[str, str], here: str = "") -> str:
    """Prose in which every "notebook NN" is a link to that notebook's file, or says "(to come)".

    `names` maps the numbers of the notebooks that exist to their files' names; `here` is the number of the notebook
    that the prose stands in, which needs no link to itself. Code and other links are left alone.
    """

    def replaced(found: re.Match) -> str:
        if found["alone"] or found["link"]:
            return found.group()
        if found["word"]:
            return _one(found["word"], found["number"])
        if found["words"].strip().lower() == "notebook" and len(_numbers(found["list"])) == 1:
            return _one(found["words"].strip(), _numbers(found["list"])[0])
        each = re.sub(_NUMBER, lambda number: _bare(_numbers(number.group())[0]), found["list"])
        return found["words"] + each

    def _one(word: str, number: str) -> str:
        if number == here or number not in SHORT_TITLES:
            return f"{word} {number}"
        return f"[{word} {number}]({names[number]})" if number in names else f"{word} {number}{TO_COME}"

    def _bare(number: str) -> str:
        if number == here or number not in SHORT_TITLES:
            return number
        return f"[{number}]({names[number]})" if number in names else f"{number}{TO_COME}"

    return _MENTION.sub(replaced, text)


def _numbers(text: str) -> list[str]:
    """The numbers of notebooks in a list, links and all: each once, the file's name does not count."""
    return re.findall(r"(?<!\()\b\d\d\b", re.sub(r"\]\([^)]*\)", "]", text))


def navigation(number: str, names: dict[str, str]) -> str:
    """previous · map · next, where the two neighbours are the nearest notebooks that exist; 00 links to the README."""
    before = max((other for other in names if "00" < other < number), default=None)  # the map is the link to 00
    after = min((other for other in names if other > number), default=None)
    parts = [f"[← {before} {SHORT_TITLES[before]}]({names[before]})"] if before else []
    parts.append(_HOME if number == "00" else f"[map]({FRONT_DOOR}.ipynb)")
    parts += [f"[{after} {SHORT_TITLES[after]} →]({names[after]})"] if after else []
    return " · ".join(parts)


def with_links(notebook: dict, number: str, names: dict[str, str]) -> dict:
    """A copy of the notebook with its mentions linked, and the bar in its title cell and as its last cell.

    Raises CourseError where the first cell is no prose.
    """
    if not notebook["cells"] or notebook["cells"][0]["cell_type"] != "markdown":
        raise CourseError(f"notebook {number} must begin with a markdown cell, its title")
    bar = navigation(number, names)
    cells = [_with_mentions(cell, names, number) for cell in notebook["cells"] if "navigation" not in tags(cell)]
    title = cells[0]
    cells[0] = with_source(title, f"{_BAR.sub('', source(title)).rstrip()}\n\n{bar}")
    last = {"cell_type": "markdown", "id": "navigation", "metadata": {"tags": ["navigation"]}, "source": [bar]}
    return {**notebook, "cells": [*cells, last]}


def _with_mentions(cell: dict, names: dict[str, str], here: str) -> dict:
    if cell["cell_type"] != "markdown":
        return cell
    text = linked(source(cell), names, here)
    return cell if text == source(cell) else with_source(cell, text)


def names_of(course: Course) -> dict[str, str]:
    """The files of the notebooks that exist, by number."""
    return {path.name[:2]: path.name for path in course.notebooks()}


def write_links(course: Course, path: Path) -> bool:
    """Link one notebook's file; whether that changed it."""
    notebook = read(path)
    new = with_links(notebook, path.name[:2], names_of(course))
    if new == notebook:
        return False
    write(path, new)
    return True
