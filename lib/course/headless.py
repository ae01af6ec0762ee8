"""A notebook executed without a browser: by papermill, with parameters, into a copy that is saved after every cell."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from lib.course.notebook_file import read
from lib.course.run_report import RunReport
from lib.workbench.course import CourseError

PATIENCE = 600
"""Seconds that a kernel may take to start, on however busy a machine."""


class NotebookFailed(RuntimeError):
    """A cell of a notebook raised; the sentence says which and where the executed copy lies."""


def execute(notebook: Path, copy: Path, parameters: dict[str, object], report: RunReport | None = None) -> None:
    """Run `notebook` with `parameters`, saving the executed copy after every cell; `report` says how far it is.

    Raises CourseError for a file that is no notebook, NotebookFailed when a cell raises or ends its kernel, and when
    the kernel cannot be had. An interrupt says where the executed cells are.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    from lib.course import papermill_engine

    report = report or RunReport()
    prepared = for_papermill(notebook)
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        executed = papermill.execute_notebook(
            prepared,
            str(copy),
            parameters=parameters,
            engine_name=papermill_engine.NAME,
            report=report,
            kernel_name="python3",
            language="python",
            start_timeout=PATIENCE,
            progress_bar=False,
            cwd=str(notebook.parent),
            config=Config(KernelManager={"transport_encryption": "auto"}),  # else the kernel warns of listeners
        )
    except papermill.PapermillExecutionError as error:
        where = f" ({report.section})" if report.section else ""
        raise NotebookFailed(
            f"{notebook.stem} failed in cell {error.cell_index}{where}: {error.ename}: {error.evalue}; "
            f"the executed copy with the traceback is {relative(copy)}."
        ) from None
    except DeadKernelError:
        raise NotebookFailed(
            f"{notebook.stem} lost its kernel in {report.section or 'its first cells'}, perhaps for want of memory; "
            f"what was executed is {relative(copy)}."
        ) from None
    except NoSuchKernel as error:
        raise NotebookFailed(f"{notebook.stem} needs the kernel {error.name}, which `make setup` brings.") from None
    except RuntimeError as error:
        if "Kernel didn't respond" not in str(error):
            raise
        raise NotebookFailed(f"{notebook.stem} did not begin: its kernel did not start in {PATIENCE} s.") from None
    except KeyboardInterrupt:
        report.end_training()
        report.line(f"interrupted; what was executed is {relative(copy)}")
        raise
    if left := [number for number, cell in enumerate(executed.cells) if _is_left(cell)]:
        raise NotebookFailed(
            f"{notebook.stem} ended before its cell {left[0]}, with {len(left)} cells to go, by sys.exit or the like; "
            f"the executed copy is {relative(copy)}."
        )


def for_papermill(notebook: Path):
    """The notebook as papermill takes it, whichever editor wrote it: tags that are null, no language, no kernel.

    What other editors store beside (their own metadata, the state of widgets) is left behind.
    """
    import nbformat

    content = read(notebook)
    for cell in content["cells"]:
        if "tags" in cell["metadata"] and cell["metadata"]["tags"] is None:
            del cell["metadata"]["tags"]
    content = {"nbformat": 4, "nbformat_minor": 0, **content}
    content["metadata"] = dict(content.get("metadata") or {})
    content["metadata"].pop("widgets", None)
    content["metadata"]["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells without ids or with equal ones, which get new ones here
            node = nbformat.validator.normalize(nbformat.reads(json.dumps(content), as_version=4))[1]
        nbformat.validate(node)
    except (nbformat.ValidationError, AttributeError, KeyError) as error:
        why = str(error).strip().splitlines()[0]
        raise CourseError(f"{notebook.name} is no notebook that can be run ({why})") from None
    return node


def _is_left(cell) -> bool:
    """A cell with code that was not reached."""
    return cell.cell_type == "code" and bool(cell.source.strip()) and cell.execution_count is None


def relative(path: Path) -> str:
    """`path` as seen from where the user stands, where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
