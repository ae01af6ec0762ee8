"""The project's own files agree with each other, and its rooms keep their order."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lib.course.scoreboard import updated_readme
from lib.workbench.course import Course

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("data", "nn", "training", "evaluation", "bases", "workbench", "course")
MODULES = sorted([*(ROOT / "lib").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# causal-conv1d must fit the CUDA version found on the machine, so no version of it is pinned.
UNTESTED = {"causal-conv1d"}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for group in (PROJECT["dependencies"], *extras) for text in group]


def test_every_dependency_is_listed_once():
    names = [canonicalize_name(requirement.name) for requirement in requirements()]
    assert len(names) == len(set(names)) > 20


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_the_tested_version_satisfies_the_requirement(requirement):
    name = canonicalize_name(requirement.name)
    if name in UNTESTED:
        assert name not in constraints()
    else:
        assert requirement.specifier.contains(constraints()[name])


def test_every_dependency_has_its_reason_beside_it():
    text = (ROOT / "pyproject.toml").read_text()
    for block in re.findall(r"^(?:dependencies|test|real) = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            assert re.fullmatch(r' {4}"[^"]+", +# \S.+', line), line


def test_constraints_name_exact_public_versions_once():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert len(constraints()) == len(lines)


def test_the_conda_environment_installs_this_project_and_lists_nothing_twice():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert conda == ["python=3.11", "pip"] and PROJECT["requires-python"] == ">=3.11"
    assert pip == {"pip": ["--constraint constraints.txt", "--editable .[test]"]}


def test_the_readme_scoreboard_is_what_make_scoreboard_writes():
    course = Course(ROOT)
    assert course.readme.read_text(encoding="utf-8") == updated_readme(course)


def imported(module: Path) -> set[str]:
    """Absolute names that a module imports, at its top or inside functions; `from a import b` counts as a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.relative_to(ROOT)} imports relatively"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def rooms_of(names: set[str]) -> set[str]:
    return {parts[1] for parts in (name.split(".") for name in names) if parts[0] == "lib" and len(parts) > 1}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(module):
    names = imported(module)
    top, room = module.relative_to(ROOT).parts[:2]
    if top == "kernels":
        allowed = set()
        assert "lib" not in names
    else:
        allowed = set(ROOMS[: ROOMS.index(room) + 1]) if room in ROOMS else set()
    assert rooms_of(names) <= allowed
    assert not {name for name in names if name.split(".")[0] in ("notebooks", "tests")}


@pytest.mark.parametrize("room", ROOMS[:-1])
def test_a_room_lists_names_that_exist(room):
    code = f"import lib.{room} as room; assert room.__all__; [getattr(room, name) for name in room.__all__]"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


HEAVY = set(
    "datasets IPython ipywidgets jupyterlab mamba_ssm matplotlib nbformat papermill plotly scipy sklearn sympy "
    "transformers triton".split()
)
"""What a room may load when it is used, not when it is imported; torch, numpy and accelerate come at the start."""


def test_the_rooms_load_no_heavy_library():
    """What makes an import slow is what it loads, which no other program on the machine can change."""
    rooms = ", ".join(f"lib.{room}" for room in ROOMS)
    code = f"import sys, {rooms}, kernels; print(*{{name.split('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(answer.stdout.split())


TESTED = ("data", "nn", "training", "evaluation", "bases", "workbench")
COVERED = {
    # Private halves of one subject, tried through its public one.
    "lib/data/coding/window_decoder.py": "tests/data/coding/test_equal_info.py",
    "lib/data/coding/window_encoder.py": "tests/data/coding/test_equal_info.py",
    "lib/data/coding/window_rules.py": "tests/data/coding/test_equal_info.py",
    "lib/data/coding/windows.py": "tests/data/coding/test_equal_info.py",
    "kernels/triton/scan_steps.py": "tests/kernels/triton/test_selective_scan.py",
}
"""Modules that one file covers beside the module of its own name."""
ONE_TABLE = "lib/workbench/checks/"
"""Every checker stands in one table of right and wrong answers, tests/workbench/checks/test_checks.py."""


def files_that_test(module: str) -> str:
    """The test file of a module: its own name in the mirrored folder, or what COVERED says.

    A Triton form is tried by its public function's tests, which run every form, unless it has a file of its own.
    """
    if module in COVERED:
        return COVERED[module]
    if module.startswith(ONE_TABLE):
        return "tests/workbench/checks/test_checks.py"
    path = Path(module)
    mirrored = Path("tests", *path.parts[1:-1] if path.parts[0] == "lib" else path.parts[:-1], f"test_{path.name}")
    if path.parts[:2] == ("kernels", "triton") and not (ROOT / mirrored).is_file():
        mirrored = Path("tests", "kernels", mirrored.name)
    return mirrored.as_posix()


def modules_to_test() -> list[str]:
    names = [path.relative_to(ROOT).as_posix() for path in MODULES if path.name != "__init__.py"]
    return [name for name in names if name.startswith(("kernels/", *(f"lib/{room}/" for room in TESTED)))]


@pytest.mark.parametrize("module", modules_to_test())
def test_every_module_has_a_test_file_of_its_own_name(module):
    file = ROOT / files_that_test(module)
    assert file.is_file(), f"{module} needs {files_that_test(module)}"
    defined = (node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef))
    assert any(name.startswith("test_") for name in defined)


def test_what_is_covered_elsewhere_is_there_and_has_no_file_of_its_own():
    for module in COVERED:
        path = Path(module)
        assert (ROOT / module).is_file()
        folder = path.parts[1:-1] if path.parts[0] == "lib" else path.parts[:-1]
        assert not ROOT.joinpath("tests", *folder, f"test_{path.name}").exists(), f"{module} has its own file by now"
