"""`make store`: the form of a notebook that is committed, made by executing it in a fresh kernel at laptop scale.

The file is replaced at once, and only by a notebook in which every cell ran and nothing is left to say against
committing it. What the author set (ids, tags, folding) stays; what an execution leaves behind (times, widget models)
goes; what JupyterLab would fill in on opening (the kernel's and the language's description) is there already.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

from lib.course import committed, fingerprint, gathering, notebook_file, scoreboard, validated
from lib.workbench.course import Course, CourseError, read_ledger
from lib.workbench.hardware import usable_threads

KERNEL = "python3"


class CellFailed(RuntimeError):
    """A cell of a notebook raised; the sentence says which."""


def store(course: Course, name: str) -> tuple[Path, float]:
    """Execute one notebook in place, record its digests, rewrite the scoreboard; the notebook and its minutes.

    The run counts as one of the evidence: `gathering.keep` keeps its ledger.
    Raises CourseError when the parameters or the result are not those of a stored notebook, CellFailed when a cell
    raises. The notebook is then as it was; what was executed so far lies under build/store.
    """
    path = course.notebook(name)
    course.check_writable("notebooks")
    notebook = notebook_file.read(path)
    if changed := committed.parameter_faults(notebook):
        raise CourseError(f"{path.name} cannot be stored: {changed[0]}.")
    attempt, before = course.build / "store" / path.name, fingerprint.inputs(course, path)
    start = time.perf_counter()
    executed = execute(notebook, path.parent, attempt)
    minutes = (time.perf_counter() - start) / 60
    if found := committed.faults(executed, has_claims=not path.name.startswith("00_")):
        shown = attempt.relative_to(course.own)
        raise CourseError(f"{path.name} is unchanged; of the executed {shown}: {'; '.join(found)}.")
    notebook_file.write(path, executed)
    scoreboard.write(course)
    now = fingerprint.inputs(course, path)
    if moved := fingerprint.changed(before, now, written=False):
        raise CourseError(f"{path.name} is stored, but {', '.join(moved)} changed meanwhile: store it again.")
    validated.write(course, path, now, seconds=60 * minutes, threads=usable_threads())
    if ledger := read_ledger(path):
        gathering.keep(course, path, now, ledger)
    return path, minutes


def execute(notebook: dict, folder: Path, attempt: Path) -> dict:
    """Run all cells in a fresh kernel whose working folder is `folder`; the executed notebook, also in `attempt`.

    Nothing is injected and no widget model is kept. Raises CellFailed.
    """
    import nbformat
    from jupyter_client.kernelspec import get_kernel_spec
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from traitlets.config import Config

    node = nbformat.reads(notebook_file.text_of(blank(notebook)), nbformat.NO_CONVERT)
    described = get_kernel_spec(KERNEL).display_name
    node.metadata.kernelspec = {"display_name": described, "language": "python", "name": KERNEL}
    client = NotebookClient(
        node,
        timeout=None,
        kernel_name=KERNEL,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        config=Config(KernelManager={"transport_encryption": "auto"}),  # else the kernel warns of listeners
    )
    started = []
    client.on_cell_execute = lambda cell, cell_index: started.append(cell_index)
    try:
        client.execute()
    except (CellExecutionError, DeadKernelError) as error:
        reason = (
            f"raised {error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else "ended its kernel"
        )
        raise CellFailed(f"{attempt.name} is unchanged: code cell {len(started)} {reason}.") from None
    finally:
        notebook_file.write(attempt, as_jupyterlab_writes(nbformat.writes(node)))
    return notebook_file.read(attempt)


def blank(notebook: dict) -> dict:
    """A copy without outputs, counts, times and widget models."""
    bare = copy.deepcopy(notebook)
    bare["metadata"].pop("widgets", None)
    for cell in bare["cells"]:
        for trace in ("execution", "papermill"):
            cell["metadata"].pop(trace, None)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return bare


def as_jupyterlab_writes(text: str) -> dict:
    """The notebook in `text`, its whole numbers without a point where JavaScript would write them so."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.update({kind: whole(value) for kind, value in data.items() if kind.endswith("json")})
    return notebook


def whole(value: object) -> object:
    """`value` with every float that is a whole number made an int, at any depth."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value
