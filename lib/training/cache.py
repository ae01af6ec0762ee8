"""One store for trained artefacts: keyed by what determines them, locked, checksummed, rebuilt when damaged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import torch
import torch.distributed as dist
from filelock import FileLock, Timeout
from torch import Tensor

from lib.training.checkpoint import read_description, read_tensors, remove_leftovers, write_tensors
from lib.training.source.origins import FINGERPRINTED, ROOT

Artefact = tuple[dict[str, Tensor], dict]


class Cache:
    """`get` returns what `build` would; from the second time on, from a file in `folder`.

    Nothing depends on it: disabled, on a full disk or in a folder that cannot be used, `build` runs each time. From a
    folder that cannot be written, as a teacher's may be, what lies there is taken.
    """

    def __init__(self, folder: str | os.PathLike, enabled: bool = True):
        self.folder, self.enabled = Path(folder), enabled
        self._trouble = ""

    def get(
        self,
        name: str,
        key: dict,
        build: Callable[[], Artefact],
        *,
        accepts: Callable[[dict], bool] | None = None,
        announce: Callable[[str], None] | None = None,
    ) -> Artefact:
        """Tensors (on the CPU) and a JSON description of the artefact `name` that `key` determines.

        `key` holds everything `build` depends on besides the code of `lib` and `kernels` and torch's version, which
        are part of the key already. `accepts(description)` has the last word on what is found. What comes from the
        cache is announced in one line; `announce` gets "trained 27 Nov 14:03 in 63 s" instead, to say it otherwise.
        Of several programs asking at once, one builds and the others wait. Where the processes of one distributed run
        ask together, they build together, and one of them writes.
        Raises ValueError for a name that is no file name, TypeError for a key or description that is not JSON.
        """
        path = self.path(name, key)
        if not self.enabled:
            return _portable(*build())
        with self._locked(path) as usable:
            found = self._read(path, usable) if _process() == 0 else None
            if found is not None and accepts is not None and not accepts(found[1]["info"]):
                found = None
            if _first_process_says(found is not None):
                tensors, description = found if found is not None else read_tensors(path)
                if found is not None:
                    (announce or _announce(name))(age(description))
                return tensors, description["info"]
            if self._trouble and _process() == 0:
                _say(f"the cache folder {self.folder} cannot be used ({self._trouble}), going on without it")
            started = time.perf_counter()
            tensors, info = _portable(*build())
            if usable:
                seconds = round(time.perf_counter() - started, 1)
                self._write(path, (tensors, {"info": info, "at": datetime.now(UTC).isoformat(), "seconds": seconds}))
            return tensors, info

    def path(self, name: str, key: dict) -> Path:
        """Where the artefact lies, or will lie."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ValueError(f"name must be letters, digits, '.', '_' and '-', got {name!r}")
        try:
            text = json.dumps([name, key, torch.__version__, code_fingerprint()], sort_keys=True)
        except TypeError as error:
            raise TypeError(f"key of {name!r} must hold only what JSON can hold: {error}") from None
        return self.folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.safetensors"

    def entries(self, prefix: str = "") -> dict[Path, dict]:
        """The files of artefacts whose names begin with `prefix`, each with "info" (its description), "at" and
        "seconds" (when it was built, and how long that took). Damaged files are left out.
        """
        found = {}
        for path in sorted(self.folder.glob(f"{prefix}*.safetensors")):
            with contextlib.suppress(ValueError, OSError):
                found[path] = read_description(path)
        return found

    @contextmanager
    def _locked(self, path: Path) -> Iterator[bool]:
        """Hold the artefact's lock; yields whether this process may read and write the folder."""
        if _process() > 0:
            yield False
            return
        lock = FileLock(path.with_suffix(".lock"))
        usable = self._acquire(lock, path.name)
        try:
            yield usable
        finally:
            lock.release()

    def _acquire(self, lock: FileLock, name: str) -> bool:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                print(f"{name}: another program is building it, waiting", flush=True)
                lock.acquire()
        except (OSError, NotImplementedError, ValueError) as error:
            self._trouble = str(getattr(error, "strerror", None) or error)
            return False
        self._trouble = ""
        return True

    def _read(self, path: Path, alone: bool) -> Artefact | None:
        """What lies there; a file is written whole, so that it may be read while another program builds it."""
        try:
            if alone:
                remove_leftovers(path)
            return read_tensors(path) if path.is_file() else None
        except (ValueError, OSError) as error:
            _say(f"cached {error}; building it again")
        except (MemoryError, RuntimeError) as error:
            _say(f"cached {path} does not fit into memory ({error}); building it again")
        return None

    def _write(self, path: Path, artefact: Artefact) -> None:
        try:
            write_tensors(path, *artefact)
        except OSError as error:
            _say(f"cached {error}; going on with the result, which will be built again next time")


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """SHA-256 over the sources that can shape a trained artefact: kernels, and lib without workbench and course."""
    sha = hashlib.sha256()
    for package in FINGERPRINTED:
        for file in sorted((ROOT / package.replace(".", "/")).rglob("*.py")):
            sha.update(f"{file.relative_to(ROOT).as_posix()}\n".encode())
            sha.update(file.read_bytes())
    return sha.hexdigest()


def age(description: Mapping) -> str:
    """Of what lies in the cache: as "trained 27 Nov 14:03 in 63 s", in local time."""
    at = datetime.fromisoformat(description["at"]).astimezone()
    year = "" if at.year == datetime.now().year else f" {at.year}"
    seconds = description["seconds"]
    return f"trained {at.day} {at:%b}{year} {at:%H:%M} in {seconds:{',.0f' if seconds >= 10 else '.1f'}} s"


def _announce(name: str) -> Callable[[str], None]:
    return lambda age: print(f"{name}: from the cache, {age}", flush=True)


def _portable(tensors: dict[str, Tensor], info: dict) -> Artefact:
    """The same whether it was just built or read: tensors on the CPU with storage of their own, info through JSON."""
    try:
        info = json.loads(json.dumps(info))
    except TypeError as error:
        raise TypeError(f"info of a cached artefact must hold only what JSON can hold: {error}") from None
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, info


def _process() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else int(os.environ.get("RANK", 0))


def _first_process_says(answer: bool) -> bool:
    """The first process's answer, on every process of a distributed run; so that all build, or none."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        from lib.training.fit import start_processes

        start_processes()
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return answer
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([answer])[0]


def _say(sentence: str) -> None:
    warnings.warn(sentence, RuntimeWarning, stacklevel=4)
