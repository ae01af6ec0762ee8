"""One store for trained artefacts: keyed by what determines them, locked, checksummed, rebuilt when damaged."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
import torch.distributed as dist
from filelock import FileLock, Timeout
from torch import Tensor

from lib.training.checkpoint import read_tensors, remove_leftovers, write_tensors

Artefact = tuple[dict[str, Tensor], dict]


class Cache:
    """`get` returns what `build` would; from the second time on, from a file in `folder`.

    Nothing depends on it: disabled, on a full disk or in a folder that cannot be written, `build` runs each time.
    """

    def __init__(self, folder: str | os.PathLike, enabled: bool = True):
        self.folder, self.enabled = Path(folder), enabled

    def get(self, name: str, key: dict, build: Callable[[], Artefact]) -> Artefact:
        """Tensors (on the CPU) and a JSON description of the artefact `name` that `key` determines.

        `key` holds everything `build` depends on besides the code of `lib` and `kernels` and torch's version, which
        are part of the key already. Of several programs asking at once, one builds and the others wait. Where the
        processes of one distributed run ask together, they build together, and one of them writes.
        Raises ValueError for a name that is no file name, TypeError for a key or description that is not JSON.
        """
        path = self.path(name, key)
        if not self.enabled:
            return _portable(*build())
        with self._locked(path) as usable:
            found = self._read(path) if usable else None
            if _first_process_says(found is not None):
                return found if found is not None else read_tensors(path)
            artefact = _portable(*build())
            if usable:
                self._write(path, artefact)
            return artefact

    def path(self, name: str, key: dict) -> Path:
        """Where the artefact lies, or will lie."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ValueError(f"name must be letters, digits, '.', '_' and '-', got {name!r}")
        try:
            text = json.dumps([name, key, torch.__version__, code_fingerprint()], sort_keys=True)
        except TypeError as error:
            raise TypeError(f"key of {name!r} must hold only what JSON can hold: {error}") from None
        return self.folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.safetensors"

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
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            _say(f"the cache folder {self.folder} cannot be used ({reason}), going on without it")
            return False
        return True

    def _read(self, path: Path) -> Artefact | None:
        remove_leftovers(path)
        if not path.exists():
            return None
        try:
            return read_tensors(path)
        except (ValueError, OSError) as error:
            _say(f"cached {error}; building it again")
            return None

    def _write(self, path: Path, artefact: Artefact) -> None:
        try:
            write_tensors(path, *artefact)
        except OSError as error:
            _say(f"cached {error}; going on with the result, which will be built again next time")


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """SHA-256 over the sources that shape a trained artefact: lib/nn, lib/data, lib/training and kernels."""
    root = Path(__file__).resolve().parents[2]
    sha = hashlib.sha256()
    for folder in ("kernels", "lib/data", "lib/nn", "lib/training"):
        for file in sorted((root / folder).rglob("*.py")):
            sha.update(f"{file.relative_to(root).as_posix()}\n".encode())
            sha.update(file.read_bytes())
    return sha.hexdigest()


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
