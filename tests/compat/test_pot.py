"""Entropic transport as POT has it: iterates, logs, prints and warnings, call by call."""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings

import numpy as np
import pytest

import isomorph as iso
from isomorph.compat import pot
from isomorph.compat._covered import NotCoveredError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ot = pytest.importorskip("ot")

SHAPES = ((1, 1), (5, 7), (60, 40), (20, 50))
REGS = (1.0, 0.1, 0.01, 0.003)
METHODS = ("sinkhorn", "sinkhorn_log", "sinkhorn_stabilized")


def problem(n, m, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return (
        (a / a.sum()).astype(dtype),
        (b / b.sum()).astype(dtype),
        rng.random((n, m)).astype(dtype),
    )


def observed(function, *args, **kwargs):
    """Give the answer of a call, its warnings, and what it printed."""
    out = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(out):
        warnings.simplefilter("always")
        answer = function(*args, **kwargs)
    return answer, [(str(one.message), one.category) for one in caught], out.getvalue()


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
        return
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
        return
    one, other = np.asarray(found), np.asarray(expected)
    assert (one.shape, one.dtype) == (other.shape, other.dtype)
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def wrong_by_absorption(method, plan):
    """Whether POT's stabilised plan lacks its factor n m, as when it absorbs at the end."""
    return method == "sinkhorn_stabilized" and plan.sum() < 0.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reg", REGS)
def test_the_grid(method, reg):
    served = 0
    options = itertools.product(
        SHAPES, (1, 2, 17, 150), (1e-9, 1e-3), (False, True), (False, True), (False, True)
    )
    for seed, ((n, m), most, threshold, log, verbose, warm) in enumerate(options):
        a, b, cost = problem(n, m, seed)
        rng = np.random.default_rng(seed)
        start = (rng.normal(size=n), rng.normal(size=m)) if warm else None
        keywords = {
            "method": method, "numItermax": most, "stopThr": threshold, "log": log,
            "verbose": verbose, "warmstart": start,
        }  # fmt: skip
        quietly = keywords | {"log": False, "verbose": False, "warn": False}
        for name in ("sinkhorn", "sinkhorn2"):
            try:
                found = observed(getattr(pot, name).serve, a, b, cost, reg, **keywords)
            except NotCoveredError:
                continue
            expected = observed(getattr(ot, name), a, b, cost, reg, **keywords)
            plan = ot.sinkhorn(a, b, cost, reg, **quietly)
            if wrong_by_absorption(method, plan):
                continue
            served += 1
            assert_same(found[0], expected[0])
            assert found[1] == expected[1]
            # Errors at the rounding of the sums have no digits in common.
            assert [line[:5] for line in found[2].splitlines()] == [
                line[:5] for line in expected[2].splitlines()
            ]
    assert served > 50


@pytest.mark.parametrize("name", ["sinkhorn_knopp", "sinkhorn_log", "sinkhorn_stabilized"])
def test_functions_of_bregman(name):
    a, b, cost = problem(12, 9)
    found = getattr(pot.bregman, name).serve(a, b, cost, 0.3, unknown=1)
    assert_same(found, getattr(ot.bregman, name)(a, b, cost, 0.3, unknown=1))


def test_printed_errors_are_pots():
    a, b, cost = problem(40, 50)
    keywords = {"verbose": True, "numItermax": 60, "stopThr": 1e-5}
    for method in ("sinkhorn", "sinkhorn_log"):
        found = observed(pot.sinkhorn, a, b, cost, 0.02, method=method, **keywords)
        expected = observed(ot.sinkhorn, a, b, cost, 0.02, method=method, **keywords)
        assert found[2] == expected[2] != ""


@pytest.mark.parametrize("layout", ["fortran", "strided", "read-only"])
def test_layouts(layout):
    a, b, cost = problem(20, 30)
    other = {
        "fortran": lambda: np.asfortranarray(cost),
        "strided": lambda: np.repeat(np.repeat(cost, 2, axis=0), 3, axis=1)[::2, ::3],
        "read-only": lambda: cost.copy(),
    }[layout]()
    other.flags.writeable = layout != "read-only"
    assert_same(pot.sinkhorn.serve(a, b, other, 0.1), ot.sinkhorn(a, b, cost, 0.1))


@pytest.mark.parametrize(
    "arguments",
    [
        ([], [], np.random.default_rng(0).random((4, 5))),
        (np.empty(0), [0.25] * 4, np.random.default_rng(0).random((5, 4))),
        ([0.5, 0.5], [0.25, 0.75], [[0.0, 1.0], [1.0, 0.5]]),
        ([0.5, 0.5], np.array([0.25, 0.75]), [[0.0, 1.0], [1.0, 0.5]]),
    ],
)
def test_lists_and_empty_masses(arguments):
    for method in ("sinkhorn", "sinkhorn_log"):
        found = pot.sinkhorn.serve(*arguments, 0.5, method=method, log=True)
        assert_same(found, ot.sinkhorn(*arguments, 0.5, method=method, log=True))


def test_masses_that_differ_in_sum():
    a, b, cost = problem(20, 30)
    for method in METHODS:
        keywords = {"method": method, "numItermax": 50, "warn": False}
        found = pot.sinkhorn.serve(a, 1.5 * b, cost, 0.2, **keywords)
        assert_same(found, ot.sinkhorn(a, 1.5 * b, cost, 0.2, **keywords))


def test_a_common_cost_and_negative_costs():
    a, b, cost = problem(20, 30)
    for shift in (-5.0, 20.0):
        for method in METHODS:
            found = pot.sinkhorn.serve(a, b, cost + shift, 0.1, method=method)
            assert_same(found, ot.sinkhorn(a, b, cost + shift, 0.1, method=method))


NOT_SERVED = {
    "greenkhorn": lambda a, b, cost: (a, b, cost, 0.5, "greenkhorn"),
    "epsilon scaling": lambda a, b, cost: (a, b, cost, 0.5, "sinkhorn_epsilon_scaling"),
    "no mass": lambda a, b, cost: (a, np.where(b == b[0], 0.0, b), cost, 0.5),
    "histograms": lambda a, b, cost: (a, np.stack([b, b[::-1]], axis=1), cost, 0.5),
    "types": lambda a, b, cost: (a.astype(np.float32), b, cost, 0.5),
    "types of masses": lambda a, b, cost: (a.astype(np.float32), b, cost.astype(np.float32), 0.5),
    "integers": lambda a, b, cost: (a, b, (10 * cost).astype(np.int64), 5.0),
    "range": lambda a, b, cost: (a, b, 400 * cost, 0.5),
}


@pytest.mark.parametrize("case", NOT_SERVED)
def test_what_is_not_served_is_pots(case):
    arguments = NOT_SERVED[case](*problem(6, 8))
    expected = observed(ot.sinkhorn, *arguments)
    found = observed(pot.sinkhorn, *arguments)
    assert_same(found[0], expected[0])
    assert found[1] == expected[1]
    with iso.patch("ot") as patched:
        assert_same(observed(ot.sinkhorn, *arguments)[0], expected[0])
    calls = patched.calls["ot.bregman.sinkhorn"]
    assert (calls.served, calls.passed.total()) == (0, 1)
    assert len(patched.calls) == 1


def test_an_unknown_method_is_pots_error():
    with pytest.raises(ValueError, match="Unknown method 'nonsense'"):
        pot.sinkhorn(*problem(3, 4), 0.5, method="nonsense")


def test_float32_stops_at_what_it_can_tell():
    a, b, cost = problem(50, 60, dtype=np.float32)
    exact = ot.sinkhorn(*(x.astype(np.float64) for x in (a, b, cost)), 0.1)
    for method in ("sinkhorn", "sinkhorn_log"):
        (plan, log), caught, _ = observed(
            pot.sinkhorn.serve, a, b, cost, 0.1, method=method, log=True
        )
        assert plan.dtype == np.float32
        assert not caught
        assert log["niter"] < 100
        # The masses themselves are rounded, to a sum that is not the same on both sides.
        assert np.abs(plan - exact).sum() < 20 * np.finfo(np.float32).eps


def test_float32_costs_and_float64_masses():
    a, b, cost = problem(50, 60)
    cost = cost.astype(np.float32)
    for method in ("sinkhorn", "sinkhorn_log"):
        plan, log = pot.sinkhorn.serve(a, b, cost, 0.1, method=method, log=True)
        expected, other = ot.sinkhorn(a, b, cost, 0.1, method=method, log=True)
        assert (plan.dtype, plan.shape) == (expected.dtype, expected.shape)
        assert list(log) == list(other)
        assert log["niter"] == other["niter"]
        # Exponents up to 10, rounded, and an exponential, rounded.
        np.testing.assert_allclose(plan, expected, rtol=20 * np.finfo(np.float32).eps)


def test_the_stabilised_plan_has_its_mass_where_pots_has_not():
    n = 1200
    a, b, cost = problem(n, 10)
    plan = pot.sinkhorn.serve(a, b, cost, 0.02, method="sinkhorn_stabilized")
    assert abs(plan.sum() - 1) < 1e-9
    assert np.abs(plan - ot.sinkhorn(a, b, cost, 0.02, method="sinkhorn_log")).max() < 1e-9


@pytest.mark.parametrize("reg_type", ["KL", "entropy"])
@pytest.mark.parametrize("max_iter", [None, 3])
def test_solve(reg_type, max_iter):
    a, b, cost = problem(20, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for masses in ((None, None), (a, b)):
            keywords = {"reg": 0.1, "reg_type": reg_type, "max_iter": max_iter}
            found = pot.solve.serve(cost, *masses, **keywords)
            expected = ot.solve(cost, *masses, **keywords)
            for name in ("plan", "potentials", "value", "value_linear", "marginals"):
                assert_same(getattr(found, name), getattr(expected, name))


def test_solve_without_entropy_is_pots():
    a, b, cost = problem(6, 8)
    assert_same(pot.solve(cost, a, b).value, ot.solve(cost, a, b).value)
    found = pot.solve(cost, a, b, reg=0.5, unbalanced=1.0)
    assert_same(found.value, ot.solve(cost, a, b, reg=0.5, unbalanced=1.0).value)


@pytest.mark.parametrize("method", ["auto", "log_sinkhorn", "sinkhorn"])
@pytest.mark.parametrize("reg_type", ["entropy", "kl"])
@pytest.mark.parametrize("max_iter", [1, 7, 1000])
def test_solve_batch(method, reg_type, max_iter):
    rng = np.random.default_rng(0)
    cost, a, b = rng.random((5, 8, 11)), rng.random((5, 8)) + 0.1, rng.random((5, 11)) + 0.1
    a, b = a / a.sum(axis=1, keepdims=True), b / b.sum(axis=1, keepdims=True)
    for masses in ((None, None), (a, b)):
        keywords = {"method": method, "reg_type": reg_type, "max_iter": max_iter}
        found = pot.solve_batch.serve(cost, 0.1, *masses, **keywords)
        expected = ot.solve_batch(cost, 0.1, *masses, **keywords)
        for name in ("plan", "potentials", "value", "value_linear", "log"):
            assert_same(getattr(found, name), getattr(expected, name))


def test_solve_batch_of_another_kind_is_pots():
    cost = np.random.default_rng(0).random((3, 4, 5))
    assert_same(pot.solve_batch(cost).value, ot.solve_batch(cost).value)


def test_calls_under_the_patch():
    a, b, cost = problem(20, 30)
    expected = ot.sinkhorn(a, b, cost, 0.1), ot.solve(cost, a, b, reg=0.1).value
    sampled = ot.bregman.empirical_sinkhorn(cost, cost[:7], 0.5)
    with iso.patch("ot") as patched:
        assert_same((ot.sinkhorn(a, b, cost, 0.1), ot.solve(cost, a, b, reg=0.1).value), expected)
        # It calls what is covered.
        assert_same(ot.bregman.empirical_sinkhorn(cost, cost[:7], 0.5), sampled)
    assert {name: calls.served for name, calls in patched.calls.items()} == {
        "ot.bregman.sinkhorn": 2,
        "ot.solvers.solve": 1,
    }
