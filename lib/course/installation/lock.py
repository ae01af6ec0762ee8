"""One install at a time, also of two programs; the operating system lets go of the lock when a program dies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lib.course.installation.messages import say


@contextlib.contextmanager
def only_one(lock: Path):
    """Hold `lock` so that no two calls install at once; the second waits. A process that dies lets go."""
    with lock.open("a+") as file:
        if not try_lock(file, wait=False):
            say("another install is under way; waiting for it.")
            while not try_lock(file, wait=True):
                pass
        yield


def try_lock(file, *, wait: bool) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
