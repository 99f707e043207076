"""What a solution says of itself is so: its error, its gap; masses are taken as they are meant."""

import warnings

import array_api_strict
import numpy as np
import pytest

import isomorph as iso

NAMESPACES = pytest.mark.parametrize("xp", [np, array_api_strict], ids=["core", "array"])


@NAMESPACES
def test_two_blocks_that_cannot_be_balanced_have_the_error_of_their_plan(xp):
    inf = np.inf
    cost = [[1.0, 2.0, inf, inf], [2.0, 1.0, inf, inf], [inf, inf, 1.0, 2.0], [inf, inf, 2.0, 1.0]]
    a, b = np.array([0.3, 0.3, 0.2, 0.2]), np.full(4, 0.25)
    with pytest.warns(iso.errors.ConvergenceWarning):
        found = iso.sinkhorn(xp.asarray(a), xp.asarray(b), xp.asarray(cost), 0.5, max_iter=200)
    plan = np.asarray(found.plan())
    rows, columns = plan.sum(axis=1) - a, plan.sum(axis=0) - b
    true = np.abs(rows).sum() + np.abs(columns).sum()
    # A tenth of the mass is in the wrong block, on either side.
    assert true > 0.2 - 1e-12
    assert found.error == pytest.approx(true, rel=1e-9)
    assert found.error_l2 == pytest.approx(np.linalg.norm(rows) + np.linalg.norm(columns), rel=1e-9)
    assert not found.converged


@NAMESPACES
def test_a_tolerance_below_rounding_is_not_said_to_be_reached_unless_it_is(xp):
    rng = np.random.default_rng(3)
    cost = rng.random((30, 20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", iso.errors.ConvergenceWarning)
        found = iso.sinkhorn(None, None, xp.asarray(cost), 0.05, tol=1e-16, max_iter=300)
    plan = np.asarray(found.plan())
    true = np.abs(plan.sum(axis=1) - 1 / 30).sum() + np.abs(plan.sum(axis=0) - 1 / 20).sum()
    # Sums of a plan, here and there, differ by rounding.
    assert abs(found.error - true) < 1e-14
    assert found.converged == (found.error <= 1e-16)


@NAMESPACES
def test_masses_that_differ_by_their_rounding_leave_the_gap_positive(xp):
    rng = np.random.default_rng(0)
    cost = rng.random((1000, 900), dtype=np.float32)
    a, b = (rng.random(n, dtype=np.float32) for n in cost.shape)
    a, b = a / a.sum(), b / b.sum() * np.float32(1 + 2e-7)
    found = iso.sinkhorn(xp.asarray(a), xp.asarray(b), xp.asarray(cost), 0.1)
    assert found.gap > -1e-12


def test_problems_of_a_batch_take_masses_as_single_ones_do():
    rng = np.random.default_rng(5)
    cost = rng.random((6, 40, 30), dtype=np.float32)
    a, b = rng.random((6, 40), dtype=np.float32), rng.random((6, 30), dtype=np.float32)
    a, b = (side / side.sum(axis=1, keepdims=True) for side in (a, b))
    b *= np.float32(1 + 2e-7)
    many = iso.sinkhorn(a, b, cost, 0.1)
    for i in range(6):
        one = many[i]
        alone = iso.sinkhorn(a[i], b[i], cost[i], 0.1)
        assert one.gap > -1e-12
        assert one.value == pytest.approx(alone.value, rel=1e-5)


@NAMESPACES
def test_float32_masses_are_taken_beside_a_float64_cost(xp):
    rng = np.random.default_rng(1)
    cost = rng.random((50, 40))
    a, b = (rng.random(n, dtype=np.float32) for n in cost.shape)
    a, b = a / a.sum(), b / b.sum() * np.float32(1 + 3e-7)
    found = iso.sinkhorn(xp.asarray(a), xp.asarray(b), xp.asarray(cost), 0.1)
    assert found.converged
    with pytest.raises(ValueError, match=r"b: expected as much mass as a has.*differs by 3"):
        iso.sinkhorn(
            xp.asarray(a.astype(float)), xp.asarray(b.astype(float)), xp.asarray(cost), 0.1
        )


@NAMESPACES
def test_masses_too_small_to_be_squared_are_refused(xp):
    tiny = xp.asarray(np.full(3, 1e-310))
    with pytest.raises(ValueError, match="a: expected masses with a sum of 1e-150 or more"):
        iso.sinkhorn(tiny, tiny, xp.asarray(np.eye(3)), 0.1)


@NAMESPACES
@pytest.mark.parametrize("k", [1, 3, 16, 17, 24])
def test_top_is_what_a_stable_sort_says(xp, k):
    rng = np.random.default_rng(k)
    # Few different costs: many ties.
    cost = rng.integers(0, 3, (40, 24)).astype(float)
    found = iso.sinkhorn(None, None, xp.asarray(cost), 5.0, max_iter=3, tol=1.0)
    plan = np.asarray(found.plan())
    top = found.top(k)
    order = np.argsort(-plan, axis=1, kind="stable")[:, :k]
    assert np.array_equal(np.asarray(top.indices), order)
    assert np.array_equal(np.asarray(top.scores), np.take_along_axis(plan, order, axis=1))
