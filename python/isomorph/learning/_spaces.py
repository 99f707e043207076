"""Both sides of a run after their chains, and what an iteration does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph._backends import Run
from isomorph.align import LinearMap, procrustes
from isomorph.metrics._host import take_rows, to_numpy

Rows = NDArray[np.int64]


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
        """Give the orthogonal map of the pairs, and what there is to say of it."""
        left, right = take_rows(self.x, pairs[0]), take_rows(self.z, pairs[1])
        return procrustes(left, right, check_finite=False, threads=self.threads)

    def turn(self, pairs: tuple[Rows, Rows]) -> LinearMap:
        """Give the same map alone: no copy of the rows, and nothing said of it."""
        both = _arrays.Arguments(x=self.x, z=self.z).ready(check_finite=False)
        (x, z), (source, target) = both.arrays, pairs
        matrix = both.backend.procrustes_of_rows(x, z, source, target, Run(self.threads))
        return LinearMap(both.convert(matrix), orthogonal=True, method="procrustes")

    def mapped(self, by: LinearMap) -> Any:
        """Map the first words of the source."""
        return by.apply(self.first_x, check_finite=False, threads=self.threads)


def first_rows(rows: Any, count: int | None) -> Any:
    """Give the first rows, all where there are no more."""
    return rows if count is None or count >= rows.shape[0] else rows[:count, ...]


def objective(largest: Sequence[Any]) -> float:
    """Give the mean of the largest cosine of a row, over the sides that choose.

    Rows that are not finite have none, and do not count.
    """
    means = []
    for side in map(to_numpy, largest):
        found = side[np.isfinite(side)]
        means.append(float(np.mean(found, dtype=np.float64)) if len(found) else 0.0)
    return sum(means) / len(means)
