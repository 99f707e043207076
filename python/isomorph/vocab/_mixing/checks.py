"""What the parts of a mixing must be, and bringing them to one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph._arrays import MAX_ROWS
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

Csr = tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]


def shape(value: Any) -> tuple[int, int]:
    """Require two numbers of tokens."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ShapeError(f"shape: expected (target tokens, source tokens), got {value!r}")
    targets, sources = (_checks.integer("shape", size, 0, MAX_ROWS) for size in value)
    return targets, sources


def integers(name: str, values: Any) -> NDArray[Any]:
    """Require a vector of integers."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"{name}: expected one dimension, got shape {array.shape}")
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected integers, got {array.dtype}")
    return array


def csr(indptr: Any, indices: Any, weights: Any, size: tuple[int, int]) -> Csr:
    """Require compressed sparse rows of that size; ids ascend within a row."""
    targets, sources = size
    starts = _offsets(integers("indptr", indptr), targets)
    ids, values = integers("indices", indices), _weights(weights)
    if not len(ids) == len(values) == int(starts[-1]):
        raise ShapeError(
            f"indices, weights: expected {int(starts[-1])} entries, the last of indptr, got "
            f"{len(ids)} and {len(values)}"
        )
    require_ids("indices", ids, sources, "source tokens")
    ids = np.array(ids, dtype=np.int32 if sources < 2**31 else np.int64)
    ascending = np.ones(max(len(ids) - 1, 0), dtype=np.bool_)
    np.greater(ids[1:], ids[:-1], out=ascending)
    # Where a row begins, its first id need not be above the last of the row before.
    begins = starts[1:-1]
    ascending[begins[(begins > 0) & (begins < len(ids))] - 1] = True
    if not ascending.all():
        rows = np.repeat(np.arange(targets, dtype=np.int64), np.diff(starts))
        order = np.lexsort((ids, rows))
        ids, values = ids[order], values[order]
        twice = np.flatnonzero((ids[1:] == ids[:-1]) & (rows[1:] == rows[:-1]))
        if twice.size:
            raise ValueError(
                f"indices: row {int(rows[twice[0]])} has source {int(ids[twice[0]])} twice; "
                "TokenMixing.from_entries adds their weights"
            )
    return starts, ids, values


def from_entries(rows: Any, indices: Any, weights: Any, size: tuple[int, int]) -> Csr:
    """Sort entries and add those of one place."""
    targets, ids, values = integers("rows", rows), integers("indices", indices), _weights(weights)
    if not len(targets) == len(ids) == len(values):
        raise ShapeError(
            "rows, indices, weights: expected as many of each, got "
            f"{len(targets)}, {len(ids)} and {len(values)}"
        )
    require_ids("rows", targets, size[0], "target tokens")
    require_ids("indices", ids, size[1], "source tokens")
    # Both are below 2**32, so a place fits 64 bits.
    places = (targets.astype(np.uint64) << np.uint64(32)) | ids.astype(np.uint64)
    order = np.argsort(places, kind="stable")
    places, values = places[order], values[order]
    first = np.flatnonzero(np.r_[True, places[1:] != places[:-1]]) if len(places) else order
    sums = np.add.reduceat(values.astype(np.float64), first) if len(first) else values
    places = places[first]
    counts = np.bincount((places >> np.uint64(32)).astype(np.int64), minlength=size[0])
    starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    found = (places & np.uint64(2**32 - 1)).astype(np.int64)
    return starts, found, sums.astype(values.dtype, copy=False)


def row_sums(indptr: NDArray[np.int64], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Add up each row."""
    sums = np.zeros(len(indptr) - 1)
    some = np.diff(indptr) > 0
    if some.any():
        sums[some] = np.add.reduceat(weights.astype(np.float64), indptr[:-1][some])
    return sums


def plain_origins(indptr: NDArray[np.int64], weights: NDArray[Any]) -> NDArray[np.int16]:
    """Tell rows without an entry, copies, and others apart: 0, 1, 2."""
    counts = np.diff(indptr)
    found: NDArray[np.int16] = np.minimum(2 * counts, 2).astype(np.int16)
    single = np.flatnonzero(counts == 1)
    found[single[weights[indptr[single]] == 1]] = 1
    return found


def origins(values: Any, names: tuple[str, ...], indptr: NDArray[np.int64]) -> NDArray[np.int16]:
    """Require a number in `names` for each row, 0 for rows without an entry and only for them."""
    found = integers("origins", values)
    if len(found) != len(indptr) - 1:
        raise ShapeError(f"origins: expected {len(indptr) - 1} numbers, got {len(found)}")
    if not 1 <= len(names) <= 2**15 or len(set(names)) != len(names):
        raise ValueError(f"origin_names: expected names that are all different, got {names}")
    require_ids("origins", found, len(names), "origin names")
    odd = np.flatnonzero((found == 0) != (np.diff(indptr) == 0))
    if odd.size:
        raise ValueError(
            f"origins: expected 0 where a row has no entry, and only there; row {int(odd[0])} has "
            f"{int(np.diff(indptr)[odd[0]])} entries and origin {int(found[odd[0]])}"
        )
    return np.array(found, dtype=np.int16)


def tokens(name: str, values: Any, count: int) -> tuple[str | None, ...] | None:
    """Require one token, or None, for each id."""
    if values is None:
        return None
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise DTypeError(f"{name}: expected a list of tokens, got {type(values).__name__}")
    found = tuple(values)
    for position, token in enumerate(found):
        if token is not None and not isinstance(token, str):
            raise DTypeError(
                f"{name}: expected tokens as str, got {type(token).__name__} at {position}"
            )
    if len(found) != count:
        raise ShapeError(f"{name}: expected {count} tokens, one a row or column, got {len(found)}")
    return found


def require_ids(name: str, ids: NDArray[Any], size: int, what: str) -> None:
    """Require ids from 0 to ``size - 1``."""
    if ids.size == 0:
        return
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= size:
        bad = low if low < 0 else high
        at = int(np.argmax(ids == bad))
        raise ValueError(f"{name}: expected 0 to {size - 1} ({what}), got {bad} at entry {at}")


def require_finite(xp: Any, name: str, matrix: Any, *, block: int = 4096) -> None:
    """Refuse rows with a NaN or an infinity, looking at a block of rows at a time."""
    for start in range(0, matrix.shape[0], block):
        stop = min(start + block, matrix.shape[0])
        bad = xp.any(~xp.isfinite(matrix[start:stop, ...]), axis=1)
        if bool(xp.any(bad)):
            row = start + int(xp.argmax(xp.astype(bad, xp.int64)))
            raise NonFiniteError(
                f"{name}: row {row} has a NaN or an infinity; repair or drop such rows, or pass "
                "check_finite=False"
            )


def _offsets(values: NDArray[Any], targets: int) -> NDArray[np.int64]:
    if len(values) != targets + 1:
        raise ShapeError(f"indptr: expected {targets + 1} offsets, got {len(values)}")
    starts = np.array(values, dtype=np.int64)
    if starts[0] != 0:
        raise ValueError(f"indptr: expected 0 first, got {int(starts[0])}")
    if (starts[1:] < starts[:-1]).any():
        at = int(np.argmax(starts[1:] < starts[:-1]))
        raise ValueError(f"indptr: expected offsets that never decrease, got a step down at {at}")
    return starts


def _weights(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"weights: expected one dimension, got shape {array.shape}")
    if array.size == 0 and array.dtype.kind != "f":
        array = array.astype(np.float64)
    if array.dtype not in (np.float32, np.float64):
        raise DTypeError(f"weights: expected float32 or float64, got {array.dtype}")
    array = np.array(array, dtype=array.dtype.newbyteorder("="))
    finite = np.isfinite(array)
    if not finite.all():
        raise NonFiniteError(f"weights: entry {int(np.argmin(finite))} is a NaN or an infinity")
    return array
