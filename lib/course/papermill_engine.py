"""Papermill's engine, telling a `RunReport` of each cell and of each line that a training shows."""

from __future__ import annotations

from jupyter_client.manager import AsyncKernelManager
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from traitlets import Bool, Instance

from lib.course.run_report import RunReport

NAME = "reporting"


class KernelManager(AsyncKernelManager):
    """Ends a kernel that has nothing left to do without interrupting it.

    jupyter_client interrupts every kernel before it asks it to end. One that has answered, and on a busy machine has
    not yet come back from answering, prints that as an error into the user's terminal.
    """

    is_done = Bool(False)

    async def _async_interrupt_kernel(self) -> None:
        if not (self.is_done and self.shutting_down):
            await super()._async_interrupt_kernel()


class ReportingClient(PapermillNotebookClient):
    """Executes the cells one after the other and reports on the way."""

    report = Instance(RunReport)

    def papermill_execute_cells(self):
        super().papermill_execute_cells()
        self.km.is_done = True

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.report.shown(msg["content"].get("data", {}).get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)


class ReportingEngine(NBClientEngine):
    """`papermill.execute_notebook(..., engine_name=NAME, report=RunReport(...))`."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, report, start_timeout=60, config=None, **unused):
        client = ReportingClient(
            nb_man,
            report=report,
            kernel_name=kernel_name,
            kernel_manager_class=KernelManager,
            startup_timeout=start_timeout,
            timeout=None,
            config=config,
            on_cell_start=lambda cell, cell_index: report.cell(cell.cell_type, cell.source),
        )
        client.execute()
        report.end_training()


papermill_engines.register(NAME, ReportingEngine)
