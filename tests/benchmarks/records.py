"""The results as data: results.csv, and kernels/BENCHMARKS.md written from it."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch

from lib.workbench.hardware import hardware
from tests.benchmarks.registry import SUBJECTS, Result, subject

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.csv")
PAGE = ROOT / "kernels" / "BENCHMARKS.md"
FIGURES = ("ours", "theirs", "ratio")
COLUMNS = ("subject", "case", "unit", "ours", "peer", "theirs", "ratio", "device", "date", "hardware", "threads")
COLUMNS += ("versions",)
PEERS = ("torch", "triton", "transformers", "diffusers", "mambapy", "mamba-ssm", "peft", "constriction")
"""Distributions whose versions a row records, where they are installed."""
Row = dict[str, str]

HEAD = """# Benchmarks

Written by `make bench` from `tests/benchmarks/results.csv`. Kernels and models: forward and backward in float32. A
ratio is the peer's time (or memory) over ours, or our rate over the peer's, both measured in the same run, medians of
interleaved repeats; above 1 ours is better.
"""
NO_GPU = """
The Triton kernels were not timed: no GPU was at hand. The tests compile them for an H100 and run them in Triton's
interpreter. Nothing is known yet against mamba-ssm's CUDA scan, Liger's RMSNorm, PyTorch's grouped matrix product and
`torch.compile`.
"""


def read() -> list[Row]:
    """The stored rows, every value as text. Raises ValueError when the file's columns are others."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"the columns of {RESULTS.name} must be {', '.join(COLUMNS)}, got {reader.fieldnames}")
        return list(reader)


def store(name: str, results: Iterable[Result]) -> None:
    """Put a subject's results, measured now and here, in the place of its stored rows."""
    here = {
        "subject": name,
        "date": str(datetime.date.today()),
        "hardware": _hardware(),
        "threads": str(torch.get_num_threads()),
        "versions": _versions(),
    }
    rows = [_row(result) | here for result in results]
    kept = [row for row in read() if row["subject"] != name]
    ordered = sorted(kept + rows, key=lambda row: SUBJECTS.index(row["subject"]))
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(ordered)


def write_page() -> None:
    """Write kernels/BENCHMARKS.md from the stored rows."""
    PAGE.write_text(page(read()), encoding="utf-8")


def page(rows: list[Row]) -> str:
    """The page: a section for each subject with its note, where and when it was measured, and its table."""
    text = HEAD
    for name in SUBJECTS:
        own = [row for row in rows if row["subject"] == name]
        if not own:
            continue
        title, _, note = subject(name).__doc__.strip().partition("\n\n")
        text += f"\n## {title.removesuffix('.')}\n\n" + (f"{note}\n\n" if note else "")
        places = {f"{r['date']}, {r['hardware']}, {r['threads']} threads, {r['versions']}." for r in own}
        text += "\n".join(sorted(places)) + "\n\n| what | ours | peer | ratio |\n|---|---|---|---|\n"
        for row in own:
            ours = f"{float(row['ours']):.4g} {row['unit']}"
            ratio = f"{float(row['ratio']):.3g}x" if row["ratio"] else ""
            text += f"| {row['case']} | {ours} | {row['peer']} | {ratio} |\n"
    return text + ("" if any(row["device"] == "cuda" for row in rows) else NO_GPU)


def figure(result: Result) -> str:
    """One result in a line."""
    peer = "" if result.ratio is None else f", {result.peer} {result.ratio:.3g}x"
    return f"{result.ours:.4g} {result.unit}{peer}"


def _row(result: Result) -> Row:
    values = asdict(result)
    numbers = {name: "" if values[name] is None else f"{values[name]:.4g}" for name in FIGURES}
    return {name: str(value) for name, value in values.items()} | numbers


def _hardware() -> str:
    return hardware() + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "")


def _versions() -> str:
    found = []
    for name in PEERS:
        try:
            found.append(f"{name} {importlib.metadata.version(name).split('+')[0]}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
