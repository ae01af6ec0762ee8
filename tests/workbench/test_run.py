"""Run: seeds, sizes, places, header."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from lib.workbench import SCALES, Run
from lib.workbench.run import ROOT


def draws() -> tuple:
    return random.random(), float(np.random.rand()), torch.rand(3).tolist()


def test_two_runs_of_a_seed_draw_the_same_numbers_and_another_seed_others():
    Run("01-jamba", "smoke", 3)
    first = draws()
    Run("01-jamba", "smoke", 3)
    assert draws() == first
    Run("01-jamba", "smoke", 4)
    assert all(ours != theirs for ours, theirs in zip(draws(), first, strict=True))


def test_fewer_threads_where_the_environment_says_so(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if Run("01-jamba", "smoke").device.type == "cpu":
        assert torch.get_num_threads() == 1


def test_the_header_is_one_line_with_paper_scale_seed_device_threads_and_torch(capsys, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run = Run("01-jamba", "laptop", 7)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    for part in ("01-jamba", "laptop", "seed 7", torch.__version__):
        assert part in lines[0]
    if run.device.type == "cpu":
        assert "CPU, 2 threads" in lines[0] and torch.get_num_threads() == 2


def test_no_text_names_a_path_of_this_machine(capsys):
    run = Run("01-jamba", "smoke")
    run.ledger()
    assert str(ROOT) not in capsys.readouterr().out + repr(run)


@pytest.mark.parametrize("scale", ["huge", "", None, "Laptop"])
def test_an_unknown_scale_is_answered_with_the_known_ones(scale):
    with pytest.raises(ValueError, match="scale must be one of smoke, laptop, long, got ") as caught:
        Run("01-jamba", scale)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 1.5, "one", "-1", "", None, True, 2**32])
def test_a_seed_that_is_no_whole_number_from_zero_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number from 0 to 4294967295, got "):
        Run("01-jamba", "smoke", seed)


@pytest.mark.parametrize("seed", [np.int64(5), "5"])
def test_a_numpy_integer_and_the_digits_of_a_command_line_are_a_seed(seed):
    assert Run("01-jamba", "smoke", seed).seed == 5


@pytest.mark.parametrize("paper", ["jamba", "1-jamba", "01_jamba", "../01-jamba", 1])
def test_a_paper_without_number_and_name_is_refused(paper):
    with pytest.raises(ValueError, match="such as '01-jamba'"):
        Run(paper, "smoke")


def test_preset_gives_the_sizes_of_this_scale():
    sizes = {scale: {"steps": steps, "dim": 8} for scale, steps in zip(SCALES, (2, 20, 200), strict=True)}
    assert [Run("01-jamba", scale).preset(sizes).steps for scale in SCALES] == [2, 20, 200]


def test_preset_finds_a_size_forgotten_at_another_scale():
    run = Run("01-jamba", "smoke")
    with pytest.raises(ValueError, match="sizes must have the same names at long and smoke, got dim"):
        run.preset({"smoke": {"steps": 1, "dim": 2}, "laptop": {"steps": 1, "dim": 2}, "long": {"steps": 1}})
    with pytest.raises(ValueError, match="sizes must name the scales smoke, laptop, long, got smoke"):
        run.preset({"smoke": {"steps": 1}})


def test_checkpoints_differ_by_paper_scale_seed_and_name_and_their_folder_exists(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_CACHE", raising=False)
    runs = [Run(p, s, seed, root=tmp_path) for p in ("01-jamba", "02-b") for s in ("smoke", "long") for seed in (0, 1)]
    paths = {run.checkpoint(name) for run in runs for name in ("hybrid", "mamba")}
    assert len(paths) == 16
    assert {path.parent for path in paths} == {tmp_path / "data" / "cache" / "checkpoints"}
    assert all(path.parent.is_dir() for path in paths)
    with pytest.raises(ValueError, match="name must be of letters, digits"):
        runs[0].checkpoint("../elsewhere")


def test_the_cache_moves_to_the_named_folder_and_off_disables_it(tmp_path, monkeypatch):
    pytest.importorskip("lib.training.cache")
    built = []

    def build() -> tuple:
        built.append(1)
        return {"weight": torch.ones(2)}, {}

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "elsewhere"))
    for _ in range(2):
        tensors, _ = Run("01-jamba", "smoke").cache.get("thing", {"dim": 2}, build)
        assert tensors["weight"].tolist() == [1, 1]
    assert len(built) == 1 and any((tmp_path / "elsewhere").rglob("*.safetensors"))
    monkeypatch.setenv("WORKBENCH_CACHE", "off")
    for _ in range(2):
        Run("01-jamba", "smoke", root=tmp_path).cache.get("thing", {"dim": 2}, build)
    assert len(built) == 3
    assert not (tmp_path / "data").exists()


def test_training_is_taken_from_the_cache_with_its_history_and_checks(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_CACHE", raising=False)
    run, calls = Run("01-jamba", "smoke", root=tmp_path), []

    def batches(step):
        calls.append(step)
        return {"x": torch.full((4, 2), float(step))}

    def train(seed, lr=0.1):
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        history, seen = run.train(
            "a line, twice", model, batches, lambda m, b: m(b["x"]).square().mean(), key={"seed": seed},
            check=lambda m: [m.training, m.weight.sum().item()], check_every=2, steps=5, lr=lr, progress=False,
        )  # fmt: skip
        return model, history, seen

    first, history, seen = train(0)
    assert calls == [0, 1, 2, 3, 4] and len(history) == 5 and len(seen) == 2 and not first.training
    assert seen[0][0] is False and seen[0][1] != seen[1][1]
    again, same, looked = train(0)
    assert len(calls) == 5 and looked == seen and same.records["loss"] == history.records["loss"]
    assert torch.equal(again.weight, first.weight)
    train(1)
    train(0, lr=0.2)
    assert len(calls) == 15


def test_a_file_in_place_of_the_cache_folder_is_named_in_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "occupied"))
    with pytest.raises(ValueError, match="WORKBENCH_CACHE must be a folder or 'off', got the file occupied"):
        Run("01-jamba", "smoke").checkpoint("hybrid")


def test_a_cache_folder_that_may_not_be_read_is_named_in_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "closed"))
    monkeypatch.setattr("os.access", lambda folder, mode: False)
    with pytest.raises(ValueError, match=r"^WORKBENCH_CACHE must be a folder that you may read, got closed$"):
        Run("01-jamba", "smoke").checkpoint("hybrid")


def test_the_house_style_is_set_by_run_not_by_import():
    code = (
        "import json, sys, lib.workbench as w; w.Run; early = 'matplotlib' in sys.modules\n"
        "run = w.Run('01-jamba', 'smoke'); import matplotlib as m"
        "; print(json.dumps([early, m.rcParams['axes.titlelocation']]))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(out.splitlines()[-1]) == [False, "left"]


def test_a_base_that_ships_is_asked_for_by_name(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr("lib.workbench.shipped.shipped_base", lambda name, **options: asked.update(options) or name)
    run = Run("06-reft", "smoke", root=tmp_path)
    assert run.base("skills") == "skills"
    assert asked == {"root": tmp_path, "device": run.device, "retrain": False, "checkpoint": None}
    run.base("skills", retrain=True)
    assert asked["retrain"] and asked["checkpoint"].name == "06-reft-smoke-seed0-base-skills.safetensors"
