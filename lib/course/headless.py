"""A notebook executed without a browser: by papermill, with parameters, into a copy that is saved after every cell."""

from __future__ import annotations

from pathlib import Path

from lib.course.run_report import RunReport


class NotebookFailed(RuntimeError):
    """A cell of a notebook raised; the sentence says which and where the executed copy lies."""


def execute(notebook: Path, copy: Path, parameters: dict[str, object], report: RunReport | None = None) -> None:
    """Run `notebook` with `parameters`, saving the executed copy after every cell; `report` says how far it is.

    Raises NotebookFailed when a cell raises or ends its kernel. An interrupt says where the executed cells are.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    from lib.course import papermill_engine

    report = report or RunReport()
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(copy),
            parameters=parameters,
            engine_name=papermill_engine.NAME,
            report=report,
            kernel_name="python3",
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
    except KeyboardInterrupt:
        report.end_training()
        report.line(f"interrupted; what was executed is {relative(copy)}")
        raise


def relative(path: Path) -> str:
    """`path` as seen from where the user stands, where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
