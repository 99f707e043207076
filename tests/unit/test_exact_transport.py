"""Transport without entropy: certificates, other programs, limits of the entropic one."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, ShapeError
from isomorph.transport import exact

INF = np.inf


@pytest.fixture
def uneven(rng):
    pytest.importorskip("ot")
    a, b = rng.random(9) + 0.1, rng.random(13) + 0.1
    a[2], b[[0, 5]] = 0, 0
    return a / a.sum(), b / b.sum(), rng.random((9, 13))


def holds(found, a, b, cost):
    """The plan has its masses, and the potentials are a certificate."""
    plan = found.plan()
    np.testing.assert_allclose(plan.sum(1), a, atol=1e-14)
    np.testing.assert_allclose(plan.sum(0), b, atol=1e-14)
    held = plan > 0
    assert found.value == pytest.approx((plan[held] * cost[held]).sum(), rel=1e-12)
    size = np.abs(cost[cost < INF]).max()
    assert (found.f[:, None] + found.g[None, :] <= cost + 1e-12 * size).all()
    assert abs(found.gap) < 1e-12 * size
    assert found.f @ a + found.g @ b == pytest.approx(found.value, abs=1e-12 * size)


def test_masses_of_any_kind(uneven):
    a, b, cost = uneven
    found = exact(a, b, cost)
    holds(found, a, b, cost)
    assert found.method == "simplex"
    assert len(found.rows) <= 9 + 13 - 1
    rows, columns, masses, value = found
    assert value == pytest.approx((cost[rows, columns] * masses).sum())
    assert repr(found).startswith("ExactTransport(9 x 13, value=")


def test_a_linear_program_finds_the_same(uneven):
    optimize = pytest.importorskip("scipy.optimize")
    a, b, cost = uneven
    sums = np.vstack([np.kron(np.eye(9), np.ones(13)), np.kron(np.ones(9), np.eye(13))])
    least = optimize.linprog(cost.ravel(), A_eq=sums, b_eq=np.concatenate([a, b]))
    assert exact(a, b, cost).value == pytest.approx(least.fun, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_equal_masses_are_an_assignment(rng, n):
    pytest.importorskip("scipy.optimize")
    cost = rng.random((n, n))
    found = exact(None, None, cost)
    holds(found, np.full(n, 1 / n), np.full(n, 1 / n), cost)
    assert found.method == "assignment"
    assert sorted(found.columns) == list(range(n))


def test_both_programs_agree(rng):
    pytest.importorskip("ot")
    cost = rng.random((15, 15))
    a = np.full(15, 1 / 15)
    a[0] += 1e-12
    one, other = exact(None, None, cost), exact(a, None, cost)
    assert (one.method, other.method) == ("assignment", "simplex")
    assert one.value == pytest.approx(other.value, abs=1e-10)


def test_the_entropic_value_tends_to_it(uneven):
    a, b, cost = uneven
    best = exact(a, b, cost).value
    excess = [iso.sinkhorn(a, b, cost, reg, tol=1e-9).value - best for reg in (0.1, 0.01, 0.001)]
    assert excess == sorted(excess, reverse=True)
    # The entropy of a plan is at most the logarithm of how many pairs there are.
    assert -1e-8 <= excess[-1] <= 0.001 * np.log(9 * 13)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
@pytest.mark.parametrize("square", [True, False])
def test_costs_of_any_size(uneven, rng, scale, square):
    a, b, cost = (None, None, rng.random((9, 9))) if square else uneven
    expected, found = exact(a, b, cost), exact(a, b, cost * scale)
    assert found.value == pytest.approx(scale * expected.value, rel=1e-12)
    assert abs(found.gap) < 1e-12 * scale
    moved = exact(a, b, cost + 2.0**30)
    assert moved.value == pytest.approx(2.0**30 + expected.value, rel=1e-12)
    assert moved.gap < 1e-6


@pytest.mark.parametrize("square", [True, False])
def test_forbidden_pairs(uneven, rng, square):
    a, b, cost = (np.full(9, 1 / 9),) * 2 + (rng.random((9, 9)),) if square else uneven
    cost[rng.random(cost.shape) < 0.3] = INF
    cost[-1, :], cost[:, -1] = 5.0, 5.0
    if not square:
        # The last row and column can carry everything.
        a[-1], b[-1] = a[-1] + 1, b[-1] + 1
    found = exact(a, b, cost)
    holds(found, a, b, cost)
    assert (cost[found.rows, found.columns] < INF).all()
    stuck = np.array([[0, INF, INF], [0, INF, INF], [1, 1, 1]])
    masses = np.array([1.0, 1, 1]), np.array([1.0, 1, 1])
    if not square:
        masses = np.array([1.0, 1, 2]), np.array([1.5, 1.5, 1])
    with pytest.raises(ValueError, match="cost: expected pairs that can carry the masses"):
        exact(*masses, stuck)


def test_what_makes_no_sense_is_refused(monkeypatch):
    pytest.importorskip("scipy.optimize")
    with pytest.raises(ValueError, match="b: expected as much mass as a has, 3, got 1"):
        exact(np.ones(3), None, np.eye(3))
    with pytest.raises(NonFiniteError, match="cost: row 1 has a NaN"):
        exact(None, None, np.array([[0.0, 1], [np.nan, 0]]))
    with pytest.raises(ShapeError, match="cost: expected an array of 2 dimensions"):
        exact(None, None, np.zeros(3))
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(DTypeError, match="cost: expected a NumPy array, got Array"):
        exact(None, None, strict.asarray(np.eye(3)))
    import sys

    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(ImportError, match=r"needs ot: pip install 'isomorph\[ot\]'"):
        exact(np.array([1.0, 2]), np.array([2.0, 1]), np.eye(2))
