"""What a module notes of its last call, for losses and drawings: it is no state, and copies begin without it."""

from __future__ import annotations

from typing import Any, ClassVar


class NotesLastCall:
    """Mixin for modules: the attributes named in `last_call` are None in copies and in files.

    They may belong to a graph, which cannot be copied, and would keep it alive.
    """

    last_call: ClassVar[tuple[str, ...]] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, **dict.fromkeys(self.last_call)}
