"""What the core does with points: any shape and layout, both types, beside the array code."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph import runtime
from isomorph.errors import ConvergenceWarning

COSTS = ("cosine", "dot", "sqeuclidean")
lengths = st.integers(1, 70)


@given(
    lengths, lengths, st.integers(1, 20), st.sampled_from(COSTS), st.sampled_from(["f4", "f8"]),
    st.sampled_from([1e-15, 1.0, 1e15]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_pass_is_that_of_the_array_code(n, m, d, cost, dtype, size, seed):
    """After the same plain passes; duplicates and points without mass among them."""
    rng = np.random.default_rng(seed)
    x, y = (size * rng.standard_normal((length, d)) for length in (n, m))
    x[rng.integers(n)] = x[0]
    # Rows that are not contiguous.
    x, y = (np.repeat(points, 2, axis=1).astype(dtype)[:, ::2] for points in (x, y))
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    a[1:2], b[2:3] = 0, 0
    reg = 0.2 if cost == "cosine" else 0.5 * d * size**2
    options = {"a": a / a.sum(), "b": b / b.sum(), "cost": cost, "max_iter": 3}
    options |= {"acceleration": "none", "epsilon_scaling": False}
    solved = []
    for name in ("cpu", "array"):
        with runtime.use_backend(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solved.append(iso.sinkhorn_points(x, y, reg, **options))
    found, known = solved
    # A cost over reg is at most 10 d here, wrong by that many roundings and those of its products.
    bound = 40 * (d + 20) * 10 * float(np.finfo(dtype).eps)
    for one, other in ((found.f, known.f), (found.g, known.g)):
        held = np.isfinite(other)
        assert np.array_equal(np.isfinite(one), held)
        assert np.abs(one[held] - other[held]).max() <= bound * reg
    assert found.iterations == known.iterations
    assert found.value == pytest.approx(known.value, abs=bound * reg * 10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_do_not_depend_on_threads(rng, dtype):
    x, y = rng.standard_normal((900, 5)).astype(dtype), rng.standard_normal((333, 5)).astype(dtype)
    one, three = (iso.sinkhorn_points(x, y, 0.05, threads=threads) for threads in (1, 3))
    assert one.f.tobytes() == three.f.tobytes()
    assert one.g.tobytes() == three.g.tobytes()
    assert one.value == three.value


@pytest.mark.parametrize("acceleration", ["auto", "newton", "anderson", "overrelaxation", "none"])
def test_every_acceleration_ends_where_float64_says(rng, acceleration):
    """The error is that of the plan of the potentials, made of costs in float64."""
    x, y = (rng.standard_normal((n, 4)).astype("float32") for n in (130, 170))
    options = {"cost": "sqeuclidean", "acceleration": acceleration}
    found = iso.sinkhorn_points(x, y, 0.5, **options)
    costs = ((x[:, None].astype(float) - y[None]) ** 2).sum(-1)
    plan = np.exp((found.f[:, None] + found.g[None, :] - costs) / 0.5)
    error = np.abs(plan.sum(1) - 1 / 130).sum() + np.abs(plan.sum(0) - 1 / 170).sum()
    assert found.converged
    # The points, moved to their means, are rounded once more.
    assert error <= found.tol + 1e-5
    assert found.history.regs[-1] == 0.5
    assert found.value == pytest.approx((plan * costs).sum(), rel=1e-5)


def test_columns_that_no_row_reaches_are_not_lost(rng):
    """After a pass from equal potentials most columns' sums are below the range of float32."""
    x, y = rng.standard_normal((40, 3)), 3 * rng.standard_normal((50, 3))
    options = {"cost": "sqeuclidean", "acceleration": "none", "epsilon_scaling": False}
    with pytest.warns(ConvergenceWarning):
        found = iso.sinkhorn_points(
            x.astype("float32"), y.astype("float32"), 0.05, max_iter=3, **options
        )
    with pytest.warns(ConvergenceWarning):
        known = iso.sinkhorn_points(
            x.astype("float32").astype(float), y.astype("float32").astype(float), 0.05,
            max_iter=3, **options,
        )  # fmt: skip
    np.testing.assert_allclose(found.g, known.g, atol=1e-3)
    np.testing.assert_allclose(found.f, known.f, atol=1e-3)


def test_a_solution_can_be_stopped_and_tells_how_far_it_is(rng):
    x = rng.standard_normal((300, 8)).astype("float32")
    reports = []
    found = iso.sinkhorn_points(x, x + 0.5, 0.05, progress=lambda *report: reports.append(report))
    assert reports[-1] == (found.iterations, found.iterations)

    def stop(done: int, total: int) -> None:
        raise InterruptedError(f"{done} of {total}")

    with pytest.raises(InterruptedError):
        iso.sinkhorn_points(x, x + 0.5, 1e-3, progress=stop)
