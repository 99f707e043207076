"""RCSLS: the map whose translations CSLS finds, by descent on the criterion itself."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isomorph import _arrays, _core, runtime
from isomorph._backends import Run
from isomorph._checks import integer, number
from isomorph._progress import reporting
from isomorph.align._maps import LinearMap
from isomorph.align._procrustes import procrustes
from isomorph.align._rcsls_objective import Objective
from isomorph.errors import ConvergenceWarning, ShapeError

if TYPE_CHECKING:
    from isomorph.align._methods import Problem

#: Iterations where the call names none: of the search, and of the original.
ITERATIONS, ORIGINAL_ITERATIONS = 50, 10
#: The first step moves the map by this part of its size.
_FIRST = 0.02
#: What a step has to gain of what its tangent promises, and from where the next may be longer.
_LEAST, _LONGER = 0.25, 0.6
#: Halvings after which a direction is given up.
_HALVINGS = 12
#: Below this learning rate the original stops.
_SLOWEST = 1e-4


@dataclass(frozen=True, slots=True)
class _Options:
    neighborhood: Any
    spectral: bool
    reg: float
    iterations: int
    tolerance: float
    learning_rate: float
    parity: bool


@dataclass(slots=True)
class _Path:
    """Where a descent went."""

    matrix: Any
    objectives: list[float] = field(default_factory=list)
    step: float = 0.0
    stopped: str = "iterations"
    steps: int = 0


def fit(
    problem: Problem,
    *,
    source_space: Any = None,
    target_space: Any = None,
    neighborhood: int = 10,
    negatives: int = 200_000,
    spectral: bool = False,
    reg: float = 0.0,
    iterations: int | None = None,
    tolerance: float = 1e-2,
    start: Any = None,
    parity: bool = False,
    learning_rate: float = 1.0,
) -> LinearMap:
    """Descend from `start`, or from the orthogonal map of the pairs; of a stack, one by one."""
    from isomorph.align._methods import stacked

    if problem.translate:
        raise ValueError("translate: method 'rcsls' does not; centre both sides before")
    if not parity and learning_rate != 1.0:
        raise ValueError("learning_rate: expected parity=True with it; the search finds its own")
    if iterations is None:
        iterations = ORIGINAL_ITERATIONS if parity else ITERATIONS
    how = _Options(
        neighborhood,
        bool(spectral),
        number("reg", reg, least=0),
        integer("iterations", iterations, 0),
        number("tolerance", tolerance, least=0),
        number("learning_rate", learning_rate, least=_SLOWEST),
        bool(parity),
    )
    spaces = {"source_space": source_space, "target_space": target_space}
    spaces = {name: space for name, space in spaces.items() if space is not None}
    arguments = _arrays.Arguments(
        ndim=(2, 3), source=problem.source, target=problem.target, **spaces
    )
    arguments.require_not_empty()
    for name in spaces:
        _check_space(arguments, name)
    most = integer("negatives", negatives, 1)
    spaces = {name: _first(arguments.arrays[name], most) for name in spaces}
    if start is not None:
        start = _given(arguments, start)
    if len(arguments.shapes["source"]) == 2:
        return _fit(problem, spaces, start, most, how)
    b = arguments.shapes["source"][0]
    maps = []
    for i in range(b):
        own = {
            name: space[i, ...] if len(space.shape) == 3 else space
            for name, space in spaces.items()
        }
        maps.append(_fit(problem.one(i, b), own, start, most, how))
    return stacked(maps)


def _fit(
    problem: Problem, spaces: dict[str, Any], start: Any, most: int, how: _Options
) -> LinearMap:
    sides = {"source": problem.source, "target": problem.target}
    arguments = _arrays.Arguments(
        **sides,
        **{
            f"{name}_space": spaces.get(f"{name}_space", _first(sides[name], most))
            for name in sides
        },
    )
    names = [name for name in arguments.shapes if name not in sides]
    rows = [arguments.shapes[name][0] for name in names]
    k = integer("neighborhood", how.neighborhood, 1, min(rows), of="rows of the smaller space")
    ready = arguments.ready(
        check_finite=problem.check_finite, unchecked=[name for name in names if name not in spaces]
    )
    run = Run(runtime.resolve_threads(problem.threads))
    with reporting(problem.progress, "RCSLS") as report:
        if report is not None:
            report(0, how.iterations + 1)
        if start is None:
            start = procrustes(
                *ready.arrays[:2], weights=problem.weights, check_finite=False, threads=run.threads
            ).matrix
        objective = Objective(arguments, ready, problem.weights, k, run)
        start = objective.xp.astype(start, objective.xp.float64)
        path = (_as_published if how.parity else _searched)(objective, start, how, report)
        if report is not None:
            report(how.iterations + 1, how.iterations + 1)
    if path.stopped == "iterations" and how.iterations > 0 and not how.parity:
        warnings.warn(
            f"rcsls stopped after {how.iterations} iterations with the objective still falling by "
            f"more than tolerance={how.tolerance:g} of itself in the last",
            ConvergenceWarning,
            stacklevel=4,
        )
    metrics = {
        "objective": path.objectives[-1],
        "objectives": path.objectives,
        "iterations": path.steps,
        "evaluations": objective.evaluations,
        "converged": path.stopped == "tolerance",
        "stopped": path.stopped,
        "step": path.step,
    }
    provenance = {
        "isomorph": _core.build_info()["version"],
        "rows": arguments.shapes["source"][0],
        "negatives": rows,
        "neighborhood": k,
        "spectral": how.spectral,
        "reg": how.reg,
        "parity": how.parity,
    }
    return LinearMap(
        ready.convert(path.matrix), method="rcsls", metrics=metrics, provenance=provenance
    )


def _searched(objective: Objective, matrix: Any, how: _Options, report: Any) -> _Path:
    """Descend by steps of which each lowers the objective enough."""
    xp = objective.xp
    size = _norm(xp, matrix)

    def allowed(a: Any) -> Any:
        if how.spectral:
            return _clipped(objective, a)
        # Without a penalty the objective falls by growing alone: only directions are compared.
        return a if how.reg > 0 or (norm := _norm(xp, a)) == 0 else a * (size / norm)

    def penalty(a: Any) -> float:
        return how.reg / objective.unit * _norm(xp, a) ** 2 / 2

    matrix = allowed(matrix)
    value, chosen = objective.value(matrix)
    value += penalty(matrix)
    path = _Path(matrix, [value * objective.unit])
    step = 0.0
    for taken in range(how.iterations):
        if report is not None:
            report(taken, how.iterations + 1)
        slope = objective.gradient(chosen) + how.reg / objective.unit * matrix
        steepness = _norm(xp, slope)
        if steepness == 0:
            path.stopped = "tolerance"
            break
        step = step or _FIRST * max(size, _norm(xp, matrix)) / steepness
        for _ in range(_HALVINGS):
            trial = allowed(matrix - step * slope)
            promised = -float(xp.sum(slope * (trial - matrix)))
            if promised <= 0:
                break
            found, chosen = objective.value(trial)
            found += penalty(trial)
            gained = value - found
            if gained >= _LEAST * promised:
                break
            step /= 2
        else:
            promised = 0.0
        if promised <= 0:
            path.stopped = "no descent"
            break
        path.step = step / objective.unit
        # The objective is convex: a step gains at most what its tangent promises.
        if gained > _LONGER * promised:
            step *= 2
        small = gained <= how.tolerance * abs(value)
        matrix, value = trial, found
        path.matrix, path.steps = matrix, taken + 1
        path.objectives.append(value * objective.unit)
        if small:
            path.stopped = "tolerance"
            break
    return path


def _as_published(objective: Objective, matrix: Any, how: _Options, report: Any) -> _Path:
    """Take the steps of the program that the authors published, its slips included.

    It computes the objective before each step, and takes one step more than it has iterations.
    Where the objective is above the lowest so far it halves the learning rate and means to go back,
    but what it goes back to has been stepped meanwhile: so it only leaves out the clipping.
    """
    path = _Path(matrix)
    lowest, rate = math.inf, how.learning_rate
    for taken in range(how.iterations + 1):
        if rate < _SLOWEST:
            path.stopped = "learning rate"
            break
        if report is not None:
            report(taken, how.iterations + 1)
        value, chosen = objective.value(matrix)
        slope = objective.gradient(chosen) * objective.unit
        matrix = (1 - rate * how.reg) * matrix - rate * slope
        path.objectives.append(value * objective.unit)
        if path.objectives[-1] > lowest:
            rate /= 2
        else:
            lowest = path.objectives[-1]
            matrix = _clipped(objective, matrix) if how.spectral else matrix
    path.matrix, path.step, path.steps = matrix, rate, len(path.objectives)
    return path


def _clipped(objective: Objective, matrix: Any) -> Any:
    """Give the nearest matrix whose singular values are at most 1."""
    double, xp = objective.double, objective.xp
    u, s, v = double.svd(matrix)
    return double.product(u * xp.minimum(s, xp.ones_like(s)), double.transposed(v))


def _norm(xp: Any, matrix: Any) -> float:
    return math.sqrt(float(xp.sum(matrix * matrix)))


def _first(rows: Any, most: int) -> Any:
    return rows[..., : min(most, rows.shape[-2]), :]


def _check_space(arguments: _arrays.Arguments, name: str) -> None:
    """Raise unless all rows of a space have the columns of its side, and its problems if any."""
    side = name.removesuffix("_space")
    arguments.require_same_columns(side, name)
    found, expected = arguments.shapes[name], arguments.shapes[side]
    if len(found) == 3 and found[:-2] != expected[:-2]:
        raise ShapeError(
            f"{name}: expected the rows of one space, or of one for each problem of {side} (shape "
            f"{expected}), got shape {found}"
        )


def _given(arguments: _arrays.Arguments, start: Any) -> Any:
    """Check the matrix to start from."""
    if isinstance(start, LinearMap):
        if start.source_mean is not None or start.target_mean is not None:
            raise ValueError("start: expected a map without means")
        start = start.matrix
    _arrays.Arguments(ndim=(2, 3), source=arguments.arrays["source"], start=start)
    checked = _arrays.Arguments(start=start)
    wanted = arguments.shapes["source"][-1], arguments.shapes["target"][-1]
    if checked.shapes["start"] != wanted:
        raise ShapeError(f"start: expected shape {wanted}, got {checked.shapes['start']}")
    matrix = checked.ready().arrays[0]
    if not bool(checked.array_namespace().any(matrix != 0)):
        raise ValueError("start: expected a matrix that is not zero")
    return matrix
