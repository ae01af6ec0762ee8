"""Editions of a notebook: for students, without solutions; solved, with every exercise done as its solution does it."""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path

from lib.course.notebook_file import read, source, tags, with_source, write
from lib.workbench.course import CourseError

ABOUT_FOLDED_SOLUTIONS = re.compile(
    r"[^.!?\n]*(?:\b[Ss]olutions?\b[^.!?\n]*\bfolded\b|\b[Ff]olded\b[^.!?\n]*\bsolutions?\b)[^.!?\n]*[.!?]"
)
"""A sentence with both words, in either order."""
WITHOUT = "This edition comes without solutions."


def without_solutions(notebook: dict) -> dict:
    """A copy of a notebook (its JSON) in which cells tagged `solution` are gone and `exercise` cells have no output.

    A sentence that says where the solutions are folded says that there are none.
    """
    student = copy.deepcopy(notebook)
    student["cells"] = [blanked(cell) for cell in student["cells"] if "solution" not in tags(cell)]
    return student


def blanked(cell: dict) -> dict:
    if cell["cell_type"] == "markdown" and ABOUT_FOLDED_SOLUTIONS.search(source(cell)):
        return with_source(cell, ABOUT_FOLDED_SOLUTIONS.sub(_in_place_of, source(cell)))
    if cell["cell_type"] == "code" and "exercise" in tags(cell):
        return {**cell, "outputs": [], "execution_count": None}
    return cell


def _in_place_of(sentence: re.Match) -> str:
    """The replacement with the space that stood before the sentence."""
    text = sentence.group()
    return text[: len(text) - len(text.lstrip())] + WITHOUT


def solved(notebook: dict) -> dict:
    """A copy of a notebook in which each exercise's `my_NAME` does what `NAME_solution` of the cell below does.

    Raises CourseError when a solution has no stub in the exercise cell above it.
    """
    done = copy.deepcopy(notebook)
    exercise = None
    for number, cell in enumerate(done["cells"]):
        if "exercise" in tags(cell) and cell["cell_type"] == "code":
            exercise = number
        elif "solution" in tags(cell) and cell["cell_type"] == "code":
            if exercise is None:
                raise CourseError(f"cell {number} is tagged solution, but no cell above it is tagged exercise.")
            above = done["cells"][exercise]
            done["cells"][exercise] = with_source(above, with_answers(source(above), source(cell)))
    return done


def with_answers(exercise: str, solution: str) -> str:
    """The exercise's code with each stub `my_NAME` replaced by `NAME_solution` and by what that uses.

    Raises CourseError when the two name no exercise in common.
    """
    answers = {name.removesuffix("_solution"): node for name, node in _named(solution) if name.endswith("_solution")}
    stubs = {name.removeprefix("my_"): node for name, node in _named(exercise) if name.startswith("my_")}
    if not answers or not answers.keys() <= stubs.keys():
        raise CourseError(f"solutions {sorted(answers)} need a stub my_NAME each, the exercise has {sorted(stubs)}.")
    lines = exercise.splitlines()
    for name in sorted(answers, key=lambda name: stubs[name].lineno, reverse=True):
        needed = [*_helpers(solution, answers[name]), _code(solution, answers[name])]
        text = re.sub(rf"\b{name}_solution\b", f"my_{name}", "\n".join(needed))
        lines[_first_line(stubs[name]) - 1 : stubs[name].end_lineno] = text.splitlines()
    return "\n".join(lines)


def _named(code: str) -> list[tuple[str, ast.stmt]]:
    """The functions and variables that the code defines at its top, with their statements."""
    found = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef):
            found.append((node.name, node))
        elif isinstance(node, ast.Assign):
            found += [(target.id, node) for target in node.targets if isinstance(target, ast.Name)]
    return found


def _helpers(code: str, answer: ast.stmt) -> list[str]:
    """The imports and definitions that stand above the answer in its cell."""
    above = [node for node in ast.parse(code).body if node.end_lineno < _first_line(answer)]
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    return [_code(code, node) for node in above if isinstance(node, kept)]


def _code(text: str, node: ast.stmt) -> str:
    return "\n".join(text.splitlines()[_first_line(node) - 1 : node.end_lineno])


def _first_line(node: ast.stmt) -> int:
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


def write_edition(notebooks: list[Path], folder: Path, edition=without_solutions) -> list[Path]:
    """Write an edition of each notebook into `folder`; the files written."""
    written = []
    for path in notebooks:
        target = folder / path.name
        write(target, edition(read(path)))
        written.append(target)
    return written
