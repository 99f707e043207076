"""``memory=``: what a search allocates beside its inputs and its result."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

from isomorph.errors import DTypeError, MemoryBudgetError

Memory = int | str | None

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
#: Rows of the smallest block that is worth a search.
SMALLEST_BLOCK = 256
#: Pool, rotation buffers, merging, and what the allocator keeps.
FIXED = 8 << 20
#: Largest packed block of one side, and lists of rows that select alone: as in the core.
PACKED = 32 << 20
#: Norms, scales, biases, bounds of errors, of one row.
BOUNDS = 120


def parse(memory: Memory) -> int | None:
    """Give the budget in bytes."""
    if memory is None:
        return None
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", memory, re.IGNORECASE)
        if found is None:
            raise ValueError(f"memory: expected bytes, as 500_000_000 or '500MB', got {memory!r}")
        number, unit, binary = found.groups()
        return int(float(number) * (1024 if binary else 1000) ** _UNITS[unit.upper()])
    try:
        budget = operator.index(memory)
    except TypeError:
        raise DTypeError(f"memory: expected an integer or a string, got {memory!r}") from None
    if isinstance(memory, bool) or budget < 1:
        raise ValueError(f"memory: expected a positive number of bytes, got {memory!r}")
    return budget


@dataclass(frozen=True, slots=True)
class Needs:
    """What a search of `n` by `m` rows of `d` columns needs.

    Attributes
    ----------
    n, m, d : int
        Rows of the two sides, and columns.
    itemsize : int
        Of the computing type.
    copied : tuple of bool
        Whether rows of each side are copied to be computed with.
    k : int
        The longest list that a row keeps.
    both : bool
        Whether the rows of both sides select.
    kept : int
        Bytes that are held throughout.
    """

    n: int
    m: int
    d: int
    itemsize: int
    copied: tuple[bool, bool]
    k: int
    both: bool
    kept: int = 0

    def _lists(self, rows: int) -> int:
        """Bytes of the lists of rows, and of their best."""
        entry = 2 * self.itemsize
        return rows * ((self.k + max(self.k, 64)) * entry + 16 + (entry + 8) * self.k)

    def block(self, a: int, b: int, *, result: bool = True) -> int:
        """Bytes of the search of `a` rows against `b`, with or without its `result`."""
        values = self.d * self.itemsize
        copies = sum(
            rows * values for rows, copied in zip((a, b), self.copied, strict=True) if copied
        )
        # Codes of both sides, or packed blocks: never at once. Norms at the ends of float64 have
        # rows rescaled.
        packed = sum(min(PACKED, rows * (values + self.itemsize)) for rows in (a, b))
        codes = (a + b) * (self.d + 64)
        rescaled = (a + b) * values if self.itemsize == 8 else 0
        lists = self._lists(a + b) if self.both else min(2 * PACKED, self._lists(a))
        found = (a + b if self.both else a) * self.k * (self.itemsize + 8) if result else 0
        block = copies + max(packed, codes) + rescaled + (a + b) * BOUNDS + lists + found
        # The allocator keeps gaps where large blocks of different sizes follow each other.
        return FIXED + block * 4 // 3

    def whole(self) -> int:
        """Bytes of the search at once."""
        return self.block(self.n, self.m, result=False)

    def one_pass(self, k: int) -> int:
        """Bytes of CSLS in one pass: candidates besides, and codes that are scanned again."""
        rows = self.n + self.m
        candidates = 2 * max(32, 4 * k) * 8 + 32
        sample = (2 * self.itemsize + 8) * self.k
        return self.whole() + rows * (self.d + 64 + BOUNDS + candidates + sample)

    def largest_block(self, budget: int) -> int:
        """Rows of the largest blocks, as many of both sides, that fit the budget.

        Raises
        ------
        MemoryBudgetError
            Where the smallest sensible one does not.
        """

        def needed(rows: int) -> int:
            return self.kept + self.block(min(rows, self.n), min(rows, self.m))

        # Rows are cut evenly: no block is under half of the largest, which both sides fill.
        low = SMALLEST_BLOCK if not self.both else max(SMALLEST_BLOCK, 2 * self.k)
        high = max(self.n, self.m)
        low = min(low, high)
        if (least := needed(low)) > budget:
            raise MemoryBudgetError(
                f"memory: expected at least {least:,} bytes for {self.n:,} x {self.m:,} rows of "
                f"{self.d:,} columns, got {budget:,}"
            )
        while low < high:
            middle = (low + high + 1) // 2
            if needed(middle) <= budget:
                low = middle
            else:
                high = middle - 1
        return low
