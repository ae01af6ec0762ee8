"""One output with several forms: rich in a notebook, plain text on a terminal and in tests."""

from __future__ import annotations

from collections.abc import Mapping


def show(bundle: Mapping[str, object], alternative_text: str = "") -> None:
    """Display a MIME bundle as one output of the cell; without a notebook kernel, print its `text/plain`.

    A front end picks the richest form it knows, so the forms are alternatives and never appear twice.
    `alternative_text` describes a picture to whoever cannot see it.
    """
    if notebook_kernel() is None:
        print(bundle["text/plain"], flush=True)
        return
    from IPython.display import display

    metadata = {"image/png": {"alt": alternative_text}} if alternative_text and "image/png" in bundle else {}
    display(dict(bundle), raw=True, metadata=metadata)


def notebook_kernel() -> object | None:
    """The kernel that runs this cell, or None in a script, a test or a terminal."""
    import sys

    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None)


def somebody_watches() -> bool:
    """True when a person's front end asked for this cell, False under papermill, nbval, nbconvert and in scripts.

    Execution requests say whether the asker can answer `input()` (Jupyter messaging protocol, `allow_stdin`):
    a person's front end can, a program that executes notebooks cannot.
    """
    kernel = notebook_kernel()
    if kernel is None:
        return False
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))
