"""Many transport problems in one call: each as if it were alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, DTypeError, NonFiniteError, ShapeError
from isomorph.transport import Transport, Transports
from support import sinkhorn_oracle

FIELDS = ("value", "error", "iterations", "converged", "error_l2", "reg")


def masses(rng, *shape):
    mass = rng.random(shape) + 0.1
    mass[..., rng.integers(shape[-1])] *= shape[-1] < 2
    return mass / mass.sum(-1, keepdims=True)


def same_bytes(one: Transport, other: Transport) -> None:
    """The two are one answer, to the last bit."""
    assert one.f.tobytes() == other.f.tobytes()
    assert one.g.tobytes() == other.g.tobytes()
    assert one.method == other.method
    for field in FIELDS:
        assert getattr(one, field) == getattr(other, field), field


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 17, 33])
def test_a_stack_has_the_plans_of_its_problems(rng, count, dtype, backend):
    cost = rng.random((count, 6, 9)).astype(dtype)
    a, b = masses(rng, count, 6), masses(rng, count, 9)
    found = iso.sinkhorn(a, b, cost, 0.1, tol=1e-6)
    plans = found.plan()
    assert plans.shape == cost.shape
    assert plans.dtype == dtype
    atol = 2e-6 if dtype == "float32" else 1e-6
    for i in range(count):
        expected = sinkhorn_oracle.sinkhorn(a[i], b[i], cost[i], 0.1)
        np.testing.assert_allclose(plans[i], expected, rtol=0, atol=atol)
        assert found.value[i] == pytest.approx((expected * cost[i]).sum(), abs=1e-5)
    assert found.converged.all()
    assert found.error.max() <= 1e-6
    assert len(found) == count


@given(seed=st.integers(0, 2**32 - 1))
def test_a_problem_does_not_see_its_neighbours(seed):
    """Alone, in a stack, in a list of others, on any number of threads: the same bytes."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 20))
    n, m = (int(x) for x in rng.integers(1, 12, 2))
    dtype = ("float32", "float64")[int(rng.integers(2))]
    cost = (rng.random((count, n, m)) * 10 ** rng.uniform(-1, 1.5, (count, 1, 1))).astype(dtype)
    a, b = masses(rng, count, n), masses(rng, count, m)
    reg = 10 ** rng.uniform(-1.5, 0.5, count)
    options = {"tol": 1e-5, "max_iter": 200}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        stack = iso.sinkhorn(a, b, cost, reg, threads=1, **options)
        other = rng.random((3, 14)).astype(dtype)
        ragged = iso.sinkhorn(
            [None, *a], [None, *b], [other, *cost], [0.2, *reg], threads=3, **options
        )
        for i in range(count):
            alone = iso.sinkhorn(a[i : i + 1], b[i : i + 1], cost[i : i + 1], reg[i], **options)
            same_bytes(stack[i], alone[0])
            same_bytes(stack[i], ragged[i + 1])
            assert stack.f[i].tobytes() == ragged.f[i + 1].tobytes() == alone.f[0].tobytes()
            assert stack.plan()[i].tobytes() == ragged.plan()[i + 1].tobytes()
            single = iso.sinkhorn(a[i], b[i], cost[i], reg[i], **options)
            if single.converged and stack.converged[i]:
                # Entries in units of the largest one; both are within tol of the marginals.
                np.testing.assert_allclose(stack[i].plan(), single.plan(), rtol=0, atol=1e-3)


def test_a_list_of_any_sizes(rng, backend):
    costs = [rng.random((n, m)) for n, m in ((3, 4), (1, 7), (40, 70), (5, 1), (3, 4))]
    a = [None, np.ones(1), masses(rng, 40), None, np.full(3, 1 / 3)]
    found = iso.sinkhorn(a, None, costs, [0.1, 0.2, 0.1, 0.3, 0.1])
    assert isinstance(found, Transports)
    assert [one.shape for one in found.plan()] == [one.shape for one in costs]
    assert [len(one) for one in found.g] == [4, 7, 70, 1, 4]
    for i, cost in enumerate(costs):
        alone = iso.sinkhorn(a[i], None, cost, float(found.reg[i]))
        np.testing.assert_allclose(found.plan()[i], alone.plan(), rtol=0, atol=1e-6)
        np.testing.assert_allclose(found[i].plan(), found.plan()[i], rtol=1e-12)


def test_zero_masses_and_forbidden_pairs(rng, backend):
    cost = rng.random((5, 6, 7))
    cost[rng.random(cost.shape) < 0.2] = np.inf
    cost[:, np.arange(6), np.arange(6)], cost[:, :, 6] = 0.5, 0.3
    a, b = masses(rng, 5, 6), masses(rng, 5, 7)
    a[2, 4], b[3, :2], b[4, 0] = 0, 0, 0
    a, b = (one / one.sum(1, keepdims=True) for one in (a, b))
    found = iso.sinkhorn(a, b, cost, 0.2, tol=1e-10)
    plans = found.plan()
    assert (plans[np.isinf(cost)] == 0).all()
    assert np.isneginf(found.f[2, 4])
    assert np.isneginf(found.g[3, :2]).all()
    for i in range(5):
        expected = sinkhorn_oracle.sinkhorn(a[i], b[i], cost[i], 0.2)
        np.testing.assert_allclose(plans[i], expected, rtol=0, atol=1e-9)


def test_the_error_is_that_of_each_plan(rng, backend):
    cost = rng.random((9, 12, 10))
    with pytest.warns(ConvergenceWarning, match=r"9 of 9 problems did not .* of problem \d") as got:
        found = iso.sinkhorn(None, None, cost, 0.01, max_iter=4)
    assert len(got) == 1
    assert got[0].filename == __file__
    plans = found.plan()
    missed = np.abs(plans.sum(2) - 1 / 12).sum(1) + np.abs(plans.sum(1) - 1 / 10).sum(1)
    np.testing.assert_allclose(found.error, missed, rtol=1e-6)
    assert not found.converged.any()
    assert (found.iterations <= 4).all()
    value = (plans * cost).sum((1, 2))
    np.testing.assert_allclose(found.value, value, rtol=1e-9)


def test_as_many_passes_as_are_asked_for(rng):
    """A tolerance that nothing meets: the plain iteration, pass by pass."""
    cost = rng.random((3, 8, 8))
    with pytest.warns(ConvergenceWarning):
        found = iso.sinkhorn(None, None, cost, 0.05, tol=1e-300, max_iter=13, acceleration="none")
    assert (found.iterations == 13).all()
    for i in range(3):
        kernel, v = np.exp(-cost[i] / 0.05), np.ones(8)
        for _ in range(13):
            u = (1 / 8) / (kernel @ v)
            last, v = v, (1 / 8) / (kernel.T @ u)
        np.testing.assert_allclose(found.plan()[i], u[:, None] * kernel * last, rtol=1e-9)


def test_a_warm_start_goes_on(rng, backend):
    cost = rng.random((4, 8, 9))
    cold = iso.sinkhorn(None, None, cost, 0.02, tol=1e-9)
    for initial in (cold, (cold.f, cold.g), (None, list(cold.g))):
        assert (
            iso.sinkhorn(None, None, cost, 0.02, tol=1e-9, initial=initial).iterations <= 2
        ).all()
    with pytest.raises(ShapeError, match=r"initial: expected a g of 4 problems, got 3"):
        iso.sinkhorn(None, None, cost, 0.02, initial=(None, cold.g[:3]))
    with pytest.raises(ShapeError, match=r"initial\[0\]: expected a g of shape \(9,\), got \(8,\)"):
        iso.sinkhorn(None, None, cost, 0.02, initial=(None, cold.f))
    with pytest.raises(
        DTypeError, match=r"initial: expected Transports or \(f, g\), got Transport"
    ):
        iso.sinkhorn(None, None, cost, 0.02, initial=cold[0])


def test_masses_for_all_problems(rng, backend):
    cost, a = rng.random((3, 4, 5)), masses(rng, 4)
    found = iso.sinkhorn(a, None, cost, 0.1)
    np.testing.assert_allclose(found.plan().sum(2), np.tile(a, (3, 1)), atol=1e-6)


def test_problems_are_counted_from_both_ends(rng):
    found = iso.sinkhorn(None, None, rng.random((3, 4, 5)), 0.1)
    same_bytes(found[-1], found[2])
    assert repr(found) == "Transports(3 problems, 3 converged)"
    with pytest.raises(ValueError, match=r"index: expected -3 to 2 \(problems\), got 3"):
        found[3]
    f, g, value, error, iterations, converged = found
    assert (f.shape, g.shape) == ((3, 4), (3, 5))
    assert {one.shape for one in (value, error, iterations, converged)} == {(3,)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"cost": np.zeros((0, 3, 4))}, ShapeError, "cost: expected at least one problem, row"),
        ({"cost": [np.zeros((3, 4)), np.zeros(3)]}, ShapeError, r"cost\[1\]: expected an array of"),
        ({"cost": [np.zeros((3, 4)), [1]]}, DTypeError, r"cost\[1\]: expected an array, got list"),
        ({"cost": [np.zeros((3, 4)), np.zeros((0, 4))]}, ShapeError, r"cost\[1\]: expected at lea"),
        ({"cost": []}, DTypeError, "cost: expected an array, got list"),
        ({"a": np.ones((3, 3))}, ShapeError, "a: expected masses of 2 problems, or one array"),
        ({"a": [np.ones(3)]}, ShapeError, "a: expected masses of 2 problems, or one .* got 1"),
        ({"a": [1.0, 2.0]}, DTypeError, "a: expected an array, got list"),
        ({"a": np.ones((2, 4))}, ShapeError, r"a\[0\]: expected an array of 1 dim.* of length 3"),
        ({"a": [None, np.ones(3)]}, ValueError, r"b\[1\]: expected as much mass as a has, 3"),
        ({"a": np.array([1.0, -1, 1])}, ValueError, "a: expected masses of 0 or more"),
        ({"b": [None, np.array([1, np.nan, 1, 0])]}, NonFiniteError, r"b\[1\]: row 1 has a NaN"),
        ({"reg": [0.1, -1]}, ValueError, r"reg\[1\]: expected a finite number above 0, got -1"),
        ({"reg": [0.1, 1e-15]}, ValueError, r"reg\[1\]: expected at least .* for costs up to 1"),
        (
            {"reg": np.ones(3)},
            ShapeError,
            r"reg: expected a number, or 2, one a problem, got shape",
        ),
        ({"reg": "much"}, DTypeError, "reg: expected a number, got 'much'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(change, error, message, backend):
    arguments = {"a": None, "b": None, "cost": np.stack([np.eye(3, 4)] * 2), "reg": 0.1} | change
    with pytest.raises(error, match=message):
        iso.sinkhorn(**arguments)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize("place", [0, 7, 16, 40])
def test_a_cost_that_is_no_number_is_named(rng, bad, place, backend):
    cost = rng.random((41, 5, 6)).astype(np.float32)
    cost[place, 3, 2] = bad
    with pytest.raises(NonFiniteError, match=rf"cost\[{place}\]: row 3 has a NaN or -inf"):
        iso.sinkhorn(None, None, cost, 0.1)


def test_what_has_no_way_is_named(rng, backend):
    cost = rng.random((3, 4, 5))
    cost[1, 2] = np.inf
    with pytest.raises(ValueError, match=r"cost\[1\]: row 2 has mass in a, and every pair"):
        iso.sinkhorn(None, None, cost, 0.1)


def test_what_all_costs_have_in_common_costs_no_digits(rng, backend):
    cost = rng.random((4, 5, 6))
    high = cost + np.array([0.0, 2.0**40, -(2.0**30), 0.0])[:, None, None]
    found = iso.sinkhorn(None, None, high, 0.05, tol=1e-8)
    expected = iso.sinkhorn(None, None, cost, 0.05, tol=1e-8)
    np.testing.assert_allclose(found.plan(), expected.plan(), atol=1e-4)
    assert found.value[1] == pytest.approx(2.0**40 + expected.value[1], abs=1e-3)


def test_layouts_and_half_precision(rng):
    cost = rng.random((4, 6, 8)).astype(np.float16)
    cost.flags.writeable = False
    found = iso.sinkhorn(None, None, cost, 0.1)
    wide = cost.astype(np.float32)
    assert found.plan().dtype == np.float32
    for same in (wide, np.asfortranarray(wide), np.repeat(wide, 2, axis=2)[:, :, ::2], list(cost)):
        other = iso.sinkhorn(None, None, same, 0.1)
        for i in range(4):
            same_bytes(other[i], found[i])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sides_that_fill_no_register(rng, dtype):
    """All sides from 1 to 40, and some that are solved on their own, pass by pass."""
    sides = [(n, int(rng.integers(1, 41))) for n in range(1, 41)]
    sides += [(65, 3), (3, 65), (66, 71), (80, 64), (129, 67)]
    costs = [rng.random(side).astype(dtype) for side in sides]
    a, b = ([masses(rng, side[k]) for side in sides] for k in (0, 1))
    for i, (n, m) in enumerate(sides):
        if i % 3 == 0 and min(n, m) > 4:
            a[i][n // 2], b[i][m - 1] = 0, 0
            a[i], b[i] = a[i] / a[i].sum(), b[i] / b[i].sum()
            costs[i][0, 0] = np.inf
    with pytest.warns(ConvergenceWarning):
        found = iso.sinkhorn(a, b, costs, 0.1, tol=1e-30, max_iter=19, acceleration="none")
    unit = float(np.finfo(dtype).eps)
    for i, (n, m) in enumerate(sides):
        kernel, v = np.exp(-costs[i].astype(np.float64) / 0.1), b[i]
        for _ in range(19):
            u = a[i] / (kernel @ v)
            last, v = v, b[i] / (kernel.T @ u)
        expected = u[:, None] * kernel * last
        bound = 19 * (n + m + 8) * unit
        np.testing.assert_allclose(found.plan()[i], expected, rtol=bound, atol=0, err_msg=str(i))
        missed = np.abs(expected.sum(0) - b[i]).sum()
        assert found.error[i] == pytest.approx(missed, abs=bound)
        assert np.isneginf(found.f[i][a[i] == 0]).all()
        assert np.isneginf(found.g[i][b[i] == 0]).all()


def test_what_a_larger_problem_leaves_is_not_seen(rng):
    """Problems on their own, one after another in the same memory: the same bytes as alone."""
    costs = [rng.random(shape) for shape in ((90, 110), (70, 66), (66, 75), (70, 68), (120, 65))]
    found = iso.sinkhorn(None, None, costs, 0.1, tol=1e-7, threads=1)
    for i, cost in enumerate(costs):
        same_bytes(found[i], iso.sinkhorn(None, None, [cost], 0.1, tol=1e-7)[0])
