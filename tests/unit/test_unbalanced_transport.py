"""Unbalanced and partial transport: against minimisers that know no Sinkhorn, limits, laws."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, DTypeError, NonFiniteError, ShapeError

INF = math.inf
METHODS = ("scaling", "stabilized", "log")
TIGHT = {"tol": 1e-11, "max_iter": 50_000}


def divergence(r, a):
    """KL(r | a), of masses that may be 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(r > 0, r * np.log(r / a), 0.0) - r + a
    return terms.sum()


def objective(plan, a, b, cost, reg, penalty=(INF, INF), reference="uniform"):
    held = plan > 0
    found = (plan[held] * cost[held]).sum()
    if reference == "uniform":
        found += reg * (plan[held] * (np.log(plan[held]) - 1)).sum()
    else:
        found += reg * divergence(plan, np.outer(a, b))
    for one, reached, mass in zip(penalty, (plan.sum(1), plan.sum(0)), (a, b), strict=True):
        if one < INF:
            found += one * divergence(reached, mass)
    return found


@pytest.fixture
def problem(rng):
    """Masses that differ in all, some of them 0, and costs."""
    a, b = rng.random(7) + 0.1, 1.5 * rng.random(9) + 0.1
    a[3], b[5] = 0, 0
    return a, b, rng.random((7, 9))


PENALTIES = [(1.0, 1.0), (0.3, 2.0), (INF, 0.5), (0.5, INF)]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("reference", ["uniform", "product"])
@pytest.mark.parametrize("reg", [0.5, 0.03])
def test_no_plan_is_better(problem, rng, penalty, reference, reg, backend):
    """Plans around the one found that the exact sides allow."""
    a, b, cost = problem
    found = iso.sinkhorn_unbalanced(a, b, cost, reg, penalty=penalty, reference=reference, **TIGHT)
    plan = found.plan()
    best = objective(plan, a, b, cost, reg, penalty, reference)
    assert found.entropic_value == pytest.approx(best, rel=1e-8)
    assert found.dual_value == pytest.approx(best, rel=1e-8)
    assert 0 <= found.gap < 1e-8
    for size in (1e-1, 1e-3):
        for _ in range(20):
            other = plan * np.exp(size * rng.standard_normal(plan.shape))
            if penalty[0] == INF:
                other *= (a / np.where(a > 0, other.sum(1), 1))[:, None]
            if penalty[1] == INF:
                other *= b / np.where(b > 0, other.sum(0), 1)
            assert objective(other, a, b, cost, reg, penalty, reference) >= best - 1e-9


@pytest.mark.parametrize("penalty", [*PENALTIES[:1], (0.3, 2.0)])
def test_a_minimiser_of_scipy_s_finds_the_same(rng, penalty):
    optimize = pytest.importorskip("scipy.optimize")
    a, b, cost = rng.random(3) + 0.2, rng.random(4) + 0.2, rng.random((3, 4))

    def loss(logs):
        return objective(np.exp(logs).reshape(3, 4), a, b, cost, 0.2, penalty)

    least = optimize.minimize(loss, np.zeros(12), method="BFGS", options={"gtol": 1e-8})
    found = iso.sinkhorn_unbalanced(a, b, cost, 0.2, penalty=penalty, **TIGHT)
    np.testing.assert_allclose(found.plan().ravel(), np.exp(least.x), rtol=1e-5)
    assert found.entropic_value == pytest.approx(least.fun, rel=1e-9)


@pytest.mark.parametrize("mass", [0.3, 0.9])
def test_a_minimiser_with_bounds_finds_the_same_part(rng, mass):
    optimize = pytest.importorskip("scipy.optimize")
    a, b, cost = rng.random(3) + 0.2, 2 * rng.random(4) + 0.2, rng.random((3, 4))
    mass *= a.sum()
    rows, columns = np.repeat(np.eye(3), 4, axis=1), np.tile(np.eye(4), (1, 3))
    limits = [
        optimize.LinearConstraint(rows, -INF, a),
        optimize.LinearConstraint(columns, -INF, b),
        optimize.LinearConstraint(np.ones((1, 12)), mass, mass),
    ]
    least = optimize.minimize(
        lambda plan: objective(plan.reshape(3, 4), a, b, cost, 0.2),
        np.full(12, mass / 12),
        jac=lambda plan: cost.ravel() + 0.2 * np.log(plan),
        bounds=[(1e-12, None)] * 12,
        constraints=limits,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    found = iso.sinkhorn_partial(a, b, cost, 0.2, mass=mass, **TIGHT)
    np.testing.assert_allclose(found.plan().ravel(), least.x, atol=1e-6)
    assert found.entropic_value == pytest.approx(least.fun, abs=1e-9)


@pytest.mark.parametrize("part", [1e-6, 0.3, 0.8, 0.99, 0.9999, 1 - 1e-9, 1.0])
@pytest.mark.parametrize("smaller", ["a", "b"])
@pytest.mark.parametrize("reg", [0.5, 0.03])
def test_a_part_has_the_conditions_of_the_best(problem, part, smaller, reg, backend):
    """The plan is exp(f + g + l - C) with f, g <= 0, and 0 where a point keeps some mass."""
    a, b, cost = problem
    if smaller == "b":
        a, b, cost = b, a, np.ascontiguousarray(cost.T)
    mass = part * min(a.sum(), b.sum())
    found = iso.sinkhorn_partial(a, b, cost, reg, mass=mass, **TIGHT)
    plan, (rows, columns) = found.plan(), found.marginals
    assert plan.sum() == pytest.approx(mass, rel=1e-9)
    assert (rows <= a + 1e-9 * mass).all()
    assert (columns <= b + 1e-9 * mass).all()
    f, g = (np.where(np.isfinite(one), one, -INF) for one in (found.f, found.g))
    f, g = f - f.max(), g - g.max()
    if part < 1:
        assert np.abs((a - rows)[a > 0] * f[a > 0]).max() < 1e-7
        assert np.abs((b - columns)[b > 0] * g[b > 0]).max() < 1e-7
    best = objective(plan, a, b, cost, reg)
    assert found.entropic_value == pytest.approx(best, rel=1e-8)
    assert found.dual_value == pytest.approx(best, rel=1e-6, abs=1e-8)
    assert -1e-12 < found.gap < 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reg", [0.5, 0.001])
def test_all_forms_and_both_backends_agree(problem, method, reg):
    a, b, cost = problem
    for solve, options in (
        (iso.sinkhorn_unbalanced, {"penalty": (0.3, 1.0)}),
        (iso.sinkhorn_partial, {"mass": 2.0}),
    ):
        expected = solve(a, b, cost, reg, **options, **TIGHT)
        with iso.runtime.use_backend("array"):
            found = solve(a, b, cost, reg, **options, method=method, **TIGHT)
        np.testing.assert_allclose(found.plan(), expected.plan(), rtol=1e-6, atol=1e-9)
        if method == "log" and reg == 0.5:
            for how in ("none", "overrelaxation"):
                other = solve(a, b, cost, reg, **options, acceleration=how, **TIGHT)
                np.testing.assert_allclose(other.plan(), expected.plan(), rtol=1e-5, atol=1e-8)


def test_a_growing_penalty_gives_the_masses(problem):
    a, b, cost = problem
    b = b * (a.sum() / b.sum())
    exact = iso.sinkhorn(a, b, cost, 0.1, tol=1e-11)
    distances = []
    for penalty in (1.0, 1e2, 1e4, 1e6):
        found = iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=penalty, **TIGHT)
        distances.append(np.abs(found.plan() - exact.plan()).sum())
    # The sums that are missed are in proportion to 1 / penalty.
    np.testing.assert_array_less(np.array(distances[1:]) * 30, distances[:-1])
    assert distances[-1] < 1e-5
    assert found.entropic_value == pytest.approx(exact.entropic_value, abs=1e-4)
    both = iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=INF, tol=1e-11)
    assert np.array_equal(both.plan(), exact.plan())


def test_a_vanishing_penalty_leaves_each_pair_on_its_own(problem):
    a, b, cost = problem
    held = np.outer(a > 0, b > 0)
    for reference, expected in (
        ("uniform", held * np.exp(-cost / 0.3)),
        ("product", np.outer(a, b) * np.exp(-cost / 0.3)),
    ):
        errors = []
        for penalty in (1e-2, 1e-4, 1e-6):
            found = iso.sinkhorn_unbalanced(
                a, b, cost, 0.3, penalty=penalty, reference=reference, **TIGHT
            )
            errors.append(np.abs(found.plan() - expected).max())
            assert 0 <= found.gap < 1e-8
        np.testing.assert_array_less(np.array(errors[1:]) * 50, errors[:-1])


def test_one_vanishing_penalty_leaves_softmaxes(problem):
    a, b, cost = problem
    b = np.where(b == 0, 0.4, b)
    found = iso.sinkhorn_unbalanced(a, b, cost, 0.3, penalty=(INF, 1e-7), **TIGHT)
    kernel = np.exp(-cost / 0.3)
    np.testing.assert_allclose(
        found.plan(), a[:, None] * kernel / kernel.sum(1, keepdims=True), atol=1e-6
    )


def test_all_of_the_mass_is_balanced_transport(problem):
    a, b, cost = problem
    b = b * (a.sum() / b.sum())
    found = iso.sinkhorn_partial(a, b, cost, 0.1, mass=float(a.sum()), tol=1e-11)
    exact = iso.sinkhorn(a, b, cost, 0.1, tol=1e-11)
    np.testing.assert_allclose(found.plan(), exact.plan(), atol=1e-10)
    assert found.entropic_value == pytest.approx(exact.entropic_value)
    assert abs(found.gap) < 1e-9


@pytest.mark.parametrize("reference", ["uniform", "product"])
def test_pot_finds_the_same_unbalanced_plan(problem, reference):
    ot = pytest.importorskip("ot")
    a, b, cost = problem
    kinds = {"uniform": "entropy", "product": "kl"}
    for penalty in ((1.0, 1.0), (0.3, 2.0), (INF, 0.5)):
        found = iso.sinkhorn_unbalanced(
            a, b, cost, 0.1, penalty=penalty, reference=reference, **TIGHT
        )
        options = {"reg_type": kinds[reference], "numItermax": 1_000, "stopThr": 1e-10}
        # POT divides by sums that are 0 without mass.
        rows, columns = a > 0, b > 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            expected = ot.unbalanced.sinkhorn_knopp_unbalanced(
                a[rows], b[columns], cost[np.ix_(rows, columns)], 0.1, penalty, **options
            )
        np.testing.assert_allclose(found.plan()[np.ix_(rows, columns)], expected, rtol=1e-6)


def test_pot_finds_the_same_partial_plan(problem):
    ot = pytest.importorskip("ot")
    a, b, cost = problem
    rows, columns = a > 0, b > 0
    for mass in (0.5, 1.5):
        found = iso.sinkhorn_partial(a, b, cost, 0.1, mass=mass, **TIGHT)
        expected = ot.partial.entropic_partial_wasserstein(
            a[rows], b[columns], cost[np.ix_(rows, columns)], 0.1, m=mass, numItermax=20_000
        )
        np.testing.assert_allclose(found.plan()[np.ix_(rows, columns)], expected, atol=1e-7)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-2.0, 2.0), mass=st.floats(0.01, 1.0))
def test_the_plans_have_their_symmetries(seed, shift, mass):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 8, 2)
    a, b, cost = rng.random(n) + 0.1, rng.random(m) + 0.1, rng.random((n, m))
    swapped = np.ascontiguousarray(cost.T)
    penalty = (0.5, 2.0)
    plan = iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=penalty, **TIGHT).plan()
    other = iso.sinkhorn_unbalanced(b, a, swapped, 0.1, penalty=penalty[::-1], **TIGHT).plan()
    np.testing.assert_allclose(other.T, plan, rtol=1e-7, atol=1e-12)
    # Costs and prices in other units.
    units = iso.sinkhorn_unbalanced(a, b, 1e20 * cost, 1e19, penalty=(0.5e20, 2e20), **TIGHT)
    np.testing.assert_allclose(units.plan(), plan, rtol=1e-7)
    # With the product as reference a constant cost scales the plan: both sides pay for it.
    plan = iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=1.0, reference="product", **TIGHT)
    moved = iso.sinkhorn_unbalanced(
        a, b, cost + shift, 0.1, penalty=1.0, reference="product", **TIGHT
    )
    factor = math.exp(-shift / 2.1)
    np.testing.assert_allclose(moved.plan(), factor * plan.plan(), rtol=1e-7)
    # Of a part, a constant cost changes the price only.
    mass *= min(a.sum(), b.sum())
    part = iso.sinkhorn_partial(a, b, cost, 0.1, mass=mass, **TIGHT)
    moved = iso.sinkhorn_partial(a, b, cost + shift, 0.1, mass=mass, **TIGHT)
    np.testing.assert_allclose(moved.plan(), part.plan(), rtol=0, atol=1e-7)
    other = iso.sinkhorn_partial(b, a, swapped, 0.1, mass=mass, **TIGHT)
    np.testing.assert_allclose(other.plan().T, part.plan(), rtol=0, atol=1e-7)


def test_rows_that_are_all_full_do_not_run_away():
    rng = np.random.default_rng(39)
    n, m = rng.integers(1, 8, 2)
    a, b, cost = rng.random(n) + 0.1, rng.random(m) + 0.1, rng.random((n, m))
    found = iso.sinkhorn_partial(a, b, cost, 0.1, mass=0.999 * float(b.sum()), tol=1e-10)
    assert found.iterations < 50
    assert found.gap < 1e-8


def test_potentials_that_drift_for_long_get_there(rng):
    """The plain iteration moves by a constant step each time, a thousand times."""
    a, b, cost = np.ones(6), np.ones(8), ((rng.random((6, 1, 3)) - rng.random((8, 3))) ** 2).sum(-1)
    found = iso.sinkhorn_partial(a, b, cost, 1e-3, mass=5.97, max_iter=2000, tol=1e-8)
    assert found.gap < 1e-6


def test_splitting_a_point_changes_nothing_with_the_product(problem):
    a, b, cost = problem
    whole = iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=1.0, reference="product", **TIGHT)
    split = np.append(a, a[0] / 3)
    split[0] -= a[0] / 3
    found = iso.sinkhorn_unbalanced(
        split, b, np.vstack([cost, cost[:1]]), 0.1, penalty=1.0, reference="product", **TIGHT
    )
    merged = found.plan()[:-1].copy()
    merged[0] += found.plan()[-1]
    np.testing.assert_allclose(merged, whole.plan(), rtol=1e-8)
    assert found.entropic_value == pytest.approx(whole.entropic_value)


def test_what_cannot_go_anywhere_pays(problem, backend):
    a, b, cost = problem
    cost[1], cost[:, 2] = INF, INF
    found = iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=0.7, **TIGHT)
    plan = found.plan()
    assert (plan[1] == 0).all()
    assert (plan[:, 2] == 0).all()
    assert found.entropic_value == pytest.approx(
        objective(plan, a, b, cost, 0.1, (0.7, 0.7)), rel=1e-9
    )
    assert found.dual_value == pytest.approx(found.entropic_value, rel=1e-9)
    assert 0 <= found.gap < 1e-9
    with pytest.raises(ValueError, match="cost: row 1 has mass in a, and every pair"):
        iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=(INF, 1.0))
    part = iso.sinkhorn_partial(a, b, cost, 0.1, mass=1.0, **TIGHT)
    assert (part.plan()[1] == 0).all()
    assert part.plan().sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"mass: expected at most .* with a pair that is not"):
        iso.sinkhorn_partial(a, b, cost, 0.1, mass=float(a.sum()))


def test_a_part_that_cannot_be_carried_warns():
    cost = np.array([[0, INF], [0, INF], [1, 1]])
    with pytest.warns(ConvergenceWarning, match="sinkhorn_partial: error .* after 300 passes"):
        iso.sinkhorn_partial(np.array([1, 1, 0.1]), np.ones(2), cost, 0.1, mass=1.5, max_iter=300)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_costs_of_any_size(problem, scale, dtype):
    a, b, cost = problem
    cost = cost.astype(dtype)
    small = (cost * np.dtype(dtype).type(scale)).astype(dtype)
    for solve, options, scaled in (
        (iso.sinkhorn_unbalanced, {"penalty": 1.0}, {"penalty": scale}),
        (iso.sinkhorn_partial, {"mass": 1.0}, {"mass": 1.0}),
    ):
        expected = solve(a, b, cost, 0.05, **options)
        found = solve(a, b, small, 0.05 * scale, **scaled)
        assert found.plan().dtype == dtype
        np.testing.assert_allclose(found.plan(), expected.plan(), rtol=1e-4, atol=1e-6)
        assert found.entropic_value == pytest.approx(scale * expected.entropic_value, rel=1e-5)


def test_a_warm_start_goes_on(problem):
    a, b, cost = problem
    for solve, options in (
        (iso.sinkhorn_unbalanced, {"penalty": (0.5, 100.0)}),
        (iso.sinkhorn_partial, {"mass": 1.0}),
    ):
        for left, right, costs in ((a, b, cost), (b, a, np.ascontiguousarray(cost.T))):
            cold = solve(left, right, costs, 0.02, tol=1e-9, **options)
            assert cold.iterations > 2
            again = solve(left, right, costs, 0.02, tol=1e-9, initial=cold, **options)
            assert again.iterations <= 2
            again = solve(left, right, costs, 0.02, tol=1e-9, initial=(cold.f, cold.g), **options)
            assert again.iterations <= 2
    with pytest.raises(ShapeError, match="initial: expected a g of shape"):
        iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=1.0, initial=(a, a))
    with pytest.raises(DTypeError, match="initial: expected a Transport"):
        iso.sinkhorn_unbalanced(a, b, cost, 0.1, penalty=1.0, initial=3)


def test_the_certificate_holds_before_convergence(problem):
    a, b, cost = problem
    best = iso.sinkhorn_unbalanced(a, b, cost, 0.02, penalty=(1.0, 5.0), **TIGHT).entropic_value
    part = iso.sinkhorn_partial(a, b, cost, 0.02, mass=2.0, **TIGHT).entropic_value
    for passes in (1, 2, 3, 5):
        with pytest.warns(ConvergenceWarning, match=f"sinkhorn_unbalanced: .* {passes} passes"):
            found = iso.sinkhorn_unbalanced(
                a, b, cost, 0.02, penalty=(1.0, 5.0), max_iter=passes, acceleration="none"
            )
        assert found.dual_value <= best + 1e-10 <= found.dual_value + found.gap + 2e-10
        with pytest.warns(ConvergenceWarning, match=f"sinkhorn_partial: .* {passes} passes"):
            found = iso.sinkhorn_partial(
                a, b, cost, 0.02, mass=2.0, max_iter=passes, acceleration="none"
            )
        assert found.dual_value <= part + 1e-10 <= found.dual_value + found.gap + 2e-10


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"penalty": 0.0}, ValueError, "penalty: expected a finite number above 0"),
        ({"penalty": -1.0}, ValueError, "penalty: expected a finite number above 0"),
        ({"penalty": (1.0, math.nan)}, ValueError, "penalty: expected a finite number above 0"),
        ({"penalty": "much"}, DTypeError, "penalty: expected a number, or one of a and one of b"),
        ({"penalty": (1.0, 2.0, 3.0)}, DTypeError, "penalty: expected a number, or one of a"),
        ({"reference": "kl"}, ValueError, "reference: expected one of uniform, product"),
        ({"a": np.zeros(3)}, ValueError, "a: expected masses with a sum above 0"),
        ({"cost": np.full((3, 4), np.nan)}, NonFiniteError, "cost: row 0 has a NaN"),
        (
            {"cost": np.full((3, 4), INF)},
            ValueError,
            "cost: expected a pair that is not forbidden, got none",
        ),
        ({"cost": np.zeros((2, 3, 4))}, ShapeError, "cost: expected an array of 2 dimensions"),
        ({"mass": 0.0}, ValueError, "mass: expected a finite number above 0"),
        ({"mass": 1.1}, ValueError, "mass: expected at most the smaller sum of the masses, 1, got"),
    ],
)
def test_what_makes_no_sense_is_refused(change, error, message):
    arguments = {"a": None, "b": None, "cost": np.eye(3, 4), "reg": 0.1} | change
    solve = iso.sinkhorn_partial if "mass" in change else iso.sinkhorn_unbalanced
    if solve is iso.sinkhorn_unbalanced:
        arguments.setdefault("penalty", 1.0)
    with pytest.raises(error, match=message):
        solve(**arguments)
