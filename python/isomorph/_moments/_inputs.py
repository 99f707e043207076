"""What an update takes: weights, labels of groups, slices of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from isomorph import _arrays, _weights
from isomorph._moments import _sums
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

#: Rows that are converted at a time: a multiple of the 4,096 rows of a block.
SLICE = 1 << 16

#: Weights must lie in this range (or be 0), so that products keep to float64's.
LEAST, MOST = 1e-30, 1e30

_LARGEST_LABEL = 2**63 - 1

Report = Callable[[int, int], object]


def weights_of(arguments: _arrays.Arguments, weights: Any) -> Any:
    """Check weights and give them in float64, beside the rows; None stays None."""
    found = _weights.beside(arguments, weights)
    if found is not None:
        xp = arguments.array_namespace()
        if not bool(xp.all((found == 0) | ((found >= LEAST) & (found <= MOST)))):
            raise ValueError(f"weights: expected 0, or values from {LEAST} to {MOST}")
    return found


def labels_of(group: Any, n: int) -> Any:
    """Check labels: one integer for all rows, or an int64 array with one for each."""
    if group is None:
        return 0
    labels = np.asarray(group)
    if labels.dtype.kind not in "iu" and labels.size:
        raise DTypeError(f"group: expected integers, got {labels.dtype}")
    if labels.ndim == 0:
        return int(labels)
    if labels.shape != (n,):
        raise ShapeError(f"group: expected an integer or shape {(n,)}, got {labels.shape}")
    if labels.size and int(labels.max()) > _LARGEST_LABEL:
        raise ValueError(f"group: expected labels up to {_LARGEST_LABEL}, got {labels.max()}")
    return labels.astype(np.int64)


def orders(labels: Any, start: int, stop: int) -> Iterator[tuple[int, Any]]:
    """Go through the groups of a slice, with the rows of each; None for all."""
    if isinstance(labels, int):
        yield labels, None
        return
    part = labels[start:stop]
    present, places = np.unique(part, return_inverse=True)
    if len(present) == 1:
        yield int(present[0]), None
        return
    by_group = np.argsort(places, kind="stable")
    cuts = np.searchsorted(places[by_group], np.arange(len(present) + 1))
    for label, first, last in zip(present, cuts[:-1], cuts[1:], strict=True):
        yield int(label), np.ascontiguousarray(by_group[first:last], dtype=np.int64)


def exponents_of(xp: Any, rows: tuple[Any, Any], weights: Any) -> _sums.Exponents:
    """Give the powers of two for rows of x and y; values that are not finite are left alone."""
    found = []
    for part in rows:
        size = _size(xp, part)
        if weights is not None and _sums.exponents_for((size, 1.0))[0]:
            # Rows that do not count must not push the others out of range.
            size = _size(xp, xp.where(weights[:, None] > 0, part, xp.zeros_like(part)))
        found.append(size)
    return _sums.exponents_for((found[0], found[1]))


def _size(xp: Any, part: Any) -> float:
    return _finite(max(float(xp.max(part)), -float(xp.min(part))))


def _finite(size: float) -> float:
    return size if size < float("inf") else 1.0


def sliced(
    arguments: _arrays.Arguments, start: int, stop: int, check_finite: bool
) -> _arrays.Prepared:
    """Give some rows of both sides, ready for the backend."""
    parts = {name: array[start:stop, ...] for name, array in arguments.arrays.items()}
    ready = _arrays.Arguments(**parts).ready(check_finite=False)
    if check_finite:
        refuse_nonfinite(ready, start)
    return ready


def refuse_nonfinite(ready: _arrays.Prepared, start: int) -> None:
    """Raise, with the number of the row in the whole, if a row is not finite."""
    for name, array in zip(("x", "y"), ready.arrays, strict=True):
        if (row := ready.backend.first_nonfinite_row(array)) is not None:
            raise NonFiniteError(
                f"{name}: row {start + row} has a NaN or an infinity; repair or drop such rows"
            )


def onwards(report: Report | None, done: int, total: int) -> Report | None:
    """Report a part of the work as what comes after `done`."""
    if report is None:
        return None
    return lambda part, _: report(min(done + part, total), total)
