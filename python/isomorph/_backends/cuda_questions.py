"""What neighbours ask of tiles: rows made ready, bounds of errors, canonical scores."""

from __future__ import annotations

import math
from typing import Any

from isomorph import runtime
from isomorph._backends import Run
from isomorph._backends.array_neighbors import ArrayNeighbors, Score, _blocks, _quiet, _transposed
from isomorph._backends.cuda_device import Device
from isomorph._backends.cuda_search import Question, Side, product_error

#: Values that are made ready, or gathered for canonical scores, at once.
VALUES_AT_ONCE = 1 << 23
#: Norms outside of these bounds are left to the definition, which tells what overflows.
SAFE_NORMS = (2.0**-400, 2.0**400)


class CudaQuestions(ArrayNeighbors):
    """Makes questions of :mod:`isomorph._backends.cuda_search`, with all that answers them."""

    device: Device

    def _nearest(self, left: Any, right: Any, sides: tuple[Side, Side], k: int) -> Question:
        """Ask for the largest cosines of rows of `left`, whose sides are ready."""
        x, y = sides

        def scores(rows: Any, columns: Any) -> Any:
            return self._cosines_of(x, y, rows, columns, left.dtype)

        def plain(rows: Any) -> tuple[Any, Any]:
            return self._plain_topk("cosine", left, right, k, rows, exclude_self=False)

        bias = self._open(self.xp.zeros_like(y.norms), y, x)
        error = self._error(x, y, 1.0, 0.0)
        return Question(x, y, k, 1.0, bias, error, lambda most, _: most, scores, plain)

    def _topk_question(
        self, queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool
    ) -> Question | None:
        """Ask for the best by a metric; None where norms are too far from 1 for it."""
        xp = self.xp
        itself = self._numbers(queries) if exclude_self else None

        def plain(rows: Any) -> tuple[Any, Any]:
            return self._plain_topk(metric, queries, corpus, k, rows, exclude_self=exclude_self)

        if metric == "cosine":
            x, y = self._unit_side(queries), self._unit_side(corpus)
            question = self._nearest(queries, corpus, (x, y), k)
            return Question(
                x, y, k, 1.0, question.bias, question.error, question.ceiling, question.scores,
                plain, itself,
            )  # fmt: skip
        squared = metric == "l2"
        largest = [self._largest(side, None) for side in (queries, corpus)]
        if not all(size == 0 or SAFE_NORMS[0] < size < SAFE_NORMS[1] for size in largest):
            return None
        centre = self._centre(corpus) if squared else None
        if squared:
            largest = [max(self._largest(side, centre) for side in (queries, corpus))] * 2
        scales = [2.0 ** -math.frexp(size)[1] for size in largest]
        x = self._scaled_side(queries, centre, scales[0])
        y = self._scaled_side(corpus, centre, scales[1])
        sign = -1.0 if squared else 1.0

        def scores(rows: Any, columns: Any) -> Any:
            sums = self.device.pair_sums(queries, rows, corpus, columns, squared)
            return xp.astype(sign * sums, queries.dtype) + 0.0

        def ceiling(most: Any, rows: Any) -> Any:
            if squared:
                most = most - xp.take(x.norms, rows) ** 2
            return most / (scales[0] * scales[1])

        if squared:
            # -|x - y|^2 = 2 x'y - |y|^2 - |x|^2, of which the last decides nothing.
            bias, factor = self._open(-(y.norms**2), y, x), 2.0
            error = self._error(x, y, factor, float(xp.max(y.norms)) ** 2)
            # The norms' own rounding, and that of the canonical sum.
            furthest = x.norms + xp.max(y.norms)
            error = error + (int(queries.shape[1]) + 16) * 2.0**-50 * furthest**2
        else:
            bias, factor = self._open(xp.zeros_like(y.norms), y, x), 1.0
            error = self._error(x, y, factor, 0.0)
        return Question(x, y, k, factor, bias, error, ceiling, scores, plain, itself)

    def _csls_questions(
        self,
        source: Any,
        target: Any,
        k: int,
        source_radii: Any,
        target_radii: Any,
        sides: tuple[Side, Side] | None = None,
    ) -> tuple[Question, Question]:
        """Ask for the best by CSLS, of both sides."""
        xp = self.xp
        x, y = sides or (self._unit_side(source), self._unit_side(target))
        r_s, r_t = (xp.astype(radii, xp.float64) for radii in (source_radii, target_radii))

        def rounded(scores: Any) -> Any:
            return xp.astype(scores, source.dtype) + 0.0

        def forward(rows: Any, columns: Any) -> Any:
            c = xp.astype(self._cosines_of(x, y, rows, columns, source.dtype), xp.float64)
            return rounded((2.0 * c - xp.take(r_s, rows)[:, None]) - _taken(xp, r_t, columns))

        def backward(rows: Any, columns: Any) -> Any:
            c = xp.astype(self._cosines_of(y, x, rows, columns, source.dtype), xp.float64)
            return rounded((2.0 * c - _taken(xp, r_s, columns)) - xp.take(r_t, rows)[:, None])

        def plain_forward(rows: Any) -> tuple[Any, Any]:
            some = xp.take(source, rows, axis=0)
            score = self._csls_score(some, target, xp.take(source_radii, rows), target_radii)
            return self._select(score, some, target, k, Run(1))

        def plain_backward(rows: Any) -> tuple[Any, Any]:
            some = xp.take(target, rows, axis=0)
            score = self._csls_score(source, some, source_radii, xp.take(target_radii, rows))
            return self._select(_transposed(xp, score), some, source, k, Run(1))

        def question(left: Side, right: Side, own: Any, other: Any, scores: Any, plain: Any) -> Any:
            largest = float(xp.max(xp.abs(other)))
            # The score's own rounding in float64 counts the radius of the row, too.
            error = self._error(left, right, 2.0, largest) + 2.0**-50 * xp.abs(own)
            bias = self._open(-other, right, left)
            return Question(
                left, right, k, 2.0, bias, error,
                lambda most, rows: most - xp.take(own, rows), scores, plain,
            )  # fmt: skip

        return (
            question(x, y, r_s, r_t, forward, plain_forward),
            question(y, x, r_t, r_s, backward, plain_backward),
        )

    def _plain_topk(
        self, metric: str, left: Any, right: Any, k: int, rows: Any, *, exclude_self: bool
    ) -> tuple[Any, Any]:
        """Answer for some rows by the definition."""
        some = self.xp.take(left, rows, axis=0)
        score: Score = self._score(metric, some, right)
        score = self._rounded(score, some, right, exclude_self, rows)
        return self._select(score, some, right, k, Run(1))

    def _cosines_of(self, x: Side, y: Side, rows: Any, columns: Any, dtype: Any) -> Any:
        xp = self.xp
        sums = self.device.pair_sums(x.rows, rows, y.rows, columns, False)
        norms = xp.take(x.lengths, rows)[:, None] * _taken(xp, y.lengths, columns)
        zero = norms == 0
        cosines = xp.where(zero, xp.zeros_like(sums), sums / xp.where(zero, norms + 1.0, norms))
        return xp.astype(cosines, dtype) + 0.0

    def _error(self, x: Side, y: Side, factor: float, largest_bias: float) -> Any:
        """Bound what keys of each row are off, float64: see `product_error` for the product.

        To it come what underflows, the sum with the bias, and the rounding of a cosine before it
        is doubled: eps of the type in all.
        """
        xp, d = self.xp, int(x.values.shape[1])
        wide = x.values.dtype == xp.float64
        eps, least = (2.0**-52, 2.0**-1022) if wide else (2.0**-23, 2.0**-126)
        precision = "float64" if wide else runtime.requested_precision()
        products = x.norms * xp.max(y.norms)
        error = factor * (product_error(d, precision) * products + (3 * d + 4) * least)
        return 1.01 * (error + 3 * eps * (factor * products + largest_bias)) + 2.0**-50 * (
            factor + largest_bias
        ) * (products > 0)

    def _open(self, bias: Any, right: Side, left: Side) -> Any:
        """Give the bias in the type of keys, -inf where a row may not be selected."""
        xp = self.xp
        bias = xp.where(right.sound, bias, xp.full_like(bias, -float("inf")))
        return xp.astype(bias, left.values.dtype)

    def _unit_side(self, rows: Any) -> Side:
        """Make unit rows of rows."""
        xp, d = self.xp, int(rows.shape[1])
        values, norms, lengths, sound, exact, changed = [], [], [], [], [], False
        for wide, finite in self._wide_blocks(rows):
            lanes = self._lanes(wide)
            with _quiet():
                scaled = self._unit_exponent(lanes)
            changed = changed or scaled is not lanes
            length = xp.sqrt(self._squares(scaled))
            flat = xp.reshape(scaled, (wide.shape[0], -1))[:, :d]
            if rows.dtype == xp.float64:
                exact.append(flat)
            unit = flat / xp.where(length == 0, xp.ones_like(length), length)[:, None]
            values.append(xp.astype(unit, rows.dtype))
            norms.append(xp.sqrt(xp.sum(unit * unit, axis=1)))
            lengths.append(length)
            sound.append(finite)
        # Only lengths at the ends of float64 have rows rescaled for their canonical products.
        own = xp.concat(exact, axis=0) if changed else rows
        return Side(
            xp.concat(values, axis=0), xp.concat(norms), own, xp.concat(lengths), xp.concat(sound)
        )

    def _scaled_side(self, rows: Any, centre: Any, scale: float) -> Side:
        """Make rows about a centre, scaled by a power of two."""
        xp = self.xp
        values, norms, sound = [], [], []
        for wide, finite in self._wide_blocks(rows, centre):
            values.append(xp.astype(wide * scale, rows.dtype))
            norms.append(xp.sqrt(xp.sum((wide * scale) ** 2, axis=1)))
            sound.append(finite)
        lengths = xp.concat(norms)
        return Side(xp.concat(values, axis=0), lengths, rows, lengths, xp.concat(sound))

    def _wide_blocks(self, rows: Any, centre: Any = None) -> Any:
        """Give blocks of rows in float64, 0 where they are not finite, and which are finite."""
        xp, (n, d) = self.xp, rows.shape
        for block in _blocks(n, max(1, VALUES_AT_ONCE // d)):
            some = rows[block, :]
            finite = xp.all(xp.isfinite(some), axis=1)
            wide = xp.astype(some, xp.float64)
            if centre is not None:
                wide = wide - centre
            yield xp.where(finite[:, None], wide, xp.zeros_like(wide)), finite

    def _largest(self, rows: Any, centre: Any) -> float:
        """Give the largest norm of the rows that are finite; not finite where it overflows."""
        xp = self.xp
        with _quiet():
            return max(
                float(xp.sqrt(xp.max(xp.sum(wide * wide, axis=1))))
                for wide, _ in self._wide_blocks(rows, centre)
            )

    def _centre(self, rows: Any) -> Any:
        """Give about the mean of the rows: distances do not depend on it, their rounding does."""
        xp = self.xp
        total: Any = 0.0
        for wide, _ in self._wide_blocks(rows):
            total = total + xp.sum(wide, axis=0)
        return total / float(rows.shape[0])

    def _numbers(self, rows: Any) -> Any:
        return self.xp.arange(rows.shape[0], dtype=self.xp.int64, device=rows.device)


def _taken(xp: Any, values: Any, columns: Any) -> Any:
    """Give ``values[columns]``; where a column is -1, whatever stands there is not used."""
    flat = xp.reshape(xp.where(columns >= 0, columns, xp.zeros_like(columns)), (-1,))
    return xp.reshape(xp.take(values, flat), columns.shape)
