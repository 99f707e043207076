"""The relaxed CSLS loss of a map, and its gradient: what RCSLS minimises."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, neighbors
from isomorph._backends import Run
from isomorph._index import Index
from isomorph.align._double import Double
from isomorph.align._rows import names_of
from isomorph.errors import NonFiniteError

#: Rows whose neighbours are added up at a time: whole blocks of the sums.
_ROWS = 8192
#: Sizes of the largest value between which rows are taken as they are.
_PLAIN = (2.0**-20, 2.0**20)


class Spaces:
    """What pairs and their neighbours are taken from, prepared once for many maps.

    Parameters
    ----------
    arguments : Arguments
        source, target, source_space and target_space, checked.
    ready : Prepared
        Of these.
    neighborhood : int
        K.
    run : Run
        Threads of the call.
    """

    def __init__(
        self, arguments: _arrays.Arguments, ready: _arrays.Prepared, neighborhood: int, run: Run
    ) -> None:
        self.double = Double(arguments, ready, run)
        self.xp = self.double.xp
        self.backend, self.on_host = ready.backend, ready.namespace is None
        self.neighborhood, self.run = neighborhood, run
        self.evaluations = 0
        x, y, *spaces = ready.arrays
        # Products of values of any size stay in range; a power of two changes no digit.
        scales = [self._scale(x, spaces[0]), self._scale(y, spaces[1])]
        self.source, self.target, *scaled = (
            rows if scale == 1.0 else rows * scale
            for rows, scale in zip((x, y, *spaces), scales * 2, strict=True)
        )
        #: What values and gradients are multiplied by, the scaling being undone.
        self.unit = 1 / (scales[0] * scales[1])
        self.source_space, self.target_space = (
            Index(space, metric="dot", check_finite=False, threads=run.threads)
            if self.on_host
            else space
            for space in scaled
        )

    def mapped(self, rows: Any, matrix: Any) -> Any:
        """Give rows times the matrix, in the type of the rows."""
        xp, double = self.xp, self.double
        by = double.contiguous(xp.astype(matrix, rows.dtype)[None, ...])
        ones = xp.ones((1,), dtype=xp.float64, **double.device)
        quiet = Run(self.run.threads)
        return self.backend.apply_affine(rows[None, ...], by, None, None, ones, None, quiet)[0, ...]

    def near(self, queries: Any, space: Any) -> tuple[Any, Any]:
        """Give the sums of the scores of the neighbours, in float64, and which they are."""
        found = neighbors.topk(
            queries,
            space,
            self.neighborhood,
            metric="dot",
            check_finite=False,
            threads=self.run.threads,
        )
        return self.xp.sum(_wide(self.xp, found.scores), axis=1), found.indices

    def _scale(self, rows: Any, space: Any) -> float:
        xp = self.xp
        largest = max(abs(float(end(part))) for part in (rows, space) for end in (xp.max, xp.min))
        if largest == 0 or _PLAIN[0] <= largest <= _PLAIN[1]:
            return 1.0
        return math.ldexp(1.0, -max(-1000, min(math.frexp(largest)[1], 1000)))


class Objective:
    r"""The loss of maps W (d, e), all sums in float64.

    .. math:: f(W) = \frac{1}{\sum_i w_i} \sum_i w_i \Big[ -2\, x_i W y_i^T
              + \frac1K \sum_{z \in N_K(x_i W)} x_i W z^T
              + \frac1K \sum_{v \in N_K(y_i W^T)} v W y_i^T \Big]

    The neighbours of a target among mapped sources are those of :math:`y_i W^T` among the sources
    as they are: both searches are against rows that no step changes. f is the largest of linear
    functions of W, one for each choice of neighbours: convex, and homogeneous.

    Parameters
    ----------
    spaces : Spaces
        Where the rows are.
    weights : array
        Float64, one a pair, not all 0.
    pairs : array of int64, optional
        The pairs that count, NumPy's; default: all.
    """

    def __init__(self, spaces: Spaces, weights: Any, pairs: Any = None) -> None:
        self.spaces = spaces
        self.xp = spaces.xp
        x, y = spaces.source, spaces.target
        if pairs is not None:
            # Measures are loaded by whom they are asked for.
            from isomorph.metrics._host import take_rows

            x, y, weights = (take_rows(array, pairs) for array in (x, y, weights))
        weights = weights / self.xp.sum(weights)
        self._agreement = 2 * self._cross(
            x, lambda part: _wide(self.xp, y[part, ...]) * weights[part][:, None]
        )
        self._sides = (
            (*self._distinct(x, weights), spaces.target_space),
            (*self._distinct(y, weights), spaces.source_space),
        )

    def value(self, matrix: Any) -> tuple[float, Any]:
        """Give f, and the neighbours that decide it."""
        xp = self.xp
        self.spaces.evaluations += 1
        total = -float(xp.sum(self._agreement * matrix))
        chosen = []
        for (rows, shares, space), by in zip(
            self._sides, (matrix, xp.matrix_transpose(matrix)), strict=True
        ):
            sums, indices = self.spaces.near(self.spaces.mapped(rows, by), space)
            total += float(xp.sum(sums * shares)) / self.spaces.neighborhood
            chosen.append(indices)
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
        return (there + xp.matrix_transpose(back)) / self.spaces.neighborhood - self._agreement

    def _distinct(self, rows: Any, weights: Any) -> tuple[Any, Any]:
        """Give the rows without repetition, and their shares of the weights."""
        if not self.spaces.on_host:
            return rows, weights
        (names,) = names_of(rows)
        _, first = np.unique(names, return_index=True)
        return rows[first], np.bincount(names, weights)

    def _near(self, space: Any, shares: Any, indices: Any, part: slice) -> Any:
        """Give the sum of the neighbours of some rows, times their shares."""
        xp = self.xp
        rows = space.vectors if isinstance(space, Index) else space
        total = 0.0
        for place in range(self.spaces.neighborhood):
            total = total + _wide(xp, xp.take(rows, indices[part, place], axis=0))
        return total * shares[part][:, None]

    def _cross(self, rows: Any, others: Callable[[slice], Any]) -> Any:
        """Give rows' others, of which some are made at a time."""
        total = 0.0
        for start in range(0, rows.shape[0], _ROWS):
            part = slice(start, min(start + _ROWS, rows.shape[0]))
            total = total + self.spaces.double.moments(rows[part, ...], 1.0, others(part), 1.0)
        return total


class Judge:
    """The loss of the same maps on pairs that are not learned from, source by source.

    Parameters
    ----------
    spaces : Spaces
        Where the rows are.
    weights : array
        One a pair.
    pairs, owner : arrays of int64
        NumPy's: the pairs, and of which source each is, from 0.
    """

    def __init__(self, spaces: Spaces, weights: Any, pairs: Any, owner: Any) -> None:
        from isomorph.metrics._host import take_rows, to_numpy

        self.spaces, self._owner = spaces, owner
        self._x, self._y = (take_rows(rows, pairs) for rows in (spaces.source, spaces.target))
        weights = to_numpy(weights)[pairs]
        # So that the mean over sources is the weighted mean over pairs.
        self._shares = weights * (int(owner.max()) + 1) / weights.sum()

    def losses(self, matrix: Any) -> NDArray[np.float64]:
        """Give the loss of each source for the map scaled to the norm of an orthogonal one."""
        from isomorph.metrics._host import to_numpy

        spaces, xp = self.spaces, self.spaces.xp
        spaces.evaluations += 1
        norm = math.sqrt(float(xp.sum(matrix * matrix)))
        mapped = spaces.mapped(self._x, matrix)
        back = spaces.mapped(self._y, xp.matrix_transpose(matrix))
        there, _ = spaces.near(mapped, spaces.target_space)
        here, _ = spaces.near(back, spaces.source_space)
        agreement = xp.sum(_wide(xp, mapped) * _wide(xp, self._y), axis=1)
        losses = to_numpy((there + here) / spaces.neighborhood - 2 * agreement)
        factor = spaces.unit * math.sqrt(min(matrix.shape)) / norm if norm else 0.0
        by_source = np.bincount(self._owner, losses * self._shares * factor)
        return by_source.astype(np.float64, copy=False)


def _wide(xp: Any, array: Any) -> Any:
    return xp.astype(array, xp.float64)
