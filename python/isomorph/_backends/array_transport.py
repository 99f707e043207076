"""Entropic transport in plain array-namespace code: the oracle of the core's, all in float64."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Protocol

from isomorph._backends import Run, Solved, Solver
from isomorph._backends.array_neighbors import _blocks, _quiet
from isomorph._backends.sides import Exact
from isomorph._progress import reporting

#: Entries of the cost that are computed with together.
BLOCK_ENTRIES = 1 << 22
#: How far potentials may move, in units of reg, before a kernel is made of them anew: entries that
#: underflowed then, below exp(-745), are still nothing.
ABSORBED = 50.0


class _Pass(Protocol):
    """One pass over the cost."""

    def __call__(self, g: Any) -> tuple[Any, Any]:
        """Give the row potentials that are right for g, and the sums of the columns.

        Potentials are in units of reg; of the sums the logarithms.
        """
        ...


class ArrayTransport:
    """The operations of transport of :class:`isomorph._backends.Backend`."""

    xp: Any

    def sinkhorn(
        self, cost: Any, a: Any, b: Any, reg: float, start: Any, solver: Solver, run: Run
    ) -> Solved:
        """See the protocol."""
        return self.transport(cost, (Exact(self.xp, a), Exact(self.xp, b)), reg, start, solver, run)

    def transport(
        self,
        cost: Any,
        sides: tuple[Exact, Exact],
        reg: float,
        start: Any,
        solver: Solver,
        run: Run,
    ) -> Solved:
        """See the protocol."""
        xp, (rows, columns) = self.xp, sides
        logs: _Pass = _Logs(xp, cost, rows, reg)
        step = logs if solver.method == "log" else _Kernel(xp, cost, rows, reg, logs, solver.method)
        with reporting(run.progress, "transport") as report:
            return _iterate(xp, step, rows, columns, start / reg, reg, solver, report)

    def plan_rows(self, cost: Any, f: Any, g: Any, reg: float, rows: slice) -> Any:
        """See the protocol."""
        return _plan(self.xp, cost[rows, :], f[rows] / reg, g / reg, reg)


def _plan(xp: Any, cost: Any, f: Any, g: Any, reg: float) -> Any:
    """Give exp(f + g - cost / reg), the largest of f and g being joined first."""
    exponent = f[:, None] + (g[None, :] - xp.astype(cost, xp.float64) / reg)
    return xp.exp(xp.where(xp.isnan(exponent), -xp.inf, exponent))


class _Logs:
    """The pass in the logarithmic form: whatever the range, nothing overflows or vanishes."""

    def __init__(self, xp: Any, cost: Any, side: Exact, reg: float) -> None:
        self.xp, self.cost, self.side, self.reg = xp, cost, side, reg
        self.height = max(1, BLOCK_ENTRIES // max(1, int(cost.shape[1])))

    def _exponents(self, g: Any, rows: slice) -> Any:
        return g[None, :] - self.xp.astype(self.cost[rows, :], self.xp.float64) / self.reg

    def __call__(self, g: Any) -> tuple[Any, Any]:
        """See _Pass."""
        xp, parts = self.xp, []
        sums = xp.zeros_like(g)
        for rows in _blocks(int(self.cost.shape[0]), self.height):
            exponent = self._exponents(g, rows)
            top = _finite(xp, xp.max(exponent, axis=1))
            with _quiet():
                mass = xp.exp(exponent - top[:, None])
                parts.append(self.side.potential(xp.log(xp.sum(mass, axis=1)) + top, rows))
                share = xp.exp(parts[-1] + top)
                sums = sums + xp.sum(mass * share[:, None], axis=0)
        f = xp.concat(parts)
        with _quiet():
            logs = xp.log(sums)
        lost = (sums == 0) & (g > -xp.inf)
        return f, xp.where(lost, self._of_columns(f, g), logs) if bool(xp.any(lost)) else logs

    def _of_columns(self, f: Any, g: Any) -> Any:
        """Give the logarithms of all column sums, those included that underflow."""
        xp = self.xp
        top = xp.full_like(g, -xp.inf)
        for rows in _blocks(int(self.cost.shape[0]), self.height):
            top = xp.maximum(top, xp.max(self._exponents(g, rows) + f[rows][:, None], axis=0))
        shift, sums = _finite(xp, top), xp.zeros_like(g)
        for rows in _blocks(int(self.cost.shape[0]), self.height):
            exponent = self._exponents(g, rows) + f[rows][:, None]
            sums = sums + xp.sum(xp.exp(exponent - shift[None, :]), axis=0)
        with _quiet():
            return xp.log(sums) + shift


class _Kernel:
    """The pass in the scaling form: of K = exp(f0 + g0 - cost / reg), two products with vectors.

    The plain form has f0 and g0 once, from the costs alone; the stabilised one makes K anew when
    the potentials have moved far from them.
    """

    def __init__(
        self, xp: Any, cost: Any, side: Exact, reg: float, logs: _Pass, method: str
    ) -> None:
        self.xp, self.cost, self.side, self.reg = xp, cost, side, reg
        self.logs, self.anew = logs, method != "scaling"
        self.f: Any = None

    def _absorb(self, g: Any) -> None:
        xp = self.xp
        f, _ = self.logs(g)
        # What has no mass has no potential, and nothing in the kernel.
        self.kernel = _plan(xp, self.cost, f, g, self.reg)
        self.f, self.g = _finite(xp, f), _finite(xp, g)

    def __call__(self, g: Any) -> tuple[Any, Any]:
        """See _Pass."""
        xp = self.xp
        if self.f is None:
            self._absorb(g)
        moved = g - self.g
        if self.anew and float(xp.max(xp.abs(_finite(xp, moved)))) > ABSORBED:
            self._absorb(g)
            moved = g - self.g
        with _quiet():
            v = xp.exp(moved)
            f = self.side.potential(xp.log(self.kernel @ v) - self.f)
            u = xp.exp(f - self.f)
            sums = v * (xp.permute_dims(self.kernel, (1, 0)) @ u)
            logs = xp.log(sums)
        sound = bool(xp.all(xp.isfinite(sums))) and bool(xp.all((sums > 0) | (g == -xp.inf)))
        if sound:
            return f, logs
        # Out of range: of a kernel that is never made anew, the next passes are, too.
        return self.logs(g)


def _finite(xp: Any, values: Any) -> Any:
    return xp.where(xp.isfinite(values), values, xp.zeros_like(values))


def _iterate(
    xp: Any,
    step: _Pass,
    rows: Exact,
    columns: Exact,
    g: Any,
    reg: float,
    solver: Solver,
    report: Any,
) -> Solved:
    """Repeat g <- what the columns' rule says, extrapolated, until that changes the sums no more.

    For exact sides that is g <- g + log b - log(column sums).
    """
    held = columns.held
    g = xp.where(held, g, -xp.inf)
    mixing = _Anderson(xp, columns.mass, solver.acceleration)
    best: tuple[float, float, float, Any, Any] | None = None
    iterations, plain = 0, None
    while iterations < solver.max_iter:
        f, logs = step(g)
        iterations += 1
        with _quiet():
            residual = xp.where(held, columns.change(logs, g), xp.zeros_like(g))
            sums = xp.where(held, xp.exp(logs), xp.zeros_like(g))
        gap = columns.miss(logs, residual)
        error, error_l2 = float(xp.sum(xp.abs(gap))), float(xp.sum(gap * gap)) ** 0.5
        mass = float(xp.sum(sums + gap))
        if report is not None:
            report(iterations, solver.max_iter)
        if best is None or error < best[0]:
            best = error, error_l2, mass, f, g
        if error <= solver.tol * mass:
            break
        # The sums of exact rows are a constant, up to rounding.
        moved = 0.0 if type(rows) is Exact else float(xp.sum(sums))
        dual = rows.dual(f) + columns.dual(g) - moved
        if plain is not None and not mixing.helped(dual, error):
            # The plain step from where the extrapolation began always raises the dual.
            g, plain = plain, None
            continue
        plain = g + residual
        g, extrapolated = mixing(g, residual, dual, error)
        if not extrapolated:
            plain = None
    if report is not None:
        report(iterations, iterations)
    assert best is not None
    error, error_l2, mass, f, g = best
    return Solved(f * reg, g * reg, iterations, error, error_l2, error <= solver.tol * mass)


class _Anderson:
    """Type-II Anderson extrapolation of a fixed-point iteration, in the metric of the masses."""

    def __init__(self, xp: Any, b: Any, memory: int) -> None:
        self.xp, self.b, self.memory = xp, b, memory
        self.points: list[Any] = []
        self.residuals: list[Any] = []
        self.dual, self.error = -float("inf"), float("inf")

    def helped(self, dual: float, error: float) -> bool:
        """Whether where an extrapolation led is better; if not, what it came from is forgotten."""
        if dual > self.dual or error < self.error:
            return True
        self.points, self.residuals = [], []
        return False

    def __call__(self, g: Any, residual: Any, dual: float, error: float) -> tuple[Any, bool]:
        """Give the next point, and whether it is more than a plain step."""
        xp = self.xp
        self.dual, self.error = dual, error
        point = _finite(xp, g)
        if self.memory == 0:
            return g + residual, False
        self.points = [*self.points, point][-self.memory - 1 :]
        self.residuals = [*self.residuals, residual][-self.memory - 1 :]
        if len(self.points) == 1:
            return g + residual, False
        moves = _steps(xp, self.points)
        turns = _steps(xp, self.residuals)
        weighted = turns * self.b[None, :]
        gram = weighted @ xp.permute_dims(turns, (1, 0))
        ridge = 1e-12 * float(xp.sum(xp.linalg.diagonal(gram)))
        if not ridge > 0:
            return g + residual, False
        gram = gram + ridge * xp.eye(int(gram.shape[0]), dtype=xp.float64, **_beside(gram))
        weights = xp.linalg.solve(gram, weighted @ residual)
        return g + residual - weights @ (moves + turns), True


def _steps(xp: Any, values: list[Any]) -> Any:
    return xp.stack([later - earlier for earlier, later in pairwise(values)])


def _beside(array: Any) -> dict[str, Any]:
    return {"device": array.device} if hasattr(array, "device") else {}
