"""Neighbours in plain array-namespace code: every score canonical, selections by a stable sort.

This is the definition that the Rust core must equal, byte for byte. It computes blocks of scores
(never n x m) and merges the blocks' best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from isomorph._backends import FromRows, Run

#: Lanes of the canonical dot product: value p of a row goes to lane p mod 8.
LANES = 8
#: Rows of the two sides in one block of scores: 32 x 2,048 x 8 lanes x 8 bytes = 4 MiB.
BLOCK_ROWS, BLOCK_COLUMNS = 32, 2048
#: Squared norms outside these bounds are recomputed from rows scaled by a power of two.
SAFE_SQUARES = (2.0**-900, 2.0**900)

Score = Callable[[slice, slice], Any]


class ArrayNeighbors:
    """The neighbour operations of :class:`isomorph._backends.Backend`."""

    xp: Any

    def topk(
        self, queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool, run: Run
    ) -> tuple[Any, Any]:
        """See the protocol."""
        score = self._score(metric, queries, corpus)
        score = self._rounded(score, queries, corpus, exclude_self)
        return self._select(score, queries, corpus, k, run)

    def csls_radii(self, source: Any, target: Any, neighborhood: int, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        forward = self._rounded(self._cosine(source, target), source, target)
        best, _ = self._select(forward, source, target, neighborhood, run)
        other, _ = self._select(_transposed(self.xp, forward), target, source, neighborhood, run)
        return self._mean(best), self._mean(other)

    def csls(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[Any, Any]:
        """See the protocol."""
        score = self._csls_score(source, target, source_radii, target_radii)
        return self._select(score, source, target, k, run)

    def csls_both(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """See the protocol."""
        score = self._csls_score(source, target, source_radii, target_radii)
        forward = self._select(score, source, target, k, run)
        backward = self._select(_transposed(self.xp, score), target, source, k, run)
        return forward, backward

    def csls_from_rows(
        self, source: Any, target: Any, k: int, neighborhood: int, both: bool, run: Run
    ) -> FromRows:
        """See the protocol."""
        radii = self.csls_radii(source, target, neighborhood, run)
        if both:
            return FromRows(*self.csls_both(source, target, k, *radii, run), radii, None)
        return FromRows(self.csls(source, target, k, *radii, run), None, radii, None)

    def _score(self, metric: str, left: Any, right: Any) -> Score:
        """Give the scores of a metric, in float64."""
        if metric == "cosine":
            return self._cosine(left, right)
        x, y = self._lanes(left), self._lanes(right)
        if metric == "dot":
            return lambda i, j: self._dot(x[i, ...], y[j, ...])
        return lambda i, j: -self._squared_distance(x[i, ...], y[j, ...])

    def _lanes(self, rows: Any) -> Any:
        """Give rows as float64 of shape (n, ceil(d / 8), 8), the last chunk filled with zeros."""
        xp = self.xp
        n, d = rows.shape
        missing = -d % LANES
        wide = xp.astype(rows, xp.float64)
        if missing:
            zeros = xp.zeros((n, missing), dtype=xp.float64, device=_device(rows))
            wide = xp.concat([wide, zeros], axis=1)
        return xp.reshape(wide, (n, (d + missing) // LANES, LANES))

    def _dot(self, x: Any, y: Any) -> Any:
        """Canonical dot products of all rows of x with all rows of y, in float64."""
        total: Any = 0.0
        for chunk in range(x.shape[1]):
            total = total + x[:, None, chunk, :] * y[None, :, chunk, :]
        return _sum_of_lanes(total)

    def _squared_distance(self, x: Any, y: Any) -> Any:
        total: Any = 0.0
        for chunk in range(x.shape[1]):
            difference = x[:, None, chunk, :] - y[None, :, chunk, :]
            total = total + difference * difference
        return _sum_of_lanes(total)

    def _squares(self, x: Any) -> Any:
        total: Any = 0.0
        for chunk in range(x.shape[1]):
            total = total + x[:, chunk, :] * x[:, chunk, :]
        return _sum_of_lanes(total)

    def _unit_exponent(self, x: Any) -> Any:
        """Scale each row by a power of two, if the square of any norm could leave the range."""
        xp = self.xp
        largest = xp.max(xp.abs(x), axis=(1, 2))
        squares = self._squares(x)
        finite = xp.isfinite(largest) & (largest > 0)
        unsafe = finite & ((squares < SAFE_SQUARES[0]) | (squares > SAFE_SQUARES[1]))
        if not bool(xp.any(unsafe)):
            return x
        ones = xp.ones_like(largest)
        largest = xp.where(finite, largest, ones)
        exponent = xp.floor(xp.log2(largest))
        # The logarithm of what is just below a power of two is rounded up to it.
        exponent = exponent - xp.astype(largest < xp.pow(2.0 * ones, exponent), xp.float64)
        # In two steps, since 2^1074 is no float64.
        half = xp.floor(exponent / 2)
        for part in (half, exponent - half):
            x = x * xp.pow(2.0 * ones, -part)[:, None, None]
        return x

    def _cosine(self, source: Any, target: Any) -> Score:
        xp = self.xp
        with _quiet():
            x = self._unit_exponent(self._lanes(source))
            y = self._unit_exponent(self._lanes(target))
        x_norm, y_norm = xp.sqrt(self._squares(x)), xp.sqrt(self._squares(y))

        def cosine(i: slice, j: slice) -> Any:
            norms = x_norm[i, None] * y_norm[None, j]
            dot = self._dot(x[i, ...], y[j, ...])
            zero = norms == 0
            return xp.where(zero, xp.zeros_like(dot), dot / xp.where(zero, norms + 1.0, norms))

        return cosine

    def _csls_score(self, source: Any, target: Any, r_source: Any, r_target: Any) -> Score:
        xp = self.xp
        cosine = self._rounded(self._cosine(source, target), source, target)
        r_s, r_t = xp.astype(r_source, xp.float64), xp.astype(r_target, xp.float64)

        def score(i: slice, j: slice) -> Any:
            c = xp.astype(cosine(i, j), xp.float64)
            with _quiet():
                return xp.astype((2.0 * c - r_s[i, None]) - r_t[None, j], source.dtype) + 0.0

        return score

    def _rounded(
        self,
        score: Score,
        left: Any,
        right: Any,
        exclude_self: bool = False,
        numbers: Any = None,
    ) -> Score:
        """Round to the output type; rows that are not finite, and self, get NaN: last of all.

        `numbers` are those of the left rows, where they are only some.

        A score that overflows upwards would be selected and is refused at once; -inf is refused
        where it is selected.
        """
        xp = self.xp
        sound_left = xp.all(xp.isfinite(left), axis=1)
        sound_right = xp.all(xp.isfinite(right), axis=1)
        rows = xp.arange(left.shape[0], device=_device(left)) if numbers is None else numbers
        columns = xp.arange(right.shape[0], device=_device(right))

        def rounded(i: slice, j: slice) -> Any:
            sound = sound_left[i, None] & sound_right[None, j]
            with _quiet():
                # Adding zero leaves one zero: equal scores have equal bytes.
                block = xp.astype(score(i, j), left.dtype) + 0.0
            if exclude_self:
                sound = sound & (rows[i, None] != columns[None, j])
            if bool(xp.any(((block == float("inf")) | xp.isnan(block)) & sound)):
                raise _overflow(block)
            return xp.where(sound, block, xp.full_like(block, float("nan")))

        return rounded

    def _select(self, score: Score, left: Any, right: Any, k: int, run: Run) -> tuple[Any, Any]:
        xp = self.xp
        n, m = left.shape[0], right.shape[0]
        all_scores, all_indices = [], []
        for i in _blocks(n, BLOCK_ROWS):
            best = index = None
            for j in _blocks(m, BLOCK_COLUMNS):
                block = score(i, j)
                columns = xp.arange(j.start, j.stop, dtype=xp.int64, device=_device(left))
                columns = xp.broadcast_to(columns[None, :], block.shape)
                if best is not None:
                    block = xp.concat([best, block], axis=1)
                    columns = xp.concat([index, columns], axis=1)
                # Stable: what is equal stays in the order of its index. NaN comes last.
                order = xp.argsort(-block, axis=1, stable=True)[:, :k]
                best = xp.take_along_axis(block, order, axis=1)
                index = xp.take_along_axis(columns, order, axis=1)
            all_scores.append(best)
            all_indices.append(index)
            if callable(run.progress):
                run.progress(i.stop, n)
        scores, indices = xp.concat(all_scores, axis=0), xp.concat(all_indices, axis=0)
        if bool(xp.any(xp.isinf(scores))):
            raise _overflow(scores)
        none = xp.isnan(scores)
        scores = xp.where(none, xp.full_like(scores, -float("inf")), scores)
        return scores, xp.where(none, xp.full_like(indices, -1), indices)

    def _mean(self, best: Any) -> Any:
        """Mean from the largest down, in float64, over those that exist."""
        xp = self.xp
        total = xp.zeros(best.shape[0], dtype=xp.float64, device=_device(best))
        count = xp.zeros_like(total)
        for column in range(best.shape[1]):
            value = xp.astype(best[:, column], xp.float64)
            exists = xp.isfinite(value)
            total = total + xp.where(exists, value, xp.zeros_like(value))
            count = count + xp.astype(exists, xp.float64)
        return xp.astype(total / xp.where(count == 0, xp.ones_like(count), count), best.dtype)


def _sum_of_lanes(total: Any) -> Any:
    """Add the eight lanes in the one canonical order."""
    four = total[..., :4] + total[..., 4:]
    return (four[..., 0] + four[..., 2]) + (four[..., 1] + four[..., 3])


def _transposed(xp: Any, score: Score) -> Score:
    return lambda i, j: xp.permute_dims(score(j, i), (1, 0))


def _overflow(scores: Any) -> ValueError:
    name = str(scores.dtype).rsplit(".", 1)[-1]
    return ValueError(f"a score overflows {name}; scale the vectors down or pass float64")


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _device(array: Any) -> Any:
    return getattr(array, "device", None)


def _quiet() -> AbstractContextManager[Any]:
    """Overflow is looked for explicitly, so NumPy need not warn of it."""
    import numpy as np

    return np.errstate(all="ignore")
