"""The debiased divergence: its definition, what is proved of it, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, DTypeError, ShapeError

COSTS = ("cosine", "dot", "sqeuclidean")
every_cost = pytest.mark.parametrize("cost", COSTS)
EXACT = {"tol": 1e-12, "max_iter": 50_000}


def matrix(x, y, cost):
    if cost == "sqeuclidean":
        return ((x[:, None] - y[None]) ** 2).sum(-1)
    if cost == "cosine":
        x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
        return 1 - x @ y.T
    return -x @ y.T


def entropic(a, b, costs, reg):
    """OT with KL(P | a b'), by the textbook iteration in logarithms and its own definition."""
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(20_000):
        before = f
        f = -reg * np.logaddexp.reduce((g - costs) / reg + np.log(b), axis=1)
        g = -reg * np.logaddexp.reduce((f[:, None] - costs) / reg + np.log(a)[:, None], axis=0)
        if np.abs(f - before).max() < 1e-14 * reg:
            break
    plan = a[:, None] * b * np.exp((f[:, None] + g - costs) / reg)
    return (plan * costs).sum() + reg * (plan * np.log(plan / (a[:, None] * b))).sum()


def oracle(x, y, a, b, reg, cost):
    between, of_x, of_y = (
        entropic(p, q, matrix(u, v, cost), reg)
        for u, v, p, q in ((x, y, a, b), (x, x, a, a), (y, y, b, b))
    )
    return between - of_x / 2 - of_y / 2


def masses(rng, n):
    mass = rng.random(n) + 0.1
    return mass / mass.sum()


@pytest.fixture
def sides(rng):
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((9, 3)) + 0.4
    return x, y, masses(rng, 12), masses(rng, 9)


@every_cost
@pytest.mark.parametrize("reg", [2.0, 10.0])
def test_the_value_is_that_of_the_definition(sides, cost, reg, backend):
    x, y, a, b = sides
    found = iso.sinkhorn_divergence(x, y, reg, a=a, b=b, cost=cost, **EXACT)
    assert found.value == pytest.approx(oracle(x, y, a, b, reg, cost), rel=1e-9, abs=1e-10)
    value, error, converged = found
    assert (value, error, converged) == (found.value, found.error, True)
    assert error <= 1e-12


def test_pot_has_the_same_value(sides):
    """Made of POT's plans: its `empirical_sinkhorn_divergence` has not the same in all versions."""
    ot = pytest.importorskip("ot")
    x, y, a, b = sides
    reg = 3.0
    total = 0.0
    for u, v, p, q, weight in ((x, y, a, b, 1), (x, x, a, a, -0.5), (y, y, b, b, -0.5)):
        costs = matrix(u, v, "sqeuclidean")
        plan = ot.sinkhorn(p, q, costs, reg, stopThr=1e-14, numItermax=20_000)
        entropy = (plan * np.log(plan / np.outer(p, q))).sum()
        total += weight * ((plan * costs).sum() + reg * entropy)
    found = iso.sinkhorn_divergence(x, y, reg, a=a, b=b, cost="sqeuclidean", **EXACT)
    assert found.value == pytest.approx(total, rel=1e-9)


@every_cost
def test_equal_sets_are_0_apart_in_any_order(sides, cost, backend):
    x, _, a, _ = sides
    order = np.arange(12)[::-1]
    found = iso.sinkhorn_divergence(x, x[order], 0.2, a=a, b=a[order], cost=cost, **EXACT)
    assert abs(found.value) < 1e-11
    of_x, of_y = found.gradient_points()
    assert max(np.abs(of_x).max(), np.abs(of_y).max()) < 1e-10


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(COSTS),
    st.floats(0.05, 50),
)
def test_it_is_symmetric_and_not_below_0(seed, n, m, cost, reg):
    rng = np.random.default_rng(seed)
    x, y, a, b = (
        rng.standard_normal((n, 2)),
        rng.standard_normal((m, 2)),
        masses(rng, n),
        masses(rng, m),
    )
    options = {"cost": cost, "tol": 1e-10}
    one = iso.sinkhorn_divergence(x, y, reg, a=a, b=b, **options)
    other = iso.sinkhorn_divergence(y, x, reg, a=b, b=a, **options)
    # Duals fall short by the gap, of second order in the error; the rest is rounding.
    rounding = 1e-12 * (reg + np.abs(matrix(x, y, cost)).max())
    slack = rounding + max(abs(part.gap) for part in (one.xy, one.xx, one.yy, other.xy))
    assert one.value >= -2 * slack
    assert abs(one.value - other.value) <= 4 * slack


@pytest.mark.parametrize(("cost", "factor"), [("sqeuclidean", 1.0), ("dot", 0.5), ("cosine", 0.5)])
def test_a_large_reg_leaves_the_means(sides, cost, factor, backend):
    x, y, a, b = sides
    p, q = x, y
    if cost == "cosine":
        p, q = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    apart = ((a @ p - b @ q) ** 2).sum()
    found = iso.sinkhorn_divergence(x, y, 1e6, a=a, b=b, cost=cost, **EXACT)
    # What is left is a variance of costs over reg.
    assert found.value == pytest.approx(factor * apart, rel=1e-3)


def test_a_small_reg_leaves_transport(rng, backend):
    x, y = rng.standard_normal((8, 2)), rng.standard_normal((8, 2))
    best = iso.transport.exact(None, None, matrix(x, y, "sqeuclidean")).value
    found = iso.sinkhorn_divergence(x, y, 1e-3, cost="sqeuclidean", tol=1e-9)
    # Each entropy is between 0 and log 8.
    assert abs(found.value - best) <= 1e-3 * np.log(8)


@every_cost
def test_gradients_are_those_of_differences(sides, cost, backend):
    x, y, a, b = sides

    def value(x, y):
        return iso.sinkhorn_divergence(x, y, 0.5, a=a, b=b, cost=cost, **EXACT).value

    of_x, of_y = iso.sinkhorn_divergence(x, y, 0.5, a=a, b=b, cost=cost, **EXACT).gradient_points()
    for i, j in ((0, 0), (5, 2)):
        step = np.zeros_like(x)
        step[i, j] = 1e-4
        slope = (value(x + step, y) - value(x - step, y)) / 2e-4
        assert of_x[i, j] == pytest.approx(slope, rel=1e-5, abs=1e-7)
        slope = (value(x, y + step[:9]) - value(x, y - step[:9])) / 2e-4
        assert of_y[i, j] == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_float32_is_within_the_error_of_its_costs(rng, backend):
    x, y = rng.standard_normal((60, 5)) + 100, rng.standard_normal((50, 5)) + 101
    x, y = x.astype(np.float32), y.astype(np.float32)
    found = iso.sinkhorn_divergence(x, y, 1.0, cost="sqeuclidean")
    exact = iso.sinkhorn_divergence(x.astype(float), y.astype(float), 1.0, cost="sqeuclidean")
    longest = max(np.linalg.norm(z - z.mean(0), axis=1).max() for z in (x, y)) ** 2
    assert abs(found.value - exact.value) < 2 * 2 * 4 * (5 + 2) * 2.0**-24 * longest + 1e-5
    assert found.gradient_points()[0].dtype == np.float32


def test_a_start_saves_passes(sides):
    x, y, a, b = sides
    first = iso.sinkhorn_divergence(x, y, 0.1, a=a, b=b)
    again = iso.sinkhorn_divergence(x, y, 0.1, a=a, b=b, initial=first)
    assert again.xy.iterations + again.xx.iterations < first.xy.iterations + first.xx.iterations
    assert again.value == pytest.approx(first.value, abs=1e-6)


def test_what_is_refused_and_warned_of(sides):
    x, y, _, _ = sides
    with pytest.raises(DTypeError, match="initial: expected a SinkhornDivergence"):
        iso.sinkhorn_divergence(x, y, 0.1, initial=(x, y))
    with pytest.raises(ValueError, match="b: expected as much mass as a has"):
        iso.sinkhorn_divergence(x, y, 0.1, b=np.full(9, 1.0))
    first = iso.sinkhorn_divergence(x, y, 0.1)
    with pytest.raises(ShapeError, match="initial: expected a g of shape"):
        iso.sinkhorn_divergence(y, x, 0.1, initial=first)
    with pytest.warns(ConvergenceWarning) as warned:
        found = iso.sinkhorn_divergence(x, y, 0.01, max_iter=1)
    assert not found.converged
    assert warned[0].filename == __file__
    assert "not converged" in repr(found)
