"""Entropic transport: against the slow oracle, its laws, what it says, what it refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, NonFiniteError, ShapeError
from support import sinkhorn_oracle

METHODS = ("auto", "scaling", "stabilized", "log")
every_method = pytest.mark.parametrize("method", METHODS)


def masses(rng, n):
    mass = rng.random(n) + 0.1
    return mass / mass.sum()


@pytest.fixture
def uneven(rng):
    """Masses of both sides, some of them 0, and costs."""
    a, b = masses(rng, 17), masses(rng, 23)
    a[3], b[5], b[0] = 0, 0, 0
    return a / a.sum(), b / b.sum(), rng.random((17, 23))


@every_method
@pytest.mark.parametrize("reg", [1.0, 0.1, 0.01])
def test_the_plan_is_the_oracle_s(uneven, method, reg, backend):
    a, b, cost = uneven
    found = iso.sinkhorn(a, b, cost, reg, method=method, tol=1e-12)
    expected = sinkhorn_oracle.sinkhorn(a, b, cost, reg)
    np.testing.assert_allclose(found.plan(), expected, rtol=1e-9, atol=1e-12)
    assert found.converged
    assert found.value == pytest.approx((expected * cost).sum(), abs=1e-10)
    assert np.isneginf(found.f[3])
    assert np.isneginf(found.g[[0, 5]]).all()


@every_method
def test_a_reg_of_a_ten_thousandth_of_the_range(rng, method):
    """exp(-cost / reg) is 0 in float64 for most pairs."""
    x, y = rng.random((2, 8, 2))
    cost = ((x[:, None] - y[None]) ** 2).sum(-1)
    reg = 1e-4 * np.ptp(cost)
    found = iso.sinkhorn(None, None, cost, reg, method=method, tol=1e-7, max_iter=200_000)
    assert found.gap < 1e-6
    scipy = pytest.importorskip("scipy.optimize")
    best = cost[scipy.linear_sum_assignment(cost)].mean()
    # The entropy of the plan is at most log(n) below that of the best one.
    assert best - 1e-6 <= found.value <= best + reg * np.log(8) + 1e-6


@every_method
def test_the_error_is_that_of_the_plan(uneven, method):
    a, b, cost = uneven
    with pytest.warns(ConvergenceWarning, match="error .* after 7 passes, expected 1e-06"):
        found = iso.sinkhorn(a, b, cost, 0.01, method=method, max_iter=7)
    plan = found.plan()
    missed = plan.sum(1) - a, plan.sum(0) - b
    assert not found.converged
    assert found.error == pytest.approx(sum(np.abs(one).sum() for one in missed), rel=1e-6)
    assert found.error_l2 == pytest.approx(sum(np.linalg.norm(one) for one in missed), rel=1e-6)
    # The certificate holds for what has not converged, too.
    best = sinkhorn_oracle.sinkhorn(a, b, cost, 0.01)
    held = best[best > 0]
    exact = (best * cost).sum() + 0.01 * (held * (np.log(held) - 1)).sum()
    assert found.dual_value <= exact + 1e-12 <= found.dual_value + found.gap + 2e-12


def test_the_gap_shrinks(uneven):
    a, b, cost = uneven
    gaps = []
    for tol in (1e-2, 1e-4, 1e-6, 1e-8):
        gaps.append(iso.sinkhorn(a, b, cost, 0.05, tol=tol).gap)
    assert gaps == sorted(gaps, reverse=True)
    assert -1e-14 <= gaps[-1] < 1e-7 * gaps[0] + 1e-12


def test_values_with_and_without_entropy(uneven):
    a, b, cost = uneven
    found = iso.sinkhorn(a, b, cost + 3, 0.1, tol=1e-12)
    plan = found.plan()
    held = plan > 0
    assert found.value == pytest.approx((plan * (cost + 3)).sum(), abs=1e-10)
    entropy = (plan[held] * (np.log(plan[held]) - 1)).sum()
    assert found.entropic_value == pytest.approx(found.value + 0.1 * entropy, abs=1e-10)
    assert found.dual_value == pytest.approx(found.entropic_value, abs=1e-10)


@given(seed=st.integers(0, 2**32 - 1), reg=st.floats(0.02, 2.0), shift=st.floats(-5.0, 5.0))
def test_the_plan_has_its_symmetries(seed, reg, shift):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    a, b, cost = masses(rng, n), masses(rng, m), rng.random((n, m))
    options = {"tol": 1e-11, "max_iter": 100_000}
    plan = iso.sinkhorn(a, b, cost, reg, **options).plan()
    swapped = iso.sinkhorn(b, a, np.ascontiguousarray(cost.T), reg, **options).plan().T
    np.testing.assert_allclose(swapped, plan, rtol=0, atol=1e-9)
    moved = cost + shift * rng.random(n)[:, None] - shift * rng.random(m)[None, :]
    np.testing.assert_allclose(
        iso.sinkhorn(a, b, moved, reg, **options).plan(), plan, rtol=0, atol=1e-9
    )
    scaled = iso.sinkhorn(7 * a, 7 * b, 1e30 * cost, 1e30 * reg, **options).plan()
    np.testing.assert_allclose(scaled, 7 * plan, rtol=0, atol=1e-8)


@pytest.mark.parametrize("scale", [1e30, 1.0, 1e-30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_costs_of_any_size(rng, scale, dtype):
    cost = rng.random((9, 11)).astype(dtype)
    expected = iso.sinkhorn(None, None, cost, 0.05)
    found = iso.sinkhorn(None, None, (cost * dtype_of(dtype)(scale)), 0.05 * scale)
    assert found.plan().dtype == dtype
    np.testing.assert_allclose(found.plan(), expected.plan(), rtol=0, atol=1e-5)
    assert found.value == pytest.approx(scale * expected.value, rel=1e-4)


def dtype_of(name):
    return np.dtype(name).type


def test_what_all_costs_have_in_common_costs_no_digits(rng):
    cost = rng.random((9, 11))
    high = iso.sinkhorn(None, None, cost + 2.0**40, 0.05)
    plain = iso.sinkhorn(None, None, (cost + 2.0**40) - 2.0**40, 0.05)
    np.testing.assert_allclose(high.plan(), plain.plan(), rtol=1e-9)
    assert high.value == pytest.approx(2.0**40 + plain.value, abs=1e-3)
    assert high.gap == pytest.approx(plain.gap, abs=1e-3)


@every_method
def test_forbidden_pairs_get_nothing(rng, method):
    cost = rng.random((8, 8))
    cost[rng.random((8, 8)) < 0.4] = np.inf
    cost[np.arange(8), np.arange(8)] = 0.5
    found = iso.sinkhorn(None, None, cost, 0.1, method=method, tol=1e-9, max_iter=100_000)
    plan = found.plan()
    assert (plan[np.isinf(cost)] == 0).all()
    np.testing.assert_allclose(plan, sinkhorn_oracle.sinkhorn(None, None, cost, 0.1), atol=1e-8)
    assert np.isfinite(found.value)
    assert abs(found.gap) < 1e-7 or found.gap == np.inf


def test_the_gap_of_a_solved_problem_with_forbidden_pairs_is_finite():
    cost = np.full((4, 4), np.inf)
    cost[:2, :2], cost[2:, 2:] = 0.1, 0.2
    assert abs(iso.sinkhorn(None, None, cost, 0.1).gap) < 1e-12


@pytest.mark.parametrize("constant", [1e9, 1e11, 1e300])
def test_a_constant_in_a_start_says_nothing(rng, constant):
    cost = rng.random((30, 40))
    found = iso.sinkhorn(None, None, cost, 0.1, initial=[None, np.full(40, constant)])
    plan = found.plan()
    assert np.abs(plan.sum(1) - 1 / 30).sum() + np.abs(plan.sum(0) - 1 / 40).sum() < 1.1e-6
    assert found.converged


def test_a_result_is_told_in_a_line():
    found = iso.sinkhorn(None, None, np.zeros((2, 4)), 0.5)
    expected = "Transport(2 x 4, reg=0.5, value=0, converged in 1, error=0, 'scaling')"
    assert repr(found) == expected


def test_what_cannot_be_transported_warns_and_what_has_no_way_is_named():
    # Two rows that may only go to one column, which takes half of their mass.
    stuck = np.array([[0, np.inf], [0, np.inf], [1, 1]])
    with pytest.warns(ConvergenceWarning, match="what is not forbidden cannot carry"):
        found = iso.sinkhorn(None, None, stuck, 0.1, max_iter=50)
    assert found.error > 0.1
    with pytest.raises(ValueError, match="cost: row 1 has mass in a, and every pair"):
        iso.sinkhorn(None, None, np.array([[0.0, 1], [np.inf, np.inf]]), 0.1)
    with pytest.raises(ValueError, match="cost: column 0 has mass in b, and every pair"):
        iso.sinkhorn(np.array([1.0, 0]), None, np.array([[np.inf, 1], [0, 0.0]]), 0.1)


def test_one_row_one_column_and_no_cost():
    assert iso.sinkhorn(None, None, np.ones((1, 1)), 1.0).plan().tolist() == [[1.0]]
    b = np.array([0.25, 0.75])
    np.testing.assert_allclose(iso.sinkhorn(None, b, np.zeros((1, 2)), 1.0).plan(), [b])
    a = np.array([0.5, 0.5])
    independent = iso.sinkhorn(a, b, np.full((2, 2), 1e30), 1.0)
    np.testing.assert_allclose(independent.plan(), np.outer(a, b))
    assert independent.iterations == 1
    assert independent.value == pytest.approx(1e30)


def test_a_warm_start_goes_on(uneven):
    a, b, cost = uneven
    cold = iso.sinkhorn(a, b, cost, 0.02, tol=1e-10)
    assert iso.sinkhorn(a, b, cost, 0.02, tol=1e-10, initial=cold).iterations == 1
    again = iso.sinkhorn(a, b, cost, 0.02, tol=1e-10, initial=(cold.f, cold.g))
    assert again.iterations == 1
    # By the same steps: a pass of Newton's method does more than others.
    near, far = (
        iso.sinkhorn(a, b, cost * 1.001, 0.02, tol=1e-10, initial=start, acceleration="newton")
        for start in (cold, None)
    )
    assert near.iterations < far.iterations
    with pytest.raises(ShapeError, match=r"initial: expected a g of shape \(23,\), got \(17,\)"):
        iso.sinkhorn(a, b, cost, 0.02, initial=(cold.g, cold.f))


@pytest.mark.parametrize("kind", ["plane", "clusters", "independent"])
def test_extrapolation_takes_a_quarter_of_the_passes(rng, kind):
    """At a hundredth of the median cost, but where the plain iteration needs a dozen passes."""
    x, y = rng.random((2, 80, 2))
    cost = ((x[:, None] - y[None]) ** 2).sum(-1)
    if kind == "clusters":
        x, y = rng.standard_normal((2, 40, 20)) * np.arange(1, 21) ** -0.5
        cost = (
            1
            - (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T
        )
    elif kind == "independent":
        cost = rng.random((80, 80))
    reg = 0.01 * float(np.median(cost))
    options = {"max_iter": 50_000}
    plain = iso.sinkhorn(None, None, cost, reg, acceleration="none", **options)
    found = iso.sinkhorn(None, None, cost, reg, **options)
    assert found.converged
    assert plain.converged
    assert 4 * found.iterations <= plain.iterations
    np.testing.assert_allclose(found.plan(), plain.plan(), atol=1e-6)


def test_top_and_barycentres(uneven, rng, backend):
    a, b, cost = uneven
    found = iso.sinkhorn(a, b, cost, 0.05)
    plan = found.plan()
    top = found.top(4)
    order = np.argsort(-plan, axis=1, kind="stable")[:, :4]
    assert np.array_equal(top.indices, order)
    np.testing.assert_allclose(top.scores, np.take_along_axis(plan, order, axis=1))
    targets = rng.standard_normal((23, 3))
    with np.errstate(invalid="ignore"):
        expected = plan @ targets / plan.sum(1, keepdims=True)
    np.testing.assert_allclose(found.apply(targets), expected, rtol=1e-12)
    assert np.isnan(found.apply(targets)[3]).all()
    assert found.apply(targets.astype(np.float32)).dtype == np.float32
    with pytest.raises(ShapeError, match="targets: expected 23 rows, one a column of cost, got 17"):
        found.apply(targets[:17])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"a": -np.ones(3)}, ValueError, "a: expected masses of 0 or more, got -1.0 at 0"),
        ({"b": np.zeros(4)}, ValueError, "b: expected masses with a sum above 0 .* got 0"),
        (
            {"a": np.ones(3)},
            ValueError,
            "b: expected as much mass as a has, 3, got 1, which differs by 2; normalise",
        ),
        ({"a": np.ones(4)}, ShapeError, r"a: expected an array of 1 dimensions, of length 3"),
        ({"a": np.array([1, np.nan, 1])}, NonFiniteError, "a: row 1 has a NaN"),
        ({"cost": np.zeros((0, 4))}, ShapeError, "cost: expected at least one row"),
        ({"cost": np.full((3, 4), np.nan)}, NonFiniteError, "cost: row 0 has a NaN or -inf"),
        ({"cost": -np.array([[1, 2, np.inf, 4]] * 3)}, NonFiniteError, "cost: row 0 has a NaN"),
        ({"a": np.full(3, 1e308)}, ValueError, "a: expected masses with a sum above 0 and below"),
        ({"initial": (None,)}, TypeError, r"initial: expected a Transport or \(f, g\)"),
        ({"initial": (None, np.geomspace(1, 1e30, 4))}, ValueError, "initial: expected a g that"),
        ({"reg": np.inf}, ValueError, "reg: expected a finite number above 0"),
        ({"reg": 1e-15}, ValueError, "reg: expected at least .* for costs up to 1 in float64"),
    ],
)
def test_what_makes_no_sense_is_refused(change, error, message):
    arguments = {"a": None, "b": None, "cost": np.eye(3, 4), "reg": 0.1} | change
    with pytest.raises(error, match=message):
        iso.sinkhorn(**arguments)


def test_the_best_that_was_seen_is_kept(rng):
    """Of a run that is cut off, whatever its last step was."""
    cost = rng.random((30, 30))
    errors = []
    for passes in range(1, 30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            errors.append(
                iso.sinkhorn(
                    None, None, cost, 0.002, max_iter=passes, acceleration="anderson"
                ).error
            )
    assert errors == sorted(errors, reverse=True)
