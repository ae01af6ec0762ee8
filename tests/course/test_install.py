"""The entry of set-up: what an old Python, a full disk and an interrupt are told."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from lib.course import install as setup
from lib.course.installation import stages
from lib.course.installation.messages import InstallError

INSTALLATION = sorted((Path(setup.__file__).parent / "installation").glob("*.py"))


def test_an_old_python_gets_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert setup.main() == 2
    assert capsys.readouterr().out.count("\n") == 1
    ast.parse(Path(setup.__file__).read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("file", [Path(setup.__file__), *INSTALLATION], ids=lambda path: path.stem)
def test_set_up_needs_only_the_standard_library(file):
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    others = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}
    assert all(name.startswith("lib.course.installation") for name in others)


@pytest.mark.parametrize("package", ["lib", "lib/course", "lib/course/installation"])
def test_the_packages_on_the_way_import_nothing(package):
    [text] = ast.parse((Path(setup.ROOT) / package / "__init__.py").read_text()).body
    assert isinstance(text, ast.Expr)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InstallError("this and that."), 1, "this and that."),
        (OSError(28, "No space left on device", ".venv/x"), 1, ".venv/x: No space left on device;"),
        (KeyboardInterrupt(), 130, "goes on where it stopped"),
    ],
)
def test_what_stops_set_up_is_one_sentence(monkeypatch, capsys, raised, code, said):
    def install(root, options):
        raise raised

    monkeypatch.setattr(stages, "install", install)
    assert setup.main() == code
    out = capsys.readouterr().out
    assert said in out and out.count("\n") == 1


def test_a_wheelhouse_is_gathered_after_the_install(monkeypatch):
    from lib.course.installation import wheelhouse

    done = []
    monkeypatch.setattr(stages, "install", lambda root, options: done.append("install"))
    monkeypatch.setattr(wheelhouse, "gather", lambda environment, folder: done.append(folder.name))
    assert setup.main(["wheelhouse"]) == 0
    assert done == ["install", "wheelhouse"]
