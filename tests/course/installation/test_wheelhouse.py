"""A wheelhouse: gathered whole or not at all, and installed from with no index, by the real pip on tiny packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lib.course.installation import wheelhouse
from lib.course.installation.environment import Environment
from lib.course.installation.messages import InstallError
from lib.course.installation.stages import Options, install

BACKEND = """
from pathlib import Path
import shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    [wheel] = Path("mine").glob("*.whl")
    return Path(shutil.copy(wheel, folder)).name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "paper_workbench"
version = "1.0"
dependencies = ["one"]
optional-dependencies = {test = ["two"], build = ["three"], real = ["model"]}
"""


def write_wheel(folder: Path, name: str, *requires: str) -> Path:
    """The smallest wheel: one module of the distribution's name."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    fields = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *requires]
    files = {
        f"{name}.py": "here = True\n",
        f"{info}/METADATA": "\n".join(fields) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of one module that needs three others, and a folder that stands for an index which has all of them."""
    root = tmp_path / "course"
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "constraints.txt").write_text("one==1.0\n")
    (root / "backend.py").write_text(BACKEND)
    needs = ("Requires-Dist: one", "Provides-Extra: test", "Provides-Extra: build")
    needs += ('Requires-Dist: two; extra == "test"', 'Requires-Dist: three; extra == "build"')
    write_wheel(root / "mine", "paper_workbench", *needs)
    for name in ("one", "two", "three", "mamba_ssm"):
        write_wheel(tmp_path / "index", name)
    write_wheel(tmp_path / "index", "model", "Requires-Dist: what-nobody-has")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return root


@pytest.fixture
def online(project: Path) -> Environment:
    """An environment whose Python is this one, with the index at hand."""
    environment = Environment(project)
    environment.folder.mkdir()
    environment.python = Path(sys.executable)
    return environment


def names(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in folder.glob("*.whl"))


@pytest.mark.slow
def test_what_was_gathered_installs_without_an_index(project, online, tmp_path, monkeypatch):
    house = project / "build" / "wheelhouse"
    wheelhouse.gather(online, house)
    assert names(house) == ["mamba_ssm", "model", "one", "three", "two"]
    shutil.rmtree(online.folder)
    shutil.rmtree(tmp_path / "index")
    monkeypatch.delenv("PIP_FIND_LINKS")
    carried = shutil.move(house, tmp_path / "usb stick")

    install(project, Options(wheelhouse=str(carried)))
    code = "import one, two, three, mamba_ssm, paper_workbench"
    subprocess.run([Environment(project).python, "-I", "-c", code], check=True)
    assert Environment(project).is_complete(wants_gpu=False)


def test_a_wheelhouse_that_lacks_something_stays_as_it_was(project, online, tmp_path, capsys):
    house = project / "build" / "wheelhouse"
    house.parent.mkdir()
    write_wheel(house, "old")
    (tmp_path / "index" / "two-1.0-py3-none-any.whl").unlink()
    with pytest.raises(InstallError, match=r"pip could not gather the wheels \(a package of the tested version"):
        wheelhouse.gather(online, house)
    assert names(house) == ["old"] and "two" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lacking", "said"), [("mamba_ssm", "mamba-ssm could not be built"), ("model", "`make real` will need a network")]
)
def test_without_what_set_up_can_do_without_the_rest_is_gathered(project, online, tmp_path, capsys, lacking, said):
    (tmp_path / "index" / f"{lacking}-1.0-py3-none-any.whl").unlink()
    wheelhouse.gather(online, project / "build" / "wheelhouse")
    everything = {"mamba_ssm", "model", "one", "three", "two"}
    assert names(project / "build" / "wheelhouse") == sorted(everything - {lacking})
    assert capsys.readouterr().out.count(said) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"python": "3.99"}, "for python 3.99, this machine has"),
        ({"platform": "win-arm64"}, "for platform win-arm64, this machine has"),
        ({"files": "x"}, "another version of the course"),
    ],
)
def test_a_wheelhouse_for_something_else_is_one_sentence(project, tmp_path, changed, said):
    card = wheelhouse.card(Environment(project))
    (tmp_path / "index" / wheelhouse.CARD).write_text(json.dumps(card))
    assert wheelhouse.checked(str(tmp_path / "index"), Environment(project)) == tmp_path / "index"
    (tmp_path / "index" / wheelhouse.CARD).write_text(json.dumps(card | changed))
    with pytest.raises(InstallError, match=said):
        wheelhouse.checked(str(tmp_path / "index"), Environment(project))


@pytest.mark.parametrize("card", ["[]", "{}", '{"files": 1}', "3"])
def test_a_damaged_card_is_one_sentence(project, tmp_path, card):
    (tmp_path / "index" / wheelhouse.CARD).write_text(card)
    with pytest.raises(InstallError, match=r"^wheelhouse\.json in the wheelhouse is damaged; gather the wheels anew"):
        wheelhouse.checked(str(tmp_path / "index"), Environment(project))


@pytest.mark.parametrize("name", ["nowhere", "course", "course/pyproject.toml"])
def test_a_folder_without_wheels_is_one_sentence(project, tmp_path, name):
    with pytest.raises(InstallError, match="must be a folder of wheels"):
        wheelhouse.checked(str(tmp_path / name), Environment(project))


def test_wheels_gathered_by_hand_have_no_card_and_are_taken(project, tmp_path):
    assert wheelhouse.checked(str(tmp_path / "index"), Environment(project)) == tmp_path / "index"
