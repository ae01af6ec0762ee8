"""The course on disk: the fifteen papers, where notebooks and evidence lie, and how to read a notebook's ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lib.workbench.claims import CLAIMS_MIME

SCALES = ("smoke", "laptop", "gpu")


class CourseError(ValueError):
    """Something asked for does not exist; the sentence lists what does."""


@dataclass(frozen=True)
class Paper:
    """One paper of the course; `notebook` is its notebook's file name without the ending."""

    notebook: str
    title: str
    arxiv: str

    @property
    def link(self) -> str:
        return f"[{self.title}](https://arxiv.org/abs/{self.arxiv})"


PAPERS = (
    Paper("01_jamba", "Jamba: A Hybrid Transformer-Mamba Language Model", "2403.19887"),
    Paper("02_mixture_of_depths", "Mixture-of-Depths: Dynamically allocating compute", "2404.02258"),
    Paper("03_neurally_compressed_text", "Training LLMs over Neurally Compressed Text", "2404.03626"),
    Paper("04_aurora_m", "Aurora-M: Continued multilingual pretraining of a code model", "2404.00399"),
    Paper("05_eurus", "Eurus: Advancing LLM Reasoning Generalists with Preference Trees", "2404.02078"),
    Paper("06_reft", "ReFT: Representation Finetuning for Language Models", "2404.03592"),
    Paper("07_octopus_v2", "Octopus v2: On-device language model for super agent", "2404.01744"),
    Paper("08_gecko", "Gecko: Versatile Text Embeddings Distilled from Large Language Models", "2403.20327"),
    Paper("09_transformer_lite", "Transformer-Lite: High-efficiency Deployment on Mobile Phone GPUs", "2403.20041"),
    Paper("10_var", "VAR: Visual Autoregressive Modeling by next-scale prediction", "2404.02905"),
    Paper("11_llava_gemma", "LLaVA-Gemma: Multimodal Models with a Compact Language Model", "2404.01331"),
    Paper("12_spright", "Getting it Right: Improving Spatial Consistency in Text-to-Image Models", "2404.01197"),
    Paper("13_comat", "CoMat: Aligning Text-to-Image Diffusion with Concept Matching", "2404.03653"),
    Paper("14_think_and_execute", "Language Models as Compilers: Simulating Pseudocode Execution", "2404.02575"),
    Paper("15_long_icl_bench", "Long-context LLMs Struggle with Long In-context Learning", "2404.02060"),
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
    def build(self) -> Path:
        return self.root / "build"

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
        if wanted not in found:
            raise CourseError(f"NB must name a notebook, got {name!r}; there is: {', '.join(found) or 'none yet'}.")
        return found[wanted]

    def evidence(self, notebook: Path) -> Path:
        """The file that records what the seeds of `notebook` showed."""
        return self.root / "data" / "evidence" / f"{paper_id(notebook)}.json"

    def read_evidence(self, notebook: Path) -> dict | None:
        file = self.evidence(notebook)
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def paper_id(notebook: Path) -> str:
    """A notebook's name as `Run` and the evidence spell it: 01_jamba.ipynb -> 01-jamba."""
    return notebook.stem.replace("_", "-")


def read_ledger(notebook: Path) -> dict | None:
    """The claims ledger stored in an executed notebook's outputs, None when there is none."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            if CLAIMS_MIME in output.get("data", {}):
                return output["data"][CLAIMS_MIME]
    return None


def check_scale(scale: str) -> str:
    if scale not in SCALES:
        raise CourseError(f"SCALE must be one of {', '.join(SCALES)}, got {scale!r}.")
    return scale


def check_seed(seed: str) -> int:
    if not (seed.isascii() and seed.isdigit() and len(seed) <= 10 and int(seed) < 2**32):
        raise CourseError(f"SEED must be a whole number from 0 on, below {2**32}, got {seed!r}.")
    return int(seed)
