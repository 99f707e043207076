"""What an update takes: weights, labels of groups, slices of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from isomorph import _arrays
from isomorph._moments import _sums
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

#: Rows that are converted at a time: a multiple of the 4,096 rows of a block.
SLICE = 1 << 16

#: Weights must lie in this range (or be 0), so that products keep to float64's.
LEAST, MOST = 1e-30, 1e30

Report = Callable[[int, int], object]


def dimension(name: str, value: Any) -> int:
    """Check a number of columns."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DTypeError(f"{name}: expected an integer, got {value!r}")
    if not 1 <= value <= 1 << 16:
        raise ValueError(f"{name}: expected 1 to 65536 columns, got {value}")
    return int(value)


def weights_of(arguments: _arrays.Arguments, weights: Any, n: int) -> Any:
    """Check weights and give them in float64, beside the rows; None stays None."""
    if weights is None:
        return None
    xp = arguments.array_namespace()
    x = arguments.arrays["x"]
    try:
        given = weights if hasattr(weights, "shape") else np.asarray(weights, dtype=np.float64)
        checked = xp.astype(xp.asarray(given, **arguments.device_of(x)), xp.float64)
    except (TypeError, ValueError):
        raise DTypeError(f"weights: expected numbers, got {type(weights).__name__}") from None
    if tuple(checked.shape) != (n,):
        raise ShapeError(f"weights: expected shape {(n,)}, one a row, got {tuple(checked.shape)}")
    if not bool(xp.all(xp.isfinite(checked))):
        raise NonFiniteError("weights: a NaN or an infinity; give 0 to what should not count")
    if not bool(xp.all((checked == 0) | ((checked >= LEAST) & (checked <= MOST)))):
        raise ValueError(f"weights: expected 0, or values from {LEAST} to {MOST}")
    if arguments.namespace is None:
        return np.ascontiguousarray(checked)
    return checked


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
