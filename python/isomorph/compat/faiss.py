"""Drop-ins for the exact searches of faiss: ``knn`` and the flat indexes.

Distances are squares for L2, as in faiss; they are float32 of sums in float64. Neighbours are those
of faiss, but between rows that faiss, which sums in float32, cannot tell apart.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import Index, topk
from isomorph.compat._covered import NotCoveredError, drop_in

__all__ = [
    "METRIC_INNER_PRODUCT",
    "METRIC_L2",
    "IndexFlat",
    "IndexFlatIP",
    "IndexFlatL2",
    "knn",
    "search",
]

METRIC_INNER_PRODUCT, METRIC_L2 = 0, 1
_METRICS = {METRIC_INNER_PRODUCT: "dot", METRIC_L2: "l2"}

_Found = tuple[NDArray[np.float32], NDArray[np.int64]]


@drop_in("faiss")
def knn(xq: Any, xb: Any, k: int, metric: int = METRIC_L2, metric_arg: float = 0.0) -> _Found:
    """Find the `k` nearest rows of `xb` to each row of `xq`.

    The drop-in for ``faiss.knn``.

    Parameters
    ----------
    xq : array_like of shape (nq, d)
        Queries, converted to float32.
    xb : array_like of shape (nb, d)
        The rows to search.
    k : int
        How many to find.
    metric : int, default METRIC_L2
        METRIC_L2 (squared distances, ascending) or METRIC_INNER_PRODUCT (products, descending).
        Other metrics go to faiss.
    metric_arg : float
        Of other metrics.

    Returns
    -------
    D : array of float32, shape (nq, k)
        Distances or products. Past the last of `xb` the largest float32, or its negative.
    I : array of int64, shape (nq, k)
        Rows of `xb`; past the last -1.

    Raises
    ------
    AssertionError
        The numbers of columns differ.

    Notes
    -----
    See :func:`isomorph.topk` for time and memory.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat import faiss
    >>> D, I = faiss.knn(np.array([[0.0, 1.0]]), np.eye(2), 3)
    >>> I.tolist(), D[0, :2].tolist()
    ([[1, 0, -1]], [0.0, 2.0])
    """
    del metric_arg
    queries = np.ascontiguousarray(xq, dtype=np.float32)
    rows = np.ascontiguousarray(xb, dtype=np.float32)
    assert queries.shape[1] == rows.shape[1]
    return _search(queries, rows, len(rows), k, metric)


@drop_in("faiss", "IndexFlat.search")
def search(
    index: Any,
    x: Any,
    k: int,
    *,
    params: Any = None,
    D: Any = None,
    I: Any = None,
) -> _Found:
    """Search a flat index of faiss itself: what ``index.search`` is under :func:`isomorph.patch`.

    Parameters
    ----------
    index : faiss.IndexFlat
        Of L2 or inner products.
    x, k, params, D, I
        As in faiss; with `params` the call goes there.

    Returns
    -------
    D, I : array of shape (n, k)
        As in :func:`knn`.
    """
    if params is not None:
        raise NotCoveredError("params")
    faiss = importlib.import_module("faiss")
    rows = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(-1, index.d)
    queries = _queries(x, k, index.d)
    return _into(_search(queries, rows, len(rows), k, index.metric_type), D, I)


class IndexFlat:
    """Rows that are searched exactly: the drop-in for ``faiss.IndexFlat``.

    Parameters
    ----------
    d : int
        Number of columns.
    metric : int, default METRIC_L2
        METRIC_L2 or METRIC_INNER_PRODUCT.

    Attributes
    ----------
    d, metric_type : int
        As given.
    ntotal : int
        Number of rows.
    is_trained : bool
        True: there is nothing to train.

    Notes
    -----
    Memory: 4 d bytes a row, and what :class:`isomorph.Index` prepares at the first search after
    rows were added.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat import faiss
    >>> index = faiss.IndexFlatIP(3)
    >>> index.add(np.eye(3, dtype=np.float32))
    >>> D, I = index.search(np.array([[0.0, 0.5, 0.25]], dtype=np.float32), 2)
    >>> I.tolist(), D.tolist(), index.ntotal
    ([[1, 2]], [[0.5, 0.25]], 3)
    """

    is_trained = True

    def __init__(self, d: int, metric: int = METRIC_L2) -> None:
        if metric not in _METRICS:
            raise ValueError(
                f"metric: expected METRIC_INNER_PRODUCT (0) or METRIC_L2 (1), got {metric!r}"
            )
        self.d, self.metric_type = int(d), metric
        self.reset()

    def reset(self) -> None:
        """Remove all rows."""
        self._rows = np.empty((0, self.d), np.float32)
        self._added: list[NDArray[np.float32]] = []
        self._index: Index | None = None
        self.ntotal = 0

    def train(self, x: Any) -> None:
        """Do nothing: a flat index has nothing to train."""

    def add(self, x: Any) -> None:
        """Add rows, an array of shape (n, d), which is copied as float32."""
        n, d = x.shape
        assert d == self.d
        self._added.append(np.array(x, dtype=np.float32, order="C"))
        self.ntotal += n
        self._index = None

    def search(
        self,
        x: Any,
        k: int,
        *,
        params: Any = None,
        D: Any = None,
        I: Any = None,
    ) -> _Found:
        """Find the `k` nearest rows to each row of `x`; see :func:`knn` for the answer.

        `D` and `I`, if given, are arrays of that shape to write the answer to.
        """
        if params is not None:
            raise ValueError("params: expected None; a flat index of isomorph has no selectors")
        queries = _queries(x, k, self.d)
        if self._index is None and self.ntotal:
            self._index = Index(self._all(), metric=_METRICS[self.metric_type])
        return _into(_search(queries, self._index, self.ntotal, k, self.metric_type), D, I)

    def reconstruct(self, key: int, x: Any = None) -> Any:
        """Return row `key`; written to `x`, if given."""
        if not 0 <= key < self.ntotal:
            raise RuntimeError(f"key: expected a row from 0 to {self.ntotal - 1}, got {key}")
        if x is None:
            return self._all()[key].copy()
        assert x.shape == (self.d,)
        x[...] = self._all()[key]
        return x

    def _all(self) -> NDArray[np.float32]:
        if self._added:
            self._rows, self._added = np.concatenate([self._rows, *self._added]), []
        return self._rows


class IndexFlatIP(IndexFlat):
    """An :class:`IndexFlat` of inner products: the drop-in for ``faiss.IndexFlatIP``."""

    def __init__(self, d: int) -> None:
        super().__init__(d, METRIC_INNER_PRODUCT)


class IndexFlatL2(IndexFlat):
    """An :class:`IndexFlat` of squared distances: the drop-in for ``faiss.IndexFlatL2``."""

    def __init__(self, d: int) -> None:
        super().__init__(d, METRIC_L2)


def _queries(x: Any, k: int, columns: int) -> NDArray[np.float32]:
    _, d = x.shape
    assert d == columns
    assert k > 0
    return np.ascontiguousarray(x, dtype=np.float32)


def _search(queries: NDArray[np.float32], rows: Any, count: int, k: int, metric: int) -> _Found:
    """Search, and fill up to `k` where there are fewer rows."""
    if metric not in _METRICS:
        raise NotCoveredError(f"metric {metric}")
    if k < 1:
        raise NotCoveredError(f"k = {k}")
    worst = np.finfo(np.float32).max if metric == METRIC_L2 else np.finfo(np.float32).min
    distances = np.full((len(queries), k), worst, np.float32)
    labels = np.full((len(queries), k), -1, np.int64)
    kept = min(k, count)
    if kept and len(queries):
        found = topk(queries, rows, kept, metric=_METRICS[metric])
        # -|x - y|^2 is how topk ranks; 0 has no sign in faiss.
        distances[:, :kept] = np.abs(found.scores) if metric == METRIC_L2 else found.scores
        labels[:, :kept] = found.indices
    return distances, labels


def _into(found: _Found, distances: Any, labels: Any) -> _Found:
    """Write the answer to the arrays that were given for it."""
    answer: list[Any] = list(found)
    for at, out in enumerate((distances, labels)):
        if out is not None:
            assert out.shape == found[at].shape
            out[...] = found[at]
            answer[at] = out
    return answer[0], answer[1]
