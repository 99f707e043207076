"""Exact best rows by a score that the engine cannot rank by itself: candidates, scores, a proof.

The engine retrieves candidates by a quantity that orders the targets of a row as the wanted score
does, up to a bounded rounding error. The candidates are rescored by the paper's formula; a row is
final when its k-th best is above what any target that was not retrieved could score. Rows without
that proof get four times as many candidates, in the end all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run
from isomorph._backends.array_neighbors import _quiet
from isomorph._progress import Progress
from isomorph._results import Neighbors
from isomorph.errors import DTypeError, ShapeError
from isomorph.metrics._host import take_rows, to_numpy

Rows = NDArray[np.int64]
Values = NDArray[np.float64]

#: Candidates of all rows in work: 12 to 32 bytes each.
CANDIDATES = 1 << 23
#: Rows that are brought to length 1 together.
_ROWS = 4096


class Task:
    """One call of a hubness reduction: its arguments checked, both sides ready."""

    def __init__(
        self,
        source: Any,
        target: Any,
        k: int,
        queries: Any,
        *,
        neighborhood: int | None = None,
        check_finite: bool,
        threads: int | None,
        progress: Progress,
    ) -> None:
        self.arguments = _arrays.Arguments(source=source, target=target)
        self.arguments.require_not_empty()
        self.arguments.require_same_columns("source", "target")
        n, m = (self.arguments.shapes[side][0] for side in ("source", "target"))
        self.k = _checks.integer("k", k, 1, m, of="rows of target")
        if neighborhood is not None:
            _checks.integer(
                "neighborhood", neighborhood, 1, min(n, m), of="rows of the smaller side"
            )
        self.rows = _checked_queries(queries, n)
        self.run = Run(runtime.resolve_threads(threads), progress)
        self.ready = self.arguments.ready(check_finite=check_finite)
        self.x, self.y = self.ready.arrays
        self.n, self.m = n, m
        self.backend = self.ready.backend
        self.xp = self.arguments.array_namespace()
        self.dtype = np.dtype(self.ready.dtype)
        self.eps = float(np.finfo(self.dtype).eps)

    def array(self, values: NDArray[Any]) -> Any:
        """Bring host values beside the input, in its computing type."""
        return self.ready.convert(self.xp.asarray(values, **self.arguments.device_of(self.x)))

    def cosines(self, rows: Rows, indices: NDArray[np.int64]) -> Values:
        """Canonical cosines of source rows with their candidates; NaN where there is none."""
        chosen = self.xp.asarray(indices, **self.arguments.device_of(self.x))
        quiet = Run(self.run.threads)
        x = self.x if len(rows) == self.n else take_rows(self.x, rows)
        return to_numpy(self.backend.pair_cosines(x, self.y, chosen, quiet)).astype(np.float64)

    def by_bias(self, bias: Values) -> Search:
        """Search by twice the cosine plus a value for each target, as CSLS does."""
        radii = self.array(np.where(np.isfinite(bias), -bias, 0.0))

        def search(rows: Rows, wanted: int) -> Found:
            zeros = self.array(np.zeros(len(rows)))
            x = take_rows(self.x, rows)
            scores, indices = self.backend.csls(x, self.y, wanted, zeros, radii, self.run)
            found = to_numpy(indices)
            return to_numpy(scores).astype(np.float64), found, self.cosines(rows, found)

        return search

    def by_weight(self, weight: Values) -> Search:
        """Search by (cosine - 1) times a positive value for each target, as a dot product."""
        x = self._extended(self.x, None)
        y = self._extended(self.y, weight)

        def search(rows: Rows, wanted: int) -> Found:
            part = take_rows(x, rows)
            scores, indices = self.backend.topk(part, y, wanted, "dot", False, self.run)
            found = to_numpy(indices)
            return to_numpy(scores).astype(np.float64), found, self.cosines(rows, found)

        return search

    def _extended(self, side: Any, weight: Values | None) -> Any:
        """Give rows (u, -1), or (u w, w), with u the row at length 1, in the computing type."""
        xp, parts = self.xp, []
        for start in range(0, side.shape[0], _ROWS):
            rows = unit_rows(xp, side[start : min(start + _ROWS, side.shape[0]), :])
            if weight is None:
                rows = xp.concat([rows, -xp.ones_like(rows[:, :1])], axis=1)
            else:
                part = weight[start : start + _ROWS, None]
                own = xp.asarray(part, **self.arguments.device_of(side))
                rows = xp.concat([rows * own, own], axis=1)
            parts.append(self.ready.convert(rows))
        return xp.concat(parts, axis=0)

    def by_cosine(self, rows: Rows, wanted: int) -> Found:
        """Search by the cosine itself."""
        x = take_rows(self.x, rows)
        scores, indices = self.backend.topk(x, self.y, wanted, "cosine", False, self.run)
        cosines = to_numpy(scores).astype(np.float64)
        return cosines, to_numpy(indices), cosines

    def best(
        self,
        search: Search,
        score: Callable[[Rows, NDArray[np.int64], Values], Values],
        bound: Callable[[Rows, Values, int], Values],
        *,
        first: int = 24,
        name: str,
    ) -> Neighbors:
        """Retrieve, rescore and prove.

        `score` gets rows, candidates and their cosines, and gives the scores in float64, -inf
        where a candidate is none; `bound` gets rows, the last retrieved value of `search` and how
        many were retrieved, and gives what no other target can exceed.
        """
        scores = np.full((len(self.rows), self.k), -np.inf, dtype=self.dtype)
        indices = np.full((len(self.rows), self.k), -1, dtype=np.int64)
        open_rows = np.arange(len(self.rows))
        wanted = min(self.m, 2 * self.k + first)
        while len(open_rows):
            step = max(1, CANDIDATES // wanted)
            left = []
            for start in range(0, len(open_rows), step):
                at = open_rows[start : start + step]
                rows = self.rows[at]
                values, found, cosines = search(rows, wanted)
                exact = np.where(found >= 0, score(rows, found, cosines), -np.inf)
                # Adding zero leaves one zero: equal scores have equal bytes.
                rounded = exact.astype(self.dtype) + self.dtype.type(0)
                order = np.lexsort((found, -rounded), axis=-1)[:, : self.k]
                scores[at] = np.take_along_axis(rounded, order, axis=1)
                indices[at] = np.take_along_axis(found, order, axis=1)
                if wanted == self.m:
                    continue
                last = values[:, -1]
                with np.errstate(invalid="ignore"):
                    limit = bound(rows, last, wanted)
                    # The scores were rounded, so must the limit be.
                    limit = limit + 2 * self.eps * np.abs(limit)
                proved = (scores[at, -1] > limit) | (found[:, -1] < 0)
                left.append(at[~proved])
            open_rows = np.concatenate(left) if left else open_rows[:0]
            wanted = min(self.m, 4 * wanted)
        indices[np.isneginf(scores)] = -1
        if self.arguments.namespace is None:
            return Neighbors(scores, indices, name)
        beside = self.arguments.device_of(self.x)
        return Neighbors(
            self.xp.asarray(scores, **beside), self.xp.asarray(indices, **beside), name
        )


Found = tuple[Values, NDArray[np.int64], Values]
Search = Callable[[Rows, int], Found]


def unit_rows(xp: Any, rows: Any) -> Any:
    """Give rows of length 1 in float64; zero rows stay."""
    wide = xp.astype(rows, xp.float64)
    largest = xp.max(xp.abs(wide), axis=1)[:, None]
    with _quiet():
        # A row with an infinity becomes NaN, which nothing selects.
        wide = wide / xp.where(largest > 0, largest, xp.ones_like(largest))
        norm = xp.sqrt(xp.sum(wide * wide, axis=1))[:, None]
        return wide / xp.where(norm > 0, norm, xp.ones_like(norm))


def distances(cosines: Values) -> Values:
    """Euclidean distances of rows of length 1."""
    return np.sqrt(np.maximum(2.0 - 2.0 * cosines, 0.0))


def _checked_queries(queries: Any, n: int) -> Rows:
    if queries is None:
        return np.arange(n, dtype=np.int64)
    rows = to_numpy(queries)
    if rows.dtype.kind not in "iu":
        raise DTypeError(f"queries: expected integer rows of source, got {rows.dtype}")
    if rows.ndim != 1 or rows.size == 0:
        raise ShapeError(f"queries: expected one dimension and one row or more, got {rows.shape}")
    if int(rows.min()) < 0 or int(rows.max()) >= n:
        raise ValueError(
            f"queries: expected rows from 0 to {n - 1}, got {rows.min()} to {rows.max()}"
        )
    return rows.astype(np.int64)
