"""What is kept of one set of rows, and how two sets become one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from isomorph import _arrays, runtime
from isomorph._backends import MomentParts, Run

#: Powers of two that x and y are multiplied by; None while all rows of a side were zero.
Exponents = tuple[int | None, int | None]

#: Largest magnitudes outside 2^-200 to 2^200 are scaled: fourth powers must keep to the range.
_PLAIN = 200


@dataclass(slots=True)
class Sums:
    """The sums of one set of rows, as a backend keeps them, and how many rows there were."""

    parts: MomentParts
    rows: int = 0

    @classmethod
    def empty(cls, x_dim: int, y_dim: int, norms: bool, like: Any) -> Sums:
        """Give zeros beside `like`."""
        arguments = _arrays.Arguments(ndim=(1, 2, 3), like=like)
        xp, device = arguments.array_namespace(), arguments.device_of(like)
        width = x_dim + y_dim
        shapes = ((1,), (2, width), (width, width), (2 * width + 3 if norms else 0,))
        parts = (xp.zeros(shape, dtype=xp.float64, **device) for shape in shapes)
        return cls((next(parts), next(parts), next(parts), next(parts)))

    @property
    def weight(self) -> float:
        """Sum of the weights."""
        return float(self.parts[0][0])

    def copy(self) -> Sums:
        """Give sums that can be written to."""
        xp = tools_of(self.parts[2]).xp
        weight, mean, second, norms = (xp.asarray(part, copy=True) for part in self.parts)
        return Sums((weight, mean, second, norms), self.rows)

    def merge(self, other: Sums, split: int, run: Run, times: int = 1) -> None:
        """Add `other`, scaled alike, counted `times` times."""
        backend = tools_of(self.parts[2]).backend
        self.parts = backend.merge_moments(self.parts, other.parts, split, float(times), run)
        self.rows += times * other.rows

    def rescaled(self, split: int, steps: tuple[int, int]) -> Sums:
        """Multiply x and y by 2 to the powers of `steps`, none positive: exact, or underflow."""
        if steps == (0, 0):
            return self
        xp = tools_of(self.parts[2]).xp
        weight, mean, second, norms = self.parts
        width = int(mean.shape[1])
        factors = [0.0 if step < -1074 else math.ldexp(1.0, step) for step in steps]
        ones = xp.ones_like(mean[0, :])
        each = xp.where(xp.cumulative_sum(ones) <= split, factors[0] * ones, factors[1] * ones)
        mean = mean * each
        second = second * each[:, None] * each[None, :]
        if norms.shape[0]:
            p, q = factors
            thirds = [
                norms[i * width : (i + 1) * width] * each * f**2 for i, f in enumerate((p, q))
            ]
            slots = (p**4, p**2 * q**2, q**4)
            fourths = [norms[2 * width + i : 2 * width + i + 1] * f for i, f in enumerate(slots)]
            norms = xp.concat([*thirds, *fourths])
        return Sums((weight, mean, second, norms), self.rows)


@dataclass(frozen=True, slots=True)
class Tools:
    """The backend and the namespace of the arrays at hand (NumPy's included)."""

    backend: Any
    xp: Any
    #: None for NumPy.
    namespace: Any

    def multiply(self, left: Any, right: Any, run: Run) -> Any:
        """Give the product of two float64 matrices; no byte depends on threads."""
        return self.backend.multiply(self.contiguous(left), self.contiguous(right), run)

    def contiguous(self, array: Any) -> Any:
        """Give the array in C order, where that means something."""
        if self.namespace is not None:
            return array
        import numpy as np

        return np.ascontiguousarray(array)

    def kept(self, array: Any) -> Any:
        """Give the array in memory of its own, not to be written to where that can be said."""
        if self.namespace is not None:
            return self.xp.asarray(array, copy=True)
        import numpy as np

        own = np.array(array, order="C")
        own.setflags(write=False)
        return own

    def prepared(self, dtype: str) -> _arrays.Prepared:
        """Give what brings arrays to the type of a result."""
        return _arrays.Prepared(self.backend, (), dtype, self.namespace)


def tools_of(array: Any) -> Tools:
    """Find what serves this array."""
    arguments = _arrays.Arguments(ndim=(1, 2, 3), array=array)
    backend, namespace = arguments.backend()
    if namespace is not None and runtime.requested_backend() == "array":
        # The oracle on NumPy's arrays: what it gives is laid out like the core's.
        namespace = arguments.namespace
    return Tools(backend, arguments.array_namespace(), namespace)


def exponents_for(magnitudes: tuple[float, float]) -> Exponents:
    """Give the powers of two for values of these largest magnitudes."""
    x, y = (_exponent(magnitude) for magnitude in magnitudes)
    return x, y


def _exponent(magnitude: float) -> int | None:
    if magnitude == 0:
        return None
    power = math.frexp(magnitude)[1] - 1
    return 0 if abs(power) <= _PLAIN else -power


def common(a: Exponents, b: Exponents) -> Exponents:
    """Give the powers with which neither set leaves the range."""

    def smaller(p: int | None, q: int | None) -> int | None:
        return q if p is None else p if q is None else min(p, q)

    return smaller(a[0], b[0]), smaller(a[1], b[1])


def steps(old: Exponents, new: Exponents) -> tuple[int, int]:
    """Give how far sums with `old` powers are from `new` ones; zeros stay zeros at any power."""

    def step(p: int | None, q: int | None) -> int:
        return 0 if p is None or q is None else q - p

    return step(old[0], new[0]), step(old[1], new[1])
