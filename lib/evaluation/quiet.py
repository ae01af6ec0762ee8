"""Hugging Face's transformers without its advice, for cells that show a comparison and nothing else."""

from __future__ import annotations

import warnings


def quiet_transformers() -> None:
    """Import transformers; from now on it reports errors only, draws no progress bars, and two warnings are left out.

    They are mamba_ssm's of CUDA kernels that a CPU does not miss, and that of a name by which peft asks. Every other
    warning stays. Call it before the first `import transformers`.
    """
    warnings.filterwarnings("ignore", module="mamba_ssm")
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
