"""The shared check of sizes: integers from 1 on, of Python or of NumPy, and nothing else."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lib.data.checks import check_positive


def test_integers_from_one_on_pass():
    check_positive(count=1, length=np.int64(7))


@pytest.mark.parametrize("wrong", [0, -3, 2.0, True, "4", None, np.float64(1)])
def test_anything_else_is_named_with_its_argument(wrong):
    with pytest.raises(ValueError, match=f"^{re.escape(f'length must be an integer of at least 1, got {wrong!r}')}$"):
        check_positive(count=1, length=wrong)
