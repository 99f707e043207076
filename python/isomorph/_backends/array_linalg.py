"""Factorisations, Procrustes, maps and transforms in plain array-namespace code.

One problem after the other, in float64, each formula as it is written in the papers: what the core
is tested against. Agreement is to rounding, and singular vectors of equal values may differ.
"""

# ruff: noqa: ARG002 - the protocol hands threads over, and there is no use for them here.

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from isomorph._backends import Fitted, Run
from isomorph._backends.array_neighbors import _device, _quiet

#: Deviations from the mean up to this part of it are rounding: 16 eps.
EQUAL_ROWS = 16 * 2.0**-52


def _reported(count: int, run: Run) -> Iterator[int]:
    """Go through the problems of a stack and report each one that is done."""
    for i in range(count):
        yield i
        if callable(run.progress):
            run.progress(i + 1, count)


class ArrayLinalg:
    """The linear algebra of :class:`isomorph._backends.Backend`."""

    xp: Any

    def svd(self, a: Any, run: Run) -> tuple[Any, Any, Any]:
        """See the protocol."""
        xp = self.xp
        b, n, d = a.shape
        shapes = ((b, n, min(n, d)), (b, min(n, d)), (b, min(n, d), d))
        with _quiet():
            parts = [self._svd(a[i, ...]) for i in _reported(b, run)]
            u, s, vt = (
                xp.astype(self._stack([p[i] for p in parts], shapes[i], a), a.dtype)
                for i in range(3)
            )
        self._refuse_overflow(s)
        return u, s, vt

    def svdvals(self, a: Any, run: Run) -> Any:
        """See the protocol."""
        xp = self.xp
        parts = []
        with _quiet():
            for i in _reported(a.shape[0], run):
                values, size = self._near_one(a[i, ...])
                parts.append(xp.linalg.svdvals(values) * size)
            shape = (a.shape[0], min(a.shape[1:]))
            s = xp.astype(self._stack(parts, shape, a), a.dtype)
        self._refuse_overflow(s)
        return s

    def eigh(self, a: Any, check_symmetric: bool, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        xp = self.xp
        tolerance = float(xp.finfo(a.dtype).eps) ** 0.5
        values, vectors = [], []
        with _quiet():
            for i in _reported(a.shape[0], run):
                matrix, size = self._near_one(a[i, ...])
                difference = matrix - xp.matrix_transpose(matrix)
                asymmetry = float(xp.linalg.matrix_norm(difference))
                norm = float(xp.linalg.matrix_norm(matrix))
                if check_symmetric and asymmetry > tolerance * norm:
                    raise ValueError(
                        "a: expected symmetric matrices (check_symmetric=False reads the lower "
                        f"triangle of any), got |A - A'| = {asymmetry / norm:.2e} |A| in matrix "
                        f"{i} of the stack"
                    )
                lower = xp.tril(matrix, k=-1)
                matrix = xp.tril(matrix) + xp.matrix_transpose(lower)
                found, basis = xp.linalg.eigh(matrix)
                values.append(found * size)
                vectors.append(basis)
            w = xp.astype(self._stack(values, a.shape[:2], a), a.dtype)
            v = xp.astype(self._stack(vectors, a.shape, a), a.dtype)
        self._refuse_overflow(w, "eigenvalues")
        return w, v

    def polar(self, a: Any, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        xp = self.xp
        nearest, stretch = [], []
        with _quiet():
            for i in _reported(a.shape[0], run):
                u, s, vt = self._svd(a[i, ...])
                h = xp.matrix_transpose(vt) @ (s[:, None] * vt)
                nearest.append(u @ vt)
                stretch.append((h + xp.matrix_transpose(h)) / 2)
            r = self._stack(nearest, a.shape, a)
            h = self._stack(stretch, (a.shape[0], a.shape[2], a.shape[2]), a)
            r, h = xp.astype(r, a.dtype), xp.astype(h, a.dtype)
        self._refuse_overflow(h)
        return r, h

    def procrustes(
        self,
        source: Any,
        target: Any,
        weights: Any,
        *,
        scale: bool,
        translate: bool,
        allow_reflection: bool,
        run: Run,
    ) -> Fitted:
        """See the protocol."""
        fits = []
        for i in _reported(source.shape[0], run):
            w = None if weights is None else weights[i, :]
            fits.append(
                self._procrustes(
                    source[i, ...], target[i, ...], w, scale, translate, not allow_reflection
                )
            )
        return Fitted(*(self.xp.stack(parts) for parts in zip(*fits, strict=True)))

    def procrustes_of_rows(self, x: Any, z: Any, source: Any, target: Any, run: Run) -> Any:
        """See the protocol."""
        left, right = (
            self.xp.take(side, self.xp.asarray(rows, device=_device(side)), axis=0)
            for side, rows in ((x, source), (z, target))
        )
        return self._procrustes(left, right, None, False, False, False)[0]

    def _procrustes(
        self, source: Any, target: Any, w: Any, scale: bool, translate: bool, rotation_only: bool
    ) -> tuple[Any, ...]:
        xp = self.xp
        x, x_size = self._near_one(source)
        y, y_size = self._near_one(target)
        w = xp.ones_like(x[:, 0]) if w is None else self._near_one(w)[0]
        total = xp.sum(w)
        mean_x, mean_y = xp.zeros_like(x[0, :]), xp.zeros_like(y[0, :])
        if translate:
            mean_x = xp.sum(w[:, None] * x, axis=0) / total
            mean_y = xp.sum(w[:, None] * y, axis=0) / total
            x, y = self._spread(x, mean_x), self._spread(y, mean_y)
        r, s, trace, sign, rank = self._orthonormal(
            xp.matrix_transpose(w[:, None] * x) @ y, rotation_only
        )
        squares = xp.sum(w[:, None] * x * x)
        y_squares = xp.sum(w[:, None] * y * y)
        image = squares
        if r.shape[0] > r.shape[1]:
            image = xp.sum(w[:, None] * (x @ r) ** 2)
        size = xp.sqrt(squares * y_squares)
        over = 1 / size if float(size) > 0 else size
        one = xp.ones_like(trace)
        factor = one
        if scale and float(image) > 0:
            factor = xp.where(trace > 0, trace, 0 * trace) / image * y_size / x_size
        difference = factor * (x_size / y_size) * (x @ r) - y
        left = xp.sum(w[:, None] * difference * difference)
        if float(y_squares) > 0:
            residual = xp.sqrt(left / y_squares)
        else:
            residual = left if float(left) == 0 else one * float("inf")
        means = mean_x * x_size, mean_y * y_size
        return r, *means, s * over, factor, trace * over, residual, sign, rank

    def _orthonormal(self, cross: Any, rotation_only: bool) -> tuple[Any, ...]:
        """Maximise trace(R' cross): give R, the singular values, the trace, sign of det R, rank."""
        xp = self.xp
        u, s, vt = self._svd(cross)
        threshold = xp.linalg.vector_norm(s) * self._rounding(cross)
        rank = xp.sum(xp.astype(s > threshold, xp.float64))
        tied = False
        if 0 < int(rank) < s.shape[0]:
            u, vt, tied = self._nearest_to_identity(cross, int(rank))
        r = u @ vt
        square = r.shape[0] == r.shape[1]
        sign = xp.linalg.slogdet(r)[0] if square else xp.sum(s) * 0
        trace = xp.sum(s)
        if (rotation_only or tied) and float(sign) < 0:
            r = r - 2 * u[:, -1:] @ vt[-1:, :]
            trace, sign = trace - 2 * s[-1], -sign
        return r, s, trace, sign, rank

    def _nearest_to_identity(self, cross: Any, rank: int) -> tuple[Any, Any, bool]:
        """Give thin factors u, vt of which u vt is the nearest to the identity of all optimal maps.

        Free are the singular vectors after the first `rank`; also tell whether two are as near.
        """
        xp = self.xp
        u, _, vt = xp.linalg.svd(self._near_one(cross)[0], full_matrices=True)
        least = min(cross.shape)
        u0, v0t = u[:, rank:], vt[rank:, :]
        overlap = xp.matrix_transpose(u0[:least, :]) @ xp.matrix_transpose(v0t[:, :least])
        left, cosines, right = xp.linalg.svd(overlap, full_matrices=False)
        u = xp.concat([u[:, :rank], u0 @ left], axis=1)
        vt = xp.concat([vt[:rank, :], right @ v0t], axis=0)
        size = max(1.0, float(xp.linalg.vector_norm(cosines)))
        return u, vt, float(cosines[-1]) <= size * self._rounding(cross)

    def _rounding(self, cross: Any) -> float:
        """Tell how large a singular value of a matrix of size 1 may come out by rounding alone."""
        n: int = max(cross.shape)
        eps = float(self.xp.finfo(self.xp.float64).eps)
        return eps * max(n, 8 * math.sqrt(n))

    def _spread(self, a: Any, mean: Any) -> Any:
        """Subtract the mean; rows that are equal but for rounding have no spread."""
        xp = self.xp
        centred = a - mean
        level = float(xp.max(xp.abs(mean))) * EQUAL_ROWS
        return xp.where(xp.max(xp.abs(centred)) <= level, xp.zeros_like(centred), centred)

    def apply_affine(
        self,
        x: Any,
        matrix: Any,
        source_mean: Any,
        target_mean: Any,
        scale: Any,
        out: Any,
        run: Run,
    ) -> Any:
        """See the protocol."""
        xp = self.xp
        wide = xp.astype(x, xp.float64)
        if source_mean is not None:
            wide = wide - source_mean[:, None, :]
        result = xp.astype(wide * scale[:, None, None], x.dtype) @ matrix
        if target_mean is not None:
            result = result + xp.astype(target_mean, x.dtype)[:, None, :]
        if out is not None:
            out[...] = xp.reshape(result, out.shape)
        if callable(run.progress):
            run.progress(x.shape[0] * x.shape[1], x.shape[0] * x.shape[1])
        return result

    def column_means(self, x: Any, run: Run) -> Any:
        """See the protocol."""
        values, size = self._near_one(x)
        return self.xp.mean(values, axis=0) * size

    def column_norms(self, x: Any, run: Run) -> Any:
        """See the protocol."""
        values, size = self._near_one(x)
        return self.xp.sqrt(self.xp.sum(values * values, axis=0)) * size

    def transform_rows(self, x: Any, operation: str, values: Any, run: Run) -> Any:
        """See the protocol."""
        xp = self.xp
        wide = xp.astype(x, xp.float64)
        if operation == "unit":
            largest = xp.max(xp.abs(wide), axis=1, keepdims=True)
            wide = wide / xp.where(largest == 0, xp.ones_like(largest), largest)
            norms = xp.sqrt(xp.sum(wide * wide, axis=1, keepdims=True))
            wide = wide / xp.where(norms == 0, xp.ones_like(norms), norms)
        elif operation == "subtract":
            wide = wide - values[None, :]
        elif operation == "divide":
            wide = wide / xp.where(values == 0, xp.ones_like(values), values)[None, :]
        else:
            wide = wide - xp.sum(wide / wide.shape[1], axis=1, keepdims=True)
        return xp.astype(wide, x.dtype)

    def _near_one(self, a: Any) -> tuple[Any, float]:
        """Give `a` in float64 divided by a power of two near its largest entry, and that power."""
        xp = self.xp
        wide = xp.astype(a, xp.float64)
        largest = float(xp.max(xp.abs(wide))) if 0 not in a.shape else 0.0
        if not 2.0**-1000 < largest < 2.0**1000:
            # Subnormal numbers and the end of the range: two steps would be needed. Leave them.
            return wide, 1.0
        size = 2.0 ** _floor_log2(largest)
        return wide / size, size

    def _svd(self, a: Any) -> tuple[Any, Any, Any]:
        values, size = self._near_one(a)
        u, s, vt = self.xp.linalg.svd(values, full_matrices=False)
        return u, s * size, vt

    def _stack(self, parts: list[Any], shape: tuple[int, ...], like: Any) -> Any:
        xp = self.xp
        if parts:
            return xp.stack(parts)
        return xp.zeros(shape, dtype=xp.float64, device=getattr(like, "device", None))

    def _refuse_overflow(self, values: Any, what: str = "singular values") -> None:
        if bool(self.xp.any(self.xp.isinf(values))):
            raise ValueError(f"a: expected a matrix whose {what} fit its type; scale it down")


def _floor_log2(x: float) -> int:
    import math

    return math.frexp(x)[1] - 1
