"""The course on disk: the fifteen papers, where notebooks and evidence lie, and how to read a notebook's ledger."""

from __future__ import annotations

import json
import operator
import os
from dataclasses import dataclass
from pathlib import Path

CLAIMS_MIME = "application/vnd.paper-workbench.claims+json"
"""Under this type a notebook's output holds its ledger."""
SCALES = ("smoke", "laptop", "long")
MAX_SEED = 2**32 - 1
"""The largest that numpy takes."""


class CourseError(ValueError):
    """Something asked for does not exist; the sentence lists what does."""


@dataclass(frozen=True)
class Paper:
    """One paper of the course; `notebook` is its notebook's file name without the ending.

    `builds` says what the reader builds, `needs` the numbers of the notebooks to know before.
    """

    notebook: str
    title: str
    arxiv: str
    builds: str
    needs: tuple[str, ...]

    @property
    def number(self) -> str:
        return self.notebook[:2]

    @property
    def url(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def link(self) -> str:
        return f"[{self.title}]({self.url})"


PAPERS = (
    Paper(
        "01_jamba",
        "Jamba: A Hybrid Transformer-Mamba Language Model",
        "2403.19887",
        builds="attention, Mamba and experts in one language model",
        needs=(),
    ),
    Paper(
        "02_mixture_of_depths",
        "Mixture-of-Depths: Dynamically allocating compute",
        "2404.02258",
        builds="a transformer whose tokens may skip layers",
        needs=("01",),
    ),
    Paper(
        "03_neurally_compressed_text",
        "Training LLMs over Neurally Compressed Text",
        "2404.03626",
        builds="an arithmetic coder, and models that read its output",
        needs=("01",),
    ),
    Paper(
        "04_aurora_m",
        "Aurora-M: Continued multilingual pretraining of a code model",
        "2404.00399",
        builds="continued pretraining in several languages",
        needs=("01",),
    ),
    Paper(
        "05_eurus",
        "Eurus: Advancing LLM Reasoning Generalists with Preference Trees",
        "2404.02078",
        builds="preference learning and reward models for reasoning",
        needs=("01",),
    ),
    Paper(
        "06_reft",
        "ReFT: Representation Finetuning for Language Models",
        "2404.03592",
        builds="finetuning by editing representations",
        needs=("01",),
    ),
    Paper(
        "07_octopus_v2",
        "Octopus v2: On-device language model for super agent",
        "2404.01744",
        builds="function calls as single tokens",
        needs=("06",),
    ),
    Paper(
        "08_gecko",
        "Gecko: Versatile Text Embeddings Distilled from Large Language Models",
        "2403.20327",
        builds="text embeddings distilled from a language model",
        needs=("01",),
    ),
    Paper(
        "09_transformer_lite",
        "Transformer-Lite: High-efficiency Deployment on Mobile Phone GPUs",
        "2403.20041",
        builds="a deployment engine: shapes, low bits, cache layout",
        needs=("01",),
    ),
    Paper(
        "10_var",
        "VAR: Visual Autoregressive Modeling by next-scale prediction",
        "2404.02905",
        builds="images predicted scale by scale",
        needs=("01",),
    ),
    Paper(
        "11_llava_gemma",
        "LLaVA-Gemma: Multimodal Models with a Compact Language Model",
        "2404.01331",
        builds="a language model that sees",
        needs=("01", "10"),
    ),
    Paper(
        "12_spright",
        "Getting it Right: Improving Spatial Consistency in Text-to-Image Models",
        "2404.01197",
        builds="captions that teach a diffusion model space",
        needs=("10",),
    ),
    Paper(
        "13_comat",
        "CoMat: Aligning Text-to-Image Diffusion with Concept Matching",
        "2404.03653",
        builds="text-to-image alignment by captioning back",
        needs=("12",),
    ),
    Paper(
        "14_think_and_execute",
        "Language Models as Compilers: Simulating Pseudocode Execution",
        "2404.02575",
        builds="reasoning through pseudocode",
        needs=("05",),
    ),
    Paper(
        "15_long_icl_bench",
        "Long-context LLMs Struggle with Long In-context Learning",
        "2404.02060",
        builds="a benchmark of long in-context learning",
        needs=("01",),
    ),
)
"""In the order of the course."""


@dataclass(frozen=True)
class Course:
    """The folders of a checkout whose top is `root`."""

    root: Path = Path(__file__).resolve().parents[2]

    @property
    def readme(self) -> Path:
        return self.root / "README.md"

    @property
    def own(self) -> Path:
        """Where this user's working copies, builds and trained models go: the checkout, if it can be written.

        In one that cannot, a shared one, they go to `paper-workbench` in the user's home. WORKBENCH_WORK names another
        folder. Raises CourseError when that is a file.
        """
        if named := os.environ.get("WORKBENCH_WORK"):
            folder = Path(named).expanduser().resolve()
            if folder.exists() and not folder.is_dir():
                raise CourseError(f"WORKBENCH_WORK must be a folder, got the file {folder.name}")
            return folder
        return self.root if os.access(self.root, os.W_OK) else Path.home() / "paper-workbench"

    @property
    def build(self) -> Path:
        return self.own / "build"

    @property
    def work(self) -> Path:
        return self.own / "work"

    @property
    def cache(self) -> Path:
        return self.own / "data" / "cache"

    def check_writable(self, what: str) -> None:
        """Raise CourseError unless this user may write the checkout's folder `what`, such as "data/evidence"."""
        folder = self.root / what
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            raise CourseError(f"{what} of this checkout is not yours to write, and nothing was run")

    def notebooks(self) -> list[Path]:
        """The notebooks that exist, in the order of the course."""
        return sorted((self.root / "notebooks").glob("[0-9][0-9]_*.ipynb"))

    def notebook(self, name: str) -> Path:
        """The notebook called `name`: its file with or without folder and ending, its number, or how its name begins.

        Raises CourseError, listing the notebooks, when there is none.
        """
        found = {path.stem: path for path in self.notebooks()}
        wanted = Path(name).name.removesuffix(".ipynb")
        begins_so = [stem for stem in found if wanted and stem.startswith(wanted.zfill(2))]
        if wanted not in found and len(begins_so) == 1:
            [wanted] = begins_so
        to_come = [paper for paper in PAPERS if wanted and paper.notebook.startswith(wanted.zfill(2))]
        if wanted not in found and len(to_come) == 1:
            raise CourseError(f"{to_come[0].notebook} is to come; there is: {', '.join(found) or 'none yet'}.")
        if wanted not in found:
            raise CourseError(f"NB must name a notebook, got {name!r}; there is: {', '.join(found) or 'none yet'}.")
        return found[wanted]

    def evidence(self, notebook: Path, scale: str = "laptop") -> Path:
        """The file that records what the seeds of `notebook` showed at a scale."""
        ending = "" if scale == "laptop" else f"-{scale}"
        return self.root / "data" / "evidence" / f"{paper_id(notebook)}{ending}.json"

    def read_evidence(self, notebook: Path) -> dict | None:
        """The evidence of `notebook`, None when none was gathered; see `read_record`."""
        return read_record(self.evidence(notebook))


def paper_id(notebook: Path) -> str:
    """A notebook's name as `Run` and the evidence spell it: 01_jamba.ipynb -> 01-jamba."""
    return notebook.stem.replace("_", "-")


def read_notebook(file: Path) -> dict:
    """A notebook's JSON. Raises CourseError, in one sentence, for a file that is none or whose cells are no cells."""
    try:
        notebook = json.loads(file.read_text(encoding="utf-8"))
        version, cells = notebook.get("nbformat", 4), notebook["cells"]
        if version != 4:
            raise ValueError(f"nbformat must be 4, got {version!r}")
        for number, cell in enumerate(cells):
            if problem := _problem(cell):
                raise ValueError(f"cell {number} {problem}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        remedy = f"; `git restore notebooks/{file.name}` brings the committed one back"
        remedy = remedy if file.parent.name == "notebooks" else ""
        raise CourseError(f"{file.name} is no notebook that can be read ({why}){remedy}") from None
    return notebook


def _problem(cell: object) -> str | None:
    """What is wrong with a cell; tags that are null count as none."""
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata", {}), dict):
        return "must be an object with metadata"
    if not isinstance(cell.get("cell_type"), str):
        return f"must have a cell_type, got {cell.get('cell_type')!r}"
    source = cell.get("source")
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(line, str) for line in source)):
        return "must have a source of text"
    found = cell.setdefault("metadata", {}).get("tags") or []
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        return f"must have a list of tags, got {found!r}"
    outputs = cell.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        return "must have a list of outputs"
    return None


def read_ledger(notebook: Path) -> dict | None:
    """The claims ledger stored in an executed notebook's outputs, None when there is none.

    Raises CourseError for a file that is no notebook, and for a ledger that is none.
    """
    for cell in read_notebook(notebook)["cells"]:
        for output in cell.get("outputs", []):
            ledger = (output.get("data") or {}).get(CLAIMS_MIME)
            if ledger is None:
                continue
            claims = ledger.get("claims") if isinstance(ledger, dict) else None
            if not isinstance(claims, list) or not all(isinstance(claim, dict) and "id" in claim for claim in claims):
                raise CourseError(f"the ledger in {notebook.name} is damaged; running the notebook makes it anew")
            return ledger
    return None


def read_record(file: Path) -> dict | None:
    """An evidence file's record, None when there is no such file. Raises CourseError when it is damaged."""
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        _ = record["paper"]
        for run in record["runs"]:
            for claim in run["claims"]:
                _ = claim["id"], claim["holds"]
        seeds = [run["seed"] for run in record["runs"]]
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"its seeds must be different, got {seeds}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CourseError(f"{file.name} in the evidence folder is damaged; `make evidence` writes it anew") from error
    return record


def check_scale(scale: object) -> str:
    """`scale` itself. Raises CourseError unless it is one of `SCALES`."""
    if scale not in SCALES:
        raise CourseError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
    return str(scale)


def check_seed(seed: object) -> int:
    """The seed as an int, from a whole number or its digits as a command line gives them.

    Raises CourseError unless it lies in 0..2**32 - 1.
    """
    if isinstance(seed, str):
        number = int(seed) if seed.isascii() and seed.isdigit() else -1
    else:
        number = operator.index(seed) if hasattr(seed, "__index__") and not isinstance(seed, bool) else -1
    if not 0 <= number <= MAX_SEED:
        raise CourseError(f"seed must be a whole number from 0 to {MAX_SEED}, got {seed!r}")
    return number
