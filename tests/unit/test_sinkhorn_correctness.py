"""Entropic transport by every acceleration: small reg, hostile problems, and that it is safe."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning
from support import sinkhorn_oracle

ACCELERATIONS = ("auto", "newton", "anderson", "overrelaxation", "none")
every_acceleration = pytest.mark.parametrize("acceleration", ACCELERATIONS)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def squared(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def costs(kind, n=100):
    rng = np.random.default_rng(7)
    if kind == "plane":
        return squared(*rng.random((2, n, 2)))
    if kind == "gaussian":
        return squared(*rng.standard_normal((2, n, 2)))
    if kind == "apart":
        x, y = rng.standard_normal((2, n, 2))
        return squared(x, 3 + 0.5 * y)
    if kind == "unit":
        x, y = rng.standard_normal((2, n, 300))
        return 1 - unit(x) @ unit(y).T
    if kind == "clusters":
        x, y = rng.standard_normal((2, n, 20)) * np.arange(1, 21) ** -0.5
        return 1 - unit(x) @ unit(y).T
    assert kind == "independent"
    return rng.random((n, n))


KINDS = ("plane", "gaussian", "apart", "unit", "clusters", "independent")


def solve(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return iso.sinkhorn(*arguments, **options)


def missed(plan, a, b):
    return np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reg", [0.1, 0.01])
def test_at_most_a_quarter_of_the_plain_passes(kind, reg):
    """By default, wherever the plain iteration takes more than 50."""
    cost = costs(kind)
    reg *= float(np.median(cost))
    found = iso.sinkhorn(None, None, cost, reg)
    plain = solve(
        None, None, cost, reg, acceleration="none", max_iter=max(50, 4 * found.iterations - 1)
    )
    assert found.converged
    assert not plain.converged or plain.iterations <= 50


@pytest.mark.parametrize("n", [150, 200, 240])
def test_at_most_a_quarter_where_the_plain_iteration_takes_dozens(n):
    """Where it takes 42 to 71 passes extrapolation alone takes more than a quarter of them."""
    cost = np.random.default_rng(0).random((n, n))
    reg = 0.01 * float(np.median(cost))
    found = iso.sinkhorn(None, None, cost, reg)
    plain = solve(None, None, cost, reg, acceleration="none")
    assert found.converged
    assert 4 * found.iterations <= plain.iterations


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [1e-3, 1e-4])
def test_a_small_reg_takes_dozens_of_passes(kind, part):
    """Parts of the range of the costs: thousands of passes, or more, of the plain iteration."""
    cost = costs(kind)
    reg = part * float(np.ptp(cost))
    found = iso.sinkhorn(None, None, cost, reg)
    assert found.converged
    assert found.iterations <= 100
    assert missed(found.plan(), 0.01, 0.01) <= 1.1e-6
    assert 0 <= found.gap + 1e-9 * np.abs(cost).max() < 1e-4 * np.ptp(cost)
    scipy = pytest.importorskip("scipy.optimize")
    best = cost[scipy.linear_sum_assignment(cost)].mean()
    slack = 2e-6 * np.ptp(cost)
    assert best - slack <= found.value <= best + reg * np.log(100) + slack


@pytest.mark.parametrize("kind", ["plane", "independent", "heavy"])
@pytest.mark.parametrize("part", [1e-2, 1e-3, 1e-4])
def test_the_plan_is_that_of_fifty_digits(kind, part):
    pytest.importorskip("mpmath")
    rng = np.random.default_rng(3)
    a, b = (side / side.sum() for side in (rng.random(5) + 0.1, rng.random(4) + 0.1))
    cost = squared(rng.random((5, 2)), rng.random((4, 2)))
    if kind != "plane":
        cost = rng.random((5, 4)) ** (1 if kind == "independent" else 6)
    reg = part * float(np.ptp(cost))
    found = iso.sinkhorn(a, b, cost, reg, tol=1e-11)
    expected = sinkhorn_oracle.polished(a, b, cost, reg, found.g)
    # Costs have 1e-16 of their size, which is 1e-12 of a reg of 1e-4: so do exponents.
    np.testing.assert_allclose(found.plan(), expected, rtol=1e-8, atol=1e-10)


@every_acceleration
def test_every_acceleration_has_the_oracle_s_plan(rng, acceleration, backend):
    a, b, cost = rng.random(9) + 0.1, rng.random(12) + 0.1, rng.random((9, 12))
    a[2], b[[0, 7]] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    cost[rng.random((9, 12)) < 0.2] = np.inf
    cost[np.arange(9), np.arange(9)] = 0.5
    cost[8, :] = 0.7
    for scaling in (True, False, "auto"):
        found = iso.sinkhorn(
            a, b, cost, 0.05, acceleration=acceleration, epsilon_scaling=scaling, tol=1e-11
        )
        expected = sinkhorn_oracle.sinkhorn(a, b, cost, 0.05)
        np.testing.assert_allclose(found.plan(), expected, rtol=1e-7, atol=1e-10)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), part=st.sampled_from([1e-1, 1e-2, 1e-3]))
def test_small_regs_keep_the_symmetries(seed, part):
    """Swapped sides, constants added to rows and columns, an order, a factor: the same plan."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 12, 2)
    a, b, cost = rng.random(n) + 0.05, rng.random(m) + 0.05, rng.random((n, m))
    a, b = a / a.sum(), b / b.sum()
    plan = iso.sinkhorn(a, b, cost, part, tol=1e-9).plan()
    order, other = rng.permutation(n), rng.permutation(m)
    moved = cost + rng.standard_normal(n)[:, None] + rng.standard_normal(m)[None, :]
    again = {
        "swapped": iso.sinkhorn(b, a, cost.T.copy(), part, tol=1e-9).plan().T,
        "moved": iso.sinkhorn(a, b, moved, part, tol=1e-9).plan(),
        "scaled": iso.sinkhorn(a, b, 2.0**90 * cost, 2.0**90 * part, tol=1e-9).plan(),
    }
    permuted = iso.sinkhorn(a[order], b[other], cost[order][:, other], part, tol=1e-9).plan()
    again["permuted"] = np.empty_like(plan)
    again["permuted"][np.ix_(order, other)] = permuted
    for name, one in again.items():
        # An error of the marginals may be much larger in the plan, along cycles that cost little.
        np.testing.assert_allclose(one, plan, rtol=0, atol=1e-5, err_msg=name)


HOSTILE = ("heavy tails", "masses of all sizes", "forbidden", "ties", "a line", "two columns")


def hostile(kind, seed):
    rng = np.random.default_rng(seed)
    n, m = (36, 2) if kind == "two columns" else rng.integers(8, 30, 2)
    a, b, cost = rng.random(n) + 1e-3, rng.random(m) + 1e-3, rng.random((n, m))
    if kind == "heavy tails":
        cost = np.exp(4 * rng.standard_normal((n, m)))
    elif kind == "masses of all sizes":
        a, b = a**20 + 1e-200, b**20 + 1e-200
    elif kind == "ties":
        cost = rng.integers(0, 3, (n, m)).astype(float)
    elif kind == "a line":
        cost = np.abs(rng.random(n)[:, None] - rng.random(m)[None, :])
    a, b = a / a.sum(), b / b.sum()
    if kind == "forbidden":
        # All but one plan of the kind that fills columns from the left, and a tenth of the rest.
        ends, others = np.cumsum(a), np.cumsum(b)
        starts, lefts = ends - a, others - b
        apart = (lefts[None, :] > ends[:, None]) | (others[None, :] < starts[:, None])
        cost[apart & (rng.random((n, m)) < 0.9)] = np.inf
    return a, b, cost


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("seed", range(4))
def test_hostile_problems_are_solved(kind, seed):
    a, b, cost = hostile(kind, seed)
    reg = 1e-4 * float(np.ptp(cost[np.isfinite(cost)]))
    found = iso.sinkhorn(a, b, cost, reg, max_iter=1000)
    assert found.converged
    assert missed(found.plan(), a, b) <= 1.2e-6


def unguarded(a, b, cost, reg, passes):
    """Anderson's extrapolation as it stands in books: the last error that it comes to."""
    g, points, residuals = np.zeros(len(b)), [], []
    for _ in range(passes):
        f = np.log(a) - sinkhorn_oracle.log_sum_exp(g - cost / reg, 1)
        logs = sinkhorn_oracle.log_sum_exp(f[:, None] + (g - cost / reg), 0)
        residual = np.log(b) - logs
        points, residuals = [*points, g][-11:], [*residuals, residual][-11:]
        g = g + residual
        if len(points) > 1:
            moves, turns = np.diff(points, axis=0), np.diff(residuals, axis=0)
            weights = np.linalg.lstsq(turns.T, residual, rcond=None)[0]
            g = g - weights @ (moves + turns)
        if not np.isfinite(g).all():
            return np.inf
    return np.abs(np.exp(logs) - b).sum()


def test_where_extrapolation_alone_goes_astray(rng):
    """Problems on which it is worse after 300 passes than the plain iteration; ours are solved."""
    astray = 0
    for seed in range(6):
        a, b, cost = hostile("a line", seed)
        reg = 1e-3
        plain = solve(a, b, cost, reg, acceleration="none", max_iter=300)
        with np.errstate(all="ignore"):
            alone = unguarded(a, b, cost, reg, 300)
        if alone <= 1.5 * plain.error:
            continue
        astray += 1
        guarded = solve(a, b, cost, reg, acceleration="anderson", max_iter=300)
        assert guarded.error < alone
        assert iso.sinkhorn(a, b, cost, reg, max_iter=200).converged
    assert astray >= 1


def test_a_plain_step_always_raises_the_dual():
    """The fallback of all accelerations."""
    a, b, cost = hostile("a line", 0)
    duals = [
        solve(a, b, cost, 0.003, acceleration="none", max_iter=passes).dual_value
        for passes in range(1, 40)
    ]
    assert (np.diff(duals) > 0).all()


@every_acceleration
def test_the_gap_is_positive_and_shrinks(acceleration):
    cost = costs("plane", 30)
    gaps = [
        solve(None, None, cost, 0.01, tol=tol, acceleration=acceleration).gap
        for tol in (1e-1, 1e-3, 1e-5, 1e-7)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert -1e-14 <= gaps[-1] < 1e-6


@every_acceleration
def test_the_history_is_that_of_the_errors(acceleration):
    cost = costs("plane", 40)
    found = iso.sinkhorn(None, None, cost, 0.004, acceleration=acceleration)
    iterations, errors = found.history
    assert iterations.tolist() == list(range(1, found.iterations + 1))
    # The error that is reported is computed from the potentials once more.
    assert errors[-1] == pytest.approx(found.error, rel=1e-6)
    assert max(errors[-1], found.error) <= 1e-6 < errors[:-1].min()
    regs = found.history.regs
    assert (np.diff(regs) <= 0).all()
    assert regs[-1] == 0.004
    # By default extrapolation is tried first, unless reg is much smaller.
    assert (regs[0] > 0.004) == (acceleration == "newton")
    scaled = iso.sinkhorn(
        None, None, cost, 0.004, acceleration=acceleration, epsilon_scaling=True
    ).history.regs
    assert scaled[0] > 0.01
    assert (
        iso.sinkhorn(None, None, cost, 0.004, epsilon_scaling=False).history.regs == 0.004
    ).all()


@pytest.mark.parametrize("most", [1, 2, 3, 7, 12])
def test_a_pass_is_left_for_the_reg_that_was_asked_for(most):
    """Whatever the passes are cut off at, the plan is one for this reg, and its error is told."""
    cost = costs("plane", 40)
    found = solve(None, None, cost, 1e-4, max_iter=most)
    assert found.iterations <= most
    assert found.history.regs[-1] == 1e-4
    assert not found.converged
    assert missed(found.plan(), 1 / 40, 1 / 40) == pytest.approx(found.error, rel=1e-6)


@every_acceleration
@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_costs_of_any_size(acceleration, scale):
    cost = costs("plane", 12)
    expected = iso.sinkhorn(None, None, cost, 0.01, tol=1e-9).plan()
    found = iso.sinkhorn(
        None, None, cost * scale, 0.01 * scale, tol=1e-9, acceleration=acceleration
    )
    np.testing.assert_allclose(found.plan(), expected, rtol=0, atol=1e-7)


def test_what_cannot_be_carried_is_said():
    """Forbidden pairs leave no plan: no acceleration may tell that there is one."""
    stuck = np.array([[0, np.inf], [0, np.inf], [1, 1]])
    for acceleration in ACCELERATIONS:
        with pytest.warns(ConvergenceWarning, match="what is not forbidden cannot carry"):
            found = iso.sinkhorn(None, None, stuck, 0.01, max_iter=80, acceleration=acceleration)
        assert not found.converged
        assert found.error > 0.3
        plan = found.plan()
        assert missed(plan, 1 / 3, 1 / 2) == pytest.approx(found.error, rel=1e-6)


@functools.cache
def of_pot(kind):
    ot = pytest.importorskip("ot")
    if kind == "histograms":
        # Two Gaussian histograms on a line, costs in units of the largest.
        x = np.arange(100.0)[:, None]
        a, b = (
            ot.datasets.make_1D_gauss(100, m=mean, s=width) for mean, width in ((20, 5), (60, 10))
        )
        cost = ot.dist(x, x)
        return a, b, cost / cost.max(), 1e-2
    source = ot.datasets.make_2D_samples_gauss(50, [0, 0], [[1, 0], [0, 1]], random_state=0)
    target = ot.datasets.make_2D_samples_gauss(50, [4, 4], [[1, -0.8], [-0.8, 1]], random_state=1)
    return ot.unif(50), ot.unif(50), ot.dist(source, target), 1.0


@pytest.mark.parametrize("kind", ["histograms", "samples"])
def test_pot_has_the_same_plan(kind):
    ot = pytest.importorskip("ot")
    a, b, cost, reg = of_pot(kind)
    expected = ot.sinkhorn(
        a, b, cost, reg, method="sinkhorn_log", stopThr=1e-11, numItermax=20_000, warn=False
    )
    found = iso.sinkhorn(a, b, cost, reg, tol=1e-10)
    assert missed(expected, a, b) < 1e-8
    np.testing.assert_allclose(found.plan(), expected, rtol=0, atol=1e-8)
    assert found.value == pytest.approx((expected * cost).sum(), rel=1e-6)
