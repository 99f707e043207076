"""Potentials are given up to no constant: their means, weighted by the masses, are the same."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso


def problem(n: int = 7, m: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    a, b = rng.random(n), rng.random(m)
    a[2] = b[0] = 0.0
    return a / a.sum(), b / b.sum(), 10.0 + rng.random((n, m))


def require_balanced(found: iso.transport.Transport, a: np.ndarray, b: np.ndarray) -> None:
    means = [mass[mass > 0] @ of[mass > 0] for mass, of in ((a, found.f), (b, found.g))]
    assert means[0] == pytest.approx(means[1], rel=1e-13)
    assert np.isneginf(found.f[a == 0]).all()
    assert np.isneginf(found.g[b == 0]).all()


@pytest.mark.parametrize("method", ["scaling", "stabilized", "log"])
def test_both_sides_have_the_same_mean_and_swap(method: str) -> None:
    a, b, cost = problem()
    found = iso.sinkhorn(a, b, cost, 0.05, method=method, tol=1e-12)
    require_balanced(found, a, b)
    other = iso.sinkhorn(b, a, cost.T, 0.05, method=method, tol=1e-12)
    held = a > 0
    np.testing.assert_allclose(found.f[held], other.g[held], rtol=0, atol=1e-9)
    plan = np.exp((found.f[:, None] + found.g - cost) / 0.05)
    np.testing.assert_allclose(plan, found.plan(), rtol=1e-10, atol=1e-300)


def test_problems_of_a_batch_have_those_of_single_ones() -> None:
    a, b, cost = problem()
    many = iso.sinkhorn(a, b, np.stack([cost, 3.0 * cost]), 0.05, tol=1e-12)
    for i, scale in enumerate((1.0, 3.0)):
        require_balanced(many[i], a, b)
        one = iso.sinkhorn(a, b, scale * cost, 0.05, tol=1e-12)
        np.testing.assert_allclose(many.f[i], one.f, rtol=0, atol=1e-9)
        np.testing.assert_allclose(many.g[i], one.g, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cost", ["cosine", "dot", "sqeuclidean"])
def test_points_have_those_of_the_matrix(cost: str) -> None:
    x, y = np.random.default_rng(5).standard_normal((2, 6, 3))
    found = iso.sinkhorn_points(x, y, 0.5, cost=cost, tol=1e-12)
    require_balanced(found, np.full(6, 1 / 6), np.full(6, 1 / 6))


def test_a_number_beyond_64_bits_is_an_error() -> None:
    cost = np.ones((2, 2))
    for call in (
        lambda: iso.sinkhorn(None, None, cost, 1.0, max_iter=2**64),
        lambda: iso.sinkhorn(None, None, cost[None], 1.0, max_iter=2**64),
        lambda: iso.sinkhorn_points(cost, cost, 1.0, max_iter=2**64),
    ):
        with pytest.raises(ValueError, match="max_iter: expected an integer of 1 or more, of 64"):
            call()
    with pytest.raises(ValueError, match=r"iterations: expected .* of 64 bits"):
        iso.sinkhorn_assign(cost, 1.0, iterations=2**64)
