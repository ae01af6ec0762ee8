"""The reader's working copies: `work/` holds a copy of each notebook, so that the course's own files stay as they are.

A copy is made once and never overwritten. `work/.originals.json` remembers of which text each was made; so the course
can say that a newer one exists.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from lib.course.notebook_file import write_atomically
from lib.workbench.course import Course


def folder(course: Course) -> Path:
    return course.work


def place(course: Course) -> str:
    """The folder as it is spelled to the reader: `work` in the checkout, its full path elsewhere."""
    return "work" if course.own == course.root else str(folder(course))


def prepare(course: Course) -> list[str]:
    """Copy every notebook that `work/` lacks; sentences about what is new and what has changed since it was copied."""
    digests = _read_digests(course)
    added, newer = [], []
    for original in course.notebooks():
        copy, now = folder(course) / original.name, _digest(original)
        if not copy.exists():
            _copy(original, copy)
            digests[original.name] = now
            added.append(original.stem)
        elif digests.setdefault(original.name, now) != now:
            newer.append(original.stem)
    _write_digests(course, digests)
    return list(_sentences(place(course), added, newer))


def fresh(course: Course, name: str) -> tuple[Path, Path | None]:
    """Put one notebook back as the course has it; the working copy, and where the reader's own one is kept.

    The reader's own is renamed to the first free of `01_jamba-1.ipynb`, `01_jamba-2.ipynb`, ...
    Raises CourseError for an unknown notebook.
    """
    original = course.notebook(name)
    copy = folder(course) / original.name
    kept = None
    if copy.exists() and copy.read_bytes() != original.read_bytes():
        kept = _free_name(copy)
        copy.rename(kept)
    if not copy.exists():
        _copy(original, copy)
    _write_digests(course, _read_digests(course) | {original.name: _digest(original)})
    return copy, kept


def _sentences(place: str, added: list[str], newer: list[str]) -> Iterable[str]:
    if added:
        yield f"copied to {place}/: {', '.join(added)}."
    for stem in newer:
        fresh = f"`make fresh NB={stem[:2]}`"
        yield f"{place}/{stem}.ipynb is of an older {stem}: {fresh} takes the new one and keeps yours."


def _copy(original: Path, copy: Path) -> None:
    write_atomically(copy, original.read_bytes())


def _free_name(copy: Path) -> Path:
    number = 1
    while (kept := copy.with_name(f"{copy.stem}-{number}.ipynb")).exists():
        number += 1
    return kept


def _digest(original: Path) -> str:
    return hashlib.sha256(original.read_bytes()).hexdigest()


def _read_digests(course: Course) -> dict[str, str]:
    """What the record says, nothing where it is missing or damaged: then a copy counts as up to date."""
    try:
        digests = json.loads((folder(course) / ".originals.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _write_digests(course: Course, digests: dict[str, str]) -> None:
    text = json.dumps(digests, indent=1, sort_keys=True) + "\n"
    write_atomically(folder(course) / ".originals.json", text.encode())
