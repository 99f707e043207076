"""Neighbours against independent programs: a float64 matrix product, faiss and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso


def exact_scores(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    x, y = x.astype(np.float64), y.astype(np.float64)
    if metric == "l2":
        return -((x[:, None] - y[None]) ** 2).sum(axis=2)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return x @ y.T


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 10, 100, 1024])
def test_a_float64_matrix_product_agrees(
    metric: str, dtype: type, k: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((60, 50)).astype(dtype)
    y = rng.standard_normal((1500, 50)).astype(dtype)
    exact = exact_scores(x, y, metric)
    scores, indices = iso.topk(x, y, k, metric=metric)
    found = np.take_along_axis(exact, indices, axis=1)
    # The score is the exact one rounded to the type; in float64 the sums differ in order.
    eps = np.finfo(dtype).eps
    size = np.abs(exact).max() if metric != "cosine" else 1.0
    bound = eps * np.abs(found) + 60 * np.finfo(np.float64).eps * size
    assert (np.abs(scores - found) <= bound).all()
    best = -np.sort(-exact, axis=1)[:, :k]
    assert (np.abs(best - found) <= 2 * bound).all()
    assert (np.diff(scores, axis=1) <= 0).all()


def test_faiss_finds_the_same_rows(rng: np.random.Generator) -> None:
    faiss = pytest.importorskip("faiss")
    x = rng.standard_normal((200, 64)).astype(np.float32)
    y = rng.standard_normal((3000, 64)).astype(np.float32)
    for metric, number in (("dot", faiss.METRIC_INNER_PRODUCT), ("l2", faiss.METRIC_L2)):
        _, theirs = faiss.knn(x, y, 10, metric=number)
        ours = iso.topk(x, y, 10, metric=metric)
        # faiss rounds in float32: neighbours closer than that may swap.
        assert (theirs == ours.indices).mean() > 0.999


def test_blocks_of_rows_columns_and_lists_do_not_show(rng: np.random.Generator) -> None:
    # More than one packed block a side (32 MiB: 262,144 rows of 32 columns) and, at k = 1,000,
    # more than one block of lists (2,000 rows).
    y = rng.standard_normal((270_000, 32)).astype(np.float32)
    x = rng.standard_normal((40, 32)).astype(np.float32)
    exact = exact_scores(x, y, "cosine")
    _, indices = iso.topk(x, y, 5)
    assert (indices == np.argsort(-exact, axis=1, kind="stable")[:, :5]).all()
    small = y[:3000]
    wide = iso.topk(small, small, 1000)
    narrow = iso.topk(small[2500:2600], small, 1000)
    assert wide.scores[2500:2600].tobytes() == narrow.scores.tobytes()
    assert wide.indices[2500:2600].tobytes() == narrow.indices.tobytes()


def test_radii_over_several_blocks_and_threads(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 24)).astype(np.float32)
    y = rng.standard_normal((360_000, 24)).astype(np.float32)
    expected = None
    for threads in (1, 2, 7):
        got = iso.csls_radii(x, y, threads=threads)
        exact = exact_scores(x[:5], y, "cosine")
        means = -np.sort(-exact, axis=1)[:, :10].mean(axis=1)
        np.testing.assert_allclose(got[0][:5], means, atol=2e-7)
        expected = expected or got
        assert got[0].tobytes() == expected[0].tobytes()
        assert got[1].tobytes() == expected[1].tobytes()
    columns = exact_scores(x, y[-7:], "cosine")
    np.testing.assert_allclose(
        expected[1][-7:], -np.sort(-columns, axis=0)[:10].mean(axis=0), atol=2e-7
    )


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_doubles_of_any_size_have_cosines(scale: float, rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((20, 9)), rng.standard_normal((50, 9))
    exact = exact_scores(x, y, "cosine")
    scores, indices = iso.topk(x * scale, y, 5)
    np.testing.assert_allclose(scores, np.take_along_axis(exact, indices, axis=1), rtol=1e-13)
    with iso.runtime.use_backend("array"):
        oracle = iso.topk(x * scale, y, 5)
    assert oracle.scores.tobytes() == scores.tobytes()
