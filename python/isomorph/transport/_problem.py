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
_MOST_MASS = 1e150
#: Of exp(t), t is known to eps |t|: beyond this it says nothing.
_LEAST_DIGITS = 0.01
#: Costs that differ by less than this part of their size have something taken off.
_COMMON = 0.1


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, ready for a backend: the cost in its type, masses and start in float64."""

    backend: Backend
    xp: Any
    cost: Any
    a: Any
    b: Any
    reg: float
    #: What was taken off all costs, because it is much larger than what they differ by.
    common: float


def problem(a: Any, b: Any, cost: Any, reg: Any, *, check_finite: bool) -> Problem:
    """Check the arguments of one problem, and make them ready."""
    reg = _checks.number("reg", reg, above=0.0)
    arguments = _arrays.Arguments(cost=cost)
    arguments.require_not_empty()
    n, m = arguments.shapes["cost"]
    given = {name: mass for name, mass in (("a", a), ("b", b)) if mass is not None}
    # Of one library and device; the type of the masses is their own.
    together = _arrays.Arguments(ndim=(1, 2), cost=cost, **given)
    for name, length in (("a", n), ("b", m)):
        if name in given and together.shapes[name] != (length,):
            side = "row" if name == "a" else "column"
            raise ShapeError(
                f"{name}: expected an array of 1 dimensions, of length {length}, one a {side} of "
                f"cost, got shape {together.shapes[name]}"
            )
    ready = arguments.ready(check_finite=False)
    (costs,) = ready.arrays
    xp = arguments.array_namespace()
    beside = arguments.device_of(cost)
    masses = [
        _mass(xp, name, mass, length, beside) for name, mass, length in (("a", a, n), ("b", b, m))
    ]
    a, b = masses
    _require_even(xp, a, b, ready.dtype)
    if check_finite:
        _require_costs(xp, costs)
    _require_ways(xp, costs, a, b)
    costs, common = _without_common(xp, costs, reg, ready.dtype)
    return Problem(ready.backend, xp, costs, a, b, reg, common)


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


def _require_even(xp: Any, a: Any, b: Any, dtype: str) -> None:
    one, other = float(xp.sum(a)), float(xp.sum(b))
    if abs(one - other) > _UNEVEN[dtype] * max(one, other):
        raise ValueError(
            f"b: expected as much mass as a has, {one:.9g}, got {other:.9g}; normalise them, as in "
            "a / a.sum(), or transport a part of it"
        )


def _require_costs(xp: Any, cost: Any) -> None:
    bad = xp.isnan(cost) | (cost == -xp.inf)
    if bool(xp.any(bad)):
        row = _first(xp, xp.any(bad, axis=1))
        raise NonFiniteError(
            f"cost: row {row} has a NaN or -inf; +inf forbids a pair, everything else is a number"
        )


def _require_ways(xp: Any, cost: Any, a: Any, b: Any) -> None:
    """Require that all mass has somewhere to go and to come from."""
    open_ = (cost < xp.inf) & (a > 0)[:, None] & (b > 0)[None, :]
    for name, stuck, side in (
        ("a", (a > 0) & ~xp.any(open_, axis=1), "row"),
        ("b", (b > 0) & ~xp.any(open_, axis=0), "column"),
    ):
        if bool(xp.any(stuck)):
            at = _first(xp, stuck)
            raise ValueError(
                f"cost: {side} {at} has mass in {name}, and every pair of it is forbidden or has "
                "no mass on the other side"
            )


def _without_common(xp: Any, cost: Any, reg: float, dtype: str) -> tuple[Any, float]:
    """Take off what all costs have in common where they hardly differ, and require digits.

    Costs in units of reg need digits after the point: their exponential is taken.
    """
    least = float(xp.min(cost))
    most = float(xp.max(xp.where(cost < xp.inf, cost, xp.full_like(cost, least))))
    common = 0.0
    if most - least < _COMMON * max(abs(least), abs(most)):
        cost, common = cost - least, least
        least, most = 0.0, float(xp.max(xp.where(cost < xp.inf, cost, xp.zeros_like(cost))))
    largest = max(abs(least), abs(most))
    needed = largest * float(np.finfo(dtype).eps) / _LEAST_DIGITS
    if needed > reg:
        raise ValueError(
            f"reg: expected at least {needed:.3g} for costs up to {largest:.3g} in {dtype}, got "
            f"{reg:.3g}: exp(cost / reg) would have no digits; take a larger reg, or scale the cost"
        )
    return cost, common


def _first(xp: Any, mask: Any) -> int:
    return int(xp.argmax(xp.astype(mask, xp.int64)))
