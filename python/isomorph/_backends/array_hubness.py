"""Sums and counts over all pairs in plain array-namespace code: the oracle of the core's."""

from __future__ import annotations

from typing import Any

from isomorph._backends import Run
from isomorph._backends.array_neighbors import (
    BLOCK_COLUMNS,
    BLOCK_ROWS,
    Score,
    _blocks,
    _quiet,
    _sum_of_lanes,
)

#: Columns whose cosines are sorted together.
SORTED_COLUMNS = 64


class ArrayHubness:
    """The hubness operations of :class:`isomorph._backends.Backend`."""

    xp: Any
    _cosine: Any
    _lanes: Any
    _rounded: Any
    _squares: Any
    _unit_exponent: Any

    def log_sums(self, source: Any, target: Any, beta: float, run: Run) -> Any:
        """See the protocol."""
        xp = self.xp
        cosine = self._all_cosines(source, target)
        parts = []
        for j in _blocks(target.shape[0], BLOCK_COLUMNS):
            largest: Any = None
            total: Any = 0.0
            for i in _blocks(source.shape[0], BLOCK_ROWS):
                exponent = beta * xp.astype(cosine(i, j), xp.float64)
                low = xp.full_like(exponent, -float("inf"))
                exponent = xp.where(xp.isnan(exponent), low, exponent)
                top = xp.max(exponent, axis=0)
                top = top if largest is None else xp.maximum(top, largest)
                shift = xp.where(xp.isinf(top), xp.zeros_like(top), top)
                with _quiet():
                    if largest is not None:
                        total = total * xp.exp(largest - shift)
                    total = total + xp.sum(xp.exp(exponent - shift[None, :]), axis=0)
                largest = top
            with _quiet():
                parts.append(xp.log(total) + shift)
            _report(run, j.stop, target.shape[0])
        return xp.concat(parts)

    def distance_moments(self, source: Any, target: Any, run: Run) -> Any:
        """See the protocol."""
        cosine = self._all_cosines(source, target)
        n, m = source.shape[0], target.shape[0]
        rows = self._moments(cosine, n, m, run)
        mirrored: Score = lambda i, j: self.xp.permute_dims(cosine(j, i), (1, 0))  # noqa: E731
        return rows, self._moments(mirrored, m, n, run)

    def _moments(self, cosine: Score, n: int, m: int, run: Run) -> tuple[Any, Any]:
        xp = self.xp
        means, deviations = [], []
        for i in _blocks(n, BLOCK_ROWS):
            first = second = count = 0.0
            for j in _blocks(m, BLOCK_COLUMNS):
                c = xp.astype(cosine(i, j), xp.float64)
                known = ~xp.isnan(c)
                d = xp.sqrt(xp.clip(2.0 - 2.0 * c, 0.0, None)) - 2.0**0.5
                d = xp.where(known, d, xp.zeros_like(d))
                first = first + xp.sum(d, axis=1)
                second = second + xp.sum(d * d, axis=1)
                count = count + xp.sum(xp.astype(known, xp.float64), axis=1)
            number = xp.where(count == 0, xp.ones_like(count), count)
            mean = first / number
            means.append(2.0**0.5 + mean)
            deviations.append(xp.sqrt(xp.clip(second / number - mean * mean, 0.0, None)))
            _report(run, i.stop, n)
        return xp.concat(means), xp.concat(deviations)

    def count_below(self, source: Any, target: Any, offsets: Any, values: Any, run: Run) -> Any:
        """See the protocol."""
        xp = self.xp
        cosine = self._all_cosines(source, target)
        counts = []
        for j in _blocks(target.shape[0], SORTED_COLUMNS):
            rows = [cosine(i, j) for i in _blocks(source.shape[0], BLOCK_ROWS)]
            # NaN comes last: above everything.
            ordered = xp.sort(xp.concat(rows, axis=0), axis=0)
            for column in range(j.start, j.stop):
                own = values[int(offsets[column]) : int(offsets[column + 1])]
                below = xp.searchsorted(ordered[:, column - j.start], own, side="left")
                counts.append(xp.astype(below, xp.int64))
            _report(run, j.stop, target.shape[0])
        return xp.concat(counts)

    def pair_cosines(self, source: Any, target: Any, indices: Any, run: Run) -> Any:
        """See the protocol."""
        xp = self.xp
        with _quiet():
            x = self._unit_exponent(self._lanes(source))
            y = self._unit_exponent(self._lanes(target))
        x_norm, y_norm = xp.sqrt(self._squares(x)), xp.sqrt(self._squares(y))
        parts = []
        for i in _blocks(source.shape[0], BLOCK_ROWS):
            chosen = indices[i, :]
            exists = (chosen >= 0) & (chosen < target.shape[0])
            chosen = xp.where(exists, chosen, xp.zeros_like(chosen))
            flat = xp.reshape(chosen, (-1,))
            others = xp.reshape(xp.take(y, flat, axis=0), (*chosen.shape, *y.shape[1:]))
            total: Any = 0.0
            for chunk in range(x.shape[1]):
                total = total + x[i, None, chunk, :] * others[:, :, chunk, :]
            dot = _sum_of_lanes(total)
            norms = x_norm[i, None] * xp.reshape(xp.take(y_norm, flat), chosen.shape)
            zero = norms == 0
            c = xp.where(zero, xp.zeros_like(dot), dot / xp.where(zero, norms + 1.0, norms))
            c = xp.where(exists, c, xp.full_like(c, float("nan")))
            parts.append(xp.astype(c, source.dtype) + 0.0)
        del run
        return xp.concat(parts, axis=0)

    def _all_cosines(self, source: Any, target: Any) -> Score:
        score: Score = self._rounded(self._cosine(source, target), source, target)
        return score


def _report(run: Run, done: int, total: int) -> None:
    if callable(run.progress):
        run.progress(done, total)
