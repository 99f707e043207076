"""Joint moments in plain array-namespace code: two passes over rows, and formulas of merging."""

# ruff: noqa: ARG002 - the protocol hands threads over, and there is no use for them here.

from __future__ import annotations

from typing import Any

from isomorph._backends import Fitted, MomentParts, Run
from isomorph._backends.array_linalg import ArrayLinalg
from isomorph.errors import NonFiniteError


class ArrayMoments(ArrayLinalg):
    """The moments of :class:`isomorph._backends.Backend`."""

    def accumulate_moments(
        self,
        parts: MomentParts,
        split: int,
        x: Any,
        y: Any,
        weights: Any,
        order: Any,
        exponents: tuple[int, int],
        run: Run,
    ) -> MomentParts:
        """See the protocol."""
        xp = self.xp
        sides = [
            xp.astype(side, xp.float64) * 2.0 ** (power // 2) * 2.0 ** (power - power // 2)
            for side, power in zip((x, y), exponents, strict=True)
        ]
        z = xp.concat(sides, axis=1)
        w = xp.ones_like(z[:, 0]) if weights is None else weights
        if order is not None:
            rows = xp.asarray(order, device=getattr(x, "device", None))
            z, w = xp.take(z, rows, axis=0), xp.take(w, rows, axis=0)
        z = xp.where(w[:, None] > 0, z, xp.zeros_like(z))
        total = xp.sum(w)
        if float(total) == 0:
            return parts
        mean = xp.sum(w[:, None] * z, axis=0) / total
        z = z - mean
        rest = xp.sum(w[:, None] * z, axis=0) / total
        z = z - rest
        second = xp.matrix_transpose(w[:, None] * z) @ z
        if not bool(xp.all(xp.isfinite(second))):
            raise NonFiniteError("x, y: a row has a NaN or an infinity, or values too large")
        norms = parts[3]
        if norms.shape[0]:
            a, b = (xp.sum(part * part, axis=1) for part in (z[:, :split], z[:, split:]))
            thirds = [xp.sum((w * size)[:, None] * z, axis=0) for size in (a, b)]
            fourths = xp.stack([xp.sum(w * p * q) for p, q in ((a, a), (a, b), (b, b))])
            norms = xp.concat([*thirds, fourths])
        added = (xp.reshape(total, (1,)), xp.stack([mean, rest]), second, norms)
        return self.merge_moments(parts, added, split, 1.0, run)

    def merge_moments(
        self, parts: MomentParts, other: MomentParts, split: int, times: float, run: Run
    ) -> MomentParts:
        """See the protocol."""
        xp = self.xp
        own, theirs = parts[0], times * other[0]
        total = own + theirs
        if float(theirs[0]) == 0:
            return parts
        apart = xp.sum(other[1] - parts[1], axis=0)
        if float(own[0]) == 0:
            apart = xp.zeros_like(apart)
            mean = other[1]
        else:
            step, (old, low) = theirs / total * apart, (parts[1][0, :], parts[1][1, :])
            high = old + step
            mean = xp.stack([high, low + ((old - high) + step)])
        left, right = self._symmetric(parts[2]), self._symmetric(other[2])
        norms = parts[3]
        if norms.shape[0]:
            norms = self._moved(parts, left, split, -theirs / total * apart) + times * (
                self._moved(other, right, split, own / total * apart)
            )
        second = left + times * right + own * theirs / total * apart[:, None] * apart[None, :]
        return total, mean, second, norms

    def _symmetric(self, second: Any) -> Any:
        xp = self.xp
        return xp.triu(second) + xp.matrix_transpose(xp.triu(second, k=1))

    def _moved(self, parts: MomentParts, second: Any, split: int, offset: Any) -> Any:
        """Give the norm-weighted sums about a mean that every row is `offset` further from."""
        xp = self.xp
        weight, width = parts[0][0], offset.shape[0]
        third = [parts[3][:width], parts[3][width : 2 * width]]
        ranges = (slice(0, split), slice(split, width))
        lengths = [xp.sum(offset[r] ** 2) for r in ranges]
        diagonal = xp.sum(second * xp.eye(width, dtype=second.dtype), axis=1)
        traces = [xp.sum(diagonal[r]) for r in ranges]
        images = [second[:, r] @ offset[r] for r in ranges]
        fourths = []
        for slot, (a, b) in enumerate(((0, 0), (0, 1), (1, 1))):
            fourths.append(
                parts[3][2 * width + slot]
                + 2 * xp.sum(third[a][ranges[b]] * offset[ranges[b]])
                + 2 * xp.sum(third[b][ranges[a]] * offset[ranges[a]])
                + lengths[b] * traces[a]
                + lengths[a] * traces[b]
                + 4 * xp.sum(images[a][ranges[b]] * offset[ranges[b]])
                + weight * lengths[a] * lengths[b]
            )
        thirds = [
            third[i] + offset * (traces[i] + weight * lengths[i]) + 2 * images[i] for i in (0, 1)
        ]
        return xp.concat([*thirds, xp.stack(fourths)])

    def procrustes_from_moments(
        self,
        cross: Any,
        second: Any,
        totals: tuple[float, float],
        exponents: tuple[int, int],
        *,
        scale: bool,
        allow_reflection: bool,
        run: Run,
    ) -> Fitted:
        """See the protocol."""
        xp = self.xp
        r, s, trace, sign, rank = self._orthonormal(cross, not allow_reflection)
        source, target = (xp.asarray(t, dtype=xp.float64) for t in totals)
        image = source if second is None else xp.sum((second @ r) * r)
        size = xp.sqrt(source * target)
        over = 1 / size if float(size) > 0 else size
        factor, ratio = xp.ones_like(trace), 2.0 ** (exponents[1] - exponents[0])
        if scale and float(image) > 0:
            factor = xp.where(trace > 0, trace, 0 * trace) / image / ratio
        scaled = factor * ratio
        if float(target) > 0:
            square = 1 - 2 * scaled * trace / target + scaled**2 * image / target
            residual = xp.sqrt(xp.where(square > 0, square, 0 * square))
        else:
            residual = image if float(image) == 0 else xp.ones_like(trace) * float("inf")
        means = xp.zeros_like(cross[:, 0]), xp.zeros_like(cross[0, :])
        parts = (r, *means, s * over, factor, trace * over, residual, sign, rank)
        return Fitted(*(part[None, ...] for part in parts))

    def multiply(self, left: Any, right: Any, run: Run) -> Any:
        """See the protocol."""
        return left @ right
