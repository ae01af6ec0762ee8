"""The shapes that the selective scan takes, in either order of the axes, and the sentences for all others."""

from torch import Tensor

from kernels.dispatch import check_shapes, check_tensors

TIME_FIRST = ("length", "batch", "dim")
TIME_LAST = ("batch", "dim", "length")


def check_scan_shapes(
    axes: tuple[str, ...],
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
) -> None:
    """Raise ValueError unless all shapes fit u's, whose axes come in this order, TypeError for a complex A."""
    check_tensors(u=u, delta=delta, A=A, B=B, C=C)
    if A.is_complex():
        raise TypeError(f"A must be real, a complex A is not computed here, got {str(A.dtype).removeprefix('torch.')}")
    if u.ndim != 3 or 0 in u.shape:
        raise ValueError(f"u must be ({', '.join(axes)}) and not empty, got {tuple(u.shape)}")
    sizes = dict(zip(axes, u.shape, strict=True))
    batch, dim = sizes["batch"], sizes["dim"]
    if A.ndim != 2 or A.shape[0] != dim or A.shape[1] == 0:
        raise ValueError(f"A must be (dim, d_state) with dim {dim} and at least one state, got {tuple(A.shape)}")
    d_state = A.shape[1]
    check_shapes(
        delta=(delta, u.shape),
        B=(B, _shape_of(B, axes, sizes, d_state)),
        C=(C, _shape_of(C, axes, sizes, d_state)),
        D=(D, (dim,)),
        z=(z, u.shape),
        delta_bias=(delta_bias, (dim,)),
        initial_state=(initial_state, (batch, dim, d_state)),
    )


def _shape_of(B: Tensor, axes: tuple[str, ...], sizes: dict[str, int], d_state: int) -> tuple[int, ...]:
    """What B or C must be like: fixed, by groups that divide the channels, or by token."""
    if B.ndim == 2:
        return sizes["dim"], d_state
    shape = [(sizes | {"dim": d_state})[axis] for axis in axes]
    if B.ndim == 4:
        place = axes.index("dim")
        groups = B.shape[place]
        shape.insert(place, groups if groups and sizes["dim"] % groups == 0 else 1)
    return tuple(shape)
