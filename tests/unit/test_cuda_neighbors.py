"""The search of a GPU with NumPy in its place: the bytes of the core, within its memory."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph._backends import Run, cuda_search
from isomorph._backends.cuda import CudaBackend
from isomorph.errors import MemoryBudgetError
from support.contracts import content
from support.cuda_stand_in import CUT, StandIn, cut, on_cuda

METRICS = ("cosine", "dot", "l2")
#: Tiles and lists so small that everything is cut, overflows and is searched again.
SMALL = {"extra": 1, "tile": (7, 40)}


def sides(rng, n=60, m=300, d=21, dtype="float32"):
    return rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((m, d)).astype(dtype)


def everything(x, y, k=3):
    """Answers of all neighbour functions."""
    return [
        *(iso.topk(x, y, k, metric=metric) for metric in METRICS),
        *(iso.topk(y, y, k, metric=metric, exclude_self=True) for metric in METRICS),
        iso.csls_radii(x, y, neighborhood=4),
        iso.csls(x, y, k, neighborhood=4),
        iso.csls_both(x, y, k, neighborhood=4),
        iso.mutual_nearest(x, y, neighborhood=4),
        iso.mutual_nearest(x, y, method="nn"),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("how", [{}, SMALL, {"extra": 4, "tile": (64, 100)}], ids=str)
def test_answers_have_the_bytes_of_the_core(rng, dtype, precision, how):
    x, y = sides(rng, dtype=dtype)
    with on_cuda(**how) as device, iso.runtime.precision(precision):
        found = everything(x, y)
    assert content(found) == content(everything(x, y))
    assert {made for *_, made in device.products} == {precision if dtype == "float32" else dtype}


def hostile(rng, kind):
    x, y = sides(rng, 30, 120, 9)
    if kind == "many equal":
        y[:] = y[rng.integers(0, 5, len(y))]
    elif kind == "all equal":
        y[:] = y[0]
    elif kind == "zero rows":
        x[::3], y[::4] = 0, 0
    elif kind == "nearly equal":
        y[:] = y[0] * (1 + 2.0**-22 * rng.integers(-2, 3, y.shape))
    elif kind == "far from the origin":
        x, y = x + 1000, y + 1000
    elif kind == "norms apart":
        x, y = (side * np.exp2(rng.integers(-20, 20, (len(side), 1))) for side in (x, y))
    elif kind == "ascending":
        y = y[np.argsort(y @ x[0])]
    elif kind == "small numbers":
        x, y = x * 2.0**-140, y * 2.0**-100
    return x.astype("float32"), y.astype("float32")


KINDS = (
    "many equal",
    "all equal",
    "zero rows",
    "nearly equal",
    "far from the origin",
    "norms apart",
    "ascending",
    "small numbers",
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [2048, 20])
def test_hostile_rows_have_the_bytes_of_the_core(rng, kind, most, dtype):
    x, y = (side.astype(dtype) for side in hostile(rng, kind))
    with on_cuda(most=most, **SMALL), iso.runtime.precision("tf32"):
        found = everything(x, y)
    assert content(found) == content(everything(x, y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["", *KINDS])
@pytest.mark.parametrize("k", [1, 3])
def test_one_pass_of_csls_has_the_bytes_of_the_core(rng, kind, k, dtype):
    x, y = (side.astype(dtype) for side in (hostile(rng, kind) if kind else sides(rng)))
    with on_cuda(one_pass_from=1, **SMALL), iso.runtime.precision("tf32"):
        found = iso.csls_both(x, y, k, neighborhood=4)
        forward = iso.csls(x, y, k, neighborhood=4)
    expected = iso.csls_both(x, y, k, neighborhood=4)
    assert found.proved is not None
    for name in ("forward", "backward", "source_radii", "target_radii"):
        assert content(getattr(found, name)) == content(getattr(expected, name)), name
    assert content(forward) == content(expected.forward)


def test_csls_of_large_sides_takes_one_pass(rng):
    x, y = sides(rng, 1500, 2500, 48)
    with on_cuda(tile=(500, 1000)) as device:
        found = iso.csls_both(x, y)
    expected = iso.csls_both(x, y)
    assert content([found.forward, found.backward]) == content(
        [expected.forward, expected.backward]
    )
    assert min(found.proved) > 0.8
    # The pass, two samples of a tenth, and what was searched again.
    assert sum(rows * columns for rows, columns, _ in device.products) < 1.6 * 1500 * 2500


@pytest.mark.parametrize("scale", [1e-170, 1e-300, 1e170, 1e300])
def test_the_ends_of_float64(rng, scale):
    x, y = (side * scale for side in sides(rng, dtype="float64"))
    with on_cuda(**SMALL):
        found = iso.topk(x, y, 3), iso.csls(x, y, 2)
    assert content(found) == content((iso.topk(x, y, 3), iso.csls(x, y, 2)))


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1e25), ("float64", 1e200)])
def test_scores_that_overflow_are_refused(rng, metric, dtype, scale):
    x, y = (side * np.dtype(dtype).type(scale) for side in sides(rng, dtype=dtype))
    with on_cuda(**SMALL), pytest.raises(ValueError, match="overflows"):
        iso.topk(x, y, 3, metric=metric)


def test_rows_that_are_not_finite_take_no_part(rng):
    x, y = sides(rng)
    x[3, 2], y[5], y[200:, 1] = np.nan, np.inf, -np.inf
    for metric in METRICS:
        expected = iso.topk(x, y, 3, metric=metric, check_finite=False)
        with on_cuda(**SMALL):
            found = iso.topk(x, y, 3, metric=metric, check_finite=False)
        assert content(found) == content(expected)
        assert (found.indices[3] == -1).all()


def test_radii_of_any_size_serve(rng):
    x, y = sides(rng)
    radii = rng.standard_normal(len(x)), 1e6 * rng.standard_normal(len(y))
    given_radii = dict(zip(("source_radii", "target_radii"), map(np.float32, radii), strict=True))
    with on_cuda(**SMALL):
        found = iso.csls_both(x, y, 2, **given_radii)
    assert content(found) == content(iso.csls_both(x, y, 2, **given_radii))


@given(
    st.integers(1, 40), st.integers(1, 70), st.integers(1, 5), st.integers(1, 9), st.integers(0, 9)
)
def test_any_cut_gives_the_same(n, m, k, extra, seed):
    rng = np.random.default_rng(seed)
    # Few values: many ties.
    x, y = (rng.integers(-2, 3, (rows, 3)).astype("float32") for rows in (n, m))
    k = min(k, m)
    tile = (int(rng.integers(1, 50)), int(rng.integers(1, 90)))
    with on_cuda(extra=extra, tile=tile, most=16):
        found = [iso.topk(x, y, k, metric=metric) for metric in METRICS]
    assert content(found) == content([iso.topk(x, y, k, metric=metric) for metric in METRICS])


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "float64"])
@pytest.mark.parametrize("d", [1, 8, 300, 2000])
def test_the_bound_holds_and_is_not_idle(rng, precision, d):
    """Of products as wrong as they may be: entries cut, and sums in the type of the rows."""
    dtype = "float64" if precision == "float64" else "float32"
    # All of one sign and of all bits: cutting then adds up.
    x, y = (1 + rng.random((40, d)) for _ in range(2))
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    exact = x.astype(np.longdouble) @ y.T.astype(np.longdouble)
    rounded = [side.astype(dtype) for side in (x, y)]
    if dtype == "float32":
        rounded = [cut(side, CUT[precision]) for side in rounded]
    error = float(np.abs(rounded[0] @ rounded[1].T - exact).max())
    bound = cuda_search.product_error(d, precision)
    assert error <= bound
    if CUT.get(precision) and d > 1:
        assert error > bound / 20


def test_the_bound_of_each_metric_holds(rng):
    """Keys plus errors, through the ceiling, are never below the canonical score."""
    x, y = sides(rng, 50, 90)
    backend = CudaBackend(xp, StandIn())
    with iso.runtime.precision("bf16"):
        radii = [np.float32(rng.random(len(side))) for side in (x, y)]
        questions = [
            *(backend._topk_question(x, y, 5, metric, False) for metric in METRICS),
            *backend._csls_questions(x, y, 5, *radii),
        ]
    for question in questions:
        n, m = len(question.left.values), len(question.right.values)
        tile = backend.device.matmul(question.left.values, question.right.values, "bf16")
        keys = (question.factor * tile + question.bias).astype(float)
        rows = np.arange(n)
        scores = question.scores(rows, np.broadcast_to(np.arange(m), (n, m)))
        for column in range(m):
            most = question.ceiling(keys[:, column] + question.error, rows)
            assert (scores[:, column] <= most).all()


def test_most_rows_are_proved_at_once(rng):
    """What the extra candidates are for: a second search is the exception."""
    x, y = sides(rng, 500, 4000, 64)
    with on_cuda(tile=(500, 1000)) as device:
        iso.topk(x, y, 10)
    assert sum(rows * columns for rows, columns, _ in device.products) < 1.05 * 500 * 4000


def test_tiles_shrink_until_they_fit(rng):
    x, y = sides(rng, 100, 700)
    expected = content(everything(x, y))
    for most in (20_000, 5_000, 1_500):
        device = StandIn(most=most)
        with on_cuda(device):
            assert content(everything(x, y)) == expected
        assert device.released > 0
        assert max(rows * columns for rows, columns, _ in device.products) <= most


def test_free_memory_decides_the_tiles(rng):
    x, y = sides(rng, 300, 700)
    expected = content(iso.csls_both(x, y, 2))
    largest = []
    for free in (1 << 30, 4 << 20, 1 << 20):
        with on_cuda(StandIn(free=free)) as device:
            assert content(iso.csls_both(x, y, 2)) == expected
        largest.append(max(rows * columns for rows, columns, _ in device.products))
    assert largest[0] == 300 * 700 > largest[1] > largest[2]


def test_memory_that_serves_no_tile_is_a_named_error(rng):
    x, y = sides(rng, 100, 700)
    with on_cuda(StandIn(most=100)), pytest.raises(MemoryBudgetError, match="tile of") as caught:
        iso.topk(x, y, 3)
    assert "1,073,741,824 free" in str(caught.value)


def test_memory_that_serves_no_copy_is_a_named_error(rng, monkeypatch):
    def nothing(*_):
        raise MemoryError("no more")

    x, y = sides(rng)
    monkeypatch.setattr(CudaBackend, "_unit_side", nothing)
    with on_cuda(), pytest.raises(MemoryBudgetError, match="copies of both sides"):
        iso.topk(x, y, 3)


def test_a_tile_that_failed_changed_nothing(rng):
    """Of two selections the second fails: the first must not have taken the tile in."""

    class Failing(StandIn):
        calls = 0

        def collect(self, *arguments):
            self.calls += 1
            if self.calls in (2, 12):
                raise MemoryError("now and then")
            return super().collect(*arguments)

    x, y = sides(rng, 100, 700)
    with on_cuda(Failing(), extra=2, tile=(50, 100)) as device:
        found = iso.csls_both(x, y, 2)
    assert device.released == 2
    assert content(found) == content(iso.csls_both(x, y, 2))


def test_the_n_by_m_matrix_is_never_there(rng):
    x, y = sides(rng, 400, 3000)
    with on_cuda(tile=(64, 256)) as device:
        iso.csls_both(x, y, 2)
    assert max(rows * columns for rows, columns, _ in device.products) <= 64 * 256


def test_other_precisions_are_refused():
    with pytest.raises(ValueError, match="name: expected 'float32', 'tf32' or 'bf16', got 'fast'"):
        iso.runtime.precision("fast").__enter__()


def test_cupys_arrays_are_served_by_it(monkeypatch):
    import array_api_compat

    from isomorph._backends.array import ArrayBackend

    monkeypatch.setattr(array_api_compat, "is_cupy_namespace", lambda _: True)
    monkeypatch.setattr("isomorph._backends.cuda.CupyDevice", lambda _: StandIn())
    backend = ArrayBackend(xp)
    assert type(backend) is CudaBackend
    x = np.eye(3, dtype="float32")
    assert backend.topk(x, x, 1, "cosine", False, Run(1))[1].tolist() == [[0], [1], [2]]
