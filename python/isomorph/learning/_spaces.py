"""Both sides of a run after their chains, and the three things that an iteration does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import neighbors
from isomorph.align import LinearMap, procrustes
from isomorph.metrics._host import take_rows, to_numpy

Rows = NDArray[np.int64]

#: Of more rows than the first, so many as the second, evenly spaced, make the objective.
MOST_ROWS, SOME_ROWS = 4096, 2048
#: Pairs whose targets are added up at a time: they stay in the cache.
_PAIRS = 2048


@dataclass(frozen=True, slots=True)
class Spaces:
    """Vectors of both sides, and those of the first words, among which pairs are induced."""

    x: Any
    z: Any
    first_x: Any
    first_z: Any
    threads: int

    @classmethod
    def of(cls, x: Any, z: Any, vocabulary: int | None, threads: int) -> Spaces:
        """Search the first `vocabulary` rows of each side."""
        return cls(x, z, first_rows(x, vocabulary), first_rows(z, vocabulary), threads)

    def fit(self, pairs: tuple[Rows, Rows]) -> LinearMap:
        """Give the orthogonal map of the pairs.

        A row that is in several pairs enters once, with the sum of its partners: X'Z is the same,
        and costs as many products as there are rows, not pairs.
        """
        source, target = pairs
        if isinstance(self.x, np.ndarray) and len(source) > self.x.shape[1]:
            rows, sums = _summed(self.z, source, target)
            every = len(rows) == len(self.x)
            left, right = (self.x if every else self.x[rows]), sums
        else:
            left, right = take_rows(self.x, source), take_rows(self.z, target)
        return procrustes(left, right, check_finite=False, threads=self.threads)

    def mapped(self, by: LinearMap) -> Any:
        """Map the first words of the source."""
        return by.apply(self.first_x, check_finite=False, threads=self.threads)

    def objective(self, mapped: Any, direction: str) -> float:
        """Give the mean of the largest cosine of a row, over the sides that choose."""
        sides = {"forward": (mapped, self.first_z), "backward": (self.first_z, mapped)}
        asked = [sides[direction]] if direction in sides else list(sides.values())
        means = []
        for own, other in asked:
            count = int(own.shape[0])
            if count > MOST_ROWS:
                own = take_rows(own, np.arange(SOME_ROWS) * count // SOME_ROWS)
            best = neighbors.topk(own, other, 1, check_finite=False, threads=self.threads)
            means.append(float(np.mean(to_numpy(best.scores), dtype=np.float64)))
        return sum(means) / len(means)


def first_rows(rows: Any, count: int | None) -> Any:
    """Give the first rows, all where there are no more."""
    return rows if count is None or count >= rows.shape[0] else rows[:count, ...]


def _summed(z: Any, source: Rows, target: Rows) -> tuple[Rows, Any]:
    """Give the distinct sources, ascending, and the sum of the targets of each."""
    order = np.argsort(source, kind="stable")
    rows, starts = np.unique(source[order], return_index=True)
    partners = target[order]
    sums = np.empty((len(rows), z.shape[1]), dtype=z.dtype)
    ends = np.append(starts[1:], len(order))
    first = 0
    while first < len(rows):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _PAIRS, side="right")))
        begin, end = int(starts[first]), int(ends[last - 1])
        gathered = z[partners[begin:end]]
        np.add.reduceat(gathered, starts[first:last] - begin, axis=0, out=sums[first:last])
        first = last
    return rows, sums
