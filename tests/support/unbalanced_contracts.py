"""The contracts of transport that need not move everything."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.transport import Transport
from support.contracts import Argument, Contract, like

ROWS, COLUMNS, WIDTH = 23, 31, 5

#: +inf forbids a pair; tests/unit/test_unbalanced_transport.py has what else is not finite.
_COST = Argument((ROWS, COLUMNS), draw=lambda rng, shape: rng.random(shape), finite=False)


def _mass(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape) + 0.5


_MASSES = {
    "a": Argument((ROWS,), draw=_mass, follows=True),
    "b": Argument((COLUMNS,), draw=_mass, follows=True),
}


def _relaxed(
    cost: Any, a: Any = None, b: Any = None, reg: float = 0.1, **options: Any
) -> dict[str, Any]:
    found = iso.sinkhorn_unbalanced(a, b, cost, reg, **{"penalty": 1.0, **options})
    return {"found": found, "plans": found.plan()}


def _partial(
    cost: Any, a: Any = None, b: Any = None, reg: float = 0.1, **options: Any
) -> dict[str, Any]:
    found = iso.sinkhorn_partial(a, b, cost, reg, **{"mass": 0.7, **options})
    return {"found": found, "plans": found.plan()}


_REFUSED: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"method": "newton"}, ValueError, "method: expected one of auto, scaling"),
    ({"reg": 0.0}, ValueError, "reg: expected a finite number above 0"),
    ({"reg": 1e-9}, ValueError, "reg: expected at least"),
    ({"tol": 0.0}, ValueError, "tol: expected a finite number above 0"),
    ({"max_iter": 0}, ValueError, "max_iter: expected an integer of 1 or more"),
    ({"acceleration": "newton"}, ValueError, "acceleration: expected one of auto, anderson"),
)


def _solved(x: Any) -> Transport:
    cost = np.random.default_rng(0).random((ROWS, ROWS))
    return iso.sinkhorn(None, None, like(x, cost), 0.1)


def _gradient(x: Any, y: Any, cost: str = "cosine", **options: Any) -> Any:
    return _solved(x).gradient_points(x, y, cost=cost, **options)


GRADIENTS = tuple(
    Contract(
        "Transport.gradient_points",
        {"x": Argument((ROWS, WIDTH)), "y": Argument((ROWS, WIDTH))},
        functools.partial(_gradient, cost=cost),
        variant=cost,
        takes_threads=False,
        same_columns=("y",),
        refused=(({"cost": "l2"}, ValueError, "cost: expected one of cosine, dot, sqeuclidean"),),
    )
    for cost in ("cosine", "dot", "sqeuclidean")
)


def _exact(cost: Any, **options: Any) -> Any:
    return iso.transport.exact(None, None, cost, **options)


EXACT = (
    Contract(
        "transport.exact",
        {"cost": Argument((ROWS, ROWS), draw=lambda rng, shape: rng.random(shape), finite=False)},
        _exact,
        takes_threads=False,
        takes_array_api=False,
        typed=("nothing",),
    ),
)

_TOLD = "a result tells about itself; tests/unit/test_transport_gradients.py"
GRADIENTS_WITHOUT_ARRAYS = {
    "Transport.gradient_cost": _TOLD,
    "Transport.gradient_masses": _TOLD,
    "ExactTransport.plan": "a result tells about itself; tests/unit/test_exact_transport.py",
}

UNBALANCED = (
    EXACT
    + GRADIENTS
    + tuple(
        Contract(
            name,
            {"cost": _COST, **masses},
            call,
            variant=variant,
            takes_progress=True,
            typed=("['plans']",),
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
)
