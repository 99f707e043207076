"""Generalised Procrustes from the moments of pairs of spaces: d x d work, whatever the rows were.

Rows x of space i and y of space j that belong together count with weights w. About the mean c_i of
all of a space's rows that have partners, an edge (i, j) keeps sum w (x - c_i)'(y - c_j), the sums
of w (x - c_i) and of w (y - c_j), the sums of squares, and the sum of w. These determine

    loss = sum over edges of w |s_i (x - c_i) W_i + t_i - s_j (y - c_j) W_j - t_j|^2

for all orthonormal W, scales s and translations t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph._backends import Run
from isomorph._moments._sums import Tools
from isomorph.linalg import eigh
from isomorph.metrics._host import to_numpy

#: Parts of a sum of squares that are rounding: what a loss can be told apart by.
ROUNDING = 2.0**-46


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """The moments of the rows that two spaces share; `first` has the lower number."""

    first: int
    second: int
    cross: Any
    first_sum: Any
    second_sum: Any
    first_square: float
    second_square: float
    weight: float
    pairs: int

    def seen_from(self, space: int, tools: Tools) -> tuple[int, Any, Any, Any]:
        """Give the other space, cross from `space` to it, and the sums of `space` and of it."""
        if space == self.first:
            return self.second, self.cross, self.first_sum, self.second_sum
        return self.first, tools.xp.matrix_transpose(self.cross), self.second_sum, self.first_sum


@dataclass(slots=True)
class Solver:
    """Maps of all spaces into the hub, improved one space after the other.

    No step makes the loss larger: that of a space finds the best orthonormal map (and translation)
    for it while the others stay; that of the scales finds the best of all scales and translations
    together, for the maps as they are.
    """

    edges: list[Edge]
    dims: list[int]
    tools: Tools
    run: Run
    scale: bool
    translate: bool
    allow_reflection: bool
    maps: list[Any] = field(default_factory=list)
    shifts: list[Any] = field(default_factory=list)
    scales: NDArray[np.float64] = field(default_factory=lambda: np.ones(0))
    order: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    _beside: list[list[Edge]] = field(default_factory=list)

    @property
    def dimension(self) -> int:
        """Columns of the hub."""
        return max(self.dims)

    def start(self) -> None:
        """Place the spaces one after the other, each beside those that it shares most with.

        The order depends on the moments alone, not on how the spaces are numbered (but for ties).
        """
        count, xp = len(self.dims), self.tools.xp
        self._beside = [[] for _ in self.dims]
        shared, joined = np.zeros((count, count)), np.zeros((count, count), dtype=bool)
        for edge in self.edges:
            i, j = edge.first, edge.second
            self._beside[i].append(edge)
            self._beside[j].append(edge)
            shared[i, j] = shared[j, i] = float(xp.linalg.vector_norm(edge.cross))
            joined[i, j] = joined[j, i] = True
        widest = np.array(self.dims) == self.dimension
        self.scales = np.ones(count)
        self.ranks = [min(self.dims)] * count
        self.maps = [self._identity(d, self.dimension) for d in self.dims]
        self.shifts = [xp.zeros_like(matrix[0, :]) for matrix in self.maps]
        self.order = [int(np.argmax(np.where(widest, shared.sum(axis=1), -1.0)))]
        while len(self.order) < count:
            near = np.where(joined[self.order].any(axis=0), shared[self.order].sum(axis=0), -1.0)
            near[self.order] = -2.0
            space = int(np.argmax(near))
            self._place(space, self.order)
            self.order.append(space)

    def sweep(self) -> None:
        """Improve every map once, then scales and translations."""
        for space in self.order:
            self._place(space, self.order)
        if self.scale or self.translate:
            self._spread()

    def loss(self) -> float:
        """Give the loss as part of what it would be were nothing alike: between 0 and about 1."""
        parts = [self._edge_loss(edge) for edge in self.edges]
        total = sum(most for _, most in parts)
        return sum(left for left, _ in parts) / total if total > 0 else 0.0

    def residuals(self) -> dict[tuple[int, int], float]:
        """Give the root of the loss of each pair of spaces, as part of what it would be."""
        found = {}
        for edge in self.edges:
            left, most = self._edge_loss(edge)
            found[edge.first, edge.second] = (left / most) ** 0.5 if most > 0 else 0.0
        return found

    def residual_of(self, space: int) -> float:
        """Give the root of the loss of all pairs with `space`, as part of what it would be."""
        parts = [self._edge_loss(edge) for edge in self._beside[space]]
        most = sum(most for _, most in parts)
        return (sum(left for left, _ in parts) / most) ** 0.5 if most > 0 else 0.0

    def settle(self) -> None:
        """Turn, shift and scale the hub so that the first space that was placed stays as it is."""
        root = self.order[0]
        xp = self.tools.xp
        turn = xp.matrix_transpose(self.maps[root])
        factor = 1 / float(self.scales[root]) if self.scales[root] > 0 else 1.0
        self.scales = self.scales * factor
        moved = xp.stack([factor * (shift - self.shifts[root]) for shift in self.shifts])
        moved = self._product(moved, turn)
        self.shifts = [moved[i, :] for i in range(len(self.dims))]
        self.maps = [self._product(matrix, turn) for matrix in self.maps]
        # But for rounding it is that already.
        self.maps[root] = self._identity(self.dimension, self.dimension)

    # One space.

    def _place(self, space: int, placed: Sequence[int]) -> None:
        """Find the best map (and translation) of a space while those that are placed stay."""
        cross: Any = None
        own_sum: Any = 0.0
        image: Any = 0.0
        weight = 0.0
        for edge in self._beside[space]:
            other, matrix, own, theirs = edge.seen_from(space, self.tools)
            if other not in placed:
                continue
            size = float(self.scales[other])
            part = size * self._product(matrix, self.maps[other])
            if self.translate:
                shift = self.shifts[other]
                part = part + own[:, None] * shift[None, :]
                own_sum = own_sum + own
                image = image + size * self._image(theirs, other) + edge.weight * shift
                weight += edge.weight
            cross = part if cross is None else cross + part
        if self.translate:
            # About the mean of the rows that count here: all have partners, but not all with these.
            cross = cross - own_sum[:, None] * (image / weight)[None, :]
        self.maps[space], self.ranks[space] = self._orthonormal(cross)
        if self.translate:
            moved = float(self.scales[space]) * self._image(own_sum, space)
            self.shifts[space] = (image - moved) / weight

    def _orthonormal(self, cross: Any) -> tuple[Any, int]:
        """Give the orthonormal matrix that agrees most with `cross`, and the rank of that."""
        fitted = self.tools.backend.procrustes_from_moments(
            self.tools.contiguous(cross),
            None,
            (1.0, 1.0),
            (0, 0),
            scale=False,
            allow_reflection=self.allow_reflection,
            run=self.run,
        )
        return fitted.matrix[0, ...], int(fitted.rank[0])

    # All scales and translations.

    def _spread(self) -> None:
        """Find the best scales and translations for the maps as they are.

        For given scales the translations solve a system with the Laplacian of the weights; put in,
        the loss is a quadratic form of the scales, smallest (with their own sum of squares kept)
        at an eigenvector.
        """
        count, xp = len(self.dims), self.tools.xp
        form = np.zeros((count, count))
        for edge in self.edges:
            i, j = edge.first, edge.second
            form[i, i] += edge.first_square
            form[j, j] += edge.second_square
            form[i, j] -= self._agreement(edge)
            form[j, i] = form[i, j]
        squares = np.diag(form).copy()
        moves = None
        if self.translate:
            # Row i of sums[j]: what scale j adds to the side of translation i.
            nothing = xp.zeros_like(self.shifts[0])
            rows = [[nothing] * count for _ in range(count)]
            for edge in self.edges:
                rows[edge.second][edge.first] = self._image(edge.second_sum, edge.second)
                rows[edge.first][edge.second] = self._image(edge.first_sum, edge.first)
            sums = [xp.stack(row) for row in rows]
            inverse = self._beside_all(self._laplacian_inverse())
            solved = [self._product(inverse, side) for side in sums]
            flat = [
                xp.stack([xp.reshape(side, (-1,)) for side in sides]) for sides in (sums, solved)
            ]
            form = form - to_numpy(self._product(flat[0], xp.matrix_transpose(flat[1])))
            moves = flat[1]
        if self.scale:
            self.scales = _better_scales(form, squares, self.scales)
        if moves is not None:
            by_scale = self._product(self._beside_all(self.scales[None, :]), moves)
            shifts = xp.reshape(by_scale, (count, self.dimension))
            self.shifts = [shifts[i, :] for i in range(count)]

    def _laplacian_inverse(self) -> NDArray[np.float64]:
        """Give the pseudo-inverse: moving all spaces alike changes nothing."""
        count = len(self.dims)
        laplacian = np.zeros((count, count))
        for edge in self.edges:
            i, j = edge.first, edge.second
            laplacian[i, i] += edge.weight
            laplacian[j, j] += edge.weight
            laplacian[i, j] -= edge.weight
            laplacian[j, i] -= edge.weight
        values, vectors = eigh(laplacian, threads=1)
        found: NDArray[np.float64] = np.einsum(
            "ik,k,jk->ij", vectors[:, 1:], 1 / values[1:], vectors[:, 1:]
        )
        return found

    # Pieces.

    def _edge_loss(self, edge: Edge) -> tuple[float, float]:
        """Give the loss of an edge, and what it would be were nothing alike."""
        i, j = edge.first, edge.second
        s, t = (float(self.scales[k]) for k in (i, j))
        most = s * s * edge.first_square + t * t * edge.second_square
        left = most - 2 * s * t * self._agreement(edge)
        if self.translate:
            apart = self.shifts[i] - self.shifts[j]
            sums = s * self._image(edge.first_sum, i) - t * self._image(edge.second_sum, j)
            left += float(self.tools.xp.sum((2 * sums + edge.weight * apart) * apart))
        return (left if left > ROUNDING * most else 0.0), most

    def _agreement(self, edge: Edge) -> float:
        image = self._product(edge.cross, self.maps[edge.second])
        return float(self.tools.xp.sum(self.maps[edge.first] * image))

    def _image(self, row: Any, space: int) -> Any:
        return self._product(row[None, :], self.maps[space])[0, :]

    def _identity(self, rows: int, columns: int) -> Any:
        xp = self.tools.xp
        return xp.eye(rows, columns, dtype=xp.float64, **self._device())

    def _beside_all(self, array: NDArray[np.float64]) -> Any:
        return self.tools.xp.asarray(array, **self._device())

    def _device(self) -> dict[str, Any]:
        return {} if self.tools.namespace is None else {"device": self.edges[0].cross.device}

    def _product(self, left: Any, right: Any) -> Any:
        return self.tools.multiply(left, right, self.run)


def iterate(
    solver: Solver, max_iterations: int, tol: float, report: Callable[[int], object]
) -> tuple[list[float], bool]:
    """Sweep until the loss falls by less than `tol` of itself; give all losses."""
    losses = [solver.loss()]
    for done in range(max_iterations):
        solver.sweep()
        losses.append(solver.loss())
        report(done + 1)
        if losses[-2] - losses[-1] <= tol * losses[-2]:
            return losses, True
    return losses, False


def _better_scales(
    form: NDArray[np.float64], squares: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise s'form s over s >= 0 with s'diag(squares) s as it is; keep what is no worse."""
    size = np.sqrt(np.where(squares > 0, squares, 1.0))
    whitened = form / size[:, None] / size[None, :]
    vector = eigh((whitened + whitened.T) / 2, threads=1).vectors[:, 0]
    # Of one sign but where a space agrees with nothing: that is not turned over.
    vector = np.maximum(vector * np.sign(vector.sum() or 1.0), 0.0) / size
    whole = float(np.sum(squares * scales**2))
    found = float(np.sum(squares * vector**2))
    if found == 0:
        return scales
    vector = vector * np.sqrt(whole / found)
    before, after = (float(np.einsum("i,ij,j->", s, form, s)) for s in (scales, vector))
    return vector if after <= before else scales
