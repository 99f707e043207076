"""Transport between points: that of the matrix of their costs, which is never made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, NonFiniteError, ShapeError
from support import sinkhorn_oracle

COSTS = ("cosine", "dot", "sqeuclidean")
every_cost = pytest.mark.parametrize("cost", COSTS)
EXACT = {"tol": 1e-12, "max_iter": 100_000}


def matrix(x, y, cost):
    """The costs, one product at a time as their definitions have them."""
    x, y = np.asarray(x, np.longdouble), np.asarray(y, np.longdouble)
    if cost == "sqeuclidean":
        return np.stack([((row - y) ** 2).sum(1) for row in x]).astype(float)
    if cost == "dot":
        return -(x @ y.T).astype(float)
    lengths = [np.sqrt((z * z).sum(1, keepdims=True)) for z in (x, y)]
    x, y = (z / np.where(length > 0, length, 1) for z, length in zip((x, y), lengths, strict=True))
    return (1 - x @ y.T).astype(float)


def masses(rng, n):
    mass = rng.random(n) + 0.1
    return mass / mass.sum()


@pytest.fixture
def points(rng):
    """Points of both sides and masses, some of them 0."""
    a, b = masses(rng, 37), masses(rng, 53)
    a[3], b[5], b[0] = 0, 0, 0
    return rng.standard_normal((37, 7)), rng.standard_normal((53, 7)), a / a.sum(), b / b.sum()


@every_cost
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_plan_and_the_potentials_are_those_of_the_matrix(points, cost, dtype, backend):
    x, y, a, b = points
    x, y = x.astype(dtype), y.astype(dtype)
    costs = matrix(x, y, cost)
    reg = 0.1 * np.median(np.abs(costs))
    found = iso.sinkhorn_points(x, y, reg, a=a, b=b, cost=cost, tol=1e-7)
    dense = iso.sinkhorn(a, b, costs, reg, **EXACT)
    assert found.converged
    # The error of a cost, over reg, is that of an entry; that of the marginals comes on top.
    wrong = 2 * (7 + 2) * np.finfo(dtype).eps * np.abs(costs).max() / reg + 1e-6
    plan = dense.plan()
    np.testing.assert_allclose(found.plan(), plan, rtol=50 * wrong, atol=wrong * plan.max())
    assert found.plan().dtype == dtype
    assert found.value == pytest.approx(dense.value, abs=wrong * reg)
    assert found.entropic_value == pytest.approx(dense.entropic_value, abs=2 * wrong * reg)
    assert found.dual_value == pytest.approx(dense.dual_value, abs=2 * wrong * reg)
    assert np.isneginf(found.f[3])
    assert np.isneginf(found.g[[0, 5]]).all()
    both = found.f[:, None] + found.g[None, :]
    other = dense.f[:, None] + dense.g[None, :]
    held = np.isfinite(other)
    assert np.array_equal(np.isfinite(both), held)
    assert np.abs(both[held] - other[held]).max() < 100 * wrong * reg
    assert found.f.dtype == np.float64


@every_cost
def test_to_the_last_digits_in_float64(points, cost, backend):
    x, y, a, b = points
    costs = matrix(x, y, cost)
    reg = 0.05 * np.median(np.abs(costs))
    found = iso.sinkhorn_points(x, y, reg, a=a, b=b, cost=cost, **EXACT)
    expected = sinkhorn_oracle.sinkhorn(a, b, costs, reg)
    np.testing.assert_allclose(found.plan(), expected, rtol=1e-8, atol=1e-12)
    assert found.value == pytest.approx((expected * costs).sum(), abs=1e-10)
    assert abs(found.gap) < 1e-9


@every_cost
def test_what_is_made_of_a_plan_is_made_without_it(points, cost, rng, backend):
    x, y, a, b = points
    found = iso.sinkhorn_points(x, y, 0.5, a=a, b=b, cost=cost)
    plan = found.plan()
    top = found.top(4)
    assert np.array_equal(top.indices, np.argsort(-plan, axis=1, kind="stable")[:, :4])
    np.testing.assert_allclose(top.scores, np.take_along_axis(plan, top.indices, axis=1))
    targets = rng.standard_normal((53, 3))
    with np.errstate(invalid="ignore"):
        expected = plan @ targets / plan.sum(1, keepdims=True)
    np.testing.assert_allclose(found.apply(targets), expected, rtol=1e-9, atol=1e-12)
    missed = plan.sum(1) - a, plan.sum(0) - b
    assert sum(np.abs(one).sum() for one in missed) == pytest.approx(found.error, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_far_from_the_origin_cost_no_digits(rng, dtype, backend):
    """In float32 squares of 2^20 have a unit of 2^17: more than all distances."""
    x, y = rng.standard_normal((2, 20, 3)).astype("float32")
    x, y = np.round(x * 2**3) / 2**3, np.round(y * 2**3) / 2**3
    near = iso.sinkhorn_points(x.astype(dtype), y.astype(dtype), 0.3, cost="sqeuclidean")
    x, y = (x + np.float32(2**20)).astype(dtype), (y + np.float32(2**20)).astype(dtype)
    far = iso.sinkhorn_points(x, y, 0.3, cost="sqeuclidean")
    np.testing.assert_allclose(far.plan(), near.plan(), rtol=1e-4, atol=1e-9)
    assert far.value == pytest.approx(near.value, rel=1e-5)


def test_clouds_far_from_each_other_cost_no_digits(rng, backend):
    x, y = rng.standard_normal((2, 20, 3))
    near = iso.sinkhorn_points(x, y, 0.3, cost="sqeuclidean", tol=1e-10)
    far = iso.sinkhorn_points(x, y + 1e4, 0.3, cost="sqeuclidean", tol=1e-10)
    np.testing.assert_allclose(far.plan(), near.plan(), rtol=1e-6, atol=1e-12)
    between = (x.mean(0) - y.mean(0)) @ np.full(3, 1e4)
    assert far.value == pytest.approx(near.value + 3e8 - 2 * between, rel=1e-9)


@every_cost
@pytest.mark.parametrize("scale", [1e25, 1e-25, 1e140, 1e-140])
def test_points_of_any_size(points, cost, scale, backend):
    x, y, a, b = points
    dtype = "float32" if 1e-30 < scale < 1e30 else "float64"
    factor = {"cosine": 1.0, "dot": scale, "sqeuclidean": scale}[cost]
    reg = 0.5
    plain = iso.sinkhorn_points(x, y, reg, a=a, b=b, cost=cost)
    x, y = (x * scale).astype(dtype), (y * scale).astype(dtype)
    found = iso.sinkhorn_points(x, y, reg * factor**2, a=a, b=b, cost=cost)
    np.testing.assert_allclose(found.plan(), plain.plan(), rtol=1e-3, atol=1e-6)
    assert found.value == pytest.approx(factor**2 * plain.value, rel=1e-3, abs=1e-6 * factor**2)


def test_a_row_of_zeros_has_the_cosine_0_with_every_row(points, backend):
    x, y, _, _ = points
    x = x.copy()
    x[4] = 0
    found = iso.sinkhorn_points(x, y, 0.1, **EXACT)
    expected = sinkhorn_oracle.sinkhorn(None, None, matrix(x, y, "cosine"), 0.1)
    np.testing.assert_allclose(found.plan(), expected, rtol=1e-8, atol=1e-12)


@every_cost
def test_one_point_one_column_and_equal_points(cost, backend):
    x = np.array([[2.0]])
    assert iso.sinkhorn_points(x, x, 1.0, cost=cost).plan().tolist() == [[1.0]]
    b = np.array([0.25, 0.75])
    found = iso.sinkhorn_points(x, np.array([[1.0], [4.0]]), 1.0, b=b, cost=cost)
    np.testing.assert_allclose(found.plan(), [b])
    expected = {"cosine": 0.0, "dot": -0.25 * 2 - 0.75 * 8, "sqeuclidean": 0.25 + 0.75 * 4}
    assert found.value == pytest.approx(expected[cost], abs=1e-12)
    same = np.full((4, 3), 0.7)
    assert iso.sinkhorn_points(same, same, 0.1, cost=cost).iterations == 1
    np.testing.assert_allclose(iso.sinkhorn_points(same, same, 0.1, cost=cost).plan(), 1 / 16)


@given(
    seed=st.integers(0, 2**32 - 1),
    cost=st.sampled_from(COSTS),
    d=st.integers(1, 40),
    reg=st.floats(0.05, 2.0),
)
def test_it_is_the_dense_form_whatever_the_shape(seed, cost, d, reg):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 50, 2)
    x, y = rng.standard_normal((n, d)) / d**0.5, rng.standard_normal((m, d)) / d**0.5
    a, b = masses(rng, n), masses(rng, m)
    found = iso.sinkhorn_points(x, y, reg, a=a, b=b, cost=cost, **EXACT)
    dense = iso.sinkhorn(a, b, matrix(x, y, cost), reg, **EXACT)
    np.testing.assert_allclose(found.plan(), dense.plan(), rtol=1e-7, atol=1e-11)
    swapped = iso.sinkhorn_points(y, x, reg, a=b, b=a, cost=cost, **EXACT)
    np.testing.assert_allclose(swapped.plan().T, dense.plan(), rtol=1e-7, atol=1e-11)
    assert -1e-12 < found.gap < 1e-9


def test_a_reg_of_a_thousandth_of_the_range(rng, backend):
    """exp(-cost / reg) is 0 in float32 for most pairs, and columns are lost without care."""
    x, y = rng.random((2, 10, 2))
    dense = iso.sinkhorn(None, None, matrix(x, y, "sqeuclidean"), 1e-3, tol=1e-10, max_iter=100_000)
    for dtype, wrong in (("float32", 1e-3), ("float64", 1e-5)):
        x, y = x.astype(dtype), y.astype(dtype)
        found = iso.sinkhorn_points(x, y, 1e-3, cost="sqeuclidean", max_iter=100_000)
        assert found.converged
        np.testing.assert_allclose(found.plan(), dense.plan(), rtol=0, atol=wrong)
        assert found.gap < 1e-6


@every_cost
def test_layouts_and_types(points, cost, backend):
    x, y, _, _ = points
    expected = iso.sinkhorn_points(x, y, 0.5, cost=cost)
    wide = np.zeros((37, 14))
    wide[:, ::2] = x
    frozen = np.asfortranarray(y)
    frozen.setflags(write=False)
    found = iso.sinkhorn_points(wide[:, ::2], frozen, 0.5, cost=cost)
    np.testing.assert_allclose(found.f, expected.f, rtol=0, atol=1e-10)
    half = iso.sinkhorn_points(x.astype("float16"), y.astype("float16"), 0.5, cost=cost)
    single = iso.sinkhorn_points(
        x.astype("float16").astype("float32"), y.astype("float16").astype("float32"), 0.5, cost=cost
    )
    assert half.plan().dtype == np.float32
    assert np.array_equal(half.f, single.f)
    mixed = iso.sinkhorn_points(x.astype("float32"), y, 0.5, cost=cost)
    assert mixed.plan().dtype == np.float64


def test_a_warm_start_goes_on(points, backend):
    x, y, a, b = points
    cold = iso.sinkhorn_points(x, y, 0.3, a=a, b=b, cost="sqeuclidean", tol=1e-9)
    again = iso.sinkhorn_points(x, y, 0.3, a=a, b=b, cost="sqeuclidean", tol=1e-9, initial=cold)
    assert again.iterations == 1
    # Potentials are those of the costs themselves, so a solution of the matrix serves too.
    dense = iso.sinkhorn(a, b, matrix(x, y, "sqeuclidean"), 0.3, tol=1e-10)
    found = iso.sinkhorn_points(x, y, 0.3, a=a, b=b, cost="sqeuclidean", tol=1e-9, initial=dense)
    assert found.iterations == 1


def test_it_says_that_it_did_not_converge(points):
    x, y, _, _ = points
    with pytest.warns(ConvergenceWarning, match="after 2 passes, expected 1e-06 of the mass"):
        found = iso.sinkhorn_points(x, y, 0.01, max_iter=2)
    assert not found.converged


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("checked", [True, False])
def test_nan_is_found_wherever_it_stands(points, value, checked, backend):
    x, y, a, b = points
    for place in ((0, 0), (3, 6), (36, 3)):
        bad = x.copy()
        bad[place] = value
        named = f"row {place[0]}" if checked else "a row"
        with pytest.raises(NonFiniteError, match=f"x: {named} has a NaN or an infinity"):
            iso.sinkhorn_points(bad, y, 0.1, check_finite=checked)
    bad = y.copy()
    bad[52, 0] = value
    with pytest.raises(NonFiniteError, match="y: "):
        iso.sinkhorn_points(x, bad, 0.1, check_finite=checked)
    a = a.copy()
    a[2] = value
    with pytest.raises(NonFiniteError, match="a: row 2"):
        iso.sinkhorn_points(x, y, 0.1, a=a, b=b)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"cost": "l2"}, ValueError, "cost: expected one of cosine, dot, sqeuclidean"),
        ({"y": np.ones((4, 3))}, ShapeError, "y: expected 2 columns as in x"),
        ({"x": np.ones((0, 2))}, ShapeError, "x: expected at least one row"),
        ({"a": np.ones(4)}, ShapeError, "a: expected an array of 1 dimensions, of length 3, one a"),
        ({"b": np.ones(4)}, ValueError, "b: expected as much mass as a has"),
        ({"reg": 0.0}, ValueError, "reg: expected a finite number above 0"),
        ({"reg": 1e-15}, ValueError, "reg: expected at least .* in float64"),
        ({"x": 1e200 * np.eye(3, 2), "cost": "sqeuclidean"}, ValueError, "overflow float64"),
    ],
)
def test_what_makes_no_sense_is_refused(change, error, message):
    arguments = {"x": np.eye(3, 2), "y": np.eye(4, 2), "reg": 0.1} | change
    with pytest.raises(error, match=message):
        iso.sinkhorn_points(**arguments)
