"""What the core does with a cost matrix: types, threads, forms, memory of any layout."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph import runtime

FORMS = ("scaling", "stabilized", "log")


def points(rng, n, m, dtype):
    x, y = rng.standard_normal((n, 6)), rng.standard_normal((m, 6))
    cost = ((x[:, None] - y[None]) ** 2).sum(-1)
    return np.ascontiguousarray(cost / np.median(cost), dtype=dtype)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reg", [1.0, 0.05, 0.01])
def test_the_forms_agree_in_float64(rng, form, reg):
    """To 1e-10. An error of the marginals is up to a hundred times as large in the plan, by the
    condition of the problem: forms are compared, not where they stop, so it is 1e-13 here."""
    cost = points(rng, 120, 90, np.float64)
    with runtime.use_backend("array"):
        known = iso.sinkhorn(None, None, cost, reg, tol=1e-13, method="log")
    found = iso.sinkhorn(None, None, cost, reg, tol=1e-13, method=form)
    assert found.converged
    assert known.converged
    known, found = known.plan(), found.plan()
    held = known > 1e-12 * known.max()
    np.testing.assert_allclose(found[held], known[held], rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reg", [1.0, 0.05, 0.01])
def test_the_error_of_float32_is_that_of_the_potentials(rng, form, reg):
    """The true error of the plan in float64, below the default tol."""
    cost = points(rng, 300, 200, np.float32)
    found = iso.sinkhorn(None, None, cost, reg, method=form)
    plan = np.exp((found.f[:, None] + found.g[None, :] - cost.astype(np.float64)) / reg)
    error = np.abs(plan.sum(1) - 1 / 300).sum() + np.abs(plan.sum(0) - 1 / 200).sum()
    assert found.error == pytest.approx(error, rel=1e-4, abs=1e-10)
    assert found.converged
    assert error <= found.tol < 1.2e-6
    assert found.value == pytest.approx(float((plan * cost).sum()), rel=1e-12)


@pytest.mark.parametrize("reg", [0.05, 0.02, 0.01])
def test_a_pass_of_float32_is_that_of_float64(rng, reg):
    """To 8 roundings of the largest exponent, after the same passes: not where each stops."""
    cost = points(rng, 150, 130, np.float32)
    options = {"acceleration": "none", "max_iter": 40}
    plans = {}
    for form in FORMS:
        with pytest.warns(iso.errors.ConvergenceWarning):
            found = iso.sinkhorn(None, None, cost, reg, method=form, **options)
        plans[form] = np.exp((found.f[:, None] + found.g[None, :] - cost.astype(np.float64)) / reg)
        exponents = np.log(plans[form], where=plans[form] > 0, out=np.zeros_like(plans[form]))
    with pytest.warns(iso.errors.ConvergenceWarning):
        wide = iso.sinkhorn(None, None, cost.astype(np.float64), reg, method="log", **options)
    known = np.exp((wide.f[:, None] + wide.g[None, :] - cost.astype(np.float64)) / reg)
    bound = 8 * np.finfo(np.float32).eps * np.abs(exponents).max()
    held = known > 1e-30
    for form in FORMS:
        np.testing.assert_allclose(plans[form][held], known[held], rtol=bound, err_msg=form)


def test_a_tol_that_float32_cannot_tell_is_solved_in_float64(rng):
    cost = points(rng, 60, 50, np.float32)
    found = iso.sinkhorn(None, None, cost, 0.05, tol=1e-11)
    assert found.converged
    assert found.error < 1e-11


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_do_not_depend_on_the_threads(rng, form, dtype):
    cost = points(rng, 333, 77, dtype)
    one, two = (
        iso.sinkhorn(None, None, cost, 0.05, method=form, threads=count) for count in (1, 2)
    )
    assert one.iterations == two.iterations
    assert np.array_equal(one.f, two.f)
    assert np.array_equal(one.g, two.g)
    assert one.value == two.value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 300), (300, 1), (2, 17), (5, 16), (129, 3), (4, 515)]
)
def test_shapes_around_lanes_blocks_and_tiles(rng, form, shape):
    for dtype in (np.float32, np.float64):
        cost = rng.random(shape).astype(dtype)
        found = iso.sinkhorn(None, None, cost, 0.2, method=form)
        assert found.converged
        with runtime.use_backend("array"):
            known = iso.sinkhorn(None, None, cost, 0.2, tol=1e-9)
        np.testing.assert_allclose(found.plan(), known.plan(), atol=3e-6 / min(shape))


def test_costs_that_are_laid_out_oddly(rng):
    cost = points(rng, 40, 30, np.float64)
    known = iso.sinkhorn(None, None, cost, 0.1)
    for odd in (np.asfortranarray(cost), np.repeat(cost, 2, axis=1)[:, ::2], cost[::-1][::-1]):
        assert np.array_equal(iso.sinkhorn(None, None, odd, 0.1).f, known.f)


@pytest.mark.parametrize("scale", [1e37, 1e-36])
def test_costs_near_the_ends_of_float32(rng, scale):
    cost = points(rng, 40, 30, np.float64)
    known = iso.sinkhorn(None, None, cost, 0.1)
    found = iso.sinkhorn(None, None, (cost * scale).astype(np.float32), 0.1 * scale)
    assert found.converged
    np.testing.assert_allclose(found.plan(), known.plan(), atol=1e-5)
    assert found.value == pytest.approx(scale * known.value, rel=1e-5)


def test_ctrl_c_and_progress(rng):
    seen = []
    cost = points(rng, 50, 40, np.float64)
    iso.sinkhorn(None, None, cost, 0.05, progress=lambda done, total: seen.append((done, total)))
    assert seen
    assert all(0 <= done <= total for done, total in seen)

    def stop(done, total):
        raise RuntimeError("stop")

    large = points(rng, 600, 500, np.float64)
    with pytest.raises(RuntimeError, match="stop"):
        iso.sinkhorn(None, None, large, 0.001, tol=1e-15, max_iter=100_000, progress=stop)
