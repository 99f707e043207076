"""The neighbour functions on examples small enough to check by hand, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from support.filters import FILTERS, same_neighbors, use_filter

X = np.array([[1, 0], [0, 2], [3, 3]], dtype=np.float32)


def test_cosine_ignores_length_and_orders_ties_by_index(backend: str) -> None:
    corpus = np.array([[5, 0], [1, 0], [0, 1], [2, 2]], dtype=np.float32)
    scores, indices = iso.topk(X[:1], corpus, k=4)
    assert indices.tolist() == [[0, 1, 3, 2]]
    assert scores.tolist() == [[1.0, 1.0, np.float32(np.sqrt(0.5)), 0.0]]


def test_dot_and_l2_by_hand(backend: str) -> None:
    dot = iso.topk(X, X, k=1, metric="dot")
    assert (dot.scores[:, 0].tolist(), dot.indices[:, 0].tolist()) == ([3, 6, 18], [2, 2, 2])
    near = iso.topk(X, X, k=2, metric="l2", exclude_self=True)
    assert near.scores.tolist() == [[-5, -13], [-5, -10], [-10, -13]]
    np.testing.assert_allclose(near.distances**2, -near.scores, rtol=1e-6)
    assert near.indices.tolist() == [[1, 2], [0, 2], [1, 0]]


def test_distances_belong_to_l2_alone(backend: str) -> None:
    with pytest.raises(ValueError, match="distances: expected a result of metric 'l2'"):
        _ = iso.topk(X, X, k=1).distances


def test_a_zero_row_has_cosine_zero_with_everything(backend: str) -> None:
    zero = np.zeros((1, 2), dtype=np.float32)
    scores, indices = iso.topk(zero, X, k=3)
    assert scores.tolist() == [[0, 0, 0]]
    assert indices.tolist() == [[0, 1, 2]]
    scores, indices = iso.topk(-X[:1], np.concatenate([X, zero]), k=1)
    assert (scores.item(), indices.item()) == (0, 1)


def test_radii_are_means_of_the_largest_cosines(backend: str) -> None:
    source = np.eye(3, dtype=np.float64)
    target = np.array([[1.0, 0, 0], [1, 1, 0]])
    r_source, r_target = iso.csls_radii(source, target, neighborhood=2)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(r_source, [(1 + half) / 2, half / 2, 0], rtol=1e-15)
    np.testing.assert_allclose(r_target, [0.5, half], rtol=1e-15)


def test_given_radii_are_used_and_absent_ones_computed(
    backend: str, rng: np.random.Generator
) -> None:
    x, y = rng.standard_normal((40, 6)), rng.standard_normal((50, 6))
    radii = iso.csls_radii(x, y)
    whole = iso.csls(x, y, k=3)
    part = iso.csls(x[7:9], y, k=3, source_radii=radii[0][7:9], target_radii=radii[1])
    assert part.scores.tobytes() == whole.scores[7:9].tobytes()
    assert part.indices.tobytes() == whole.indices[7:9].tobytes()
    # A constant added to a source's radius moves its scores and nothing else.
    moved = iso.csls(x, y, k=3, source_radii=radii[0] + 1, target_radii=radii[1])
    assert moved.indices.tobytes() == whole.indices.tobytes()
    np.testing.assert_allclose(moved.scores, whole.scores - 1, atol=1e-15)


def test_mutual_nearest_agrees_with_both_directions(backend: str, rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((45, 5))
    for method in ("csls", "nn"):
        source, target, scores = iso.mutual_nearest(x, y, method=method)
        if method == "csls":
            both = iso.csls_both(x, y)
            there, back = both.forward, both.backward
        else:
            there, back = iso.topk(x, y, k=1), iso.topk(y, x, k=1)
        expected = [
            (i, there.indices[i, 0]) for i in range(60) if back.indices[there.indices[i, 0], 0] == i
        ]
        assert list(zip(source.tolist(), target.tolist(), strict=True)) == expected
        assert scores.tobytes() == there.scores[source, 0].tobytes()
        assert len(expected) > 5


def test_rows_that_are_not_finite_never_win(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((30, 4)).astype(np.float32)
    x[3, 1], x[9, 0] = np.nan, -np.inf
    with pytest.raises(iso.errors.NonFiniteError, match="queries: row 3"):
        iso.topk(x, x)
    for metric in ("cosine", "dot", "l2"):
        scores, indices = iso.topk(x, x, k=30, metric=metric, check_finite=False)
        sound = np.delete(np.arange(30), [3, 9])
        assert (indices[[3, 9]] == -1).all()
        assert np.isneginf(scores[[3, 9]]).all()
        assert (np.sort(indices[sound], axis=1)[:, 2:] == sound).all()
        assert (indices[sound][:, -2:] == -1).all()
    r_source, r_target = iso.csls_radii(x, x, check_finite=False)
    assert np.isfinite(r_source).all()
    assert np.isfinite(r_target).all()


def test_scores_that_overflow_are_refused(backend: str) -> None:
    huge = np.full((3, 2), 1e30, dtype=np.float32)
    for metric in ("dot", "l2"):
        other = -huge if metric == "l2" else huge
        with pytest.raises(ValueError, match=r"overflows float32.*float64"):
            iso.topk(huge, other, k=1, metric=metric)
    assert iso.topk(huge, huge, k=1).scores.tolist() == [[1], [1], [1]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: iso.topk(X, X, k=0), ValueError, "k: expected 1 to 3"),
        (lambda: iso.topk(X, X, k=4), ValueError, "k: expected 1 to 3"),
        (lambda: iso.topk(X, X, k=3, exclude_self=True), ValueError, "k: expected 1 to 2"),
        (lambda: iso.topk(X, X, k=1.5), iso.errors.DTypeError, "k: expected an integer"),
        (lambda: iso.topk(X, X[:, :1], k=1), iso.errors.ShapeError, "corpus: expected 2 columns"),
        (lambda: iso.topk(X[:2], X, 1, exclude_self=True), iso.errors.ShapeError, "queries: excl"),
        (lambda: iso.topk(X, X, k=1, metric="manhattan"), ValueError, "metric: expected one of"),
        (lambda: iso.topk(X, X, k=1, threads=0), ValueError, "threads: expected an integer"),
        (lambda: iso.csls(X, X), ValueError, "neighborhood: expected 1 to 3"),
        (
            lambda: iso.csls(X, X, neighborhood=1, target_radii=X[:2, 0]),
            iso.errors.ShapeError,
            r"target_radii: expected shape \(3,\)",
        ),
        (
            lambda: iso.csls(X, X, neighborhood=1, source_radii=np.full(3, np.nan)),
            iso.errors.NonFiniteError,
            "source_radii: entry 0",
        ),
        (lambda: iso.mutual_nearest(X, X, method="best"), ValueError, "method: expected 'csls'"),
        (lambda: iso.topk(X, X, k=1, progress=3), TypeError, "progress: expected None"),
    ],
)
def test_bad_arguments_are_named(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]


def test_progress_ends_at_the_total(rng: np.random.Generator) -> None:
    seen: list[tuple[int, int]] = []
    x = rng.standard_normal((50, 4))
    iso.topk(x, x, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2500, 2500)


@pytest.mark.parametrize("backend", ["cpu", "array"])
def test_only_selected_scores_can_overflow(backend: str) -> None:
    x = np.array([[1e30, 0.0]], np.float32)
    y = np.array([[-1e30, 0.0], [0.0, 1.0], [1.0, 0.0]], np.float32)
    with iso.runtime.use_backend(backend):
        assert iso.topk(x, y, 2, metric="dot").indices.tolist() == [[2, 1]]
        with pytest.raises(ValueError, match="overflows float32"):
            iso.topk(x, y, 3, metric="dot")
        large = np.full(1, -3e38, np.float32)
        with pytest.raises(ValueError, match="overflows float32"):
            iso.csls(x, x, source_radii=large, target_radii=large)
        # The score of a row with itself does not count where it is left out.
        z = np.array([[1e30, 0.0], [0.0, 1.0]], np.float32)
        assert iso.topk(z, z, 1, metric="dot", exclude_self=True).scores.tolist() == [[0.0], [0.0]]


def test_sums_that_overflow_both_ways_are_refused_not_sorted() -> None:
    # inf - inf is NaN: no order has a place for it, and the sort of the lists panicked.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3)) * 10.0 ** rng.uniform(100, 300, (5, 3))
    y = rng.standard_normal((700, 3)) * 10.0 ** rng.uniform(100, 300, (700, 3))
    for k in (1, 81, 700):
        with pytest.raises(ValueError, match="overflows float64"):
            iso.topk(x, y, k, metric="dot")


@pytest.mark.parametrize("backend", ["cpu", "array"])
def test_l2_between_rows_whose_difference_overflows(backend: str) -> None:
    x = np.full((3, 2), 1.7e308)
    y = np.concatenate([-x, x])
    with iso.runtime.use_backend(backend):
        scores, indices = iso.topk(x, y, 3, metric="l2")
        assert scores.tolist() == [[0.0] * 3] * 3
        assert indices.tolist() == [[3, 4, 5]] * 3
        with pytest.raises(ValueError, match="overflows float64"):
            iso.topk(x, y, 4, metric="l2")


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("scale", [1e-158, 1e-200, 1e-322])
def test_rows_so_small_that_every_score_is_zero(metric: str, scale: float) -> None:
    # The slope from scores to tile values overflows: what is infinity times zero bounds nothing.
    y = np.random.default_rng(0).standard_normal((400, 40)) * scale
    with iso.runtime.use_backend("array"):
        expected = iso.topk(y[:30], y, 3, metric=metric)
    for name in FILTERS:
        with use_filter(name):
            assert same_neighbors(iso.topk(y[:30], y, 3, metric=metric), expected)


def test_rescaled_cosines_are_the_oracles_to_the_last_subnormal_bit() -> None:
    # Squares between 2^900 and 2^902, lengths just below a power of two, subnormal parts.
    y = np.array([[0.0, 1.0], [1.0, 2.0**-20]])
    for length in (2.0**450.5, np.nextafter(2.0**500, 0), np.nextafter(2.0**-500, 0)):
        x = length * np.array([[1.0, 1.0], [1.0, -0.5]])
        x[:, 1] *= 2.0 ** np.array([-1040.3, -1050.7])
        ours = iso.topk(x, y, 2)
        with iso.runtime.use_backend("array"):
            oracle = iso.topk(x, y, 2)
        assert ours.scores.tobytes() == oracle.scores.tobytes()
        assert ours.indices.tobytes() == oracle.indices.tobytes()
