"""What is to be transported: checked before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph import _arrays, _checks
from isomorph._backends import Backend
from isomorph.errors import NonFiniteError, ShapeError

#: By how much, of the mass, the two sides may differ: what rounding to their type explains.
_UNEVEN = {"float32": 1e-5, "float64": 1e-10}
#: Squares of masses are added up, too.
_LEAST_MASS, _MOST_MASS = 1e-150, 1e150
#: Types of masses that are narrower than the one that is computed in.
_NARROW = ("float16", "bfloat16", "float32")
#: What of the mass is no more than rounding of its sum.
_ROUNDING = 1e-13
#: Of exp(t), t is known to eps |t|: beyond this it says nothing.
_LEAST_DIGITS = 0.01
#: Costs that differ by less than this part of their size have something taken off.
_COMMON = 0.1


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, ready for a backend: the cost in its type, masses and start in float64."""

    backend: Backend
    xp: Any
    #: An array, or what has the `shape` and `dtype` of one and makes its rows: `cost[rows, :]`.
    cost: Any
    a: Any
    b: Any
    reg: float
    #: What was taken off all costs, because it is much larger than what they differ by.
    common: float
    #: What was taken off the costs of each row and of each column, float64, or None for nothing:
    #: that changes potentials by as much, and no plan.
    of_rows: Any = None
    of_columns: Any = None
    #: By how much finite costs of a matrix differ, and whether all are numbers.
    span: float = 0.0
    finite: bool = True

    def whole(self, rows: slice) -> Any:
        """Give rows of the costs as they were before anything was taken off, float64."""
        cost = self.xp.astype(self.cost[rows, :], self.xp.float64) + self.common
        if self.of_rows is None:
            return cost
        return cost + (self.of_rows[rows][:, None] + self.of_columns[None, :])

    def taken(self, rows: Any, columns: Any) -> float:
        """Give what the parts taken off come to for a plan with these sums."""
        cost = self.common * float(self.xp.sum(rows))
        if self.of_rows is None:
            return cost
        return cost + float(rows @ self.of_rows + columns @ self.of_columns)

    def restore(self, f: Any, g: Any) -> tuple[Any, Any]:
        """Give the potentials of the whole costs for those of what is left of them."""
        if self.of_rows is None:
            return f + self.common, g
        return f + self.of_rows + self.common, g + self.of_columns

    def balance(self, f: Any, g: Any) -> tuple[Any, Any]:
        """Shift the potentials against each other until their means by mass are the same."""
        xp = self.xp
        means = [
            float(xp.sum(xp.where(mass > 0, potential, 0.0) * (mass / xp.sum(mass))))
            for potential, mass in ((f, self.a), (g, self.b))
        ]
        shift = (means[0] - means[1]) / 2
        return f - shift, g + shift

    def missed(self, rows: Any, columns: Any) -> tuple[float, float]:
        """Give by how much the sums of a plan miss the masses: in the L1 norm, and in the L2."""
        xp = self.xp
        gaps = rows - self.a, columns - self.b
        total = sum(float(xp.sum(xp.abs(gap))) for gap in gaps)
        return total, sum(float(xp.sqrt(xp.sum(gap * gap))) for gap in gaps)

    def forbids(self) -> bool:
        """Whether a pair is forbidden."""
        return not self.finite


def problem(
    a: Any, b: Any, cost: Any, reg: Any, *, check_finite: bool, balanced: bool = True
) -> Problem:
    """Check the arguments of one problem, and make them ready.

    Unless it is `balanced`, masses need neither the same sum nor somewhere to go, and costs stay as
    they are: what they have in common counts.
    """
    reg = _checks.number("reg", reg, above=0.0)
    arguments = _arrays.Arguments(cost=cost)
    arguments.require_not_empty()
    require_lengths(a, b, arguments.shapes["cost"], ("row of cost", "column of cost"), cost=cost)
    ready = arguments.ready(check_finite=False)
    (costs,) = ready.arrays
    xp = arguments.array_namespace()
    a, b = masses(arguments, a, b, arguments.shapes["cost"], beside=cost, even=balanced)
    least, most, finite = ready.backend.extent(costs)
    # Of numbers alone no pair is forbidden, and all mass has somewhere to go.
    if not finite:
        if check_finite:
            _require_costs(xp, costs)
        if balanced:
            require_ways(xp, costs, a, b, ("a", "b"))
        elif not bool(xp.any(costs < xp.inf)):
            raise ValueError("cost: expected a pair that is not forbidden, got none")
    common = 0.0
    if balanced and most - least < _COMMON * max(abs(least), abs(most)):
        # Costs that hardly differ: what they have in common would only cost digits.
        costs, common = costs - least, least
        least, most, _ = ready.backend.extent(costs)
    require_digits(reg, max(abs(least), abs(most)), ready.dtype)
    return Problem(ready.backend, xp, costs, a, b, reg, common, span=most - least, finite=finite)


def require_lengths(
    a: Any, b: Any, lengths: tuple[int, ...], sides: tuple[str, str], **arrays: Any
) -> None:
    """Require masses that are given to have one a row of their side, and the library of `arrays`.

    Their type is their own.
    """
    given = {name: mass for name, mass in (("a", a), ("b", b)) if mass is not None}
    together = _arrays.Arguments(ndim=(1, 2), **arrays, **given)
    for name, length, side in zip(("a", "b"), lengths, sides, strict=True):
        if name in given and together.shapes[name] != (length,):
            raise ShapeError(
                f"{name}: expected an array of 1 dimensions, of length {length}, one a {side}, got "
                f"shape {together.shapes[name]}"
            )


def masses(
    arguments: _arrays.Arguments,
    a: Any,
    b: Any,
    lengths: tuple[int, ...],
    *,
    beside: Any,
    even: bool = True,
) -> tuple[Any, Any]:
    """Check the masses of both sides, and whether they are `even`; None: equal ones."""
    xp, device = arguments.array_namespace(), arguments.device_of(beside)
    made = [
        _mass(xp, name, mass, length, device)
        for name, mass, length in zip(("a", "b"), (a, b), lengths, strict=True)
    ]
    for name, mass in zip(("a", "b"), made, strict=True):
        if not float(xp.sum(mass)) >= _LEAST_MASS:
            raise ValueError(
                f"{name}: expected masses with a sum of {_LEAST_MASS:g} or more, got "
                f"{float(xp.sum(mass)):g}; scale the masses of both sides up"
            )
    if even:
        given = [str(xp.asarray(mass).dtype) for mass in (a, b) if mass is not None]
        narrow = any(name.rpartition(".")[2] in _NARROW for name in given)
        made[1] = _evened(xp, made[0], made[1], "float32" if narrow else arguments.dtype())
    return made[0], made[1]


def _mass(xp: Any, name: str, mass: Any, length: int, beside: dict[str, Any]) -> Any:
    """Give the masses in float64; equal ones, 1 in all, where there are none."""
    if mass is None:
        return xp.full((length,), 1.0 / length, dtype=xp.float64, **beside)
    mass = xp.astype(xp.asarray(mass), xp.float64)
    if not bool(xp.all(xp.isfinite(mass))):
        row = _first(xp, ~xp.isfinite(mass))
        raise NonFiniteError(f"{name}: row {row} has a NaN or an infinity; masses are finite")
    if bool(xp.any(mass < 0)):
        at = _first(xp, mass < 0)
        raise ValueError(f"{name}: expected masses of 0 or more, got {float(mass[at])} at {at}")
    largest = float(xp.max(mass))
    total = largest * float(xp.sum(mass / largest)) if largest > 0 else 0.0
    if not 0 < total < _MOST_MASS:
        raise ValueError(
            f"{name}: expected masses with a sum above 0 and below {_MOST_MASS:g}, got {total:g}"
        )
    return mass


def _evened(xp: Any, a: Any, b: Any, dtype: str) -> Any:
    """Give b with just the sum of a, from which it may differ by rounding to its type."""
    one, other = float(xp.sum(a)), float(xp.sum(b))
    if abs(one - other) > _UNEVEN[dtype] * max(one, other):
        raise ValueError(
            f"b: expected as much mass as a has, {one:.9g}, got {other:.9g}, which differs by "
            f"{abs(one - other):.2g}; normalise them, as in a / a.sum(), or transport a part of it"
        )
    return b if abs(one - other) <= _ROUNDING * one else b * (one / other)


def _require_costs(xp: Any, cost: Any) -> None:
    bad = xp.isnan(cost) | (cost == -xp.inf)
    if bool(xp.any(bad)):
        row = _first(xp, xp.any(bad, axis=1))
        raise NonFiniteError(
            f"cost: row {row} has a NaN or -inf; +inf forbids a pair, everything else is a number"
        )


def stuck(xp: Any, cost: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Give the rows and the columns whose mass can go nowhere."""
    open_ = (cost < xp.inf) & (a > 0)[:, None] & (b > 0)[None, :]
    return (a > 0) & ~xp.any(open_, axis=1), (b > 0) & ~xp.any(open_, axis=0)


def require_ways(xp: Any, cost: Any, a: Any, b: Any, names: tuple[str, ...]) -> None:
    """Require that all mass of the sides named has somewhere to go and to come from."""
    for name, closed, side in zip(
        ("a", "b"), stuck(xp, cost, a, b), ("row", "column"), strict=True
    ):
        if name in names and bool(xp.any(closed)):
            at = _first(xp, closed)
            raise ValueError(
                f"cost: {side} {at} has mass in {name}, and every pair of it is forbidden or has "
                "no mass on the other side"
            )


def require_digits(reg: float, largest: float, dtype: str, roundings: float = 1.0) -> None:
    """Require that costs up to `largest`, which are right to some roundings, have digits left."""
    needed = largest * roundings * float(np.finfo(dtype).eps) / _LEAST_DIGITS
    if not needed <= reg:
        raise ValueError(
            f"reg: expected at least {needed:.3g} for costs up to {largest:.3g} in {dtype}, got "
            f"{reg:.3g}: exp(cost / reg) would have no digits; take a larger reg, or scale the cost"
        )


def _first(xp: Any, mask: Any) -> int:
    return int(xp.argmax(xp.astype(mask, xp.int64)))
