"""Fewer pairs than dimensions: of all optimal maps the one nearest to the identity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import isomorph as iso

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 12))
flags = st.booleans()


def polar(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return u @ vt, s


class Problem:
    """Pairs, the bases of what they determine and of what they leave free, and how free that is."""

    def __init__(self, seed, n, d, e):
        self.rng = np.random.default_rng(seed)
        self.x, self.y = self.rng.standard_normal((n, d)), self.rng.standard_normal((n, e))
        self.m = self.x.T @ self.y
        u, s, vt = np.linalg.svd(self.m)
        r = int(np.sum(s > 1e-9 * s[0]))
        self.rank, self.free = r, (d - r, e - r)
        self.gap = s[r - 1] / s[0]
        self.fixed, self.u0, self.v0 = u[:, :r] @ vt[:r], u[:, r:], vt[r:].T
        self.identity = np.eye(d, e)
        self.nearest, cosines = polar(self.u0.T @ self.identity @ self.v0)
        self.least = cosines[-1] if len(cosines) else 1.0

    def optimum(self, q):
        return self.fixed + self.u0 @ q @ self.v0.T

    def distance(self, r):
        return np.linalg.norm(r - self.identity)


@given(seeds, sizes)
def test_the_map_is_the_nearest_of_all_optimal_ones(seed, size):
    problem = Problem(seed, *size)
    fit = iso.procrustes(problem.x, problem.y)
    assert fit.metrics["rank"] == problem.rank
    best = np.linalg.svd(problem.m, compute_uv=False).sum()
    np.testing.assert_allclose(np.trace(fit.matrix.T @ problem.m), best, rtol=1e-10)
    for _ in range(5):
        other, _ = polar(problem.rng.standard_normal(problem.free))
        other = problem.optimum(other)
        np.testing.assert_allclose(np.trace(other.T @ problem.m), best, rtol=1e-9)
        assert problem.distance(fit.matrix) <= problem.distance(other) + 1e-9
    assume(min(problem.least, problem.gap) > 1e-4)
    np.testing.assert_allclose(fit.matrix, problem.optimum(problem.nearest), atol=1e-9)


@given(seeds, st.integers(1, 5), st.integers(6, 12))
@example(414, 5, 7)  # Once a singular value that is 0 came out above the threshold of rank.
def test_of_rotations_it_is_the_nearest_rotation(seed, n, d):
    problem = Problem(seed, n, d, d)
    fit = iso.procrustes(problem.x, problem.y, allow_reflection=False)
    assert fit.metrics["determinant"] == 1
    best = np.linalg.svd(problem.m, compute_uv=False).sum()
    np.testing.assert_allclose(np.trace(fit.matrix.T @ problem.m), best, rtol=1e-9)
    for _ in range(5):
        q, _ = polar(problem.rng.standard_normal(problem.free))
        other = problem.optimum(q)
        if np.linalg.det(other) < 0:
            q[:, 0] *= -1
            other = problem.optimum(q)
        assert problem.distance(fit.matrix) <= problem.distance(other) + 1e-9


@given(seeds, sizes, flags)
def test_it_depends_on_the_data_alone(seed, size, reflection):
    """Mixing the pairs leaves the products, hence the problem, as they are; so does a backend."""
    problem = Problem(seed, *size)
    assume(min(problem.least, problem.gap) > 1e-3)
    mixing = np.linalg.qr(problem.rng.standard_normal((size[0], size[0])))[0]
    fit = iso.procrustes(problem.x, problem.y, allow_reflection=reflection)
    mixed = iso.procrustes(mixing @ problem.x, mixing @ problem.y, allow_reflection=reflection)
    with iso.runtime.use_backend("array"):
        array = iso.procrustes(problem.x, problem.y, allow_reflection=reflection)
    for other in (mixed, array):
        if other.metrics.get("determinant") == fit.metrics.get("determinant"):
            np.testing.assert_allclose(other.matrix, fit.matrix, atol=1e-8)


@given(seeds, st.integers(1, 5), st.integers(6, 12))
@example(113, 4, 6)
def test_a_little_change_changes_it_a_little(seed, n, d):
    problem = Problem(seed, n, d, d)
    assume(min(problem.least, problem.gap) > 1e-3)
    fit = iso.procrustes(problem.x, problem.y)
    for size in (1e-12, 1e-9, 1e-6):
        change = size * problem.rng.standard_normal(problem.x.shape)
        near = iso.procrustes(problem.x + change, problem.y)
        steepest = 1 / min(problem.least, problem.gap) ** 2
        assert np.linalg.norm(near.matrix - fit.matrix) <= 100 * d * size * steepest


def test_without_any_evidence_it_is_the_identity(backend):
    for d, e in ((5, 5), (3, 7), (7, 3)):
        fit = iso.procrustes(np.zeros((2, d)), np.zeros((2, e)))
        assert np.array_equal(fit.matrix, np.eye(d, e))


def test_where_the_pairs_stay_the_rest_stays(backend, rng):
    x = rng.standard_normal((3, 40))
    np.testing.assert_allclose(iso.procrustes(x, x).matrix, np.eye(40), atol=1e-13)


@pytest.mark.parametrize("d", [2, 5, 40])
def test_of_two_equally_near_it_is_the_rotation(d, backend):
    """One unit vector onto another: with a reflection beside it or not, the trace is the same."""
    for i, j in ((0, 1), (1, 0), (0, d - 1)):
        fit = iso.procrustes(np.eye(d)[[i]], np.eye(d)[[j]])
        assert fit.metrics["determinant"] == 1
        np.testing.assert_allclose(np.trace(fit.matrix), d - 2, atol=1e-12)


@pytest.mark.parametrize(("d", "e"), [(2, 3), (3, 2), (6, 9), (9, 6), (80, 120)])
def test_bases_that_do_not_overlap_still_give_orthonormal_maps(d, e, backend):
    for i, j in ((0, 1), (1, 0), (0, e - 1)):
        r = iso.procrustes(np.eye(d)[[i]], np.eye(e)[[j]]).matrix
        gram = r.T @ r if d >= e else r @ r.T
        np.testing.assert_allclose(gram, np.eye(min(d, e)), atol=1e-13)
        np.testing.assert_allclose(r[i, j], 1, atol=1e-13)


def test_word_vectors_with_few_pairs_agree_between_backends(rng):
    """Larger than what Jacobi factorises, in float32, a rank of a sixth."""
    x, y = rng.standard_normal((2, 50, 300)).astype(np.float32)
    fit = iso.procrustes(x, y)
    with iso.runtime.use_backend("array"):
        array = iso.procrustes(x, y)
    np.testing.assert_allclose(fit.matrix, array.matrix, atol=1e-6)
