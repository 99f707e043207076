"""Polar factors of stacks on a GPU: products of all matrices at once, never a loop over LAPACK."""

from __future__ import annotations

from typing import Any

from isomorph._backends import Run
from isomorph._backends.array_linalg import ArrayLinalg
from isomorph._backends.array_neighbors import _blocks, _quiet

#: Values of a stack that are iterated on together.
STACKED_VALUES = 1 << 23
#: Steps that are made at most: singular values below some 1e-4 of the norm take more, and are left
#: to the singular value decomposition.
STEPS = 32
#: Matrices with more rows and columns than this keep a GPU busy one by one.
LARGE = 1024


class CudaLinalg(ArrayLinalg):
    """The linear algebra of :class:`isomorph._backends.Backend` that is tuned for a GPU."""

    def polar(self, a: Any, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        b, n, d = a.shape
        if b == 0 or min(n, d) > LARGE:
            return super().polar(a, run)
        xp = self.xp
        nearest, stretch = [], []
        for some in _blocks(b, max(1, STACKED_VALUES // (n * d))):
            stack = a[some, ...]
            with _quiet():
                r, h, sound = self._iterated(stack)
            rest = xp.nonzero(~sound)[0]
            if rest.shape[0]:
                r[rest, ...], h[rest, ...] = super().polar(
                    xp.take(stack, rest, axis=0), Run(run.threads)
                )
            nearest.append(r)
            stretch.append(h)
            if callable(run.progress):
                run.progress(some.stop, b)
        r, h = xp.concat(nearest, axis=0), xp.concat(stretch, axis=0)
        self._refuse_overflow(h)
        return r, h

    def _iterated(self, a: Any) -> tuple[Any, Any, Any]:
        """Give r, h, and which r are orthonormal, by the Newton-Schulz iteration in float64.

        X <- X (3 I - X'X) / 2 takes each singular value s in (0, 1] to s (3 - s^2) / 2, towards 1:
        by half again while it is small, then with the square of the distance. Those of rank below
        full stay at 0, and are found by | X'X - I |.

        References
        ----------
        Higham, "Functions of Matrices", SIAM 2008, sections 8.3 and 8.6.
        """
        xp, (_, n, d) = self.xp, a.shape
        wide = xp.astype(a, xp.float64)
        # A power of two brings entries near 1, whatever their range.
        largest = xp.max(xp.abs(wide), axis=(1, 2))
        usable = xp.isfinite(largest) & (largest >= 2.0**-1000)
        ones = xp.ones_like(largest)
        power = xp.pow(2.0 * ones, xp.floor(xp.log2(xp.where(usable, largest, ones))))
        wide = xp.where(usable[:, None, None], wide / power[:, None, None], xp.zeros_like(wide))
        norm = xp.sqrt(xp.sum(wide * wide, axis=(1, 2)))
        x = wide / xp.where(norm > 0, norm, ones)[:, None, None]
        identity = xp.eye(min(n, d), dtype=xp.float64, device=a.device)[None, ...]
        enough = min(n, d) * 2.0**-50
        away: Any = None
        for _ in range(STEPS):
            across = xp.matrix_transpose(x)
            rest = identity - (across @ x if n >= d else x @ across)
            away = xp.sqrt(xp.sum(rest * rest, axis=(1, 2)))
            if not bool(xp.any(away > enough)):
                break
            x = x + 0.5 * (x @ rest if n >= d else rest @ x)
        h = xp.matrix_transpose(x) @ wide
        h = 0.5 * (h + xp.matrix_transpose(h)) * power[:, None, None]
        return xp.astype(x, a.dtype), xp.astype(h, a.dtype), away <= enough
