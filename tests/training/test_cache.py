"""The cache under everything that goes wrong: damage, death, rivals, changed keys, full disks."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import warnings
from datetime import datetime
from pathlib import Path

import pytest
import torch

from lib.training import Cache, cache, checkpoint

ROOT = Path(__file__).resolve().parents[2]


class Build:
    """Counts how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        tensors = {"w": torch.arange(1000.0), "half": torch.ones(3).bfloat16(), "scalar": torch.tensor(4)}
        return tensors, {"losses": [0.1, 0.2], "pair": (1, 2)}


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "cache")


def assert_right(artefact):
    tensors, info = artefact
    assert info == {"losses": [0.1, 0.2], "pair": [1, 2]}
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "w": torch.float32, "half": torch.bfloat16, "scalar": torch.int64,
    }  # fmt: skip
    assert torch.equal(tensors["w"], torch.arange(1000.0)) and tensors["scalar"].item() == 4


def test_second_time_comes_from_the_file_and_is_the_same(store):
    build = Build()
    for _ in range(3):
        assert_right(store.get("net", {"lr": 0.1}, build))
    assert build.calls == 1
    assert_right(Cache(store.folder).get("net", {"lr": 0.1}, build))
    assert build.calls == 1


def test_what_comes_from_the_cache_is_announced_in_one_line_with_its_age(store, capsys):
    store.get("net", {}, Build())
    assert capsys.readouterr().out == ""
    store.get("net", {}, Build())
    assert re.fullmatch(r"net: from the cache, trained \d+ \w+ \d\d:\d\d in 0\.\d s\n", capsys.readouterr().out)
    said = []
    store.get("net", {}, Build(), announce=said.append)
    assert len(said) == 1 and said[0].startswith("trained ") and capsys.readouterr().out == ""


def test_an_age_is_told_in_days_and_seconds():
    at = datetime(2020, 11, 27, 14, 3).astimezone()
    assert cache.age({"at": at.isoformat(), "seconds": 3601.4}) == "trained 27 Nov 2020 14:03 in 3,601 s"
    this_year = at.replace(year=datetime.now().year, month=1, day=5)
    assert cache.age({"at": this_year.isoformat(), "seconds": 63.0}) == "trained 5 Jan 14:03 in 63 s"
    assert cache.age({"at": this_year.isoformat(), "seconds": 0.4}).endswith(" in 0.4 s")


def test_what_is_found_and_not_accepted_is_built_again_and_replaced(store, capsys):
    build, asked = Build(), []
    store.get("net", {}, build)
    assert_right(store.get("net", {}, build, accepts=lambda info: asked.append(info)))
    assert build.calls == 2 and asked[0]["losses"] == [0.1, 0.2] and "from the cache" not in capsys.readouterr().out
    assert_right(store.get("net", {}, build, accepts=lambda info: True))
    assert build.calls == 2


def test_entries_tell_what_lies_in_the_folder(store):
    for name in ("a-one", "a-two", "b-one"):
        store.get(name, {}, Build())
    store.path("a-two", {}).write_bytes(b"damaged")
    found = store.entries("a-")
    assert set(found) == {store.path("a-one", {})}
    entry = found[store.path("a-one", {})]
    assert entry["info"]["losses"] == [0.1, 0.2] and cache.age(entry).endswith(" s")
    assert set(store.entries()) == {store.path("a-one", {}), store.path("b-one", {})}
    assert Cache(store.folder / "nowhere").entries() == {}


def test_the_fingerprint_covers_all_that_can_shape_a_training(tmp_path, monkeypatch):
    for package in ("kernels", "lib/nn/layers", "lib/evaluation", "lib/workbench", "lib/course"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(cache, "ROOT", tmp_path)

    def changes(package):
        before = cache.code_fingerprint.__wrapped__()
        (tmp_path / package / "module.py").write_text("x = 2\n")
        return cache.code_fingerprint.__wrapped__() != before

    assert changes("kernels") and changes("lib/nn/layers") and changes("lib/evaluation")
    assert not changes("lib/workbench") and not changes("lib/course")


def test_disabled_cache_builds_each_time_and_writes_nothing(tmp_path):
    build = Build()
    for _ in range(2):
        assert_right(Cache(tmp_path / "cache", enabled=False).get("net", {}, build))
    assert build.calls == 2 and list(tmp_path.iterdir()) == []


def test_changed_key_or_name_builds_anew_and_order_does_not_matter(store):
    build = Build()
    store.get("net", {"lr": 0.1, "steps": 5}, build)
    store.get("net", {"steps": 5, "lr": 0.1}, build)
    assert build.calls == 1
    store.get("net", {"lr": 0.2, "steps": 5}, build)
    store.get("other", {"lr": 0.1, "steps": 5}, build)
    assert build.calls == 3


def test_changed_code_or_torch_builds_anew(store, monkeypatch):
    build = Build()
    store.get("net", {}, build)
    monkeypatch.setattr(cache, "code_fingerprint", lambda: "edited")
    store.get("net", {}, build)
    monkeypatch.setattr(torch, "__version__", "99.0")
    store.get("net", {}, build)
    assert build.calls == 3


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped in the data", "flipped in the header"])
def test_damaged_file_is_built_again_with_one_message(store, damage):
    build = Build()
    store.get("net", {}, build)
    path = store.path("net", {})
    data = bytearray(path.read_bytes())
    position = -17 if damage == "flipped in the data" else data.index(b"losses")
    data[position] ^= 1
    path.write_bytes({"truncated": data[:-100], "emptied": b""}.get(damage, data))
    with pytest.warns(RuntimeWarning, match=f"cached .*{path.name} is damaged: .*; building it again") as messages:
        assert_right(store.get("net", {}, build))
    assert len(messages) == 1 and "\n" not in str(messages[0].message)
    assert_right(store.get("net", {}, build))
    assert build.calls == 2


WRITER = """
import os, signal, sys, time, torch
from pathlib import Path
from lib.training import Cache
folder, mode = Path(sys.argv[1]), sys.argv[2]
def build():
    with open(folder / "built", "a") as log:
        log.write("x")
    if mode == "slow":
        time.sleep(1.0)
    return {"w": torch.arange(1000.0), "half": torch.ones(3).bfloat16(), "scalar": torch.tensor(4)}, {
        "losses": [0.1, 0.2], "pair": (1, 2)}
def dies_half_way(file):
    os.truncate(file, 500)
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "dies":
    os.fsync = dies_half_way
if mode == "slow":  # start together
    (folder / f"ready{os.getpid()}").touch()
    while len(list(folder.glob("ready*"))) < 2:
        time.sleep(0.01)
tensors, info = Cache(folder / "cache").get("net", {}, build)
assert tensors["w"].sum() == 499500 and info["pair"] == [1, 2]
"""


def writer(folder, mode):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), mode], env=env, cwd=ROOT, **pipes)


def test_killed_writer_leaves_nothing_in_the_way(store, capsys):
    process = writer(store.folder.parent, "dies")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == -signal.SIGKILL, output
    assert list(store.folder.glob("*.tmp")) and not store.path("net", {}).exists()
    build = Build()
    assert_right(store.get("net", {}, build))
    assert "waiting" not in capsys.readouterr().out  # the dead one's lock is free
    assert_right(store.get("net", {}, build))
    assert build.calls == 1 and not list(store.folder.glob("*.tmp"))


def test_two_writers_at_once_build_once(tmp_path):
    processes = [writer(tmp_path, "slow") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert (tmp_path / "built").read_text() == "x"
    assert "".join(outputs).count("another program is building it, waiting") == 1


def test_failed_build_leaves_no_entry_and_no_lock(store):
    def fails():
        raise RuntimeError("diverged")

    with pytest.raises(RuntimeError, match="diverged"):
        store.get("net", {}, fails)
    assert_right(store.get("net", {}, Build()))


def test_full_disk_returns_the_result_with_one_message(store, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="could not be written: No space left on device; going on") as messages:
        assert_right(store.get("net", {}, Build()))
    assert len(messages) == 1
    assert not list(store.folder.glob("*.tmp")) and not list(store.folder.glob("*.safetensors"))


def test_folder_that_cannot_be_made_is_gone_without(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="cache folder .* cannot be used .*, going on without it") as messages:
        assert_right(Cache(tmp_path / "file" / "cache").get("net", {}, Build()))
    assert len(messages) == 1


def test_names_and_keys_that_are_not_allowed_are_named(store):
    with pytest.raises(ValueError, match="name must be letters, digits"):
        store.get("../net", {}, Build())
    with pytest.raises(TypeError, match="key of 'net' must hold only what JSON can hold"):
        store.get("net", {"model": torch.ones(1)}, Build())
    with pytest.raises(TypeError, match="info of a cached artefact must hold only what JSON can hold"):
        store.get("net", {}, lambda: ({}, {"w": torch.ones(1)}))


def test_what_a_folder_that_cannot_be_written_holds_is_taken(store, monkeypatch, capsys):
    build = Build()
    store.get("net", {}, build)

    def refused(self, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache.FileLock, "acquire", refused)
    assert_right(store.get("net", {}, build))
    assert build.calls == 1 and "from the cache" in capsys.readouterr().out
    with pytest.warns(RuntimeWarning, match=r"cannot be used \(Permission denied\), going on without it"):
        store.get("other", {}, build)
    assert build.calls == 2


def raises(error):
    def fails(*arguments, **options):
        raise error

    return fails


@pytest.mark.parametrize("in_the_way", ["a folder", "a pipe", "a leftover that is a folder", "no memory"])
def test_nothing_in_the_way_stops_a_training(store, monkeypatch, in_the_way):
    path = store.path("net", {})
    store.folder.mkdir()
    if in_the_way == "a folder":
        path.mkdir()
    elif in_the_way == "a pipe":
        os.mkfifo(path)
    elif in_the_way == "a leftover that is a folder":
        (store.folder / f"{path.name}.1.tmp").mkdir()
    else:
        path.write_bytes(b"x")
        monkeypatch.setattr(cache, "read_tensors", raises(MemoryError("too large")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert_right(store.get("net", {}, Build()))


def test_a_folder_of_no_possible_name_is_gone_without(tmp_path):
    with pytest.warns(RuntimeWarning, match="cannot be used"):
        assert_right(Cache(str(tmp_path / "a") + "\0b").get("net", {}, Build()))


def test_what_cannot_be_read_is_named(store, monkeypatch):
    store.get("net", {}, Build())
    path = store.path("net", {})
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything
        monkeypatch.setattr(
            checkpoint, "safe_open", lambda *a, **k: (_ for _ in ()).throw(OSError(19, "No such device"))
        )
    with pytest.warns(RuntimeWarning, match=rf"cached .*{path.name} could not be read: .*; building it again"):
        assert_right(store.get("net", {}, Build()))
