"""What notebook 00 shows: what this machine can do, and the map of the course."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from html import escape
from importlib.metadata import PackageNotFoundError, version

from lib.workbench.course import PAPERS, Course, read_ledger
from lib.workbench.display import show
from lib.workbench.evidence import usable_cores, verdict

BUILDS = {
    "01_jamba": ("attention, Mamba and experts in one language model", "PyTorch, attention"),
    "02_mixture_of_depths": ("a transformer whose tokens may skip layers", "01"),
    "03_neurally_compressed_text": ("an arithmetic coder, and models that read its output", "01"),
    "04_aurora_m": ("continued pretraining in several languages", "01"),
    "05_eurus": ("preference learning and reward models for reasoning", "01"),
    "06_reft": ("finetuning by editing representations", "01"),
    "07_octopus_v2": ("function calls as single tokens", "06"),
    "08_gecko": ("text embeddings distilled from a language model", "01"),
    "09_transformer_lite": ("a deployment engine: shapes, low bits, cache layout", "01"),
    "10_var": ("images predicted scale by scale", "01"),
    "11_llava_gemma": ("a language model that sees", "01, 10"),
    "12_spright": ("captions that teach a diffusion model space", "10"),
    "13_comat": ("text-to-image alignment by captioning back", "12"),
    "14_think_and_execute": ("reasoning through pseudocode", "05"),
    "15_long_icl_bench": ("a benchmark of long in-context learning", "01"),
}


def environment_report() -> None:
    """Show a table: what was found on this machine, and what follows from it."""
    import torch

    rows = [
        (
            "Python",
            platform.python_version(),
            "fine" if sys.version_info >= (3, 11) else "the course needs 3.11 or newer",
        ),
        ("torch", torch.__version__.split("+")[0], "fine"),
        ("CPU cores", str(usable_cores()), "fine" if usable_cores() >= 2 else "notebooks take twice their minutes"),
        ("GPU", *_gpu(torch)),
        ("Triton", *_triton()),
        ("free disk", *_disk()),
        ("cache of trained models", *_cache()),
    ]
    _table(("what", "found", "what follows"), rows)


def course_map(course: Course | None = None) -> None:
    """Show every notebook: what it builds, what to know before, minutes, and its claims' verdicts."""
    course = course or Course()
    paths = {path.stem: path for path in course.notebooks()}
    rows = []
    for paper in PAPERS:
        path = paths.get(paper.notebook)
        ledger = read_ledger(path) if path else None
        minutes, status = "", "to come"
        if ledger:
            judged = [verdict(claim, course.read_evidence(path)) for claim in ledger["claims"]]
            minutes = f"{ledger['seconds'] / 60:.0f}"
            status = f"{judged.count('reproduced')} of {len(judged)} claims reproduced"
        elif path:
            status = "not executed yet"
        rows.append((paper.notebook.replace("_", " "), *BUILDS[paper.notebook], minutes, status))
    _table(("notebook", "you build", "know before", "minutes", "status"), rows)


def _gpu(torch) -> tuple[str, str]:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), 'scale = "gpu" is open to you'
    return "none", "every notebook runs on the CPU"


def _triton() -> tuple[str, str]:
    try:
        return version("triton"), "kernels run natively on a GPU, in the interpreter on a CPU"
    except PackageNotFoundError:
        return "not installed", "kernels run in their PyTorch form"


def _disk() -> tuple[str, str]:
    free = shutil.disk_usage(Course().root).free / 1e9
    return ("more than 2 GB", "fine") if free > 2 else (f"{free:.1f} GB", "trained models may not fit in the cache")


def _cache() -> tuple[str, str]:
    if os.environ.get("WORKBENCH_CACHE") == "off":
        return "off", "every run trains from the start"
    return "on", "a second run takes what the first has trained"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    plain = "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )
    cells = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(c)}</td>" for c in row) + "</tr>" for row in rows
    )
    header = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in head)
    show({"text/plain": plain, "text/html": f"<table><thead><tr>{header}</tr></thead><tbody>{cells}</tbody></table>"})
