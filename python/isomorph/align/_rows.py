"""Which rows are equal: names for them, and units of pairs that belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Rows that are looked at together.
_SLICE = 8192


def names_of(*arrays: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Give the rows of all arrays, all of one type and width, numbers: equal rows equal ones.

    Numbers count from 0 in no order that means anything. -0 is 0. Rows are sorted by a hash, and
    compared with the first of their hash; O(n d).
    """
    hashes = np.concatenate([_hashes(array) for array in arrays])
    _, first, names = np.unique(hashes, return_index=True, return_inverse=True)
    names = names.ravel()
    if not _all_equal(arrays, first[names]):
        _, names = np.unique(_bytes(np.concatenate(arrays)), return_inverse=True)
        names = names.ravel()
    ends = np.cumsum([len(array) for array in arrays])
    return [part.astype(np.int64) for part in np.split(names, ends[:-1])]


def joined(*labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give units of which no label of any kind is in two: connected components, from 0."""
    units = np.arange(len(labels[0]), dtype=np.int64)
    places = [np.unique(kind, return_inverse=True)[1].ravel() for kind in labels]
    while True:
        before = units
        for place in places:
            least = np.full(int(place.max(initial=-1)) + 1, len(units), dtype=np.int64)
            np.minimum.at(least, place, units)
            units = least[place]
        # A unit has the name of its first pair, and takes that pair's own.
        units = units[units]
        if np.array_equal(units, before):
            return np.unique(units, return_inverse=True)[1].ravel().astype(np.int64)


def _hashes(array: NDArray[Any]) -> NDArray[np.uint64]:
    columns = np.random.Philox(key=0).random_raw(array.shape[1]) | np.uint64(1)
    found = np.empty(len(array), dtype=np.uint64)
    for start in range(0, len(array), _SLICE):
        part = array[start : start + _SLICE] + 0.0
        bits = part.view(f"u{part.itemsize}").astype(np.uint64)
        # Low bits that are all zero must not stay so.
        bits *= np.uint64(0x9E3779B97F4A7C15)
        bits ^= bits >> np.uint64(29)
        found[start : start + _SLICE] = (bits * columns).sum(axis=1, dtype=np.uint64)
    return found


def _all_equal(arrays: tuple[NDArray[Any], ...], others: NDArray[np.int64]) -> bool:
    """Whether each row of all arrays equals the row whose number is beside it."""
    ends = np.cumsum([len(array) for array in arrays])
    place = 0
    for array in arrays:
        for start in range(0, len(array), _SLICE):
            part = array[start : start + _SLICE]
            numbers = others[place : place + len(part)]
            place += len(part)
            which = np.searchsorted(ends, numbers, side="right")
            for k in np.unique(which):
                mine = which == k
                rows = numbers[mine] - (ends[k] - len(arrays[k]))
                if not np.array_equal(part[mine], arrays[k][rows]):
                    return False
    return True


def _bytes(array: NDArray[Any]) -> NDArray[Any]:
    plain = np.ascontiguousarray(array + 0.0)
    return plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1]))).ravel()
