"""`make lab`: JupyterLab on the reader's working copies, wherever they lie."""

from __future__ import annotations

import os
import shlex
import sys

from lib.course import workspace
from lib.workbench.course import Course, CourseError

FIRST = "00_start_here.ipynb"


def start(course: Course, arguments: str = "") -> None:
    """Become JupyterLab, opened at the first notebook; `arguments` are its own, as a shell would split them.

    Raises CourseError when they cannot be split.
    """
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise CourseError(f"LAB_ARGS must be words as a shell reads them, got {arguments!r} ({error})") from None
    os.chdir(course.own)
    shown = f"{workspace.folder(course).relative_to(course.own)}/{FIRST}"
    root = f"--ServerApp.root_dir={course.own}"
    # The same process, so that an interrupt reaches JupyterLab alone, which asks before it ends.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *words, root, shown])
