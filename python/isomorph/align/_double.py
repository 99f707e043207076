"""Small matrices in float64 on a backend, with the same bytes on any number of threads."""

from __future__ import annotations

import math
from typing import Any

from isomorph import _arrays
from isomorph._backends import Run

#: Rows that are widened and multiplied at a time: `_TOGETHER` products side by side.
_ROWS, _TOGETHER = 1024, 8


class Double:
    """Sums over rows and d x d algebra in float64, for the arrays of one call.

    Parameters
    ----------
    arguments, ready
        What the call was given, and what the backend takes.
    run : Run
        Threads and progress of the call.
    """

    def __init__(self, arguments: _arrays.Arguments, ready: _arrays.Prepared, run: Run) -> None:
        self.xp = arguments.array_namespace()
        self.ready = ready
        self.device = arguments.device_of(ready.arrays[0])
        self._quiet = Run(run.threads)

    def scale(self, x: Any) -> float:
        """Give the power of two that brings the largest value of `x` into [1/2, 1); 0 for zeros."""
        largest = float(self.xp.max(self.xp.abs(x)))
        return 0.0 if largest == 0 else math.ldexp(1.0, -min(math.frexp(largest)[1], 1022))

    def moments(self, x: Any, scale_x: float, y: Any, scale_y: float) -> Any:
        """Give (scale_x x)' (scale_y y), summed over blocks of 1,024 rows in their order."""
        xp = self.xp
        total = xp.zeros((x.shape[1], y.shape[1]), dtype=xp.float64, **self.device)
        whole = x.shape[0] // _ROWS * _ROWS
        step = _ROWS * _TOGETHER
        parts = [(start, min(start + step, whole), _ROWS) for start in range(0, whole, step)]
        if whole < x.shape[0]:
            parts.append((whole, x.shape[0], x.shape[0] - whole))
        for start, stop, rows in parts:
            left, right = (
                xp.reshape(
                    xp.astype(side[start:stop, ...], xp.float64) * scale, (-1, rows, side.shape[1])
                )
                for side, scale in ((x, scale_x), (y, scale_y))
            )
            sums = self._stacked(xp.matrix_transpose(left), right)
            for block in range(sums.shape[0]):
                total = total + sums[block, ...]
        return total

    def product(self, *factors: Any) -> Any:
        """Multiply matrices, from the left."""
        first, *others = factors
        for factor in others:
            first = self._stacked(first[None, ...], factor[None, ...])[0, ...]
        return first

    def transposed(self, a: Any) -> Any:
        """Give a'."""
        return self.contiguous(self.xp.matrix_transpose(a))

    def svd(self, a: Any) -> tuple[Any, Any, Any]:
        """Give thin u, s and v (not transposed)."""
        u, s, vt = self.ready.backend.svd(self.contiguous(a[None, ...]), self._quiet)
        return u[0, ...], s[0, ...], self.transposed(vt[0, ...])

    def eigh(self, a: Any) -> tuple[Any, Any]:
        """Give eigenvalues, ascending, and eigenvectors in columns, of a symmetric matrix."""
        symmetric = (a + self.xp.matrix_transpose(a)) / 2
        stack = self.contiguous(symmetric[None, ...])
        values, vectors = self.ready.backend.eigh(stack, False, self._quiet)
        return values[0, ...], vectors[0, ...]

    def _stacked(self, left: Any, right: Any) -> Any:
        ones = self.xp.ones((left.shape[0],), dtype=self.xp.float64, **self.device)
        left, right = self.contiguous(left), self.contiguous(right)
        return self.ready.backend.apply_affine(left, right, None, None, ones, None, self._quiet)

    def contiguous(self, array: Any) -> Any:
        """Give the array as the backend takes it."""
        if self.ready.namespace is not None:
            return array
        import numpy as np

        return np.ascontiguousarray(array)
