"""What the measures need of arrays: rows of any library's array, results as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph._results import Pairs
from isomorph.errors import DictionaryError, DTypeError, ShapeError


def to_numpy(array: Any) -> NDArray[Any]:
    """Bring retrieved rows (small: queries x k) to the host, where statistics are counted."""
    if isinstance(array, np.ndarray | list | tuple):
        return np.asarray(array)
    if hasattr(array, "get"):  # CuPy
        return np.asarray(array.get())
    if hasattr(array, "cpu"):  # torch
        return np.asarray(array.cpu())
    return np.asarray(array)


def take_rows(array: Any, rows: NDArray[np.int64]) -> Any:
    """Take rows of an array of any library, where it lies."""
    if isinstance(array, np.ndarray):
        return array[rows]
    import array_api_compat

    xp = array_api_compat.array_namespace(array)
    return xp.take(array, xp.asarray(rows, device=array_api_compat.device(array)), axis=0)


def pair_rows(
    pairs: Pairs | tuple[Any, Any], n_source: int, n_target: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Check dictionary pairs and give them as two int64 arrays.

    Raises
    ------
    DictionaryError
        No pair at all.
    ShapeError, DTypeError, ValueError
        Not two integer arrays of one length, or a row that is not there.
    """
    source, target = (pairs.source, pairs.target) if isinstance(pairs, Pairs) else pairs
    rows = []
    for name, values, n in (("source", source, n_source), ("target", target, n_target)):
        array = to_numpy(values)
        if array.ndim != 1:
            raise ShapeError(f"pairs.{name}: expected one dimension, got shape {array.shape}")
        if array.size and array.dtype.kind not in "iu":
            raise DTypeError(f"pairs.{name}: expected integer rows, got {array.dtype}")
        if array.size and (int(array.min()) < 0 or int(array.max()) >= n):
            raise ValueError(
                f"pairs.{name}: expected rows from 0 to {n - 1}, got {array.min()} to {array.max()}"
            )
        rows.append(array.astype(np.int64))
    if len(rows[0]) != len(rows[1]):
        raise ShapeError(f"pairs: {len(rows[0])} sources but {len(rows[1])} targets")
    if len(rows[0]) == 0:
        raise DictionaryError(
            "pairs: no pair, so there is nothing to evaluate; none of the dictionary's words may "
            "be in the vocabularies (look at case, and at the order of the two languages)"
        )
    return rows[0], rows[1]


def distinct_in_order(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the distinct values in order of first appearance, and the position of each entry's."""
    values, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return values[order], rank[inverse.ravel()]


def mean_of_best(scores: Any) -> Any:
    """Mean of each row of retrieved scores (n, k): the radius of CSLS, to the byte.

    From the largest down, in float64, over those that were found; rounded once.
    """
    if isinstance(scores, np.ndarray):
        xp: Any = np
    else:
        import array_api_compat

        xp = array_api_compat.array_namespace(scores)
    total = xp.zeros_like(scores[:, 0], dtype=xp.float64)
    count = xp.zeros_like(total)
    for column in range(scores.shape[1]):
        value = (
            scores[:, column].astype(np.float64)
            if xp is np
            else xp.astype(scores[:, column], xp.float64)
        )
        found = xp.isfinite(value)
        total = total + xp.where(found, value, xp.zeros_like(value))
        count = count + xp.where(found, xp.ones_like(total), xp.zeros_like(total))
    mean = total / xp.where(count == 0, xp.ones_like(count), count)
    return mean.astype(scores.dtype) if xp is np else xp.astype(mean, scores.dtype)
