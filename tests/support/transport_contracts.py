"""The contracts of transport, for the table of all of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.transport import Transport
from support.contracts import Argument, Contract, like

ROWS, COLUMNS, WIDTH = 23, 31, 5


def _masses(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw masses that have the same sum in every type."""
    mass = np.full(shape, 64 / shape[0]) + rng.random(shape)
    mass = np.round(mass * 2**4) / 2**4
    mass[0] += 128 - mass.sum()
    return mass


#: +inf forbids a pair; tests/unit/test_sinkhorn.py has what else is not finite.
_COST = Argument(
    (ROWS, COLUMNS), ndims=(2, 3), draw=lambda rng, shape: rng.random(shape), finite=False
)
#: Problems of a batch: more than the lanes of a register, and no multiple of them.
COUNT, HEIGHT, BREADTH = 19, 5, 6
_COSTS = Argument(
    (COUNT, HEIGHT, BREADTH),
    ndims=(2, 3),
    draw=lambda rng, shape: rng.random(shape),
    finite=False,
)


def _masses_of_each(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.stack([_masses(rng, shape[1:]) for _ in range(shape[0])])


def _is_wide(array: Any) -> bool:
    return str(getattr(array, "dtype", "")).endswith(("float64", "f8"))


def _solve(cost: Any, a: Any = None, b: Any = None, reg: float = 0.1, **options: Any) -> Transport:
    return iso.sinkhorn(a, b, cost, reg, **options)


def _between(x: Any, y: Any, reg: float = 0.5, **options: Any) -> Transport:
    return iso.sinkhorn_points(x, y, reg, **options)


def _plan_between(x: Any, y: Any, reg: float = 0.5, **options: Any) -> dict[str, Any]:
    """Solve closely for what is unique: potentials are so up to a constant."""
    tol = 3e-13 if _is_wide(x) or _is_wide(y) else None
    found = iso.sinkhorn_points(x, y, reg, tol=tol, **options)
    return {"plan": found.plan(), "value": found.value, "converged": found.converged}


def _divergence(x: Any, y: Any, reg: float = 8.0, **options: Any) -> dict[str, Any]:
    """Solve closely for what is unique."""
    tol = 3e-13 if _is_wide(x) or _is_wide(y) else None
    found = iso.sinkhorn_divergence(x, y, reg, **{"tol": tol, **options})
    gradients = found.gradient_points()
    return {"of_x": gradients[0], "of_y": gradients[1], "value": found.value}


def _solve_closely(cost: Any, **options: Any) -> Any:
    """Solve as nearly as the type allows, for sums that are to be compared."""
    # What rounding leaves is near 1e-13 here.
    tol = 3e-13 if _is_wide(cost) else None
    return _solve(cost, tol=tol, **options)


def _solve_with_plans(cost: Any, **options: Any) -> dict[str, Any]:
    found = _solve_closely(cost, **options)
    return {"found": found, "plans": found.plan()}


def _solved(x: Any) -> Transport:
    cost = np.random.default_rng(0).random((ROWS, COLUMNS))
    return iso.sinkhorn(None, None, like(x, cost), 0.1)


def _apply(targets: Any, **options: Any) -> Any:
    return _solved(targets).apply(targets, **options)


_REFUSED: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"method": "newton"}, ValueError, "method: expected one of auto, scaling"),
    ({"reg": 0.0}, ValueError, "reg: expected a finite number above 0"),
    ({"reg": -1.0}, ValueError, "reg: expected a finite number above 0"),
    ({"reg": 1e-9}, ValueError, "reg: expected at least"),
    ({"tol": 0.0}, ValueError, "tol: expected a finite number above 0"),
    ({"max_iter": 0}, ValueError, "max_iter: expected an integer of 1 or more"),
    ({"acceleration": 10}, ValueError, "acceleration: expected one of auto, newton"),
    ({"epsilon_scaling": "yes"}, ValueError, "epsilon_scaling: expected one of auto, True, False"),
)

_SCORES = Argument(
    (ROWS, COLUMNS),
    ndims=(2, 3),
    draw=lambda rng, shape: np.tanh(rng.standard_normal(shape)),
    finite=False,
)
_PRIOR = Argument((COLUMNS,), draw=lambda rng, shape: rng.random(shape) + 0.5, follows=True)
_REFUSED_CODES: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"reg": 0.0}, ValueError, "reg: expected a finite number above 0"),
    ({"reg": 1e-9}, ValueError, "reg: expected at least"),
    ({"iterations": 0}, ValueError, "iterations: expected an integer of 1 or more"),
    ({"prior_rule": "vlap"}, ValueError, "prior_rule: 'vlap' multiplies by a prior"),
    ({"top": 0}, ValueError, "top: expected 1 to"),
    ({"tol": -1.0}, ValueError, "tol: expected a finite number above 0"),
)


def _assign(scores: Any, prior: Any = None, reg: float = 0.1, **options: Any) -> Any:
    return iso.sinkhorn_assign(scores, reg, prior=prior, **options)


_REFUSED_POINTS = (
    ({"cost": "euclidean"}, ValueError, "cost: expected one of cosine, dot, sqeuclidean"),
    *(case for case in _REFUSED if "method" not in case[0]),
)

TRANSPORT = (
    Contract(
        "sinkhorn_assign",
        {"scores": _SCORES},
        _assign,
        takes_progress=True,
        refused=_REFUSED_CODES,
    ),
    Contract(
        "sinkhorn_assign",
        {"scores": _SCORES, "prior": _PRIOR},
        _assign,
        variant="prior",
        takes_progress=True,
    ),
    Contract(
        "sinkhorn_assign",
        {"scores": _SCORES, "prior": _PRIOR},
        functools.partial(_assign, prior_rule="vlap", top=3),
        variant="vlap",
        takes_progress=True,
    ),
    *(
        Contract(
            "sinkhorn",
            {"cost": _COST},
            functools.partial(_solve, method=method),
            variant=method,
            takes_progress=True,
            typed=("nothing",),
            refused=_REFUSED if method == "auto" else (),
        )
        for method in ("auto", "stabilized", "log")
    ),
    Contract(
        "sinkhorn",
        {
            "cost": _COST,
            "a": Argument((ROWS,), draw=_masses, follows=True),
            "b": Argument((COLUMNS,), draw=_masses, follows=True),
        },
        _solve_with_plans,
        variant="masses",
        takes_progress=True,
        typed=("['plans']",),
        unique=("result['plans']", "value"),
    ),
    *(
        Contract(
            "sinkhorn_points",
            {"x": Argument((ROWS, WIDTH)), "y": Argument((COLUMNS, WIDTH))},
            functools.partial(_between if cost == "cosine" else _plan_between, cost=cost),
            variant=cost,
            takes_progress=True,
            same_columns=("y",),
            typed=("nothing",) if cost == "cosine" else ("['plan']",),
            refused=_REFUSED_POINTS if cost == "cosine" else (),
        )
        for cost in ("cosine", "dot", "sqeuclidean")
    ),
    *(
        Contract(
            "sinkhorn_divergence",
            {"x": Argument((ROWS, WIDTH)), "y": Argument((COLUMNS, WIDTH))},
            functools.partial(_divergence, cost=cost),
            variant=cost,
            takes_progress=True,
            same_columns=("y",),
            typed=("['of_x']", "['of_y']"),
            refused=_REFUSED_POINTS if cost == "cosine" else (),
        )
        for cost in ("cosine", "dot", "sqeuclidean")
    ),
    *(
        Contract(
            "sinkhorn",
            {"cost": _COSTS},
            functools.partial(_solve_closely, method=method),
            variant=f"stack, {method}",
            takes_progress=True,
            typed=("nothing",),
            unique=("value",),
        )
        for method in ("auto", "log")
    ),
    Contract(
        "sinkhorn",
        {
            "cost": _COSTS,
            **{
                name: Argument(
                    (COUNT, length),
                    ndims=(1, 2),
                    draw=_masses_of_each,
                    finite=False,
                    follows=True,
                )
                for name, length in (("a", HEIGHT), ("b", BREADTH))
            },
        },
        _solve_with_plans,
        variant="stack, masses",
        takes_progress=True,
        typed=("['plans']",),
        unique=("result['plans']", "value"),
    ),
    Contract(
        "Transport.apply",
        {"targets": Argument((COLUMNS, WIDTH))},
        _apply,
        takes_threads=False,
    ),
)

TRANSPORT_WITHOUT_ARRAYS = {
    "SinkhornDivergence.gradient_points": (
        "a result tells about itself; tests/unit/test_sinkhorn_divergence.py"
    ),
    "Transports.plan": "a result tells about itself; tests/unit/test_sinkhorn_batch.py",
    "Transport.plan": "a result tells about itself; tests/unit/test_sinkhorn.py",
    "Transport.top": "a result tells about itself; tests/unit/test_sinkhorn.py",
}
