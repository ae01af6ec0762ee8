"""After an interrupted install: forget every distribution that is not wholly there, so that it is installed again."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path


def remove_half_installed(site_packages: Path) -> list[str]:
    """Forget every distribution that is not wholly there, so that it is installed again; the names of those."""
    for leftover in site_packages.glob("~*"):  # what pip sets aside while it replaces a package
        remove(leftover)
    broken = [info for info in sorted(site_packages.glob("*.dist-info")) if not is_whole(info)]
    for info in broken:
        remove(info)
    return [info.name.split("-")[0] for info in broken]


def is_whole(info: Path) -> bool:
    """Whether a dist-info folder has its METADATA, and every file of its RECORD is there at its recorded size."""
    record = info / "RECORD"
    if not record.is_file() or not (info / "METADATA").is_file():
        return False
    with record.open(newline="", encoding="utf-8") as lines:
        return all(is_as_recorded(info.parent / row[0], row[2]) for row in csv.reader(lines) if len(row) == 3)


def is_as_recorded(file: Path, size: str) -> bool:
    if file.suffix == ".pyc":  # Python writes it again when it needs it
        return True
    return file.is_file() and (not size or file.stat().st_size == int(size))


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
