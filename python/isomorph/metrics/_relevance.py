"""Which items are relevant to which query, however it is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import DTypeError, ShapeError
from isomorph.metrics._host import to_numpy


@dataclass(frozen=True, slots=True, eq=False)
class Judgements:
    """Relevant items, query after query: items and grades from ``offsets[i]`` on are query i's."""

    offsets: NDArray[np.int64]
    items: NDArray[np.int64]
    grades: NDArray[np.float64]

    @property
    def queries(self) -> int:
        """How many queries."""
        return len(self.offsets) - 1

    def of(self, query: int) -> slice:
        """Where the items of a query stand."""
        return slice(int(self.offsets[query]), int(self.offsets[query + 1]))

    def query_of(self) -> NDArray[np.int64]:
        """Give the query of each item."""
        return np.repeat(np.arange(self.queries), np.diff(self.offsets))


def read_judgements(
    relevant: Any, queries: int, items: int | None, *, name: str = "relevant", required: bool = True
) -> Judgements:
    """Read the relevant items in any of the forms that :func:`isomorph.metrics.rank_metrics` takes.

    Parameters
    ----------
    relevant
        What the user gave.
    queries : int
        How many queries there are.
    items : int or None
        How many items, if known.
    name : str
        The argument's public name.
    required : bool
        Whether some query must have one.
    """
    if hasattr(relevant, "shape"):
        parts = _from_array(to_numpy(relevant), items, name)
    elif isinstance(relevant, Sequence) and not isinstance(relevant, str | bytes):
        parts = [_from_entry(entry, query, name) for query, entry in enumerate(relevant)]
    else:
        raise DTypeError(f"{name}: expected an array or a sequence, got {type(relevant).__name__}")
    if len(parts) != queries:
        raise ShapeError(f"{name}: expected {queries} entries, one a query, got {len(parts)}")
    for query, (chosen, grades) in enumerate(parts):
        _check(query, chosen, grades, items, name)
    parts = [(chosen[grades > 0], grades[grades > 0]) for chosen, grades in parts]
    lengths = np.array([len(chosen) for chosen, _ in parts], np.int64)
    if required and not lengths.sum():
        raise ValueError(f"{name}: no query has a relevant item, so there is nothing to measure")
    return Judgements(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([chosen for chosen, _ in parts]),
        np.concatenate([grades for _, grades in parts]),
    )


Entry = tuple[NDArray[np.int64], NDArray[np.float64]]


def _from_array(array: NDArray[Any], items: int | None, name: str) -> list[Entry]:
    if array.dtype.kind in "iu" and array.ndim in (1, 2):
        rows = array.reshape(len(array), -1).astype(np.int64)
        chosen = [row[row != -1] for row in rows]
        return [(row, np.ones(len(row))) for row in chosen]
    if array.dtype.kind in "bf" and array.ndim == 2 and array.shape[1] == items:
        graded = [(np.flatnonzero(row != 0), row) for row in array]
        return [(chosen, row[chosen].astype(np.float64)) for chosen, row in graded]
    raise ShapeError(
        f"{name}: expected int items of shape (n,) or (n, r), or bool or float grades of shape "
        f"(n, m), got {array.dtype} of shape {array.shape}"
    )


def _from_entry(entry: Any, query: int, name: str) -> Entry:
    if isinstance(entry, Mapping):
        items, grades = list(entry.keys()), list(entry.values())
    elif isinstance(entry, Iterable) and not isinstance(entry, str | bytes):
        items = list(entry)
        grades = [1.0] * len(items)
    else:
        items, grades = [entry], [1.0]
    chosen, given = np.asarray(items), np.asarray(grades)
    if chosen.ndim != 1 or (len(chosen) and chosen.dtype.kind not in "iu"):
        raise DTypeError(f"{name}: query {query}: expected integers, got {items!r:.60}")
    if len(given) and given.dtype.kind not in "biuf":
        raise DTypeError(f"{name}: query {query}: expected grades that are numbers")
    return chosen.astype(np.int64), given.astype(np.float64)


def _check(query: int, chosen: Any, grades: Any, items: int | None, name: str) -> None:
    if not (np.isfinite(grades).all() and (grades >= 0).all()):
        raise ValueError(f"{name}: query {query}: expected finite grades, none negative")
    largest = np.iinfo(np.int64).max if items is None else items - 1
    if len(chosen) and (chosen.min() < 0 or chosen.max() > largest):
        raise ValueError(
            f"{name}: query {query}: expected items from 0 to {largest}, got {chosen.min()} to "
            f"{chosen.max()}"
        )
    if len(np.unique(chosen)) != len(chosen):
        raise ValueError(f"{name}: query {query}: an item stands there twice")
