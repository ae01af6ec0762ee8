"""Set-up from stage to stage: stamp, marker and mending. venv and pip are replaced; `make` tries the real ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lib.course.installation import machine, stages
from lib.course.installation.environment import LAB_SETTINGS, Environment
from lib.course.installation.messages import InstallError
from lib.course.installation.stages import Options, install


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
    monkeypatch.setattr(machine, "has_nvidia_driver", lambda: driver)
    install(project, Options(gpu=True))
    assert [arguments[-1] for arguments in pip.asked] == [".[test,build]", asked]
    assert json.loads(Environment(project).stamp.read_text())["gpu"] is driver


def test_a_failing_gpu_build_falls_back_to_the_reference_functions(pip, project, monkeypatch):
    monkeypatch.setattr(machine, "has_nvidia_driver", lambda: True)
    pip.fails_on = ".[gpu]"
    install(project, Options(gpu=True))
    assert pip.asked[-1][-1] == "mamba-ssm" and Environment(project).is_complete(wants_gpu=False)


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
    assert pip.asked == [] and json.loads(lab_settings(project).read_text()) == LAB_SETTINGS


def test_settings_that_cannot_be_written_are_one_sentence_and_no_failure(pip, project, capsys):
    install(project)
    lab_settings(project).unlink()
    lab_settings(project).mkdir()
    capsys.readouterr()
    install(project)
    assert capsys.readouterr().out.count("settings could not be written") == 1


def test_a_call_that_waited_finds_the_work_done(pip, project, monkeypatch):
    install(project)
    answers = iter([False, True])
    monkeypatch.setattr(Environment, "is_complete", lambda environment, wants_gpu: next(answers))
    pip.asked.clear()
    install(project)
    assert pip.asked == []


def test_set_up_says_one_line_a_stage(pip, project, capsys):
    install(project)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2:5] for line in lines[:-1]] == [[number, "of", "3:"] for number in "123"]
    assert "1 packages by pip" in lines[1] and ".venv/setup.log" in lines[1] and lines[-1].endswith("ready.")
    install(project)
    assert capsys.readouterr().out == ""


def test_a_full_disk_is_found_before_anything_is_begun(pip, project, monkeypatch):
    monkeypatch.setattr(machine, "NEEDED_GB", 101)
    with pytest.raises(InstallError, match=r"needs 101 GB of free disk, here are 100\.0 GB"):
        install(project)
    assert pip.created == 0 and not (project / ".venv").exists()


def test_a_failing_install_shows_the_end_of_its_log_and_what_it_means(pip, project, monkeypatch, capsys):
    def write(installer, *arguments, **variables):
        installer.environment.log.write_text("$ pip install\nERROR: [Errno 28] No space left on device\n")
        return False

    monkeypatch.setattr(stages.Installer, "install", write)
    with pytest.raises(InstallError, match=r"the disk is full.*\.venv/setup\.log.*make setup"):
        install(project)
    assert "    ERROR: [Errno 28] No space left" in capsys.readouterr().out


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator may write anything, so that a test cannot take it away by modes."""
    monkeypatch.setattr(Environment, "is_ours_to_change", lambda environment: False)


def test_a_shared_checkout_is_used_as_it_is(pip, project, monkeypatch, capsys):
    install(project)
    read_only(monkeypatch)
    monkeypatch.setattr(Environment, "key", lambda environment: "that of another Python")
    capsys.readouterr(), pip.asked.clear()
    install(project)
    assert (pip.asked, capsys.readouterr().out) == ([], "")


def test_a_shared_checkout_of_another_version_is_one_sentence(pip, project, monkeypatch, capsys):
    install(project)
    read_only(monkeypatch)
    (project / "constraints.txt").write_text("torch==2.14.0")
    capsys.readouterr(), pip.asked.clear()
    install(project)
    assert pip.asked == [] and capsys.readouterr().out.count("another version of the course") == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_shared_checkout_without_a_complete_environment_is_one_sentence(pip, project, monkeypatch, interrupted):
    if interrupted:
        install(project)
        Environment(project).under_way.touch()
    read_only(monkeypatch)
    before = sorted(project.rglob("*"))
    with pytest.raises(InstallError, match="its owner runs `make setup`"):
        install(project)
    assert sorted(project.rglob("*")) == before


def test_an_environment_that_is_a_link_belongs_to_another_checkout(pip, project, tmp_path_factory):
    install(project)
    second = tmp_path_factory.mktemp("second")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(project / name, second)
    (second / ".venv").symlink_to(project / ".venv")
    stamp = Environment(project).stamp.read_text()
    pip.asked.clear()
    install(second)
    assert pip.asked == [] and Environment(project).stamp.read_text() == stamp


@pytest.mark.parametrize(("asked", "uv", "tool"), [("auto", "uv", "uv"), ("pip", "uv", "pip"), ("auto", None, "pip")])
def test_uv_installs_where_it_is(pip, project, monkeypatch, asked, uv, tool):
    monkeypatch.setattr(shutil, "which", lambda name: uv)
    install(project, Options(installer=asked))
    assert {installer.tool for installer in pip.by} == {tool}


def test_a_wheelhouse_is_the_only_source(pip, project, tmp_path_factory, capsys):
    wheels = tmp_path_factory.mktemp("usb")
    (wheels / "six-1.0-py3-none-any.whl").touch()
    install(project, Options(wheelhouse=str(wheels)))
    assert all(installer.source == ["--no-index", "--find-links", str(wheels)] for installer in pip.by)
    assert f"by pip from {wheels.name}" in capsys.readouterr().out


def test_a_wrong_wheelhouse_leaves_everything_as_it_was(pip, project):
    with pytest.raises(InstallError, match="WORKBENCH_WHEELHOUSE"):
        install(project, Options(wheelhouse="nowhere"))
    assert pip.created == 0 and not (project / ".venv").exists()


def test_options_are_read_from_the_environment(monkeypatch):
    for name in ("GPU", "INSTALLER", "WHEELHOUSE"):
        monkeypatch.delenv(f"WORKBENCH_{name}", raising=False)
    assert Options.of_the_environment() == Options(gpu=False, installer="auto", wheelhouse="")
    monkeypatch.setenv("WORKBENCH_INSTALLER", "pip")
    monkeypatch.setenv("WORKBENCH_GPU", "1")
    assert Options.of_the_environment() == Options(gpu=True, installer="pip")
