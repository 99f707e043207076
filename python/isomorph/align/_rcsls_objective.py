"""The relaxed CSLS loss of a map, and its gradient: what RCSLS minimises."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from isomorph import _arrays, neighbors
from isomorph._backends import Run
from isomorph._index import Index
from isomorph.align._double import Double
from isomorph.errors import NonFiniteError

#: Rows whose neighbours are added up at a time: whole blocks of the sums.
_ROWS = 8192
#: Sizes of the largest value between which rows are taken as they are.
_PLAIN = (2.0**-20, 2.0**20)


class Objective:
    r"""The loss of maps W (d, e), all sums in float64.

    .. math:: f(W) = \frac{1}{\sum_i w_i} \sum_i w_i \Big[ -2\, x_i W y_i^T
              + \frac1K \sum_{z \in N_K(x_i W)} x_i W z^T
              + \frac1K \sum_{v \in N_K(y_i W^T)} v W y_i^T \Big]

    The neighbours of a target among mapped sources are those of :math:`y_i W^T` among the sources
    as they are: both searches are against rows that no step changes, prepared once. f is the
    largest of linear functions of W, one for each choice of neighbours: convex, and homogeneous.

    Parameters
    ----------
    arguments : Arguments
        source, target, source_space and target_space, checked.
    ready : Prepared
        Of these.
    weights : array or None
        Float64, one a pair.
    neighborhood : int
        K.
    run : Run
        Threads of the call.
    """

    def __init__(
        self,
        arguments: _arrays.Arguments,
        ready: _arrays.Prepared,
        weights: Any,
        neighborhood: int,
        run: Run,
    ) -> None:
        self.double = Double(arguments, ready, run)
        self.xp = self.double.xp
        self.neighborhood = neighborhood
        self.evaluations = 0
        self._arguments, self._ready, self._run = arguments, ready, run
        x, y, *spaces = ready.arrays
        # Products of values of any size stay in range; a power of two changes no digit.
        scales = [self._scale(x, spaces[0]), self._scale(y, spaces[1])]
        x, y, source_space, target_space = (
            rows if scale == 1.0 else rows * scale
            for rows, scale in zip((x, y, *spaces), scales * 2, strict=True)
        )
        #: What values and gradients are multiplied by, the scaling being undone.
        self.unit = 1 / (scales[0] * scales[1])
        if weights is None:
            weights = self.xp.ones(x.shape[0], dtype=self.xp.float64, **self.double.device)
        weights = weights / self.xp.sum(weights)
        self._agreement = 2 * self._cross(
            x, lambda part: _wide(self.xp, y[part, ...]) * weights[part][:, None]
        )
        self._sides = (
            self._side(x, weights, target_space),
            self._side(y, weights, source_space),
        )

    def value(self, matrix: Any) -> tuple[float, Any]:
        """Give f, and the neighbours that decide it."""
        xp = self.xp
        self.evaluations += 1
        total = -float(xp.sum(self._agreement * matrix))
        chosen = []
        for (rows, shares, space), by in zip(
            self._sides, (matrix, xp.matrix_transpose(matrix)), strict=True
        ):
            found = neighbors.topk(
                self._mapped(rows, by),
                space,
                self.neighborhood,
                metric="dot",
                check_finite=False,
                threads=self._run.threads,
            )
            sums = xp.sum(_wide(xp, found.scores), axis=1)
            total += float(xp.sum(sums * shares)) / self.neighborhood
            chosen.append(found.indices)
        if not math.isfinite(total):
            raise NonFiniteError("source, target: the objective of the map is not finite")
        return total, chosen

    def gradient(self, chosen: Any) -> Any:
        """Give the gradient for neighbours held as they are: the one where they are unique."""
        xp = self.xp
        pushed = []
        for (rows, shares, space), indices in zip(self._sides, chosen, strict=True):
            taken = partial(self._near, space, shares, indices)
            pushed.append(self._cross(rows, taken))
        there, back = pushed
        return (there + xp.matrix_transpose(back)) / self.neighborhood - self._agreement

    def _scale(self, rows: Any, space: Any) -> float:
        xp = self.xp
        largest = max(abs(float(end(part))) for part in (rows, space) for end in (xp.max, xp.min))
        if largest == 0 or _PLAIN[0] <= largest <= _PLAIN[1]:
            return 1.0
        return math.ldexp(1.0, -max(-1000, min(math.frexp(largest)[1], 1000)))

    def _side(self, rows: Any, weights: Any, space: Any) -> tuple[Any, Any, Any]:
        """Give the distinct rows, their shares of the weights, and what they are searched in."""
        if self._ready.namespace is not None:
            return rows, weights, space
        whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
        _, first, place = np.unique(whole, return_index=True, return_inverse=True)
        shares = np.bincount(place.ravel(), weights, len(first))
        index = Index(space, metric="dot", check_finite=False, threads=self._run.threads)
        return rows[first], shares, index

    def _mapped(self, rows: Any, matrix: Any) -> Any:
        xp, double = self.xp, self.double
        by = double.contiguous(xp.astype(matrix, rows.dtype)[None, ...])
        ones = xp.ones((1,), dtype=xp.float64, **double.device)
        quiet = Run(self._run.threads)
        mapped = self._ready.backend.apply_affine(
            rows[None, ...], by, None, None, ones, None, quiet
        )
        return mapped[0, ...]

    def _near(self, space: Any, shares: Any, indices: Any, part: slice) -> Any:
        """Give the sum of the neighbours of some rows, times their shares."""
        xp = self.xp
        rows = space.vectors if isinstance(space, Index) else space
        total = 0.0
        for place in range(self.neighborhood):
            total = total + _wide(xp, xp.take(rows, indices[part, place], axis=0))
        return total * shares[part][:, None]

    def _cross(self, rows: Any, others: Callable[[slice], Any]) -> Any:
        """Give rows' others, of which some are made at a time."""
        total = 0.0
        for start in range(0, rows.shape[0], _ROWS):
            part = slice(start, min(start + _ROWS, rows.shape[0]))
            total = total + self.double.moments(rows[part, ...], 1.0, others(part), 1.0)
        return total


def _wide(xp: Any, array: Any) -> Any:
    return xp.astype(array, xp.float64)
