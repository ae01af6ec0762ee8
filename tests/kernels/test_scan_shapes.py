"""Shapes of the selective scan in both orders of the axes: what fits passes, what does not is named."""

from __future__ import annotations

import pytest
import torch

from kernels.scan_shapes import TIME_FIRST, TIME_LAST, check_scan_shapes

SIZES = {"batch": 2, "length": 7, "dim": 6, "d_state": 3}


def arguments(axes, B, C):
    """Zeros; B and C by token, by "groups" of the channels, or "fixed"."""

    def shape(*names):
        return tuple(SIZES[name] for name in names)

    def shared(kind):
        if kind == "fixed":
            return shape("dim", "d_state")
        by_token = [SIZES["d_state" if axis == "dim" else axis] for axis in axes]
        if kind == "groups":
            by_token.insert(axes.index("dim"), 2)
        return tuple(by_token)

    per_token, per_channel = shape(*axes), shape("dim")
    shapes = {"u": per_token, "delta": per_token, "A": shape("dim", "d_state"), "B": shared(B), "C": shared(C)}
    shapes |= {"D": per_channel, "z": per_token, "delta_bias": per_channel}
    shapes["initial_state"] = shape("batch", "dim", "d_state")
    return {name: torch.zeros(each) for name, each in shapes.items()}


@pytest.mark.parametrize("axes", [TIME_FIRST, TIME_LAST], ids=str)
@pytest.mark.parametrize("B", ["token", "groups", "fixed"])
@pytest.mark.parametrize("C", ["token", "groups", "fixed"])
def test_every_kind_of_B_and_C_passes_and_one_of_the_other_order_does_not(axes, B, C):
    made = arguments(axes, B, C)
    check_scan_shapes(axes, **made)
    check_scan_shapes(axes, **made | dict.fromkeys(("D", "z", "delta_bias", "initial_state")))
    other = arguments(TIME_LAST if axes == TIME_FIRST else TIME_FIRST, B, C)
    for name in made:
        if made[name].shape != other[name].shape and name != "u":
            with pytest.raises(ValueError, match=f"^{name} must have shape"):
                check_scan_shapes(axes, **made | {name: other[name]})


def test_a_complex_A_is_refused_before_any_shape_is_looked_at():
    made = arguments(TIME_LAST, "token", "token")
    with pytest.raises(TypeError, match=r"^A must be real, a complex A is not computed here, got complex64$"):
        check_scan_shapes(TIME_LAST, **made | {"A": torch.zeros(1, dtype=torch.complex64)})
