"""The rows of the new tables: kept tokens, ids without a token, and padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.remap import Remap


@dataclass(frozen=True, eq=False)
class NewRows:
    """Where each row of the new tables is from.

    Attributes
    ----------
    index : ndarray of int64
        The old row of each new one; -1 is a row of zeros.
    tokens : int
        How many of them, the first ones, are tokens.
    reserved : int
        How many follow that have no token yet: those of ids behind the tokens, which libraries or
        configurations name, in their order; then others that configurations name.
    old_size : int
        Rows of the old tables.
    """

    index: NDArray[np.int64]
    tokens: int
    reserved: int
    old_size: int

    @property
    def size(self) -> int:
        """Rows of the new tables."""
        return len(self.index)

    @property
    def padding(self) -> int:
        """Rows at the end that nothing names."""
        return self.size - self.tokens - self.reserved

    def new_of_old(self) -> NDArray[np.int64]:
        """Give the new row of each old one, -1 of one that is gone."""
        return _inverse(self.index, self.old_size)

    def renumber(self, old: int) -> int | None:
        """Give the new id of an old one, None of one that is gone."""
        new = int(self._named[old])
        return new if new >= 0 else None

    @cached_property
    def _named(self) -> NDArray[np.int64]:
        return _inverse(self.index[: self.tokens + self.reserved], self.old_size)


def _inverse(index: NDArray[np.int64], old_size: int) -> NDArray[np.int64]:
    found = np.full(old_size, -1, dtype=np.int64)
    there = index >= 0
    found[index[there]] = np.flatnonzero(there)
    return found


def new_rows(
    remap: Remap,
    required: NDArray[np.int64],
    old_size: int,
    multiple_of: int,
    beyond: int = 0,
) -> NewRows:
    """Choose the rows of the new tables.

    Their number is rounded up to `multiple_of`, but not above that of the old ones. Padding is
    taken from the padding of the old tables, and is zeros where that has no more.

    Parameters
    ----------
    remap : Remap
        The ids of the tokenizer.
    required : ndarray of int64
        Ids that configurations name.
    old_size : int
        Rows of the old tables.
    multiple_of : int
        What the number of rows is a multiple of.
    beyond : int
        How many ids, behind those of the tokens, libraries give to tokens that they add.
    """
    kept = remap.new_to_old
    # In one piece, from the first on: a token that is added has the next id, here as there.
    end = max(remap.old_size + beyond, 1 + int(required.max(initial=-1)))
    behind = np.arange(remap.old_size, min(end, old_size), dtype=np.int64)
    reserved = np.concatenate([behind, np.setdiff1d(required, [*kept, *behind])])
    named = np.concatenate([kept, reserved])
    size = max(len(named), min(-(-len(named) // multiple_of) * multiple_of, old_size))
    spare = np.setdiff1d(np.arange(remap.old_size, old_size), reserved)[: size - len(named)]
    zeros = np.full(size - len(named) - len(spare), -1, dtype=np.int64)
    index = np.concatenate([named, spare, zeros]).astype(np.int64)
    return NewRows(index, len(kept), len(reserved), old_size)
