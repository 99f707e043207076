"""Entropic transport on NumPy arrays: the core, where costs are a matrix and masses are given."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy
import numpy as np

from isomorph import _core, runtime
from isomorph._backends import Run, Solved, Solver
from isomorph._backends.array_transport import ArrayTransport
from isomorph._backends.sides import Exact, rounding
from isomorph._progress import reporting


class CpuTransport(ArrayTransport):
    """The operations of transport of :class:`isomorph._backends.Backend`."""

    xp = array_api_compat.numpy

    def extent(self, cost: Any) -> tuple[float, float, bool]:
        """See the protocol."""
        least, most, finite = _core.scan_costs(
            [np.ascontiguousarray(cost)], runtime.resolve_threads()
        )
        return float(least[0]), float(most[0]), bool(finite[0])

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
        rows, columns = sides
        known = type(rows) is Exact and type(columns) is Exact
        points = getattr(cost, "on_demand", False)
        if not (known and (points or isinstance(cost, np.ndarray))):
            return super().transport(cost, sides, reg, start, solver, run)
        a, b = np.ascontiguousarray(rows.mass), np.ascontiguousarray(columns.mass)
        begin = np.ascontiguousarray(start / reg)
        # What float32 cannot tell.
        dtype = np.float64 if solver.tol < rounding(cost) else cost.dtype
        with reporting(run.progress, "transport") as report:
            options = (
                solver.acceleration,
                solver.annealing,
                solver.max_iter,
                solver.tol,
                run.threads,
                report,
            )
            if points:
                x, y = (np.ascontiguousarray(side, dtype) for side in (cost.x, cost.y))
                found = _core.sinkhorn_points(x, y, cost.scale, a, b, reg, begin, *options)
            else:
                held = np.ascontiguousarray(cost, dtype)
                found = _core.sinkhorn(held, a, b, reg, begin, solver.method, *options)
            if report is not None:
                # It ends where it has converged, not after all passes that it may take.
                report(found["iterations"], found["iterations"])
        return Solved(
            found["f"] * reg,
            found["g"] * reg,
            found["iterations"],
            found["error"],
            found["error_l2"],
            found["converged"],
            found["history"],
            found["sums"],
        )

    def plan_rows(self, cost: Any, f: Any, g: Any, reg: float, rows: slice) -> Any:
        """See the protocol."""
        if not isinstance(cost, np.ndarray):
            return super().plan_rows(cost, f, g, reg, rows)
        start, stop, _ = rows.indices(cost.shape[0])
        out = np.empty((stop - start, cost.shape[1]))
        potentials = np.ascontiguousarray(f / reg), np.ascontiguousarray(g / reg)
        threads = runtime.resolve_threads()
        _core.transport_plan(np.ascontiguousarray(cost), *potentials, reg, start, out, threads)
        return out

    def plan_sums(self, cost: Any, f: Any, g: Any, reg: float) -> tuple[Any, Any, float]:
        """See the protocol."""
        if not isinstance(cost, np.ndarray):
            return super().plan_sums(cost, f, g, reg)
        potentials = np.ascontiguousarray(f / reg), np.ascontiguousarray(g / reg)
        threads = runtime.resolve_threads()
        return _core.transport_sums(np.ascontiguousarray(cost), *potentials, reg, threads)
