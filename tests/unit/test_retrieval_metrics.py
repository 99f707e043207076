"""Ranks counted from embeddings are those of all the scores."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import isomorph as iso
from isomorph.errors import ShapeError


def all_scores(x, y, metric):
    """Give every canonical score, by a search for everything."""
    scores, rows = iso.topk(x, y, len(y), metric=metric)
    matrix = np.empty_like(scores)
    np.put_along_axis(matrix, rows, scores, axis=1)
    return matrix


def drawn(seed, n, m, d, dtype="float32"):
    """Draw rows, some equal or nearly so, some zero, of different norms."""
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((rows, d)).astype(dtype) for rows in (n, m))
    y[rng.integers(m, size=m // 3)] = y[0]
    y[rng.integers(m, size=m // 4)] *= np.dtype(dtype).type(1 + 2e-7)
    y[rng.integers(m)] = 0
    x[rng.integers(n)] *= np.dtype(dtype).type(rng.choice([0, 1e-20, 1e15]))
    relevant = [rng.choice(m, rng.integers(0, min(m, 5)), replace=False) for _ in range(n)]
    relevant[0] = [0]
    return x, y, relevant


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 90),
    st.integers(1, 700),
    st.integers(1, 40),
    st.sampled_from(["cosine", "dot"]),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["optimistic", "expected", "pessimistic"]),
)
def test_they_are_the_measures_of_all_scores(seed, n, m, d, metric, dtype, ties):
    x, y, relevant = drawn(seed, n, m, d, dtype)
    found = iso.metrics.retrieval_metrics(x, y, relevant, metric=metric, ties=ties)
    expected = iso.metrics.rank_metrics(all_scores(x, y, metric), relevant, ties=ties)
    for name, values in expected.per_query.items():
        np.testing.assert_array_equal(found.per_query[name], values)


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_self_is_left_out(seed, n):
    _, x, relevant = drawn(seed, n, n, 6)
    relevant = [[row for row in rows if row != i] for i, rows in enumerate(relevant)]
    relevant[0] = [n - 1]
    scores = all_scores(x, x, "cosine")
    np.fill_diagonal(scores, -np.inf)
    expected = iso.metrics.rank_metrics(scores, relevant).per_query
    for backend in ("cpu", "array"):
        with iso.runtime.use_backend(backend):
            found = iso.metrics.retrieval_metrics(x, x, relevant, exclude_self=True)
        for name, values in expected.items():
            np.testing.assert_array_equal(found.per_query[name], values)


@pytest.mark.parametrize("factor", [1e-160, 1e-30, 1e30, 1e150])
def test_extreme_norms_count_the_same(rng, factor):
    x, y = rng.standard_normal((7, 9)), rng.standard_normal((50, 9))
    relevant = np.arange(7)
    expected = iso.metrics.retrieval_metrics(x, y, relevant).as_dict()
    y[::3] *= factor
    x[::2] *= factor
    found = iso.metrics.retrieval_metrics(x, y, relevant)
    assert (
        found.as_dict() == iso.metrics.rank_metrics(all_scores(x, y, "cosine"), relevant).as_dict()
    )
    assert found.mrr == pytest.approx(expected["mrr"])


def test_more_rows_than_a_task_has(rng):
    x, y = (rng.standard_normal((rows, 5)).astype("float32") for rows in (70, 40_000))
    relevant = rng.integers(40_000, size=70)
    found = iso.metrics.retrieval_metrics(x, y, relevant)
    expected = iso.metrics.rank_metrics(all_scores(x, y, "cosine"), relevant)
    assert found.as_dict() == expected.as_dict()


def test_what_does_not_fit_is_refused(rng):
    x = rng.standard_normal((3, 4))
    with pytest.raises(ValueError, match="query 1: exclude_self, but it is relevant to itself"):
        iso.metrics.retrieval_metrics(x, x, [1, 1, 0], exclude_self=True)
    with pytest.raises(ShapeError, match="queries: exclude_self"):
        iso.metrics.retrieval_metrics(x[:2], x, [1, 1], exclude_self=True)
    with pytest.raises(ValueError, match="query 2: expected items from 0 to 2"):
        iso.metrics.retrieval_metrics(x, x, [1, 1, 3])
    with pytest.raises(ValueError, match="overflows float64"):
        iso.metrics.retrieval_metrics(x * 1e160, x * 1e160, [1, 1, 0], metric="dot")
