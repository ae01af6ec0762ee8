"""The file of tuning tables: `data/evidence/<paper>-tuning.json`, one table for each scale and name.

    {"schema": 1, "scales": {scale: {name: {"what", "best", "seeds", "date", "rows": {arm: {setting: [values]}}}}}}

A setting is a number, or a tuple or dictionary of numbers and words, written as JSON. It has one value for each seed,
null where the training diverged, or a single one: the mean over all of them. `unfinished`, beside `scales`, keeps what
an interrupted measurement has measured.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from lib.workbench.settings import read_setting

SCHEMA = 1


@dataclass(frozen=True)
class TuningFile:
    """The tables of one paper, read anew at every call, so that two programs may add to one file in turns."""

    path: Path

    def table(self, scale: str, name: str) -> dict | None:
        return self._read()["scales"].get(scale, {}).get(name)

    def unfinished(self, scale: str, name: str) -> dict:
        return self._read()["unfinished"].get(scale, {}).get(name, {})

    def names(self, scale: str) -> list[str]:
        """The tables of a scale."""
        return list(self._read()["scales"].get(scale, {}))

    def keep(self, scale: str, name: str, table: dict) -> None:
        """Put aside what is measured so far; the table that stands is not touched."""
        record = self._read()
        record["unfinished"].setdefault(scale, {})[name] = table
        self._write(record)

    def put(self, scale: str, name: str, table: dict) -> None:
        """Replace this one table, and drop what was put aside for it; every other stays as it is."""
        record = self._read()
        record["scales"].setdefault(scale, {})[name] = table
        record["unfinished"].get(scale, {}).pop(name, None)
        self._write(record)

    def _read(self) -> dict:
        """Raises ValueError in one sentence when the file is damaged."""
        empty = {"schema": SCHEMA, "scales": {}, "unfinished": {}}
        if not self.path.is_file():
            return empty
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            if record["schema"] != SCHEMA:
                raise ValueError(f"schema must be {SCHEMA}, got {record['schema']}")
            for tables in record["scales"].values():
                for name, table in tables.items():
                    _check(name, table)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path.name} in the evidence folder is damaged: {error}") from error
        return empty | record

    def _write(self, record: dict) -> None:
        """Complete or not at all."""
        waiting = {scale: tables for scale, tables in record.pop("unfinished").items() if tables}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            partial.write_text(_as_text(record | ({"unfinished": waiting} if waiting else {})) + "\n", encoding="utf-8")
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)


def _check(name: str, table: dict) -> None:
    if table["best"] not in ("min", "max"):
        raise ValueError(f"best of table {name!r} must be min or max, got {table['best']!r}")
    if not all(isinstance(table[part], str) for part in ("what", "date")):
        raise ValueError(f"what and date of table {name!r} must be text")
    for arm, row in table["rows"].items():
        for key, values in row.items():
            read_setting(key)
            if len(values) not in (1, len(table["seeds"])):
                raise ValueError(
                    f"{arm!r} of table {name!r} must have one value for each of {len(table['seeds'])} seeds, "
                    f"or their mean, got {len(values)} at {key}"
                )


def _as_text(value: object, indent: str = "") -> str:
    """JSON in which a row of numbers stands on one line."""
    if not isinstance(value, dict) or not any(isinstance(part, dict) for part in value.values()):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    lines = [f"{indent} {json.dumps(k, ensure_ascii=False)}: {_as_text(v, indent + ' ')}" for k, v in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
