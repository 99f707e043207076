"""Gradients of transport in closed form, against finite differences of the value."""

from __future__ import annotations

import math

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import NonFiniteError, ShapeError

INF = math.inf
TIGHT = {"tol": 1e-12, "max_iter": 50_000}


def distances(x, y, cost):
    if cost == "sqeuclidean":
        return ((x[:, None] - y[None]) ** 2).sum(-1)
    if cost == "cosine":
        x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
        return 1 - x @ y.T
    return -x @ y.T


@pytest.fixture
def sides(rng):
    """Masses with the same sum, some of them 0, and points."""
    a, b = rng.random(6) + 0.1, rng.random(8) + 0.1
    a[2], b[5] = 0, 0
    return a / a.sum(), b / b.sum(), rng.standard_normal((6, 3)), rng.standard_normal((8, 3))


def balanced(a, b, cost, reg):
    return iso.sinkhorn(a, b, cost, reg, **TIGHT)


def relaxed(a, b, cost, reg):
    return iso.sinkhorn_unbalanced(a, b, cost, reg, penalty=(0.7, 2.0), **TIGHT)


def product(a, b, cost, reg):
    return iso.sinkhorn_unbalanced(
        a, b, cost, reg, penalty=(0.7, 2.0), reference="product", **TIGHT
    )


def half(a, b, cost, reg):
    return iso.sinkhorn_unbalanced(
        a, b, cost, reg, penalty=(INF, 0.8), reference="product", **TIGHT
    )


def partial(a, b, cost, reg):
    return iso.sinkhorn_partial(a, b, cost, reg, mass=0.6, **TIGHT)


every_problem = pytest.mark.parametrize("solve", [balanced, relaxed, product, half, partial])


def slope(function, at, direction, size=1e-5):
    """The derivative in a direction, by central differences of the fourth order."""
    one, two = (
        (function(at + k * size * direction) - function(at - k * size * direction)) / (2 * k * size)
        for k in (1, 2)
    )
    return (4 * one - two) / 3


@every_problem
@pytest.mark.parametrize(
    ("reg", "cost"),
    [(1.0, "sqeuclidean"), (0.1, "sqeuclidean"), (0.03, "cosine"), (0.3, "cosine"), (0.1, "dot")],
)
def test_of_points(sides, rng, solve, reg, cost, backend):
    a, b, x, y = sides
    solved = solve(a, b, distances(x, y, cost), reg)
    found = solved.gradient_points(x, y, cost=cost)
    assert (found[0][2] == 0).all()
    for side, (points, gradient) in enumerate(zip((x, y), found, strict=True)):
        direction = rng.standard_normal(points.shape)

        def value(moved, side=side):
            pair = (moved, y) if side == 0 else (x, moved)
            return solve(a, b, distances(*pair, cost), reg).entropic_value

        expected = slope(value, points, direction)
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@every_problem
@pytest.mark.parametrize("reg", [1.0, 0.03])
def test_of_costs(sides, rng, solve, reg):
    a, b, x, y = sides
    cost, direction = distances(x, y, "sqeuclidean"), rng.standard_normal((6, 8))
    found = (solve(a, b, cost, reg).gradient_cost() * direction).sum()
    expected = slope(lambda moved: solve(a, b, moved, reg).entropic_value, cost, direction)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)


@every_problem
@pytest.mark.parametrize("reg", [1.0, 0.1])
def test_of_masses(sides, rng, solve, reg, backend):
    a, b, x, y = sides
    cost = distances(x, y, "sqeuclidean")
    of_a, of_b = solve(a, b, cost, reg).gradient_masses()
    for gradient, mass in ((of_a, a), (of_b, b)):
        assert np.isfinite(gradient[mass > 0]).all()
        assert not np.isfinite(gradient[mass == 0]).any()
    to_a, to_b = rng.standard_normal(6) * (a > 0), rng.standard_normal(8) * (b > 0)
    # Both sides together, as given sums need it; then each.
    to_b *= to_a.sum() / to_b.sum()
    directions = [(to_a, to_b)]
    if solve is balanced:
        directions.append((to_a - (a > 0) * to_a.sum() / (a > 0).sum(), 0 * to_b))
    else:
        directions += [(to_a, 0 * to_b), (0 * to_a, to_b)]
    for one, other in directions:
        expected = slope(
            lambda t, one=one, other=other: (
                solve(a + t * one, b + t * other, cost, reg).entropic_value
            ),
            0.0,
            1.0,
        )
        held = (of_a[a > 0] * one[a > 0]).sum() + (of_b[b > 0] * other[b > 0]).sum()
        assert held == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_potentials_of_given_sums_are_centred(sides):
    a, b, x, y = sides
    of_a, of_b = balanced(a, b, distances(x, y, "sqeuclidean"), 0.3).gradient_masses()
    assert of_a[a > 0].mean() == pytest.approx(0, abs=1e-12)
    assert np.isneginf(of_a[2])
    assert np.isneginf(of_b[5])


def test_mass_that_can_go_nowhere_has_its_slope(sides):
    a, b, x, y = sides
    cost = distances(x, y, "sqeuclidean")
    cost[0] = INF
    for solve in (relaxed, product, partial):
        one = np.eye(6)[0]
        found = solve(a, b, cost, 0.3).gradient_masses()[0][0]
        expected = slope(
            lambda t, solve=solve, one=one: solve(a + t * one, b, cost, 0.3).entropic_value,
            0.0,
            1.0,
        )
        assert found == pytest.approx(expected, abs=1e-6)


def test_points_that_were_never_a_matrix(sides):
    a, b, x, y = sides
    for cost in ("sqeuclidean", "cosine", "dot"):
        dense = iso.sinkhorn(a, b, distances(x, y, cost), 0.2, **TIGHT)
        lazy = iso.sinkhorn_points(x, y, 0.2, a=a, b=b, cost=cost, **TIGHT)
        for one, other in zip(
            dense.gradient_points(x, y, cost=cost),
            lazy.gradient_points(x, y, cost=cost),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, atol=1e-9)
        np.testing.assert_allclose(dense.gradient_masses()[0], lazy.gradient_masses()[0], atol=1e-8)


def test_points_far_from_the_origin_and_zero_rows(sides):
    a, b, x, y = sides
    x, y = np.round(x * 2**20) / 2**20, np.round(y * 2**20) / 2**20
    solved = balanced(a, b, distances(x, y, "sqeuclidean"), 0.5)
    near = solved.gradient_points(x, y, cost="sqeuclidean")
    far = solved.gradient_points(x + 2.0**30, y + 2.0**30, cost="sqeuclidean")
    for one, other in zip(near, far, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    x[1] = 0
    assert (solved.gradient_points(x, y, cost="cosine")[0][1] == 0).all()
    tiny = solved.gradient_points(x * 1e-200, y * 1e200, cost="cosine")
    plain = solved.gradient_points(x, y, cost="cosine")
    np.testing.assert_allclose(tiny[0] * 1e-200, plain[0], rtol=1e-10, atol=1e-14)
    assert solved.gradient_points(x.astype("f4"), y.astype("f4"), cost="dot")[0].dtype == np.float32


def test_a_cloud_moves_onto_another(rng):
    x, y = rng.standard_normal((20, 2)), rng.standard_normal((20, 2)) + 4
    values = []
    for _ in range(8):
        solved = iso.sinkhorn_points(x, y, 0.3, cost="sqeuclidean")
        values.append(solved.entropic_value)
        x = x - 0.4 * len(x) * solved.gradient_points(x, y, cost="sqeuclidean")[0]
    assert values == sorted(values, reverse=True)
    assert solved.value < 0.3


def test_what_does_not_fit_is_refused(sides):
    a, b, x, y = sides
    solved = balanced(a, b, distances(x, y, "sqeuclidean"), 0.5)
    with pytest.raises(ShapeError, match="x: expected 6 rows, one a row of the cost, got 8"):
        solved.gradient_points(y, y, cost="dot")
    with pytest.raises(ShapeError, match="y: expected 8 rows, one a column of the cost, got 6"):
        solved.gradient_points(x, x, cost="dot")
    with pytest.raises(ShapeError, match="y: expected 3 columns as in x"):
        solved.gradient_points(x, y[:, :2], cost="dot")
    with pytest.raises(ValueError, match="cost: expected one of cosine, dot, sqeuclidean"):
        solved.gradient_points(x, y, cost="l2")
    with pytest.raises(NonFiniteError, match="x: row 1 has a NaN"):
        solved.gradient_points(np.where(np.arange(6)[:, None] == 1, np.nan, x), y, cost="dot")
