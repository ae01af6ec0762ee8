"""What holds for all tests: no network, and tests that need a GPU or a browser skip where there is none."""

from __future__ import annotations

import os
import shutil

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser") and not has_browser():
            item.add_marker(pytest.mark.skip(reason="needs chromium and chromedriver"))
        if item.get_closest_marker("gpu") and not has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def has_browser() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
