"""Newton's method on the dual of entropic transport, in plain array-namespace code.

With the row potentials made the best for g, the dual D(g) is concave. Its gradient is b - s, where
s are the column sums of the plan P, and its Hessian -(diag(s) - P' diag(1 / a) P): a graph's
Laplacian. Steps d solve ((1 + damping) diag(s) - Q' diag(1 / a) Q) d = b - s by conjugate
gradients, Q being what of P is more than a small part of its row: for a small reg that is little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isomorph._backends.array_neighbors import _quiet
from isomorph._backends.sides import Exact

if TYPE_CHECKING:
    from isomorph._backends.array_iteration import Point, Stage

#: Entries above this part of the error (as a part of the mass), times their row's mass, are in Q.
KEPT, LEAST_KEPT = 1e-2, 1e-11
#: The damping, as a part of the error; steps that had to be shortened increase it.
DAMPING, DAMPED_MORE, LEAST_DAMPED = 1e-2, 4.0, 1e-2
#: How small the residual of the linear system has to become, and in how many steps at most.
SOLVED, LINEAR_STEPS = 0.1, 1000
#: It need not be smaller than this part of the error at which to stop.
ENOUGH = 0.2
#: Steps are shortened by this until the dual rises by this part of what its slope says.
SHORTENED, RISEN, SHORTEST = 0.25, 0.1, 1e-3
#: What of the dual is rounding.
ROUNDING = 1e-13
#: Where a column has to change by more than exp of this, the plain step knows better.
FAR = 2.0
#: So many steps in a row that lead nowhere are enough.
FAILURES = 3


class Newton:
    """Steps of Newton's method, each of which raises the dual, or nearly halves the error."""

    def __init__(self, xp: Any, rows: Exact, columns: Exact) -> None:
        self.xp, self.rows, self.columns = xp, rows, columns
        self.factor, self.failures, self.plain = 1.0, 0, False

    @property
    def failed(self) -> bool:
        """Whether it is time for something else."""
        return self.failures >= FAILURES

    def step(self, stage: Stage, point: Point) -> Point:
        """Make a step, and the passes that it takes."""
        xp = self.xp
        # Not twice in a row: a column may be far from what it needs, and near what others allow.
        self.plain = not self.plain and float(xp.max(xp.abs(point.residual))) > FAR
        if self.plain:
            return stage.at(point.g + point.residual)
        with _quiet():
            sums = xp.where(self.columns.held, xp.exp(point.logs), xp.zeros_like(point.g))
        gradient = self.columns.mass - sums
        direction = self._direction(stage, point, sums, gradient)
        slope, length = float(xp.sum(gradient * direction)), 1.0
        while length > SHORTEST:
            found = stage.at(point.g + length * direction)
            if self._good(stage, point, found, length * slope):
                self.factor = (
                    max(self.factor / DAMPED_MORE, LEAST_DAMPED)
                    if length == 1.0
                    else self.factor * DAMPED_MORE
                )
                self.failures = 0
                return found
            if stage.over(found):
                return found
            length *= SHORTENED
        self.factor *= DAMPED_MORE
        self.failures += 1
        return stage.at(point.g + point.residual)

    @staticmethod
    def _good(stage: Stage, point: Point, found: Point, promised: float) -> bool:
        rise = found.dual - point.dual
        if rise >= RISEN * promised or found.error < 0.5 * stage.least:
            return True
        # What the dual rises by near the solution is less than its rounding.
        return abs(rise) < ROUNDING * point.size and found.error < point.error

    def _direction(self, stage: Stage, point: Point, sums: Any, gradient: Any) -> Any:
        xp, a, held = self.xp, self.rows.mass, self.columns.held
        error = min(point.error, 1.0)
        least = max(KEPT * error, LEAST_KEPT)
        plan = stage.step.plan(point.f, point.g)
        plan = xp.where(plan > least * a[:, None], plan, 0.0)
        inverse = xp.where(a > 0, 1.0 / xp.where(a > 0, a, 1.0), xp.zeros_like(a))
        across = xp.permute_dims(plan, (1, 0))
        damped = sums * (1.0 + DAMPING * error * self.factor)
        diagonal = damped - xp.sum(plan * plan * inverse[:, None], axis=0)
        diagonal = xp.maximum(diagonal, 1e-14 * sums)
        diagonal = xp.where(held & (diagonal > 0), diagonal, 1.0)
        found, left = xp.zeros_like(gradient), gradient
        ahead = left / diagonal
        product = float(xp.sum(left * ahead))
        needed = ENOUGH * stage.tol * float(xp.sum(self.columns.mass))
        enough = max(min(SOLVED, error) * _l1(xp, gradient), needed)
        for _ in range(LINEAR_STEPS):
            image = damped * ahead - across @ (inverse * (plan @ ahead))
            bent = float(xp.sum(ahead * image))
            if not bent > 0:
                break
            found = found + (product / bent) * ahead
            left = left - (product / bent) * image
            if _l1(xp, left) <= enough:
                break
            scaled = left / diagonal
            before, product = product, float(xp.sum(left * scaled))
            ahead = scaled + (product / before) * ahead
        return found


def _l1(xp: Any, values: Any) -> float:
    return float(xp.sum(xp.abs(values)))
