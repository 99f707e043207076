"""What methods have in common: rows still to be made, weights to a mixing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph.align._files import _host
from isomorph.errors import ShapeError
from isomorph.vocab.mixing import TokenMixing

#: Rows of a table at a time.
BLOCK = 4096
#: Largest values of a table whose squares may be added up.
_SAFE = (2.0**-400, 2.0**400)


def blocks(rows: int) -> Iterator[slice]:
    """Cut rows into blocks."""
    for start in range(0, rows, BLOCK):
        yield slice(start, min(start + BLOCK, rows))


def doubles(xp: Any, block: Any) -> Any:
    """Give values in float64 and, of NumPy, in C order: sums follow the order in memory."""
    if isinstance(block, np.ndarray):
        return np.require(block, np.float64, ["C", "A"])
    return xp.astype(block, xp.float64)


def in_range(xp: Any, rows: Any) -> tuple[Any, int]:
    """Give rows whose squares and sums are in the range of float64, and an exponent.

    They are themselves, and 0; or a copy, divided by that power of two, which rounds nothing.
    """
    if rows.dtype != xp.float64:
        return rows, 0
    largest = max((float(xp.max(xp.abs(rows[b, ...]))) for b in blocks(rows.shape[0])), default=0)
    if not 0 < largest < math.inf or _SAFE[0] <= largest <= _SAFE[1]:
        return rows, 0
    exponent = math.frexp(largest)[1]
    return times_power(xp.asarray(rows, copy=True), -exponent), exponent


def times_power(values: Any, exponent: int) -> Any:
    """Give the product with a power of two, in steps that are numbers themselves."""
    while exponent:
        step = max(-1000, min(1000, exponent))
        values = values * 2.0**step
        exponent -= step
    return values


def host(array: Any) -> NDArray[Any]:
    """Give an array of any library as one of NumPy."""
    found: NDArray[Any] = _host(array)
    return found


def missing_rows(base: TokenMixing | None, targets: int, sources: int) -> NDArray[np.int64]:
    """Give the target ids that a method has to make: those that `base` has no source for."""
    if base is None:
        return np.arange(targets, dtype=np.int64)
    if base.shape != (targets, sources):
        raise ShapeError(f"base: expected shape {(targets, sources)}, got {base.shape}")
    return base.fallback_rows


def from_neighbors(
    rows: NDArray[np.int64],
    indices: NDArray[np.int64],
    weights: NDArray[Any],
    shape: tuple[int, int],
    **about: Any,
) -> TokenMixing:
    """Make a mixing in which row ``rows[i]`` has the sources ``indices[i]``; weight 0: not at all.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Ascending.
    indices, weights : ndarray of shape (n, k)
        Sources and weights.
    """
    kept = weights != 0
    counts = np.zeros(shape[0], dtype=np.int64)
    counts[rows] = kept.sum(axis=1)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return TokenMixing(starts, indices[kept], weights[kept], shape, **about)


def joined(base: TokenMixing | None, made: TokenMixing) -> TokenMixing:
    """Give the rows of `base` where it has any, the others as they were made."""
    return made if base is None else base.fill(made)


def softmax(scores: NDArray[Any], temperature: float, kept: NDArray[np.bool_]) -> NDArray[Any]:
    """Give exp(score / temperature) over the kept entries of each row, as shares; float64."""
    scaled = np.where(kept, scores.astype(np.float64) / temperature, -np.inf)
    largest = scaled.max(axis=1, initial=-np.inf, keepdims=True)
    shares = np.exp(scaled - np.where(np.isfinite(largest), largest, 0))
    total = shares.sum(axis=1, keepdims=True)
    found: NDArray[Any] = shares / np.where(total > 0, total, 1)
    return found


def zero_rows(xp: Any, array: Any) -> NDArray[np.bool_]:
    """Tell which rows are zero throughout."""
    parts = [
        host(xp.astype(xp.all(array[block, ...] == 0, axis=1), xp.uint8))
        for block in blocks(array.shape[0])
    ]
    return np.concatenate([np.zeros(0, np.uint8), *parts]).astype(np.bool_)


def take(xp: Any, array: Any, rows: NDArray[np.int64]) -> Any:
    """Give some rows of an array; itself for all of them in their order."""
    if len(rows) == array.shape[0] and np.array_equal(rows, np.arange(len(rows))):
        return array
    if isinstance(array, np.ndarray):
        return array[rows]
    return xp.take(array, xp.asarray(rows, **beside(array)), axis=0)


def beside(array: Any) -> dict[str, Any]:
    """Give the keyword that makes an array on the device of another."""
    import array_api_compat

    return {"device": array_api_compat.device(array)}


def embedding_arguments(**arrays: Any) -> _arrays.Arguments:
    """Check tables of rows: matrices with at least one row and one column."""
    arguments = _arrays.Arguments(**arrays)
    arguments.require_not_empty()
    return arguments
