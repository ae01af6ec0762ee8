"""The blocked scan: gradients, splitting, causality, extremes, bad input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import selective_scan, selective_scan_reference, selective_scan_time_first
from kernels.selective_scan import CHUNK


def inputs(batch, dim, state, length, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"u": (batch, dim, length), "delta": (batch, dim, length), "B": (batch, state, length)}
    made = {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()}
    made["C"] = torch.randn(batch, state, length, generator=generator, dtype=dtype)
    made["A"] = -3 * torch.rand(dim, state, generator=generator, dtype=dtype)
    return made


def test_gradcheck_through_states_and_outputs():
    made = inputs(2, 3, 2, CHUNK + 3)
    order = ("u", "delta", "A", "B", "C")
    leaves = [made[name].requires_grad_() for name in order]
    initial = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)

    def run(*values):
        return selective_scan(*values[:5], delta_softplus=True, return_last_state=True, initial_state=values[5])

    assert torch.autograd.gradcheck(run, (*leaves, initial))


@settings(max_examples=25, deadline=None)
@given(length=st.integers(2, 50), data=st.data(), state=st.integers(1, 9), dim=st.integers(1, 6))
def test_splitting_and_carrying_the_state_equals_one_pass(length, data, state, dim):
    cut = data.draw(st.integers(1, length - 1))
    made = inputs(2, dim, state, length, seed=length)
    whole, last = selective_scan(**made, delta_softplus=True, return_last_state=True)
    carried, pieces = None, []
    for part in (slice(0, cut), slice(cut, None)):
        piece = {name: t if name == "A" else t[..., part] for name, t in made.items()}
        y, carried = selective_scan(**piece, delta_softplus=True, return_last_state=True, initial_state=carried)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole)
    torch.testing.assert_close(carried, last)


@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 40), more=st.integers(1, 40))
def test_a_longer_input_never_changes_earlier_outputs(length, more):
    made = inputs(1, 3, 4, length + more)
    short = {name: t if name == "A" else t[..., :length] for name, t in made.items()}
    both = selective_scan(**made, delta_softplus=True), selective_scan(**short, delta_softplus=True)
    torch.testing.assert_close(both[0][..., :length], both[1])


@pytest.mark.parametrize("mean_delta", [0.01, 0.1, 0.7, 50.0])
def test_large_steps_neither_overflow_nor_lose_precision(mean_delta):
    made = inputs(1, 4, 16, 256)
    made["delta"] = made["delta"].abs() * mean_delta
    made["A"] = -torch.arange(1.0, 17.0, dtype=torch.float64).expand(4, 16)
    exact = selective_scan_reference(**made)
    low = selective_scan(**{name: tensor.float() for name, tensor in made.items()})
    assert torch.isfinite(low).all()
    torch.testing.assert_close(low.double(), exact, rtol=1e-5, atol=1e-5 * exact.abs().max().item())


def test_time_first_is_the_same_scan_with_its_axes_turned():
    made = inputs(2, 5, 3, 9) | {"z": torch.randn(2, 5, 9).double(), "D": torch.randn(5).double()}
    turned = {name: t.permute(2, 0, 1) if t.ndim == 3 else t for name, t in made.items()}
    y, last = selective_scan(**made, return_last_state=True)
    y_time_first, last_time_first = selective_scan_time_first(**turned, return_last_state=True)
    assert torch.equal(y_time_first.permute(1, 2, 0), y) and torch.equal(last_time_first, last)
    assert torch.equal(selective_scan_time_first(**turned), y_time_first)
    torch.testing.assert_close(y, selective_scan_reference(**made))


def test_backward_holds_one_state_a_chunk_not_one_a_step():
    length = 8 * CHUNK
    made = {name: t.requires_grad_() for name, t in inputs(1, 4, 4, length).items()}
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        selective_scan(**made)
    assert max(saved) < length * 4 * 4 / 2


@pytest.mark.parametrize(
    ("name", "shape"),
    [("u", (2, 3)), ("A", (4, 5)), ("delta", (2, 3, 8)), ("B", (2, 5, 8)), ("initial_state", (2, 5, 3)), ("D", (4,))],
)
@pytest.mark.wrong_arguments
def test_a_wrong_shape_is_named(name, shape):
    made = inputs(2, 3, 5, 7) | {name: torch.zeros(shape).double()}
    with pytest.raises(ValueError, match=f"^{name} must"):
        selective_scan(**made)


@pytest.mark.wrong_arguments
def test_each_order_of_axes_is_named_by_its_own_function():
    made = inputs(2, 3, 5, 7)
    with pytest.raises(ValueError, match=r"^u must be \(batch, dim, length\) and not empty, got \(2, 3\)$"):
        selective_scan(**made | {"u": torch.zeros(2, 3)})
    turned = {name: t.permute(2, 0, 1) if t.ndim == 3 else t for name, t in made.items()}
    with pytest.raises(ValueError, match=r"^u must be \(length, batch, dim\) and not empty, got \(2, 3\)$"):
        selective_scan_time_first(**turned | {"u": torch.zeros(2, 3)})
    with pytest.raises(ValueError, match=r"^B must have shape \(7, 2, 5\), got \(2, 5, 7\)$"):
        selective_scan_time_first(**turned | {"B": made["B"]})


def shaped(batch, dim, state, length, B_kind, C_kind, dtype=torch.float64, seed=0):
    """Inputs with B and C by token (1), by so many groups (2, 3, ...) or fixed (0)."""
    made = inputs(batch, dim, state, length, dtype, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    for name, kind in (("B", B_kind), ("C", C_kind)):
        shape = (dim, state) if kind == 0 else (batch, kind, state, length) if kind > 1 else (batch, state, length)
        made[name] = torch.randn(shape, generator=generator, dtype=dtype)
    made |= {"D": torch.randn(dim, generator=generator, dtype=dtype), "z": made["u"].flip(2) / 2}
    return made | {"initial_state": torch.randn(batch, dim, state, generator=generator, dtype=dtype)}


KINDS = [(1, 2), (2, 2), (0, 1), (1, 0), (0, 0), (3, 2), (6, 0), (0, 3)]


@pytest.mark.parametrize("kinds", KINDS, ids=str)
@pytest.mark.parametrize("length", [1, CHUNK, 2 * CHUNK + 3])
def test_grouped_and_fixed_B_and_C_with_all_gradients(kinds, length, everything):
    made = shaped(2, 6, 3, length, *kinds)
    ours, exact = (
        everything(scan, made, delta_softplus=True, return_last_state=True)
        for scan in (selective_scan, selective_scan_reference)
    )
    for name, expected in exact.items():
        torch.testing.assert_close(ours[name], expected, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("kinds", [(2, 1), (0, 3)], ids=str)
def test_time_first_takes_groups_and_fixed_ones_too(kinds):
    made = shaped(2, 6, 3, 9, *kinds)
    turned = {n: t.movedim(-1, 0) if n in "uBCz" or n == "delta" else t for n, t in made.items()}
    turned |= {n: made[n] for n, kind in zip("BC", kinds, strict=True) if kind == 0}
    y, last = selective_scan(**made, return_last_state=True)
    y_first, last_first = selective_scan_time_first(**turned, return_last_state=True)
    assert torch.equal(y_first.permute(1, 2, 0), y) and torch.equal(last_first, last)


def test_a_group_is_its_channels_alone_and_a_fixed_one_is_the_same_at_every_token():
    made = shaped(2, 6, 3, 9, 2, 1)
    halves = [
        selective_scan(
            **{
                n: t[:, own] if n in ("u", "delta", "z", "initial_state") else t[own]
                for n, t in made.items()
                if n not in "BC"
            },
            B=made["B"][:, group],
            C=made["C"],
        )
        for group, own in enumerate((slice(0, 3), slice(3, 6)))
    ]
    torch.testing.assert_close(selective_scan(**made), torch.cat(halves, dim=1))
    row = torch.randn(3, dtype=torch.float64)
    fixed = made | {"B": row.expand(6, 3), "C": row.expand(6, 3)}
    by_token = made | {"B": row[None, :, None].expand(2, 3, 9), "C": row[None, :, None].expand(2, 3, 9)}
    torch.testing.assert_close(selective_scan(**fixed), selective_scan(**by_token))


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"B": (2, 4, 3, 7)}, r"^B must have shape \(2, 1, 3, 7\), got \(2, 4, 3, 7\)$"),
        ({"C": (2, 0, 3, 7)}, r"^C must have shape \(2, 1, 3, 7\), got \(2, 0, 3, 7\)$"),
        ({"B": (3, 6)}, r"^B must have shape \(6, 3\), got \(3, 6\)$"),
        ({"C": (6,)}, r"^C must have shape \(2, 3, 7\), got \(6,\)$"),
    ],
)
def test_groups_that_do_not_divide_the_channels_are_named(changes, sentence):
    made = shaped(2, 6, 3, 7, 1, 1) | {name: torch.zeros(shape).double() for name, shape in changes.items()}
    with pytest.raises(ValueError, match=sentence):
        selective_scan(**made)


@pytest.mark.wrong_arguments
def test_a_complex_A_is_refused_in_one_sentence():
    made = inputs(2, 6, 3, 7)
    with pytest.raises(TypeError, match=r"^A must be real, a complex A is not computed here, got complex128$"):
        selective_scan(**made | {"A": made["A"].to(torch.complex128)})
