"""Codes: against the published procedures, where those overflow, their laws, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, DTypeError, NonFiniteError, ShapeError
from support.assign_oracle import exact, published

EXTENDED = np.finfo(np.longdouble).maxexp > 10_000
needs_extended = pytest.mark.skipif(not EXTENDED, reason="long double is float64 here")
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def units(scores, reg, iterations=3):
    """Give how many units in the last place sums of positive terms and quotients may differ by.

    The array code's logarithms of float64 add those of the exponents.
    """
    exponents = float(np.abs(scores).max()) / reg
    by_logs = iso.runtime.requested_backend() == "array" and scores.dtype == np.float64
    return 8 * (3 + iterations) + 4 * exponents * by_logs


def cosines(rng, n, m, *, best=0.8, width=32):
    """Give cosines of samples with prototypes, the largest of which is `best`."""
    x, y = rng.standard_normal((n, width)), rng.standard_normal((m, width))
    found = x @ y.T / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(y, axis=1)
    return found * (best / found.max())


def shares(rng, m):
    prior = rng.random(m) + 0.01
    return prior / prior.sum()


def assert_units(found, expected, most, dtype):
    """Compare in units in the last place; what lies below 1e-22 (1e-184) may be dropped."""
    kind = np.finfo(dtype)
    found, expected = found.astype(np.longdouble), expected.astype(np.longdouble)
    floor = np.longdouble(kind.tiny) ** np.longdouble(0.6) / kind.eps
    unit = np.maximum(np.abs(expected), floor) * kind.eps
    assert float((np.abs(found - expected) / unit).max()) <= most


@both_types
@pytest.mark.parametrize("rule", ["uniform", "marginal", "vlap"])
@pytest.mark.parametrize(("reg", "best"), [(0.05, 0.9), (0.01, 0.6), (1.0, 1.0)])
def test_the_published_procedure_to_the_last_places(rng, dtype, rule, reg, best, backend):
    scores = cosines(rng, 37, 113, best=best).astype(dtype)
    prior = None if rule == "uniform" else shares(rng, 113)
    options = {} if rule == "uniform" else {"prior": prior, "prior_rule": rule}
    codes = iso.sinkhorn_assign(scores, reg, **options)
    expected = published(scores, reg, 3, prior, vlap=rule == "vlap")
    assert codes.dtype == dtype
    assert_units(codes, expected, units(scores, reg), dtype)
    if EXTENDED:
        true = exact(scores, reg, 3, prior, vlap=rule == "vlap")
        assert_units(codes, true, units(scores, reg), dtype)


@needs_extended
@both_types
@pytest.mark.parametrize("rule", ["uniform", "marginal", "vlap"])
def test_where_the_published_procedure_overflows(rng, dtype, rule, backend):
    """VLAP's reg with a cosine of 0.95; in float64, a hundred times as small."""
    reg = 0.01 if dtype == "float32" else 0.0001
    scores = cosines(rng, 37, 113, best=0.95).astype(dtype)
    prior = None if rule == "uniform" else shares(rng, 113)
    assert not np.isfinite(published(scores, reg, 3, prior, vlap=rule == "vlap")).all()
    options = {} if rule == "uniform" else {"prior": prior, "prior_rule": rule}
    codes = iso.sinkhorn_assign(scores, reg, **options)
    true = exact(scores, reg, 3, prior, vlap=rule == "vlap")
    assert_units(codes, true, units(scores, reg), dtype)


@needs_extended
@both_types
@pytest.mark.parametrize("iterations", [1, 3, 200])
def test_samples_that_all_like_one_prototype(dtype, iterations, backend):
    """The scores of all others vanish beside it; the marginals bring them back."""
    rng = np.random.default_rng(3)
    scores = rng.uniform(-1.0, -0.9, (16, 12)).astype(dtype)
    scores[:, 5] = 0.95
    codes = iso.sinkhorn_assign(scores, 0.01, iterations=iterations)
    true = exact(scores, 0.01, iterations)
    bound = units(scores, 0.01, iterations)
    assert_units(codes, true, bound, dtype)


@both_types
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 2), (5, 4097), (700, 33)])
def test_rows_sum_to_one(rng, shape, dtype, backend):
    codes = iso.sinkhorn_assign(rng.uniform(-1, 1, shape).astype(dtype), 0.05)
    np.testing.assert_allclose(codes.sum(1, dtype=np.float64), 1, rtol=8 * np.finfo(dtype).eps)
    assert codes.shape == shape


def test_many_iterations_balance_the_columns(rng, backend):
    scores, prior = cosines(rng, 40, 60), shares(rng, 60)
    codes = iso.sinkhorn_assign(scores, 0.05, iterations=400, prior=prior)
    np.testing.assert_allclose(codes.sum(0), 40 * prior, rtol=1e-8)
    plan = iso.sinkhorn(np.full(40, 1 / 40), prior, -scores, 0.05, tol=1e-12).plan()
    np.testing.assert_allclose(codes, 40 * plan, atol=1e-9)


def test_only_ratios_of_the_prior_count(rng, backend):
    scores, counts = cosines(rng, 9, 12), rng.integers(1, 99, 12).astype(float)
    for rule in ("marginal", "vlap"):
        codes = iso.sinkhorn_assign(scores, 0.05, prior=counts, prior_rule=rule)
        same = iso.sinkhorn_assign(scores, 0.05, prior=counts / counts.sum(), prior_rule=rule)
        np.testing.assert_allclose(codes, same, rtol=1e-13)


def test_vlap_is_a_softmax_with_the_prior_in_it_thrice(rng, backend):
    scores, prior = cosines(rng, 9, 12), shares(rng, 12)
    codes = iso.sinkhorn_assign(scores, 0.05, prior=prior, prior_rule="vlap")
    weights = np.exp(scores / 0.05) * prior**3
    np.testing.assert_allclose(codes, weights / weights.sum(1, keepdims=True), rtol=1e-13)
    tiny = iso.sinkhorn_assign(scores, 0.05, prior=prior**300, prior_rule="vlap", iterations=40)
    assert np.isfinite(tiny).all()
    np.testing.assert_allclose(tiny[:, prior.argmax()], 1, rtol=1e-15)


def test_a_share_of_nothing_gets_nothing(rng, backend):
    prior = np.array([0.5, 0.0, 0.25, 0.25])
    for rule in ("marginal", "vlap"):
        codes = iso.sinkhorn_assign(rng.uniform(-1, 1, (6, 4)), 0.05, prior=prior, prior_rule=rule)
        assert (codes[:, 1] == 0).all()
        np.testing.assert_allclose(codes.sum(1), 1)


def test_forbidden_pairs_get_nothing(rng, backend):
    scores = rng.uniform(-1, 1, (6, 5))
    scores[2, 1:], scores[0, 4], scores[:5, 3] = -np.inf, -np.inf, -np.inf
    codes = iso.sinkhorn_assign(scores, 0.05)
    assert (codes[np.isneginf(scores)] == 0).all()
    np.testing.assert_allclose(codes, published(scores, 0.05), rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), reg=st.floats(0.005, 2.0), dtype=st.sampled_from("fd"))
def test_constants_in_rows_say_nothing_and_order_does_not_count(seed, reg, dtype):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    scores = np.round(rng.uniform(-1, 1, (n, m)) * 64) / 64
    moved = np.round(rng.uniform(-1, 1, (1, m)) * 64) / 64
    codes = iso.sinkhorn_assign(scores.astype(dtype), reg)
    bound = 64 * np.finfo(dtype).eps * max(1, 4 / reg)
    # A prototype's constant goes with its first division; a sample's stays in the first sums.
    again = iso.sinkhorn_assign((scores + moved).astype(dtype), reg)
    np.testing.assert_allclose(again, codes, rtol=0, atol=bound)
    rows, columns = rng.permutation(n), rng.permutation(m)
    turned = iso.sinkhorn_assign(scores[rows][:, columns].astype(dtype), reg)
    np.testing.assert_allclose(turned, codes[rows][:, columns], rtol=0, atol=bound)


@both_types
def test_top(rng, dtype, backend):
    scores, prior = cosines(rng, 20, 300).astype(dtype), shares(rng, 300)
    for options in ({}, {"prior": prior}, {"prior": prior, "prior_rule": "vlap"}):
        codes = iso.sinkhorn_assign(scores, 0.02, **options)
        for k in (1, 3, 300):
            top = iso.sinkhorn_assign(scores, 0.02, top=k, **options)
            assert top.metric == "assignment"
            assert np.array_equal(top.indices, np.argsort(-codes, axis=1, kind="stable")[:, :k])
            assert np.array_equal(top.scores, np.take_along_axis(codes, top.indices, axis=1))


def test_of_equal_codes_the_lower_column_comes_first(backend):
    top = iso.sinkhorn_assign(np.zeros((2, 9)), 1.0, top=4)
    assert top.indices.tolist() == [[0, 1, 2, 3]] * 2


def test_a_stack_is_many_problems(rng, backend):
    scores, prior = rng.uniform(-1, 1, (3, 6, 5)), shares(rng, 5)
    codes = iso.sinkhorn_assign(scores, 0.05, prior=prior)
    assert codes.shape == scores.shape
    for matrix, code in zip(scores, codes, strict=True):
        assert np.array_equal(iso.sinkhorn_assign(matrix, 0.05, prior=prior), code)
    assert iso.sinkhorn_assign(scores, 0.05, top=2).indices.shape == (3, 6, 2)
    with pytest.raises(NonFiniteError, match="scores: matrix 1: row 2 has a NaN"):
        iso.sinkhorn_assign(np.where(np.arange(90).reshape(3, 6, 5) == 40, np.nan, scores), 0.05)


def test_out(rng, backend):
    scores = rng.uniform(-1, 1, (6, 5))
    codes = iso.sinkhorn_assign(scores, 0.05)
    wide = np.full((6, 10), 7.0)
    for out in (np.empty((6, 5)), wide[:, ::2], np.empty((5, 6)).T, scores.copy()):
        assert iso.sinkhorn_assign(scores, 0.05, out=out) is out
        assert np.array_equal(out, codes)
    assert (wide[:, 1::2] == 7).all()
    assert iso.sinkhorn_assign(scores, 0.05, out=scores) is scores
    assert np.array_equal(scores, codes)
    stack = rng.uniform(-1, 1, (2, 6, 5))
    out = np.empty((2, 6, 5))
    assert np.array_equal(
        iso.sinkhorn_assign(stack, 0.05), iso.sinkhorn_assign(stack, 0.05, out=out)
    )


def test_an_early_stop(rng, backend):
    scores, prior = cosines(rng, 40, 30), shares(rng, 30)

    def missed(codes):
        return np.abs(codes.sum(0) / 40 - prior).sum()

    codes = iso.sinkhorn_assign(scores, 0.05, prior=prior, iterations=500, tol=1e-4)
    by_count = [
        iso.sinkhorn_assign(scores, 0.05, prior=prior, iterations=count) for count in range(1, 60)
    ]
    first = next(one for one in by_count if missed(one) <= 1e-4)
    np.testing.assert_allclose(codes, first, rtol=1e-12)
    with pytest.warns(ConvergenceWarning, match=r"miss the prior by .* after 2 iterations"):
        cut = iso.sinkhorn_assign(scores, 0.05, prior=prior, iterations=2, tol=1e-4)
    np.testing.assert_allclose(cut, by_count[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"scores": np.full((2, 3), np.nan)}, NonFiniteError, "scores: row 0 has a NaN or"),
        ({"scores": np.full((2, 3), np.inf)}, NonFiniteError, "scores: row 0 has a NaN or"),
        (
            {"scores": np.array([[0.0] * 3, [-np.inf] * 3])},
            ValueError,
            "every pair of row 1 is forb",
        ),
        (
            {"scores": np.array([[0, -np.inf, 0]] * 2)},
            ValueError,
            "every pair of column 1 is forbidden",
        ),
        ({"scores": np.zeros((0, 3))}, ShapeError, "scores: expected at least one row"),
        ({"reg": 1e-16}, ValueError, "reg: expected at least 2.22e-14 for scores up to 1 in float"),
        ({"reg": 1e-320}, ValueError, "reg: expected 2.23e-308 to"),
        ({"prior": np.ones(2)}, ShapeError, "prior: expected an array of 1 dimensions, of length"),
        ({"prior": -np.ones(3)}, ValueError, "prior: expected masses of 0 or more"),
        ({"prior": np.zeros(3)}, ValueError, "prior: expected masses with a sum above 0"),
        ({"prior": np.array([1, np.nan, 1])}, NonFiniteError, "prior: row 1 has a NaN"),
        ({"prior_rule": "vlap"}, ValueError, "prior_rule: 'vlap' multiplies by a prior"),
        ({"prior": np.ones(3), "prior_rule": "vlap", "tol": 1.0}, ValueError, "prior_rule: 'vlap'"),
        ({"prior_rule": "swav"}, ValueError, "prior_rule: expected one of marginal, vlap"),
        ({"out": np.zeros((3, 2))}, ShapeError, r"out: expected shape \(2, 3\), got \(3, 2\)"),
        ({"out": np.zeros((2, 3), "f")}, DTypeError, "out: expected float64, as the codes are"),
        ({"out": np.broadcast_to(0.0, (2, 3))}, ValueError, "out: expected an array that can be"),
        ({"out": np.zeros((2, 3)), "top": 1}, ValueError, "out: expected none with top"),
        ({"iterations": 0}, ValueError, "iterations: expected an integer of 1 or more"),
        ({"top": 4}, ValueError, r"top: expected 1 to 3 \(columns of scores\)"),
        ({"tol": 0.0}, ValueError, "tol: expected a finite number above 0"),
        ({"reg": -1.0}, ValueError, "reg: expected a finite number above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(change, error, message, backend):
    arguments = {"scores": np.eye(2, 3), "reg": 0.1} | change
    with pytest.raises(error, match=message):
        iso.sinkhorn_assign(**arguments)
