"""Steps of a fixed-point iteration made from those before, in plain array-namespace code."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

#: How many steps Anderson's extrapolation looks back.
MEMORY = 10
#: The normal equations are conditioned by this part of their trace.
RIDGE = 1e-12
#: After how many steps the rate of an over-relaxed iteration is estimated anew.
OBSERVED = 5
#: The largest rate of the plain iteration that is reckoned with.
FASTEST = 1.0 - 1e-8


class Anderson:
    """Type-II Anderson extrapolation, in the metric of the masses."""

    def __init__(self, xp: Any, mass: Any) -> None:
        self.xp, self.mass = xp, mass
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.points: list[Any] = []
        self.residuals: list[Any] = []

    def next(self, g: Any, residual: Any, error: float) -> tuple[Any, bool]:
        """Give the next point, and whether it is more than a plain step."""
        del error
        xp = self.xp
        point = xp.where(xp.isfinite(g), g, xp.zeros_like(g))
        self.points = [*self.points, point][-MEMORY - 1 :]
        self.residuals = [*self.residuals, residual][-MEMORY - 1 :]
        if len(self.points) == 1:
            return g + residual, False
        moves = _steps(xp, self.points)
        turns = _steps(xp, self.residuals)
        weighted = turns * self.mass[None, :]
        gram = weighted @ xp.permute_dims(turns, (1, 0))
        ridge = RIDGE * float(xp.sum(xp.linalg.diagonal(gram)))
        if not ridge > 0:
            return g + residual, False
        gram = gram + ridge * xp.eye(int(gram.shape[0]), dtype=xp.float64, **_beside(gram))
        weights = xp.linalg.solve(gram, weighted @ residual)
        return g + residual - weights @ (moves + turns), True


class Striding(Anderson):
    """Anderson's extrapolation; and where it fails, longer and longer plain steps.

    With bounds on the potentials these may drift for long by the same step each time, until another
    point is full. Differences of such steps tell nothing, but a multiple of them is right.
    """

    def __init__(self, xp: Any, mass: Any) -> None:
        # One, once what is not there is forgotten.
        self.length, self.striding = 0.5, False
        super().__init__(xp, mass)

    def forget(self) -> None:
        """See Anderson."""
        super().forget()
        self.length = max(1.0, self.length / 4.0) if self.striding else 2.0 * self.length

    def next(self, g: Any, residual: Any, error: float) -> tuple[Any, bool]:
        """See Anderson."""
        ahead, more = super().next(g, residual, error)
        self.striding = not more and self.length > 1.0
        return (g + self.length * residual, True) if self.striding else (ahead, more)


class Relaxation:
    """Successive over-relaxation of both sides' potentials, the rows' being eliminated.

    With f <- f + w (right f - f), then g <- g + w (right g - g), and f linear in g near the
    solution, what remains of both is

        g_next = g + w^2 r + (w - 1)^2 (g - g_before),    r = the plain step from g.

    If the plain iteration contracts by the rate q, the best factor is w = 2 / (1 + sqrt(1 - q)),
    and contracts by w - 1 (Young 1954). With a smaller w the rate p that is seen tells q:
    (p + w - 1)^2 = q w^2 p.
    """

    def __init__(self, xp: Any, mass: Any) -> None:
        self.xp, self.mass = xp, mass
        self.rate = 0.0
        self.forget()

    def forget(self) -> None:
        """Begin anew, with plain steps; what is known of the rate is halved on its way to 1."""
        self.before: Any = None
        self.rate = max(0.0, 2.0 * self.rate - 1.0)
        self.sizes: list[float] = []

    def next(self, g: Any, residual: Any, error: float) -> tuple[Any, bool]:
        """Give the next point, and whether it is more than a plain step."""
        xp = self.xp
        factor = 2.0 / (1.0 + math.sqrt(1.0 - self.rate))
        self.sizes.append(error)
        if len(self.sizes) > OBSERVED:
            seen = (self.sizes[-1] / self.sizes[0]) ** (1.0 / OBSERVED)
            if factor - 1.0 < seen:
                rate = (min(seen, 1.0) + factor - 1.0) ** 2 / (factor**2 * min(seen, 1.0))
                self.rate = min(max(self.rate, rate), FASTEST)
            self.sizes = self.sizes[-1:]
            factor = 2.0 / (1.0 + math.sqrt(1.0 - self.rate))
        point = xp.where(xp.isfinite(g), g, xp.zeros_like(g))
        moved = xp.zeros_like(point) if self.before is None else point - self.before
        self.before = point
        if factor == 1.0:
            return g + residual, False
        return g + factor**2 * residual + (factor - 1.0) ** 2 * moved, True


def _steps(xp: Any, values: list[Any]) -> Any:
    return xp.stack([later - earlier for earlier, later in pairwise(values)])


def _beside(array: Any) -> dict[str, Any]:
    return {"device": array.device} if hasattr(array, "device") else {}
