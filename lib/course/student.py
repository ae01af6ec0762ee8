"""The student edition: a notebook without its solutions, and without what the exercises printed."""

from __future__ import annotations

import copy
import json
from pathlib import Path


def without_solutions(notebook: dict) -> dict:
    """A copy of a notebook (its JSON) in which cells tagged `solution` are gone and `exercise` cells have no output."""
    student = copy.deepcopy(notebook)
    student["cells"] = [cell for cell in student["cells"] if "solution" not in tags(cell)]
    for cell in student["cells"]:
        if cell["cell_type"] == "code" and "exercise" in tags(cell):
            cell["outputs"] = []
            cell["execution_count"] = None
    return student


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def write_edition(notebooks: list[Path], folder: Path) -> list[Path]:
    """Write the student edition of each notebook into `folder`; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in notebooks:
        student = without_solutions(json.loads(path.read_text(encoding="utf-8")))
        target = folder / path.name
        target.write_text(json.dumps(student, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(target)
    return written
