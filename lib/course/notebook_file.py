"""A notebook on disk: its JSON read and written in one form, so that a rewritten notebook differs where it was changed.

The form is that of nbformat and JupyterLab: keys in their order, one space of indentation, a newline at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lib.workbench.course import CourseError, read_notebook


def read(path: Path) -> dict:
    """A notebook's JSON. Raises CourseError, in one sentence, for a file that is none."""
    return read_notebook(path)


def text_of(notebook: dict) -> str:
    """The text that JupyterLab would write for this notebook."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def write(path: Path, notebook: dict) -> None:
    """Replace `path` at once: a reader or a full disk never meets half a notebook."""
    write_atomically(path, text_of(notebook).encode())


def write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        partial.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def reading_the_ledger_of(path: Path) -> Iterator[None]:
    """Within it, what a stored ledger lacks or holds in another form is a CourseError that names the notebook."""
    try:
        yield
    except CourseError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CourseError(
            f"the ledger in {path.name} is damaged ({why}); `make store NB={path.name[:2]}` makes it anew"
        ) from error


def source(cell: dict) -> str:
    """A cell's text, which the format stores as one string or as a list of lines."""
    return "".join(cell["source"])


def without_magics(code: str) -> str:
    """A cell's code with `pass` for each line that only IPython reads, such as `%matplotlib inline` or `!ls`."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE)


def with_source(cell: dict, text: str) -> dict:
    """A copy of `cell` that holds `text`."""
    return {**cell, "source": text.splitlines(keepends=True)}


def tags(cell: dict) -> list[str]:
    """A cell's tags; some editors write null for none."""
    return cell["metadata"].get("tags") or []
