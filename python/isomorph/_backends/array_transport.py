"""Entropic transport in plain array-namespace code: the oracle of the core's, all in float64."""

from __future__ import annotations

import dataclasses
from typing import Any

from isomorph._backends import Run, Solved, Solver
from isomorph._backends.array_iteration import Pass, iterate, spread_of
from isomorph._backends.array_neighbors import _blocks, _quiet
from isomorph._backends.sides import Exact
from isomorph._progress import reporting

#: Entries of the cost that are computed with together.
BLOCK_ENTRIES = 1 << 22
#: How far potentials may move, in units of reg, before a kernel is made of them anew: entries that
#: underflowed then, below exp(-745), are still nothing.
ABSORBED = 50.0


class ArrayTransport:
    """The operations of transport of :class:`isomorph._backends.Backend`."""

    xp: Any

    def extent(self, cost: Any) -> tuple[float, float, bool]:
        """See the protocol."""
        xp = self.xp
        known = xp.isfinite(cost)
        least = xp.min(xp.where(known, cost, xp.inf))
        most = xp.max(xp.where(known, cost, -xp.inf))
        return float(least), float(most), bool(xp.all(known))

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
        # Newton's method holds the plan.
        exact = type(rows) is Exact and type(columns) is Exact
        if not exact or getattr(cost, "on_demand", False):
            how = {"auto": "anderson", "newton": "anderson"}
            known = how.get(solver.acceleration, solver.acceleration)
            solver = dataclasses.replace(solver, acceleration=known)

        def made(reg: float) -> Pass:
            logs = _Logs(xp, cost, rows, reg)
            return logs if solver.method == "log" else _Kernel(xp, logs, solver.method)

        def spread() -> float:
            return spread_of(xp, cost, rows.held, columns.held)

        with reporting(run.progress, "transport") as report:
            return iterate(xp, made, spread, rows, columns, start, reg, solver, report)

    def plan_rows(self, cost: Any, f: Any, g: Any, reg: float, rows: slice) -> Any:
        """See the protocol."""
        return _plan(self.xp, cost[rows, :], f[rows] / reg, g / reg, reg)

    def plan_sums(self, cost: Any, f: Any, g: Any, reg: float) -> tuple[Any, Any, float]:
        """See the protocol."""
        xp, (n, m) = self.xp, (int(length) for length in cost.shape)
        parts, columns, value = [], xp.zeros_like(g), 0.0
        for rows in _blocks(n, max(1, BLOCK_ENTRIES // max(1, m))):
            costs = cost[rows, :]
            plan = _plan(xp, costs, f[rows] / reg, g / reg, reg)
            costs = xp.astype(costs, xp.float64)
            value += float(xp.sum(plan * xp.where(plan > 0, costs, xp.zeros_like(costs))))
            parts.append(xp.sum(plan, axis=1))
            columns = columns + xp.sum(plan, axis=0)
        return xp.concat(parts), columns, value


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
        """See Pass."""
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

    def plan(self, f: Any, g: Any) -> Any:
        """See Pass."""
        return _plan(self.xp, self.cost, f, g, self.reg)

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

    def __init__(self, xp: Any, logs: _Logs, method: str) -> None:
        self.xp, self.side, self.logs, self.anew = xp, logs.side, logs, method != "scaling"
        self.f: Any = None

    def plan(self, f: Any, g: Any) -> Any:
        """See Pass."""
        return self.logs.plan(f, g)

    def _absorb(self, g: Any) -> None:
        xp = self.xp
        f, _ = self.logs(g)
        # What has no mass has no potential, and nothing in the kernel.
        self.kernel = self.plan(f, g)
        self.f, self.g = _finite(xp, f), _finite(xp, g)

    def __call__(self, g: Any) -> tuple[Any, Any]:
        """See Pass."""
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
