"""Whose code it is decides whether it counts by name, by version, or by what it says."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest

from lib.training.source.origins import FINGERPRINTED, ROOT, is_fingerprinted, origin


def test_our_library_counts_by_its_fingerprint_and_the_workbench_does_not():
    assert {"kernels", "lib.nn", "lib.data", "lib.training", "lib.evaluation"} <= set(FINGERPRINTED)
    assert origin("lib.nn.layers.norms") == origin("kernels.rms_norm") == origin("kernels") == "lib"
    assert origin("lib.workbench.run") is None and origin("lib.course.store") is None
    assert is_fingerprinted("lib.evaluation.images") and not is_fingerprinted("lib.nnx") and not is_fingerprinted(None)


@pytest.mark.parametrize("module", ["__main__", __name__, "a_module_that_nobody_has", None])
def test_the_users_own_is_read(module):
    assert origin(module) is None


def test_installed_packages_count_by_version():
    assert origin("numpy.random.mtrand") == f"numpy {np.__version__}"
    assert origin("torch._C._nn") == f"torch {version('torch')}"
    assert origin("random") == origin("builtins") == f"python {sys.version.split()[0]}"
    assert origin("sklearn.svm") == f"sklearn scikit-learn {version('scikit-learn')}"


def test_a_package_counts_the_same_whether_it_is_loaded_or_not():
    code = "import sys; {}; from lib.training.source.origins import origin; print(origin('filelock'), origin('yaml'))"
    lines = [
        subprocess.run(
            [sys.executable, "-c", code.format(first)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for first in ("pass", "import filelock, yaml")
    ]
    assert lines[0] == lines[1] and version("filelock") in lines[0]


def test_a_module_beside_the_notebook_is_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "helpers_of_mine.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert origin("helpers_of_mine") is None
