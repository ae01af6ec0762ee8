"""An interrupt that waits for the end of a step, so that no half-updated weights are kept."""

from __future__ import annotations

import signal
import threading


class DeferredInterrupt:
    """Within `with`, the first Ctrl-C only sets `requested`; a second one raises KeyboardInterrupt at once.

    Signals reach a program's main thread only; elsewhere this does nothing.
    """

    def __init__(self):
        self.requested = False

    def __enter__(self) -> DeferredInterrupt:
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_) -> None:
        if self._in_main_thread:
            signal.signal(signal.SIGINT, signal.default_int_handler if self._previous is None else self._previous)

    def _handle(self, signum, frame) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
