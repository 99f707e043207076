"""Whether rows lie within the convex hull of a table: then new logits never exceed the old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization._norms import _norms

__all__ = ["HullMembership", "in_convex_hull"]


@dataclass(frozen=True, eq=False)
class HullMembership:
    """How far rows are from a convex hull, from both sides.

    Attributes
    ----------
    distance : ndarray of shape (m,)
        From the row to a point of the hull that was found: the true distance is at most this.
    bound : ndarray of shape (m,)
        Some hyperplane has the whole hull on one side and the row so far on the other: the true
        distance is at least this. 0: none was found.
    tolerance : float
        What counts as nothing: `tol` times the largest norm of the table.
    """

    distance: NDArray[np.float64]
    bound: NDArray[np.float64]
    tolerance: float

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether a point of the hull is within the tolerance of the row."""
        return self.distance <= self.tolerance

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Whether a hyperplane shows that none is."""
        return self.bound > self.tolerance

    @property
    def undecided(self) -> NDArray[np.bool_]:
        """Rows for which the iterations did not suffice."""
        return ~(self.inside | self.outside)


@served
def in_convex_hull(
    rows: Any,
    table: Any,
    *,
    tol: float = 1e-5,
    max_iterations: int = 300,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> HullMembership:
    r"""Check whether rows are convex combinations of the rows of a table.

    For each row x the distance :math:`\min_w |E^T w - x|` over :math:`w \ge 0, \sum w = 1` is
    bounded from above, by a point p of the hull, and from below: with g = x - p,
    :math:`(g \cdot x - \max_s g \cdot E_s) / |g|`. A head whose new rows are inside never gives a
    new token the largest of all logits (Hewitt; Mundra et al.).

    Parameters
    ----------
    rows : array of shape (m, d)
        New rows.
    table : array of shape (n, d)
        E: old rows.
    tol : float, default 1e-5
        Distances of less than this part of the largest norm in the table count as nothing.
    max_iterations : int, default 300
        Corners of the hull that may be looked for, for each row.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    HullMembership
        ``inside``, ``outside``, ``undecided``, ``distance`` and ``bound``, on the host.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.topk`.

    Notes
    -----
    Wolfe's algorithm: the corner that is farthest along g joins the corners of p, p becomes the
    nearest point of theirs, and corners whose weight falls to 0 leave. One search by dot product,
    O(m n d), for each corner; rows that are decided drop out. A row deep within a hull of d
    dimensions takes up to d + 1 corners; a mean of k rows about k. Memory: one d-vector a corner.

    References
    ----------
    P. Wolfe, *Finding the nearest point in a polytope*, Mathematical Programming 11, 1976.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import in_convex_hull
    >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> found = in_convex_hull(np.array([[0.2, 0.9], [3.0, 0.5]]), square)
    >>> found.inside.tolist(), found.bound.round(3).tolist()
    ([True, False], [0.0, 2.0])
    """
    tol = _checks.number("tol", tol, least=0)
    max_iterations = _checks.integer("max_iterations", max_iterations, 1)
    arguments = building.embedding_arguments(rows=rows, table=table)
    arguments.require_same_columns("rows", "table")
    ready = arguments.ready(check_finite=check_finite)
    xp = arguments.array_namespace()
    tolerance = tol * float(xp.max(_norms(xp, ready.arrays[1])))
    search = _Search(xp, ready, {"check_finite": False, "threads": threads})
    wanted = building.host(ready.arrays[0]).astype(np.float64)
    open_ = np.arange(len(wanted))
    corners = [_Corners(row) for row in wanted]
    distance = np.full(len(wanted), np.inf)
    bound = np.zeros(len(wanted))
    # To begin with, the corner along the row itself.
    directions = wanted.copy()
    with reporting(progress, "corners") as report:
        for step in range(max_iterations):
            scores, found, points = search(directions)
            for place, row in enumerate(open_):
                one, direction = corners[row], search.rounded[place]
                if step:
                    size = float(np.linalg.norm(direction))
                    beyond = float(direction @ wanted[row]) - scores[place]
                    bound[row] = max(bound[row], beyond / size if size > 0 else 0.0)
                stuck = not one.add(int(found[place]), points[place])
                distance[row] = min(distance[row], float(np.linalg.norm(one.left)))
                one.stuck = stuck
            decided = [
                distance[row] <= tolerance
                or (bound[row] > tolerance and distance[row] - bound[row] <= tolerance)
                or corners[row].stuck
                for row in open_
            ]
            open_ = open_[~np.array(decided, dtype=np.bool_)]
            if not len(open_):
                break
            directions = np.stack([corners[row].left for row in open_])
            if report is not None:
                report(step + 1, max_iterations)
        if report is not None:
            report(max_iterations, max_iterations)
    return HullMembership(distance, bound, tolerance)


class _Search:
    """Finds the corners that are farthest along directions."""

    def __init__(self, xp: Any, ready: Any, options: dict[str, Any]) -> None:
        self.xp, self.options = xp, options
        self.table, self.dtype = ready.arrays[1], ready.dtype
        self.rounded: NDArray[np.float64] = np.zeros((0, 0))

    def __call__(
        self, directions: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Give an upper bound of the largest product, the corner, and the corner's place."""
        from isomorph.neighbors import topk

        xp = self.xp
        # A direction's length means nothing; of about 1 nothing overflows.
        sizes = np.abs(directions).max(axis=1, keepdims=True)
        narrow = (directions / np.where(sizes > 0, sizes, 1)).astype(self.dtype)
        self.rounded = narrow.astype(np.float64)
        queries = xp.asarray(narrow, **building.beside(self.table))
        found = topk(queries, self.table, 1, metric="dot", **self.options)
        indices = building.host(found.indices)[:, 0]
        scores = building.host(found.scores)[:, 0].astype(np.float64)
        # Rounded once to the type of the table.
        scores += np.abs(scores) * np.finfo(self.dtype).eps
        points = building.host(building.take(xp, self.table, indices)).astype(np.float64)
        return scores, indices, points


class _Corners:
    """The corners whose nearest point to a row is known."""

    def __init__(self, row: NDArray[np.float64]) -> None:
        self.row = row
        self.ids: list[int] = []
        self.offsets: NDArray[np.float64] = np.zeros((0, len(row)))
        self.weights: NDArray[np.float64] = np.zeros(0)
        #: From the nearest point to the row.
        self.left = row
        self.stuck = False

    def add(self, corner: int, point: NDArray[np.float64]) -> bool:
        """Let a corner join; False if it is one already, so that rounding ends the search."""
        if corner in self.ids:
            return False
        self.ids.append(corner)
        self.offsets = np.vstack([self.offsets, point - self.row])
        self.weights = np.append(self.weights, 0.0 if len(self.weights) else 1.0)
        while True:
            affine = self._affine()
            if (affine > 0).all():
                self.weights = affine
                break
            # Towards it until a weight is 0: that corner leaves.
            falls = affine <= 0
            steps = self.weights[falls] / (self.weights[falls] - affine[falls])
            step = float(steps.min(initial=1.0))
            self.weights = (1 - step) * self.weights + step * affine
            self.weights[np.flatnonzero(falls)[int(np.argmin(steps))]] = 0.0
            kept = self.weights > 0
            if kept.all() or not kept.any():
                break
            self.ids = [one for one, keep in zip(self.ids, kept, strict=True) if keep]
            self.offsets, self.weights = self.offsets[kept], self.weights[kept]
            self.weights = self.weights / self.weights.sum()
        self.left = -(self.weights @ self.offsets)
        return True

    def _affine(self) -> NDArray[np.float64]:
        """Give the weights of the point nearest to the row in the plane through the corners."""
        count = len(self.offsets)
        if count == 1:
            return np.ones(1)
        edges = (self.offsets[1:] - self.offsets[0]).T
        found = np.linalg.lstsq(edges, -self.offsets[0], rcond=None)[0]
        return np.concatenate([[1 - found.sum()], found])
