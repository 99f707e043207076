"""The contracts of transport that need not move everything."""

from __future__ import annotations

from typing import Any

import numpy as np

import isomorph as iso
from isomorph.transport import Transport
from support.contracts import Argument, Contract

ROWS, COLUMNS = 23, 31

#: +inf forbids a pair; tests/unit/test_unbalanced_transport.py has what else is not finite.
_COST = Argument((ROWS, COLUMNS), draw=lambda rng, shape: rng.random(shape), finite=False)


def _mass(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape) + 0.5


_MASSES = {"a": Argument((ROWS,), draw=_mass), "b": Argument((COLUMNS,), draw=_mass)}


def _relaxed(
    cost: Any, a: Any = None, b: Any = None, reg: float = 0.1, **options: Any
) -> Transport:
    return iso.sinkhorn_unbalanced(a, b, cost, reg, **{"penalty": 1.0, **options})


def _partial(
    cost: Any, a: Any = None, b: Any = None, reg: float = 0.1, **options: Any
) -> Transport:
    return iso.sinkhorn_partial(a, b, cost, reg, **{"mass": 0.7, **options})


_REFUSED: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"method": "newton"}, ValueError, "method: expected one of auto, scaling"),
    ({"reg": 0.0}, ValueError, "reg: expected a finite number above 0"),
    ({"reg": 1e-9}, ValueError, "reg: expected at least"),
    ({"tol": 0.0}, ValueError, "tol: expected a finite number above 0"),
    ({"max_iter": 0}, ValueError, "max_iter: expected an integer of 1 or more"),
    ({"acceleration": "newton"}, ValueError, "acceleration: expected one of auto, anderson"),
)

UNBALANCED = tuple(
    Contract(
        name,
        {"cost": _COST, **masses},
        call,
        variant=variant,
        takes_progress=True,
        typed=("nothing",),
        refused=(*_REFUSED, refused) if masses else (),
    )
    for name, call, refused in (
        (
            "sinkhorn_unbalanced",
            _relaxed,
            ({"penalty": 0.0}, ValueError, "penalty: expected a finite number above 0"),
        ),
        (
            "sinkhorn_partial",
            _partial,
            ({"mass": 1e9}, ValueError, "mass: expected at most the smaller sum of the masses"),
        ),
    )
    for variant, masses in (("", {}), ("masses", _MASSES))
)
