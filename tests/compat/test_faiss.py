"""The exact searches of faiss: the same rows, the same conventions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph.compat import faiss as ours

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "vectors"
METRICS = (ours.METRIC_L2, ours.METRIC_INNER_PRODUCT)


@pytest.fixture(scope="module")
def faiss():
    return pytest.importorskip("faiss")


def rows(count, columns=24, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, columns)) + rng.normal(size=columns)).astype(dtype)


def assert_same_neighbours(found, expected, x, y, metric):
    """The same rows, but where the two scores differ by what float32 sums may be off."""
    (distances, labels), (other_distances, other_labels) = found, expected
    assert distances.dtype == np.float32
    assert labels.dtype == np.int64
    sizes = np.linalg.norm(x, axis=1)[:, None] + np.linalg.norm(y, axis=1).max()
    bound = 4 * x.shape[1] * np.finfo(np.float32).eps * sizes**2
    known = labels >= 0
    assert (known == (other_labels >= 0)).all()
    assert (labels[~known] == -1).all()
    assert (distances[~known] == other_distances[~known]).all()
    assert (np.abs(distances - other_distances) <= bound)[known].all()
    x, y = x.astype(np.float64), y.astype(np.float64)

    def exact(chosen):
        pairs = y[np.maximum(chosen, 0)]
        if metric == ours.METRIC_L2:
            return ((x[:, None] - pairs) ** 2).sum(axis=2)
        return (x[:, None] * pairs).sum(axis=2)

    differ = (labels != other_labels) & known
    assert (np.abs(exact(labels) - exact(other_labels)) <= 2 * bound)[differ].all()
    assert differ.mean() < 0.01


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "m", "k"), [(1, 1, 1), (7, 300, 5), (300, 7, 10), (1000, 1000, 20)])
def test_knn_finds_what_faiss_finds(faiss, metric, n, m, k):
    x, y = rows(n, seed=1), rows(m, seed=2)
    found, expected = ours.knn(x, y, k, metric), faiss.knn(x, y, k, metric=metric)
    assert_same_neighbours(found, expected, x, y, metric)


@pytest.mark.shared_data
@pytest.mark.parametrize("metric", METRICS)
def test_real_vectors(faiss, metric):
    if not DATA.exists():
        pytest.skip("development data not there")
    x, y = (np.load(DATA / f"{side}.float16.npy").astype(np.float32) for side in ("en", "fr"))
    found, expected = ours.knn(x[:1000], y, 10, metric), faiss.knn(x[:1000], y, 10, metric=metric)
    assert_same_neighbours(found, expected, x[:1000], y, metric)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_knn_converts_as_faiss_does(faiss, dtype):
    x, y = 4 * rows(20, seed=1).astype(dtype), 4 * rows(50, seed=2).astype(dtype)
    found, expected = ours.knn(x[:, ::2], y[:, ::2], 3), faiss.knn(x[:, ::2], y[:, ::2], 3)
    narrow = x[:, ::2].astype(np.float32), y[:, ::2].astype(np.float32)
    assert_same_neighbours(found, expected, *narrow, ours.METRIC_L2)


@pytest.mark.parametrize("kind", ["IndexFlatIP", "IndexFlatL2"])
def test_an_index_is_that_of_faiss(faiss, kind):
    x, y, more = rows(40, seed=1), rows(60, seed=2), rows(30, seed=3)
    found, expected = getattr(ours, kind)(24), getattr(faiss, kind)(24)
    assert (found.d, found.ntotal, found.is_trained) == (24, 0, True)
    assert found.metric_type == expected.metric_type
    for index in (found, expected):
        index.train(y)
        index.add(y)
        index.add(more)
    assert found.ntotal == expected.ntotal == 90
    every = np.concatenate([y, more])
    for k in (1, 5, 100):
        pair = found.search(x, k), expected.search(x, k)
        assert_same_neighbours(*pair, x, every, found.metric_type)
    assert (found.reconstruct(75) == expected.reconstruct(75)).all()
    out = np.empty(24, np.float32)
    assert found.reconstruct(3, out) is out
    assert (out == y[3]).all()
    for index in (found, expected):
        index.reset()
    assert found.ntotal == 0
    pair = found.search(x, 2), expected.search(x, 2)
    assert (pair[0][1] == pair[1][1]).all()
    assert (pair[0][0] == pair[1][0]).all()


def test_rows_are_copied():
    y = rows(5)
    index = ours.IndexFlatL2(24)
    index.add(y)
    kept = y.copy()
    y[:] = 0
    assert index.search(kept, 1)[1].ravel().tolist() == list(range(5))


def test_answers_are_written_where_asked(faiss):
    x, y = rows(4, seed=1), rows(9, seed=2)
    for kind in (ours.IndexFlatL2, faiss.IndexFlatL2):
        index = kind(24)
        index.add(y)
        distances, labels = np.empty((4, 3), np.float32), np.empty((4, 3), np.int64)
        found = index.search(x, 3, D=distances, I=labels)
        assert found[0] is distances
        assert found[1] is labels
        assert (labels == ours.knn(x, y, 3)[1]).all()


def test_what_faiss_asserts_is_asserted(faiss):
    for module in (ours, faiss):
        index = module.IndexFlatIP(24)
        with pytest.raises(AssertionError):
            index.add(rows(3, 5))
        index.add(rows(3))
        for x, k in ((rows(2, 5), 1), (rows(2), 0)):
            with pytest.raises(AssertionError):
                index.search(x, k)
        with pytest.raises(AssertionError):
            module.knn(rows(2), rows(2, 5), 1)
        with pytest.raises(RuntimeError):
            index.reconstruct(3)


def test_other_metrics_go_to_faiss(faiss):
    x, y = rows(4, seed=1), rows(9, seed=2)
    found, expected = ours.knn(x, y, 3, faiss.METRIC_L1), faiss.knn(x, y, 3, faiss.METRIC_L1)
    assert (found[1] == expected[1]).all()
    with pytest.raises(ValueError, match="metric: expected"):
        ours.IndexFlat(4, faiss.METRIC_L1)


@pytest.mark.parametrize("kind", ["IndexFlatIP", "IndexFlatL2"])
def test_indexes_of_faiss_itself_are_searched(faiss, kind):
    x, y = rows(40, seed=1), rows(60, seed=2)
    index = getattr(faiss, kind)(24)
    index.add(y)
    expected = index.search(x, 4)
    with iso.patch("faiss") as patched:
        found = index.search(x, 4)
        chosen = index.search(x, 4, params=faiss.SearchParameters(sel=faiss.IDSelectorRange(5, 50)))
    assert_same_neighbours(found, expected, x, y, index.metric_type)
    assert chosen[1].min() >= 5
    (calls,) = patched.calls.values()
    assert (calls.served, dict(calls.passed)) == (1, {"params": 1})
    assert (index.search(x, 4)[0] == expected[0]).all()
