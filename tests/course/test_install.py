"""The set-up command: stamp, marker, mending and locking. pip and venv are replaced; `make` tries the real ones."""

from __future__ import annotations

import ast
import json
import sys
import threading
from pathlib import Path

import pytest

from lib.course import install as setup
from lib.course.install import Environment, InstallError, install, is_whole, only_one, remove_half_installed


class FakePip:
    """Stands for venv and pip: remembers what was asked, and fails or is interrupted on demand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.asked: list[tuple[str, ...]] = []
        self.created = 0
        self.fails_on = self.interrupted_on = "nothing"
        monkeypatch.setattr(Environment, "create", lambda environment: self.create(environment))
        monkeypatch.setattr(Environment, "pip_install", lambda environment, *args, **env: self.install(args))
        monkeypatch.setattr(Environment, "runs_this_python", lambda environment: environment.python.exists())

    def create(self, environment: Environment) -> None:
        self.created += 1
        environment.python.parent.mkdir(parents=True)
        environment.python.touch()

    def install(self, arguments: tuple[str, ...]) -> bool:
        self.asked.append(arguments)
        if self.interrupted_on in arguments:
            raise KeyboardInterrupt
        return self.fails_on not in arguments


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> FakePip:
    return FakePip(monkeypatch)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0")
    return tmp_path


def test_the_first_call_installs_the_project_and_then_the_oracle(pip, project):
    install(project)
    assert pip.created == 1
    assert [arguments[-1] for arguments in pip.asked] == [".[test,build]", "mamba-ssm"]
    assert "--no-deps" in pip.asked[1] and "--no-build-isolation" in pip.asked[1]


def test_a_second_call_installs_nothing(pip, project):
    install(project)
    pip.asked.clear()
    install(project)
    assert (pip.asked, pip.created) == ([], 1)


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
def test_changed_dependencies_are_installed_into_the_same_environment(pip, project, changed):
    install(project)
    (project / changed).write_text("something else")
    install(project)
    assert (len(pip.asked), pip.created) == (4, 1)


@pytest.mark.parametrize("moment", [".[test,build]", "mamba-ssm"])
def test_an_interrupted_install_is_completed_by_the_next_call(pip, project, moment, capsys):
    pip.interrupted_on = moment
    with pytest.raises(KeyboardInterrupt):
        install(project)
    assert not Environment(project).is_complete(wants_gpu=False)
    half = Environment(project).site_packages() / "half-1.0.dist-info"
    half.mkdir(parents=True)
    pip.interrupted_on = "nothing"
    install(project)
    assert Environment(project).is_complete(wants_gpu=False)
    assert not half.exists() and "to be installed again: half." in capsys.readouterr().out


def test_a_failing_pip_is_one_sentence_and_is_tried_again(pip, project):
    pip.fails_on = ".[test,build]"
    with pytest.raises(InstallError, match="make setup"):
        install(project)
    assert not Environment(project).is_complete(wants_gpu=False)


def test_without_mamba_ssm_the_setup_is_complete_and_says_so_in_one_sentence(pip, project, capsys):
    pip.fails_on = "mamba-ssm"
    install(project)
    assert Environment(project).is_complete(wants_gpu=False)
    assert len([line for line in capsys.readouterr().out.splitlines() if "mamba-ssm" in line]) == 1


@pytest.mark.parametrize(("driver", "asked"), [(False, "mamba-ssm"), (True, ".[gpu]")])
def test_the_gpu_extra_is_built_only_where_a_driver_answers(pip, project, monkeypatch, driver, asked):
    monkeypatch.setattr(setup, "has_nvidia_driver", lambda: driver)
    install(project, wants_gpu=True)
    assert [arguments[-1] for arguments in pip.asked] == [".[test,build]", asked]
    assert json.loads(Environment(project).stamp.read_text())["gpu"] is driver


def test_a_failing_gpu_build_falls_back_to_the_reference_functions(pip, project, monkeypatch):
    monkeypatch.setattr(setup, "has_nvidia_driver", lambda: True)
    pip.fails_on = ".[gpu]"
    install(project, wants_gpu=True)
    assert pip.asked[-1][-1] == "mamba-ssm" and Environment(project).is_complete(wants_gpu=False)


def test_an_old_python_gets_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert setup.main() == 2
    assert capsys.readouterr().out.count("\n") == 1
    ast.parse(Path(setup.__file__).read_text(), feature_version=(3, 7))


def test_the_script_needs_only_the_standard_library():
    nodes = ast.walk(ast.parse(Path(setup.__file__).read_text()))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    nodes = ast.walk(ast.parse(Path(setup.__file__).read_text()))
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def lab_settings(project: Path) -> Path:
    return project / ".venv" / "share" / "jupyter" / "lab" / "settings" / "overrides.json"


def test_jupyterlabs_settings_are_written_at_set_up(pip, project):
    install(project)
    settings = json.loads(lab_settings(project).read_text())
    assert settings["@jupyterlab/notebook-extension:tracker"] == {"windowingMode": "none"}
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert settings["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}


def test_an_environment_of_before_gets_changed_settings_without_a_new_install(pip, project):
    install(project)
    lab_settings(project).write_text("{}")
    pip.asked.clear()
    install(project)
    assert pip.asked == [] and json.loads(lab_settings(project).read_text()) == setup.LAB_SETTINGS


def test_settings_that_cannot_be_written_are_one_sentence_and_no_failure(pip, project, capsys):
    install(project)
    lab_settings(project).unlink()
    lab_settings(project).mkdir()
    capsys.readouterr()
    install(project)
    assert capsys.readouterr().out.count("settings could not be written") == 1


def distribution(site: Path, name: str, *, size: int = 4, record: bool = True, metadata: bool = True) -> Path:
    """A distribution of one file that holds four bytes, recorded with `size`."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text("1234")
    if metadata:
        (info / "METADATA").write_text(f"Name: {name}")
    if record:
        (info / "RECORD").write_text(f"{name}.py,sha256=x,{size}\n__pycache__/{name}.pyc,,\n{info.name}/RECORD,,\n")
    return info


def test_only_distributions_that_are_not_wholly_there_are_removed(tmp_path):
    whole = distribution(tmp_path, "whole")
    distribution(tmp_path, "no_record", record=False)
    distribution(tmp_path, "no_metadata", metadata=False)
    distribution(tmp_path, "truncated", size=9)
    distribution(tmp_path, "missing")
    (tmp_path / "missing.py").unlink()
    (tmp_path / "~et_aside").mkdir()
    assert is_whole(whole)
    assert sorted(remove_half_installed(tmp_path)) == ["missing", "no_metadata", "no_record", "truncated"]
    assert [path.name for path in tmp_path.glob("*.dist-info")] == [whole.name]
    assert not (tmp_path / "~et_aside").exists()
    assert remove_half_installed(tmp_path) == []


def test_a_second_install_waits_for_the_first(tmp_path, capsys):
    entered = threading.Event()

    def second() -> None:
        with only_one(tmp_path / "lock"):
            entered.set()

    with only_one(tmp_path / "lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(5)
    waiting.join()
    assert "another install is under way" in capsys.readouterr().out


def test_a_call_that_waited_finds_the_work_done(pip, project, monkeypatch):
    install(project)
    answers = iter([False, True])
    monkeypatch.setattr(Environment, "is_complete", lambda environment, wants_gpu: next(answers))
    pip.asked.clear()
    install(project)
    assert pip.asked == []
