"""Quiet transformers: in a process of its own, since it changes the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys, warnings
from lib.evaluation import quiet_transformers
assert "transformers" not in sys.modules
for _ in range(2):
    quiet_transformers()
from transformers.utils import logging
logging.get_logger("transformers.some.module").warning("advice")
logging.get_logger("transformers.some.module").error("a fault")
assert not logging.is_progress_bar_enabled()
warnings.warn("the attribute is_gradient_checkpointing is old")
warnings.warn_explicit("no CUDA kernels", UserWarning, "x.py", 1, module="mamba_ssm.ops")
warnings.warn("of our own")
"""


def test_only_errors_and_other_peoples_warnings_are_heard():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    said = done.stdout + done.stderr
    assert "a fault" in said and "of our own" in said
    assert "advice" not in said and "is_gradient_checkpointing" not in said and "no CUDA kernels" not in said
