"""Hubness reductions against whole matrices, on plain data and on data made to break them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from support.hubness_oracle import VARIANTS, scores
from support.mining_oracle import cosines

variants = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=[f"{name}-{options}" for name, options in VARIANTS]
)


def assert_best(found: iso.Neighbors, exact: np.ndarray, rows: Any = slice(None)) -> None:
    """The scores are the formula's, rounded, and nothing that is left out scores more."""
    exact = exact[rows]
    dtype = found.scores.dtype
    size = np.maximum(np.abs(exact).max(axis=1, keepdims=True), 1e-3)
    # Scores are rounded; in float64 cosines of the oracle differ by their summation.
    tolerance = (64 if dtype == np.float64 else 4) * np.finfo(dtype).eps * size * 100
    chosen = np.take_along_axis(exact, found.indices, axis=1)
    assert (np.abs(found.scores - chosen) <= tolerance).all()
    best = -np.sort(-exact, axis=1)[:, : found.scores.shape[1]]
    assert (np.abs(best - chosen) <= tolerance).all()
    assert (np.diff(found.scores, axis=1) <= 0).all()
    ties = np.diff(found.scores, axis=1) == 0
    assert (np.diff(found.indices, axis=1)[ties] > 0).all()
    assert all(len(set(row)) == len(row) for row in found.indices.tolist())


def sides(rng: np.random.Generator, dtype: type, n: int = 120, m: int = 150) -> Any:
    y = rng.standard_normal((m, 12)) + 0.3
    x = y[rng.permutation(m)[:n]] + 0.7 * rng.standard_normal((n, 12))
    return x.astype(dtype), y.astype(dtype)


@variants
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 6, 150])
def test_the_whole_matrix_gives_the_same_rows(
    name: str, options: Any, dtype: type, k: int, backend: str, rng: np.random.Generator
) -> None:
    x, y = sides(rng, dtype)
    found = getattr(iso, name)(x, y, k, **options)
    exact = scores(name, x, y, **options)
    assert_best(found, exact)
    assert found.metric == name
    expected = np.argsort(-exact, axis=1, kind="stable")[:, :k]
    assert (found.indices == expected).mean() > 0.999


@variants
def test_some_queries_get_what_all_would_give_them(
    name: str, options: Any, backend: str, rng: np.random.Generator
) -> None:
    x, y = sides(rng, np.float32)
    rows = rng.permutation(120)[:17]
    whole = getattr(iso, name)(x, y, 3, **options)
    part = getattr(iso, name)(x, y, 3, queries=rows, **options)
    assert part.indices.tobytes() == whole.indices[rows].tobytes()
    assert part.scores.tobytes() == whole.scores[rows].tobytes()


@variants
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicates_hubs_and_clusters(
    name: str, options: Any, dtype: type, rng: np.random.Generator
) -> None:
    """More equal targets than candidates at first: only the proof finds the right ones."""
    x, y = sides(rng, dtype, 60, 190)
    y[20:110] = y[20]
    y[120:180] = y[19] + 1e-6 * rng.standard_normal((60, 12))
    x[:5] = y[20]
    if name == "local_scaling" or name == "nicdm":
        # The oracle's scales would be 0.
        y[20:110] += 1e-2 * rng.standard_normal((90, 12)).astype(dtype)
    assert_best(getattr(iso, name)(x, y, 2, **options), scores(name, x, y, **options))


@pytest.mark.parametrize("name", ["local_scaling", "nicdm"])
def test_a_scale_of_zero_is_the_smallest_that_is_resolved(name: str, backend: str) -> None:
    x = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = getattr(iso, name)(x, x, 5, neighborhood=3)
    assert np.isfinite(found.scores).all()
    assert found.indices[0].tolist() == [0, 1, 2, 3, 4]
    assert found.scores[0, :4].tolist() == [0, 0, 0, 0]


@variants
def test_rows_that_are_not_finite_are_left_out(name: str, options: Any, backend: str) -> None:
    rng = np.random.default_rng(5)
    x, y = sides(rng, np.float32, 30, 40)
    bad_x, bad_y = x.copy(), y.copy()
    bad_x[3], bad_y[7, 2] = np.nan, np.inf
    found = getattr(iso, name)(bad_x, bad_y, 40, check_finite=False, **options)
    assert (found.indices[3] == -1).all()
    assert np.isneginf(found.scores[3]).all()
    kept_x, kept_y = np.delete(np.arange(30), 3), np.delete(np.arange(40), 7)
    expected = getattr(iso, name)(x[kept_x], y[kept_y], 39, **options)
    assert (found.indices[kept_x, 39] == -1).all()
    assert (found.indices[kept_x, :39] == kept_y[expected.indices]).all()
    np.testing.assert_allclose(found.scores[kept_x, :39], expected.scores, rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_and_counts_over_more_than_one_stripe_and_block(
    dtype: type, rng: np.random.Generator
) -> None:
    x, y = (rng.standard_normal((rows, 9)).astype(dtype) for rows in (4100, 700))
    c = cosines(x, y).astype(np.float64)
    d = np.sqrt(np.maximum(2 - 2 * c, 0))
    first = None
    for threads in (1, 2, 3, 7):
        sums = _core.log_sums(x, y, 50.0, threads, None)
        rows, columns = _core.distance_moments(x, y, threads, None)
        found = (sums, *rows, *columns)
        first = first or found
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first, found, strict=True))
    np.testing.assert_allclose(first[0], np.log(np.exp(50 * c).sum(axis=0)), rtol=1e-12)
    for moments, axis in ((first[1:3], 1), (first[3:5], 0)):
        np.testing.assert_allclose(moments[0], d.mean(axis=axis), rtol=1e-12)
        np.testing.assert_allclose(moments[1], d.std(axis=axis), rtol=1e-10)
    sample = rng.integers(0, 4100, (700, 5))
    indices = np.broadcast_to(np.arange(700), (4100, 700))
    exact = _core.pair_cosines(x, y, np.ascontiguousarray(indices), 2)
    np.testing.assert_allclose(exact, c, rtol=0, atol=8 * np.finfo(dtype).eps)
    values = np.sort(np.take_along_axis(exact.T, sample, axis=1), axis=1)
    offsets = np.arange(701, dtype=np.int64) * 5
    below = _core.count_below(x, y, offsets, np.ascontiguousarray(values.ravel()), 2, None)
    expected = (exact.T[:, None, :] < values[:, :, None]).sum(axis=2)
    assert (below.reshape(700, 5) == expected).all()


@pytest.mark.parametrize("offsets", [[0, 1], [0, 2, 1], [0, 1, 9], [-1, 0, 1], [0, 0, 0, 1]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    x = np.eye(2)
    with pytest.raises(iso.errors.ShapeError, match="offsets"):
        _core.count_below(x, x, np.array(offsets), np.array([0.5]), 1, None)


@pytest.mark.parametrize("name", sorted({name for name, _ in VARIANTS}))
@pytest.mark.parametrize(
    ("queries", "error"),
    [
        ([0.0], iso.errors.DTypeError),
        ([[0]], iso.errors.ShapeError),
        (np.zeros(0, int), iso.errors.ShapeError),
        ([12], ValueError),
        ([-1], ValueError),
    ],
)
def test_bad_queries_are_named(name: str, queries: Any, error: type[Exception]) -> None:
    x = np.random.default_rng(0).standard_normal((12, 5))
    options = {"neighborhood": 10} if name == "dissim_local" else {}
    with pytest.raises(error, match="queries: expected"):
        getattr(iso, name)(x, x, queries=queries, **options)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_hubs_lose_places_on_real_vectors(language: str, shared_data: Path) -> None:
    """Every second word against the others: the k-occurrences become less skewed."""
    vectors = np.load(shared_data / "vectors" / f"{language}.float16.npy")[:6000]
    x, y = vectors[::2].astype(np.float32), vectors[1::2].astype(np.float32)
    plain = iso.metrics.hubness(iso.topk(x, y, 10), 3000).skewness
    for name, options in (
        ("inverted_softmax", {"beta": 10.0}),
        ("local_scaling", {}),
        ("nicdm", {}),
        ("mutual_proximity", {"method": "empirical"}),
        ("mutual_proximity", {"method": "gaussian"}),
    ):
        found = getattr(iso, name)(x, y, 10, **options)
        assert iso.metrics.hubness(found, 3000).skewness < plain, name
