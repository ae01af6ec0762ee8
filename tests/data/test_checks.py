"""The shared check of sizes: integers from 1 on, of Python or of NumPy, and nothing else."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lib.data.checks import check_positive, check_whole


def test_integers_from_one_on_pass():
    check_positive(count=1, length=np.int64(7))


@pytest.mark.parametrize("wrong", [0, -3, 2.0, True, "4", None, np.float64(1)])
def test_anything_else_is_named_with_its_argument(wrong):
    with pytest.raises(ValueError, match=f"^{re.escape(f'length must be an integer of at least 1, got {wrong!r}')}$"):
        check_positive(count=1, length=wrong)


def test_a_range_names_its_ends():
    check_whole(0, 4, most=4, least=0)
    check_whole(2, length=np.int32(10**9))
    for wrong in (5, -1, 1.0, False):
        with pytest.raises(ValueError, match=f"^{re.escape(f'most must be an integer in 0..4, got {wrong!r}')}$"):
            check_whole(0, 4, most=wrong)
    with pytest.raises(ValueError, match=r"^length must be an integer of at least 2, got 1$"):
        check_whole(2, length=1)
