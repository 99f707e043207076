"""Checks of ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import DTypeError, RemapError, ShapeError


def as_ids(name: str, values: Any) -> NDArray[Any]:
    """Give ids as an array of integers.

    Raises
    ------
    ShapeError
        Lists of different lengths.
    DTypeError
        Anything but integers.
    """
    try:
        ids = np.asarray(values)
    except ValueError:
        raise ShapeError(f"{name}: expected ids of one regular shape, got ragged lists") from None
    if ids.size == 0 and ids.dtype.kind not in "iu":
        return ids.astype(np.int64)
    if ids.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected integer ids of at most 64 bits, got {ids.dtype}")
    return ids


def require_range(name: str, ids: NDArray[Any], size: int, what: str) -> None:
    if ids.size == 0:
        return
    if (low := int(ids.min())) < 0:
        at = int(np.argmax(ids.ravel() < 0))
        raise RemapError(f"{name}: a negative id, {low} at the lowest; the first is entry {at}")
    if (high := int(ids.max())) >= size:
        at = int(np.argmax(ids.ravel() >= size))
        raise RemapError(
            f"{name}: expected ids below {size}, the size of {what}, got {high} at the highest; "
            f"the first beyond is entry {at}"
        )


def require_distinct(kept: NDArray[np.int64]) -> None:
    order = np.argsort(kept, kind="stable")
    again = np.nonzero(kept[order][1:] == kept[order][:-1])[0]
    if again.size:
        first, second = int(order[again[0]]), int(order[again[0] + 1])
        raise RemapError(
            f"kept_old_ids: each id may be kept once; id {int(kept[first])} is a duplicate, at "
            f"entries {first} and {second}"
        )
