"""The contrastive loss of two linear maps, its gradient in closed form, and the hard negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import neighbors
from isomorph._backends import Run
from isomorph.align._double import Double
from isomorph.metrics._host import take_rows, to_numpy

Rows = NDArray[np.int64]

#: Values of negatives of one side that are gathered at a time.
_GATHERED = 1 << 21


@dataclass(frozen=True, slots=True)
class Negatives:
    """For each pair, rows of the other side that are near and not known to belong together.

    ``of_source`` (n, K) are target rows near the source of the pair, ``of_target`` (n, L) source
    rows near its target.
    """

    of_source: Rows
    of_target: Rows


def hard_negatives(
    u: Any, v: Any, pairs: tuple[Rows, Rows], rows: tuple[Any, Any], count: int, threads: int
) -> Negatives:
    """Find the nearest rows by cosine, among `rows` = (mapped source, mapped target), of each pair.

    `u` and `v` are the mapped anchors: those of ``np.unique`` of either side of the pairs. What the
    pairs say belongs to an anchor is no negative of it. At most `count`, fewer where there are no
    more.
    """
    source, target = pairs
    return Negatives(
        _nearest(u, rows[1], source, target, count, threads),
        _nearest(v, rows[0], target, source, count, threads),
    )


def _nearest(
    anchors: Any, others: Any, own: Rows, partners: Rows, count: int, threads: int
) -> Rows:
    distinct, place = np.unique(own, return_inverse=True)
    size = int(others.shape[0])
    inside = partners < size
    known = np.unique(place[inside] * size + partners[inside])
    most = int(np.bincount(known // size, minlength=1).max()) if len(known) else 0
    count = min(count, size - most)
    if count < 1:
        return np.empty((len(own), 0), dtype=np.int64)
    found = neighbors.topk(anchors, others, count + most, check_finite=False, threads=threads)
    indices = to_numpy(found.indices)
    rows = np.arange(len(distinct), dtype=np.int64)[:, None]
    belongs = np.isin(rows * size + indices, known)
    # A stable sort leaves the nearest first and puts what belongs to the anchor behind.
    kept = np.argsort(belongs, axis=1, kind="stable")[:, :count]
    chosen: Rows = np.take_along_axis(indices, kept, axis=1)[place]
    return chosen


@dataclass(frozen=True, slots=True)
class Vectors:
    """The rows of both sides and what computes with them.

    The maps A (d, p) and B (e, p) are float64; whatever is done to rows is in their own type.
    """

    x: Any
    z: Any
    double: Double
    run: Run

    def mapped(self, rows: Any, matrix: Any) -> Any:
        """Give rows times a float64 matrix, in the type of the rows."""
        matrix = self.double.ready.convert(matrix)
        return self._stacked(rows[None, ...], matrix[None, ...])[0, ...]

    def inverse_norms(self, rows: Any, matrix: Any) -> NDArray[np.float64]:
        """Give 1 / |x A| of each row, 0 for rows that are mapped to zero."""
        squares = self.double.xp.sum(self.mapped(rows, matrix) ** 2, axis=1)
        norms = np.sqrt(to_numpy(squares).astype(np.float64))
        return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)

    def loss(
        self,
        maps: tuple[Any, Any],
        pairs: tuple[Rows, Rows],
        negatives: Negatives,
        temperature: float,
    ) -> tuple[float, Any, Any]:
        r"""Give the loss and its gradient in A and B.

        With :math:`s_{ij} = \cos(x_i A, z_j B)`, :math:`c_{ij} = \partial L / \partial s_{ij}`, and
        :math:`\tilde c_{ij} = c_{ij} / (|x_i A| |z_j B|)` over all the (i, j) that are compared,

        .. math:: \nabla_A = G B - X^T \mathrm{diag}(\alpha) X A, \qquad
                  \nabla_B = G^T A - Z^T \mathrm{diag}(\beta) Z B,

        .. math:: G = \sum_{ij} \tilde c_{ij} x_i^T z_j, \qquad
                  \alpha_i = \sum_j c_{ij} s_{ij} / |x_i A|^2, \qquad
                  \beta_j = \sum_i c_{ij} s_{ij} / |z_j B|^2.

        So the negatives of a pair are gathered once, as they are, for scores and for their weighted
        sum; all else are products of matrices with as many rows as there are pairs or words.
        """
        used, (i, j), compared = _compact(pairs, negatives)
        x, z = (take_rows(side, rows) for side, rows in zip((self.x, self.z), used, strict=True))
        lengths = (self.inverse_norms(x, maps[0]), self.inverse_norms(z, maps[1]))
        double, count = self.double, len(i)
        there = double.product(maps[0], double.transposed(maps[1]))
        back = double.transposed(there)
        cross = double.xp.zeros_like(there)
        bends = (np.zeros(len(used[0])), np.zeros(len(used[1])))
        total, block = 0.0, self._block(compared)
        for start in range(0, count, block):
            rows = slice(start, start + block)
            own = (i[rows], j[rows])
            near = (compared.of_target[rows], compared.of_source[rows])
            left, right = take_rows(x, own[0]), take_rows(z, own[1])
            asked = self.mapped(left, there), self.mapped(right, back)
            near_x, near_z = self._gathered(x, near[0]), self._gathered(z, near[1])
            # x_i A B' z_j of the pair itself, of the source's negatives, of the target's.
            scales = [
                (lengths[0][own[0]] * lengths[1][own[1]])[:, None],
                lengths[0][own[0]][:, None] * lengths[1][near[1]],
                lengths[1][own[1]][:, None] * lengths[0][near[0]],
            ]
            scores = [
                scale * self._dots(rows_, query)
                for scale, rows_, query in zip(
                    scales,
                    (right[:, None, :], near_z, near_x),
                    (asked[0], asked[0], asked[1]),
                    strict=True,
                )
            ]
            losses, slopes = _cross_entropy(scores, temperature, count)
            total += losses
            pull, of_source, of_target = (c * s for c, s in zip(slopes, scales, strict=True))
            toward = right * self._beside(pull, right) + self._weighted(of_source, near_z)
            cross = cross + double.moments(left, 1.0, toward, 1.0)
            away = self._weighted(of_target, near_x)
            cross = cross + double.moments(away, 1.0, right, 1.0)
            bent = [c * s for c, s in zip(slopes, scores, strict=True)]
            for side, parts in ((0, (1, 2)), (1, (2, 1))):
                anchored = bent[0][:, 0] + bent[parts[0]].sum(axis=1)
                _add(bends[side], own[side], anchored)
                _add(bends[side], near[side], bent[parts[1]])
        gradients = [
            double.product(moment, other) - self._bent(rows, bend * length**2, own)
            for moment, other, rows, bend, length, own in (
                (cross, maps[1], x, bends[0], lengths[0], maps[0]),
                (double.transposed(cross), maps[0], z, bends[1], lengths[1], maps[1]),
            )
        ]
        return total / count, gradients[0], gradients[1]

    def _block(self, compared: Negatives) -> int:
        """Give how many pairs have their negatives gathered at a time."""
        widest = max(1, compared.of_source.shape[1], compared.of_target.shape[1])
        columns = max(int(self.x.shape[1]), int(self.z.shape[1]))
        return max(1, _GATHERED // (int(widest) * columns))

    def _bent(self, rows: Any, weights: NDArray[np.float64], matrix: Any) -> Any:
        """Give X' diag(w) X A."""
        weighted = rows * self._beside(weights[:, None], rows)
        return self.double.product(self.double.moments(rows, 1.0, weighted, 1.0), matrix)

    def _gathered(self, rows: Any, where: Rows) -> Any:
        """Give rows (b, K, d)."""
        taken = take_rows(rows, where.ravel())
        return self.double.xp.reshape(taken, (*where.shape, int(rows.shape[1])))

    def _dots(self, rows: Any, queries: Any) -> NDArray[np.float64]:
        """Give the products (b, K) of rows (b, K, d) with a query each (b, d)."""
        if not rows.shape[1]:
            return np.zeros(tuple(rows.shape[:2]))
        products = self._stacked(rows, queries[:, :, None])
        return to_numpy(products[:, :, 0]).astype(np.float64)

    def _weighted(self, weights: NDArray[np.float64], rows: Any) -> Any:
        """Give the sum (b, d) of rows (b, K, d) times weights (b, K)."""
        if not rows.shape[1]:
            return self.double.xp.sum(rows, axis=1)
        return self._stacked(self._beside(weights[:, None, :], rows), rows)[:, 0, :]

    def _beside(self, values: NDArray[np.float64], like: Any) -> Any:
        """Bring values from the host to the type and place of other rows."""
        if isinstance(like, np.ndarray):
            return values.astype(like.dtype)
        xp = self.double.xp
        return xp.astype(xp.asarray(values, device=like.device), like.dtype)

    def _stacked(self, left: Any, right: Any) -> Any:
        double = self.double
        ones = double.xp.ones((left.shape[0],), dtype=double.xp.float64, **double.device)
        left, right = double.contiguous(left), double.contiguous(right)
        return double.ready.backend.apply_affine(left, right, None, None, ones, None, self.run)


def _compact(
    pairs: tuple[Rows, Rows], negatives: Negatives
) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows], Negatives]:
    """Give the rows that take part, and pairs and negatives as places among them."""
    sides = ((pairs[0], negatives.of_target), (pairs[1], negatives.of_source))
    used, places = [], []
    for own, near in sides:
        rows, where = np.unique(np.concatenate([own, near.ravel()]), return_inverse=True)
        used.append(rows)
        places.append((where[: len(own)], where[len(own) :].reshape(near.shape)))
    (i, near_x), (j, near_z) = places
    return (used[0], used[1]), (i, j), Negatives(near_z, near_x)


def _cross_entropy(
    scores: list[NDArray[np.float64]], temperature: float, count: int
) -> tuple[float, list[NDArray[np.float64]]]:
    """Give the sum of -log softmax of the first column, and the slopes of its mean over `count`."""
    logits = np.concatenate(scores, axis=1) / temperature
    highest = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - highest)
    norms = powers.sum(axis=1, keepdims=True)
    loss = float(np.sum(np.log(norms) + highest - logits[:, :1]))
    slopes = powers / norms
    slopes[:, 0] -= 1.0
    slopes /= temperature * count
    return loss, np.split(slopes, np.cumsum([part.shape[1] for part in scores])[:-1], axis=1)


def _add(sums: NDArray[np.float64], where: Rows, values: NDArray[np.float64]) -> None:
    """Add values to the sums of their places, in their order."""
    sums += np.bincount(where.ravel(), values.ravel(), minlength=len(sums))
