r"""Costs between two sets of points, as products of vectors that are made some rows at a time.

Every cost is of the form

.. math:: C_{ij} = \mathrm{common} + r_i + c_j - s \langle \tilde x_i, \tilde y_j \rangle

with points about the mean of their own side. What a row or a column has in common moves its
potential and no plan: only the products count, and these are as small as they can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph.errors import NonFiniteError

COSTS = ("cosine", "dot", "sqeuclidean")
#: Values that are computed with in float64 together.
_VALUES = 1 << 21
#: Powers of two below this have inverses that overflow.
_LEAST_EXPONENT = -1000


class Products:
    """The costs -scale x y' of prepared points; rows of them are made on demand, in float64."""

    on_demand = True

    def __init__(self, xp: Any, x: Any, y: Any, scale: float) -> None:
        self.xp, self.x, self.y, self.scale = xp, x, y, scale
        self.shape = int(x.shape[0]), int(y.shape[0])
        self.dtype = x.dtype

    def __getitem__(self, key: tuple[slice, slice]) -> Any:
        """Give some rows of the costs, as an array would."""
        rows, columns = key
        xp = self.xp
        x = xp.astype(self.x[rows, :], xp.float64) * -self.scale
        y = xp.astype(self.y[columns, :], xp.float64)
        return x @ xp.permute_dims(y, (1, 0))


@dataclass(frozen=True, slots=True)
class Side:
    """One side's points, `centre` + 2^`exponent` `points`, and the largest norm of the latter."""

    points: Any
    exponent: int
    centre: Any
    longest: float


@dataclass(frozen=True, slots=True)
class Cloud:
    """The costs between two sides: products, the parts taken off, the largest product there is."""

    products: Products
    of_rows: Any
    of_columns: Any
    common: float
    largest: float


def prepared(xp: Any, cost: str, **sides: Any) -> list[Side]:
    """Make sets of points, by their argument's name, ready for a cost."""
    if cost == "cosine":
        return [_centred(xp, name, points, unit=True) for name, points in sides.items()]
    return [_centred(xp, name, points, unit=False) for name, points in sides.items()]


def cloud(xp: Any, cost: str, left: Side, right: Side) -> Cloud:
    """Give the costs between two sides."""
    # What overflows is refused below.
    with np.errstate(over="ignore", invalid="ignore"):
        made = _cloud(xp, cost, left, right)
    limits = [float(xp.max(xp.abs(part))) for part in (made.of_rows, made.of_columns)]
    if not all(math.isfinite(number) for number in (made.largest, made.common, *limits)):
        raise ValueError(
            "x: the costs between x and y overflow float64; scale both down, and reg with the cost"
        )
    return made


def _cloud(xp: Any, cost: str, left: Side, right: Side) -> Cloud:
    distances = cost == "sqeuclidean"
    scale = (2.0 if distances else 1.0) * _power(left.exponent + right.exponent)
    products = Products(xp, left.points, right.points, scale)
    largest = scale * left.longest * right.longest
    if distances:
        # |x - y|^2 of x = x' + p and y = y' + q: |x'|^2 + 2 x'(p - q), and so on.
        between = left.centre - right.centre
        of_rows = _parts(xp, left, 1.0, 2.0 * between)
        of_columns = _parts(xp, right, 1.0, -2.0 * between)
        common = float(xp.sum(between * between))
    else:
        of_rows = _parts(xp, left, 0.0, -right.centre)
        of_columns = _parts(xp, right, 0.0, -left.centre)
        common = float(cost == "cosine") - float(xp.sum(left.centre * right.centre))
    return Cloud(products, of_rows, of_columns, common, largest)


def _parts(xp: Any, side: Side, squares: float, along: Any) -> Any:
    """Give squares |z|^2 + z . along for each z = 2^exponent point."""
    power, parts = _power(side.exponent), []
    for rows in _blocks(side.points):
        z = xp.astype(side.points[rows, :], xp.float64)
        parts.append(squares * power * power * xp.sum(z * z, axis=1) + (z @ along) * power)
    return xp.concat(parts)


def _centred(xp: Any, name: str, points: Any, *, unit: bool) -> Side:
    """Take the mean off, with a power of two that brings the largest value near 1."""
    most = float(xp.max(xp.abs(points)))
    if not math.isfinite(most):
        raise NonFiniteError(f"{name}: a row has a NaN or an infinity; repair or drop such rows")
    # Rows of length 1 need no scaling to be added up.
    base = 0 if unit else _exponent(most)

    def rows(block: slice) -> Any:
        values = xp.astype(points[block, :], xp.float64)
        return _unit(xp, values) if unit else values * _power(-base)

    sums = [xp.sum(rows(block), axis=0) for block in _blocks(points)]
    mean = xp.sum(xp.stack(sums), axis=0) / int(points.shape[0])
    spread = max(float(xp.max(xp.abs(rows(block) - mean[None, :]))) for block in _blocks(points))
    exponent = _exponent(spread)
    parts, longest = [], 0.0
    for block in _blocks(points):
        part = xp.astype((rows(block) - mean[None, :]) * _power(-exponent), points.dtype)
        wide = xp.astype(part, xp.float64)
        longest = max(longest, float(xp.max(xp.sum(wide * wide, axis=1))))
        parts.append(part)
    return Side(xp.concat(parts), base + exponent, mean * _power(base), math.sqrt(longest))


def _unit(xp: Any, rows: Any) -> Any:
    """Give rows of length 1; rows of zeros stay, so that their cosines are 0, as topk has it."""
    most = xp.max(xp.abs(rows), axis=1)
    rows = rows / xp.where(most > 0, most, xp.ones_like(most))[:, None]
    norms = xp.sqrt(xp.sum(rows * rows, axis=1))
    return rows / xp.where(norms > 0, norms, xp.ones_like(norms))[:, None]


def _exponent(value: float) -> int:
    return max(math.frexp(value)[1], _LEAST_EXPONENT) if value > 0 else 0


def _power(exponent: int) -> float:
    try:
        return math.ldexp(1.0, exponent)
    except OverflowError:
        return math.inf


def _blocks(points: Any) -> Iterator[slice]:
    count, width = (int(length) for length in points.shape)
    height = max(1, _VALUES // width)
    for start in range(0, count, height):
        yield slice(start, min(start + height, count))
