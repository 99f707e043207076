"""The loop of entropic transport over passes, in plain array-namespace code.

It knows nothing of the cost but what a pass tells. The fixed point of g <- what the columns' rule
says is looked for with Anderson's extrapolation, over-relaxation, or Newton's method on the dual;
each is checked, with the plain step behind it, which always raises the dual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from isomorph._backends import Solved, Solver
from isomorph._backends.array_extrapolation import Anderson, Relaxation, Striding
from isomorph._backends.array_neighbors import _quiet
from isomorph._backends.array_newton import ROUNDING, Newton
from isomorph._backends.sides import AtMost, Exact, Within

#: Annealing begins at this part of the costs' spread, where the problem is easy, and halves reg.
ANNEALED_FROM, ANNEALED_BY = 0.2, 2.0
#: It is done below this part where all steps are Newton's, and below the other where extrapolation
#: is tried before.
ANNEALED_BELOW, ANNEALED_BELOW_TRIED = 0.1, 0.008
#: The error, as a part of the mass, down to which the problems of larger reg are solved.
ANNEALED_TO = 0.03
#: Newton's method takes over from extrapolation where, going by so many passes, it would take
#: more than that many others.
TRIED, PATIENCE = 3, 20
#: Where a pass has no more entries than that, its steps cost little: fewer passes are worth more.
SMALL, PATIENCE_SMALL = 1 << 18, 10
#: How many passes may go without that the dual is seen to rise.
HELD_OUT = 20
#: How many rows and columns tell the costs' spread.
SAMPLE = 64


class Pass(Protocol):
    """One pass over the cost, for one reg. Potentials are in units of it."""

    def __call__(self, g: Any) -> tuple[Any, Any]:
        """Give the row potentials that are right for g, and the logarithms of the column sums."""
        ...

    def plan(self, f: Any, g: Any) -> Any:
        """Give the plan of these potentials."""
        ...


class Mixing(Protocol):
    """Makes the next point of a fixed-point iteration from those before."""

    def next(self, g: Any, residual: Any, error: float) -> tuple[Any, bool]:
        """Give the next point, and whether it is more than a plain step."""
        ...

    def forget(self) -> None:
        """Begin anew."""
        ...


@dataclass(frozen=True, eq=False)
class Point:
    """Column potentials, and what a pass said about them; errors are parts of the mass."""

    g: Any
    f: Any
    logs: Any
    residual: Any
    error: float
    error_l1: float
    error_l2: float
    dual: float
    #: What the dual was summed of: its rounding is a part of that.
    size: float


@dataclass(eq=False)
class Stage:
    """The problem for one reg, and when it is solved."""

    xp: Any
    step: Pass
    rows: Exact
    columns: Exact
    reg: float
    tol: float
    limit: int
    trace: Trace
    best: Point | None = None
    #: The smallest error before the last pass, and how many passes ago the smallest was found.
    least: float = math.inf
    since: int = 0

    def at(self, g: Any) -> Point:
        """Make a pass."""
        xp, columns = self.xp, self.columns
        f, logs = self.step(g)
        if isinstance(columns, Within):
            f, g = columns.without_slack(f, g)
        with _quiet():
            residual = xp.where(columns.held, columns.change(logs, g), xp.zeros_like(g))
            sums = xp.where(columns.held, xp.exp(logs), xp.zeros_like(g))
        gap = columns.miss(logs, residual)
        error, error_l2 = float(xp.sum(xp.abs(gap))), float(xp.sum(gap * gap)) ** 0.5
        mass = float(xp.sum(sums + gap))
        of_rows, of_columns = self.rows.dual(f), columns.dual(g)
        # The sums of exact rows are a constant, up to rounding.
        moved = 0.0 if type(self.rows) is Exact else float(xp.sum(sums))
        part = error / mass if mass > 0 else error
        point = Point(
            g,
            f,
            logs,
            residual,
            part,
            error,
            error_l2,
            of_rows + of_columns - moved,
            abs(of_rows) + abs(of_columns) + mass,
        )
        self.trace.add(error, self.reg)
        self.least, self.since = math.inf if self.best is None else self.best.error, self.since + 1
        if self.best is None or point.error < self.best.error:
            self.best, self.since = point, 0
        return point

    def helped(self, before: Point, point: Point) -> bool:
        """Whether an extrapolation from `before` led to where it may go on from.

        The dual rises, or the error is the smallest so far; where the dual changes by no more than
        its rounding, some passes may be tried until one finds the smallest error so far. So nothing
        is gone through again and again.
        """
        rise, rounding = point.dual - before.dual, ROUNDING * point.size
        if rise > rounding or self.since == 0:
            return True
        return rise > -rounding and self.since <= HELD_OUT

    def over(self, point: Point) -> bool:
        """Whether this point is good enough, or was the last."""
        return point.error <= self.tol or len(self.trace.errors) >= self.limit


@dataclass(eq=False)
class Trace:
    """What the passes said, and who is told about them."""

    most: int
    report: Any
    errors: list[float] = field(default_factory=list)
    regs: list[float] = field(default_factory=list)

    def add(self, error: float, reg: float) -> None:
        """Write a pass down."""
        self.errors.append(error)
        self.regs.append(reg)
        if self.report is not None:
            self.report(len(self.errors), self.most)


def iterate(
    xp: Any,
    made: Callable[[float], Pass],
    spread: Callable[[], float],
    rows: Exact,
    columns: Exact,
    start: Any,
    reg: float,
    solver: Solver,
    report: Any,
) -> Solved:
    """Solve the problem for `reg` with the passes that are `made`, from potentials `start`."""
    how = solver.acceleration
    regs = [reg]
    if solver.annealing or (solver.annealing is None and how in ("auto", "newton")):
        below = ANNEALED_BELOW_TRIED if how == "auto" else ANNEALED_BELOW
        regs = annealing(reg, spread(), ANNEALED_FROM if solver.annealing else below)
    trace = Trace(solver.max_iter, report)
    g = xp.where(columns.held, start, -xp.inf)
    for now in regs:
        last = now == reg
        # A pass is left for the reg that was asked for.
        limit = solver.max_iter - (0 if last else 1)
        if len(trace.errors) >= limit:
            continue
        tol = solver.tol if last else max(ANNEALED_TO, solver.tol)
        stage = Stage(xp, made(now), rows, columns, now, tol, limit, trace)
        solve(stage, g / now, "newton" if len(regs) > 1 and how == "auto" else how)
        assert stage.best is not None
        g = stage.best.g * now
    best = stage.best
    assert best is not None
    if report is not None:
        report(len(trace.errors), len(trace.errors))
    return Solved(
        best.f * reg,
        best.g * reg,
        len(trace.errors),
        best.error_l1,
        best.error_l2,
        best.error <= solver.tol,
        (trace.errors, trace.regs),
    )


def annealing(reg: float, spread: float, below: float) -> list[float]:
    """Give the values of reg that are gone through, from one for which the problem is easy.

    More than one where reg is less than the part `below` of the spread.
    """
    if not math.isfinite(spread) or reg >= spread * below:
        return [reg]
    first = ANNEALED_FROM * spread
    count = max(1, math.ceil(math.log(first / reg) / math.log(ANNEALED_BY) - 1e-9))
    return [reg * (first / reg) ** (left / count) for left in range(count, 0, -1)] + [reg]


def spread_of(xp: Any, cost: Any, rows: Any, columns: Any) -> float:
    """Give the standard deviation of costs but for what is a row's or a column's own.

    From a sample, a grid of `SAMPLE` rows and columns; forbidden pairs and what has no mass do
    not count.
    """
    some, others = (
        [k * int(size) // min(int(size), SAMPLE) for k in range(min(int(size), SAMPLE))]
        for size in cost.shape
    )
    part = xp.concat([cost[i : i + 1, :] for i in some])
    part = xp.astype(xp.stack([part[:, j] for j in others], axis=1), xp.float64)
    held = xp.stack([rows[i] for i in some]), xp.stack([columns[j] for j in others])
    counts = (part < xp.inf) & held[0][:, None] & held[1][None, :]
    weights = xp.astype(counts, xp.float64)
    if not float(xp.sum(weights)) > 0:
        return 0.0
    part = xp.where(counts, part, xp.zeros_like(part))
    for axis in (1, 0):
        total = xp.sum(weights, axis=axis, keepdims=True)
        mean = xp.sum(part, axis=axis, keepdims=True) / xp.where(total > 0, total, 1.0)
        part = (part - mean) * weights
    return math.sqrt(float(xp.sum(part * part) / xp.sum(weights)))


def solve(stage: Stage, g: Any, how: str) -> None:
    """Go from g to the solution, or to where the passes end."""
    point = stage.at(g)
    if how == "newton":
        point = newton(stage, point)
    elif how == "auto":
        point = extrapolated(stage, point, Anderson(stage.xp, stage.columns.mass), patient=False)
        point = newton(stage, point)
    mixing: Mixing | None = None
    if how == "overrelaxation":
        mixing = Relaxation(stage.xp, stage.columns.mass)
    elif how != "none":
        bounded = isinstance(stage.rows, AtMost) or isinstance(stage.columns, AtMost)
        mixing = (Striding if bounded else Anderson)(stage.xp, stage.columns.mass)
    extrapolated(stage, point, mixing, patient=True)


def extrapolated(stage: Stage, point: Point, mixing: Mixing | None, *, patient: bool) -> Point:
    """Repeat steps that are extrapolated, as long as that is quick unless `patient`."""
    errors = [point.error]
    small = int(stage.rows.mass.shape[0]) * int(stage.columns.mass.shape[0]) <= SMALL
    patience = PATIENCE_SMALL if small else PATIENCE
    before, plain = point, None
    while not stage.over(point):
        if plain is not None and not stage.helped(before, point):
            # The plain step from where the extrapolation began always raises the dual.
            assert mixing is not None
            mixing.forget()
            point, plain = stage.at(plain), None
        else:
            before, plain = point, point.g + point.residual
            ahead, more = plain, False
            if mixing is not None:
                ahead, more = mixing.next(point.g, point.residual, point.error)
            point, plain = stage.at(ahead), plain if more else None
        errors.append(point.error)
        if not patient and slow(errors, stage.tol, patience):
            return point
    return point


def slow(errors: list[float], tol: float, patience: int) -> bool:
    """Whether going on as before would take many passes more."""
    if len(errors) <= TRIED:
        return False
    now, before = errors[-1], errors[-1 - TRIED]
    if not 0 < now < before:
        return now > 0
    return math.log(now / tol) * TRIED > patience * math.log(before / now)


def newton(stage: Stage, point: Point) -> Point:
    """Repeat steps of Newton's method, until they fail."""
    method = Newton(stage.xp, stage.rows, stage.columns)
    while not stage.over(point) and not method.failed:
        point = method.step(stage, point)
    return point
