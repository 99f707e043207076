"""How the map of RCSLS goes downhill: a search of each step, or the published steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.align._rcsls_objective import Judge, Objective, Spaces

#: The first step moves the map by this part of its size.
_FIRST = 0.02
#: What a step has to gain of what its tangent promises, and from where the next may be longer.
_LEAST, _LONGER = 0.25, 0.6
#: Halvings after which a direction is given up.
_HALVINGS = 12
#: Steps in a row after which pairs that were held out have said that it gets no better.
_PATIENCE = 2
#: Below this learning rate the published program stops.
SLOWEST = 1e-4

#: Told, before each step, how many were taken.
Told = Callable[[int], object]
#: Called after each step with its number, from 0, the objective before it and the map after it.
Each = Callable[[int, float, Any], object]


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for, checked."""

    neighborhood: Any
    spectral: bool
    reg: float
    iterations: int
    tolerance: float
    held_out: float
    seed: int
    learning_rate: float
    parity: bool
    batch_size: int | None = None


@dataclass(slots=True)
class Path:
    """Where a descent went: the last map, objectives before and after steps, why it ended."""

    matrix: Any
    objectives: list[float] = field(default_factory=list)
    #: The losses of sources that were held out.
    judged: list[NDArray[np.float64]] = field(default_factory=list)
    step: float = 0.0
    stopped: str = "iterations"
    steps: int = 0

    def lowest(self) -> int:
        """Give the number of steps after which held-out sources did best."""
        return int(np.argmin([np.mean(losses) for losses in self.judged]))

    def far_enough(self) -> int:
        """Give the first that is within a standard error of it."""
        best = self.judged[self.lowest()]
        for steps, losses in enumerate(self.judged):
            lost = losses - best
            if lost.mean() <= lost.std() / math.sqrt(len(lost)):
                return steps
        return self.lowest()


def searched(
    objective: Objective, matrix: Any, how: Options, told: Told, judge: Judge | None = None
) -> Path:
    """Descend by steps of which each lowers the objective enough, as long as `judge` agrees."""
    spaces, xp = objective.spaces, objective.xp
    size = _norm(xp, matrix)
    reg = how.reg / spaces.unit

    def allowed(a: Any) -> Any:
        if how.spectral:
            return _clipped(spaces, a)
        # Without a penalty the objective falls by growing alone: only directions are compared.
        return a if reg > 0 or (norm := _norm(xp, a)) == 0 else a * (size / norm)

    matrix = allowed(matrix)
    value, chosen = objective.value(matrix)
    value += reg * _norm(xp, matrix) ** 2 / 2
    path = Path(matrix, [value * spaces.unit], [] if judge is None else [judge.losses(matrix)])
    step = 0.0
    for taken in range(how.iterations):
        told(taken)
        slope = objective.gradient(chosen) + reg * matrix
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
            found += reg * _norm(xp, trial) ** 2 / 2
            gained = value - found
            if gained >= _LEAST * promised:
                break
            step /= 2
        else:
            promised = 0.0
        if promised <= 0:
            path.stopped = "no descent"
            break
        path.step = step / spaces.unit
        # The objective is convex: a step gains at most what its tangent promises.
        if gained > _LONGER * promised:
            step *= 2
        small = gained <= how.tolerance * abs(value)
        matrix, value = trial, found
        path.matrix, path.steps = matrix, taken + 1
        path.objectives.append(value * spaces.unit)
        if judge is not None:
            path.judged.append(judge.losses(matrix))
            if path.steps - path.lowest() >= _PATIENCE:
                path.stopped = "held-out pairs"
                break
        if small:
            path.stopped = "tolerance"
            break
    return path


def as_published(
    objectives: Callable[[], Objective],
    matrix: Any,
    how: Options,
    told: Told,
    each: Each | None = None,
) -> Path:
    """Take the steps of the program that the authors published, its slips included.

    Each step asks for its objective: with batches, another one, and the learning rate stays.

    It computes the objective before each step, and takes one step more than it has iterations.
    Where the objective is above the lowest so far it halves the learning rate and means to go back,
    but what it goes back to has been stepped meanwhile: so it only leaves out the clipping.
    """
    path = Path(matrix)
    lowest, rate = math.inf, how.learning_rate
    for taken in range(how.iterations + 1):
        if rate < SLOWEST:
            path.stopped = "learning rate"
            break
        told(taken)
        objective = objectives()
        spaces = objective.spaces
        value, chosen = objective.value(matrix)
        slope = objective.gradient(chosen) * spaces.unit
        matrix = (1 - rate * how.reg) * matrix - rate * slope
        path.objectives.append(value * spaces.unit)
        if path.objectives[-1] > lowest and how.batch_size is None:
            rate /= 2
        else:
            lowest = path.objectives[-1]
            matrix = _clipped(spaces, matrix) if how.spectral else matrix
        if each is not None:
            each(taken, path.objectives[-1], matrix)
    path.matrix, path.step, path.steps = matrix, rate, len(path.objectives)
    return path


def _clipped(spaces: Spaces, matrix: Any) -> Any:
    """Give the nearest matrix whose singular values are at most 1."""
    double, xp = spaces.double, spaces.xp
    u, s, v = double.svd(matrix)
    return double.product(u * xp.minimum(s, xp.ones_like(s)), double.transposed(v))


def _norm(xp: Any, matrix: Any) -> float:
    return math.sqrt(float(xp.sum(matrix * matrix)))
