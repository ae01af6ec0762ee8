"""Linear CKA: what leaves it alone, the form by HSIC, and the estimator without bias by its sum over quadruples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lib.evaluation import linear_cka


def layers(seed=0, rows=40, widths=(5, 9)):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, widths[0])) + 3
    return x, x @ rng.normal(size=widths) + 2 * rng.normal(size=(rows, widths[1]))


def rotation(width, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


@pytest.mark.parametrize("unbiased", [False, True])
def test_rotations_scales_and_shifts_leave_it_alone(unbiased):
    x, y = layers()
    value = linear_cka(x, y, unbiased=unbiased)
    assert 0.1 < value < 0.9
    assert linear_cka(y, x, unbiased=unbiased) == pytest.approx(value)
    assert linear_cka(x @ rotation(5) * 7 - 2, y @ rotation(9) * 0.01, unbiased=unbiased) == pytest.approx(value)
    order = np.random.default_rng(0).permutation(40)
    assert linear_cka(x[order], y[order], unbiased=unbiased) == pytest.approx(value)
    assert linear_cka(x, x, unbiased=unbiased) == pytest.approx(1)
    assert linear_cka(x, np.pad(-2 * x @ rotation(5), ((0, 0), (0, 3))), unbiased=unbiased) == pytest.approx(1)
    stretched = x @ np.diag([1, 1, 1, 1, 30.0])
    assert abs(linear_cka(stretched, y, unbiased=unbiased) - value) > 0.02  # no rotation


def test_equals_the_form_by_gram_matrices():
    for seed, widths in ((0, (5, 9)), (1, (64, 3)), (2, (1, 1))):
        x, y = layers(seed, 17, widths)
        centre = np.eye(17) - 1 / 17
        k, l = x @ x.T, y @ y.T

        def hsic(a, b, centre=centre):
            return np.trace(a @ centre @ b @ centre) / 16**2

        assert linear_cka(x, y) == pytest.approx(hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l)), rel=1e-10)


def test_one_column_each_is_the_squared_correlation():
    x, y = layers(3, 50, (1, 1))
    assert linear_cka(x, y) == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2)


def test_the_unbiased_form_is_a_mean_over_quadruples():
    """HSIC as a U-statistic: over distinct i, j, q, r the mean of K_ij L_ij + K_ij L_qr - 2 K_ij L_iq."""
    x, y = layers(4, 7, (3, 4))

    def hsic(k, l):
        quadruples = itertools.permutations(range(7), 4)
        return np.mean([k[i, j] * (l[i, j] + l[q, r] - 2 * l[i, q]) for i, j, q, r in quadruples])

    k, l = x @ x.T, y @ y.T
    expected = hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))
    assert linear_cka(x, y, unbiased=True) == pytest.approx(expected, rel=1e-9)


def test_few_rows_make_unrelated_wide_layers_look_alike_unless_unbiased():
    rng = np.random.default_rng(5)
    pairs = [(rng.normal(size=(50, 300)), rng.normal(size=(50, 300))) for _ in range(10)]
    assert np.mean([linear_cka(x, y) for x, y in pairs]) > 0.8
    assert abs(np.mean([linear_cka(x, y, unbiased=True) for x, y in pairs])) < 0.02


def test_unrelated_narrow_layers_with_many_rows_are_near_zero():
    rng = np.random.default_rng(6)
    assert linear_cka(rng.normal(size=(20_000, 4)), rng.normal(size=(20_000, 6))) < 0.001


def test_bad_input_is_named():
    x, y = layers()
    with pytest.raises(ValueError, match=r"^second must have first's rows, 40, got 39$"):
        linear_cka(x, y[:39])
    with pytest.raises(ValueError, match=r"^first must be \(rows, width\) with at least two rows, got shape \(1, 5\)$"):
        linear_cka(x[:1], y[:1])
    with pytest.raises(ValueError, match=r"^second must vary over its rows, got the same row 40 times$"):
        linear_cka(x, np.full((40, 3), 0.1))
    y[4, 4] = np.nan
    with pytest.raises(ValueError, match=r"^second must be finite, got NaN or infinity$"):
        linear_cka(x, y)
    with pytest.raises(ValueError, match=r"^rows must be at least 4 for the unbiased estimator, got 3$"):
        linear_cka(x[:3], x[:3], unbiased=True)
