"""Rows of two files that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph._applying._kinds import Source
from isomorph.errors import FormatError, NonFiniteError, ShapeError

#: Rows that are read at a time.
_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class Paired:
    """Vectors of the same things in two files.

    Attributes
    ----------
    old, new : ndarray of shape (n, d) and (n, e)
        Row i of both belongs together.
    matched : str
        How rows were matched.
    store : int
        Rows of the old file.
    """

    old: NDArray[Any]
    new: NDArray[Any]
    matched: str
    store: int


def paired(old: Source, new: Source) -> Paired:
    """Match the rows of two files: by what names them, where both have names, else by number."""
    names = old.ids(), new.ids()
    if names[0] is None or names[1] is None:
        if old.rows != new.rows:
            raise ShapeError(
                f"{new.name}: expected {old.rows:,} rows as in {old.name}, got {new.rows:,}; rows "
                "are matched by number, as not both files have ids"
            )
        return Paired(whole(old), whole(new), "row numbers", old.rows)
    left, right = _index(old, names[0]), _index(new, names[1])
    common = [one for one in left if one in right]
    if not common:
        raise FormatError(
            f"{new.name}: no id is also in {old.name}: the first are {next(iter(right), None)!r} "
            f"and {next(iter(left), None)!r}"
        )
    rows = [np.array([index[one] for one in common]) for index in (left, right)]
    return Paired(whole(old, rows[0]), whole(new, rows[1]), "ids", old.rows)


def _index(source: Source, names: list[Any]) -> dict[str, int]:
    """Give the row of each id; numbers and their decimals are the same."""
    found: dict[str, int] = {}
    for row, name in enumerate(names):
        if name is None:
            raise FormatError(f"{source.name}: row {row}: the id is missing (null)")
        if found.setdefault(str(name), row) != row:
            raise FormatError(
                f"{source.name}: row {row}: the id {name!r} is also that of row {found[str(name)]}"
            )
    return found


def whole(source: Source, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
    """Read vectors, or those of some rows, none of them twice; float16 becomes float32."""
    dtype = np.float64 if source.dtype == np.float64 else np.float32
    place = np.arange(source.rows)
    if rows is not None:
        place = np.full(source.rows, -1)
        place[rows] = np.arange(len(rows))
    answer = np.empty((source.rows if rows is None else len(rows), source.columns), dtype)
    for block in source.blocks(_BLOCK):
        to = place[block.start : block.start + len(block.vectors)]
        kept = np.flatnonzero(to >= 0)
        vectors = np.asarray(block.vectors[kept], dtype=dtype)
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if bad.size:
            raise NonFiniteError(
                f"{source.name}: {source.row_name(block, int(kept[bad[0]]))} has a NaN or an "
                "infinity; repair or drop such rows"
            )
        answer[to[kept]] = vectors
    return answer
