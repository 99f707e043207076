"""Plain Sinkhorn iterations that stop where POT stops, several of them a call of the core."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, runtime
from isomorph._backends.sides import rounding
from isomorph.transport._sinkhorn import SCALING_RANGE

#: A tolerance that no error meets.
_NEVER = 1e-300
#: What is rounding: of an error, and of the mass.
_ROUNDING = 1e-13
#: Entries of the cost that are computed with together.
_ENTRIES = 1 << 20

_Vector = NDArray[np.float64]


class Iterations:
    """The iterations v = b / K'u, u = a / Kv, with K = exp(-cost / reg), in logarithms.

    Whatever form POT iterates in, these are its iterates, to rounding and to what multiplies u and
    divides v. After `done` of them the row sums of the plan are a, and `columns` are its column
    sums.

    Memory: the kernel, in float64, while the core works.
    """

    def __init__(self, cost: NDArray[Any], a: NDArray[Any], b: NDArray[Any], reg: float) -> None:
        self.cost, self.reg = np.ascontiguousarray(cost), reg
        self.a, self.b = (np.ascontiguousarray(mass, np.float64) for mass in (a, b))
        self.mass = float(self.b.sum())
        self.threads = runtime.resolve_threads()
        least, most, _ = _core.scan_costs([self.cost], self.threads)
        self.least = float(least[0])
        within = float(most[0]) - self.least <= SCALING_RANGE[str(self.cost.dtype)] * reg
        self.form = "scaling" if within else "stabilized"
        self.done = 0
        self.f, self.g, self.columns = np.empty(0), np.empty(0), np.empty(0)
        self.value = math.nan
        self.next = np.empty(0)

    def begin(self, log_u: Any = 0.0) -> None:
        """Start from u, as POT does: the first v is b / K'u."""
        f = np.ascontiguousarray(np.broadcast_to(np.asarray(log_u, np.float64), self.a.shape))
        if self.form == "scaling" and np.ptp(f) < SCALING_RANGE["float64"]:
            top = np.full(self.b.shape, f.max() - self.least / self.reg)
        else:
            top = self._tops(f)
        _, columns, _ = _core.transport_sums(self.cost, f, -top, self.reg, self.threads)
        self.next = np.log(self.b) - np.log(columns) - top

    def _tops(self, f: _Vector) -> _Vector:
        """Give the largest exponent of each column, that no column may underflow."""
        top = np.full(self.b.shape, -np.inf)
        height = max(1, _ENTRIES // len(top))
        for start in range(0, len(f), height):
            rows = slice(start, start + height)
            np.maximum(top, (f[rows, None] - self.cost[rows] / self.reg).max(axis=0), out=top)
        return top

    def advance(self, passes: int, tol: float = 0.0) -> None:
        """Iterate up to so many times, or until the columns miss at most `tol` in the L1 norm.

        At least once: where the error stays the same for some iterations the core gives the first.
        """
        found = self._solved(passes, tol)
        errors = np.asarray(found["history"][0])
        best = np.flatnonzero(errors <= errors.min() * (1.0 + _ROUNDING))
        if errors.min() <= _ROUNDING * self.mass:
            self.done += len(errors)
        else:
            if len(best) > 1:
                # Which of them it gave is not known; with none behind the first it is that.
                found = self._solved(int(best[0]) + 1, tol)
            self.done += int(best[0]) + 1
        self.f, self.g = found["f"], found["g"]
        _, self.columns, self.value = found["sums"] or _core.transport_sums(
            self.cost, self.f, self.g, self.reg, self.threads
        )
        self.next = self.g + np.log(self.b) - np.log(self.columns)

    def _solved(self, passes: int, tol: float) -> dict[str, Any]:
        return _core.sinkhorn(
            self.cost,
            self.a,
            self.b,
            self.reg,
            self.next,
            self.form,
            "none",
            False,
            passes,
            max(tol / self.mass, _NEVER),
            self.threads,
            None,
        )

    @property
    def error(self) -> float:
        """The L2 norm of what the columns of the plan miss."""
        return float(np.linalg.norm(self.columns - self.b))

    def plan(self) -> NDArray[Any]:
        """Return the plan, in the type of the cost."""
        n, m = self.cost.shape
        out = np.empty((n, m), self.cost.dtype)
        height = n if out.dtype == np.float64 else max(1, _ENTRIES // m)
        for start in range(0, n, height):
            rows = out[start : start + height]
            exact = rows if out.dtype == np.float64 else np.empty(rows.shape)
            _core.transport_plan(self.cost, self.f, self.g, self.reg, start, exact, self.threads)
            if exact is not rows:
                rows[...] = exact
        return out

    def floor(self) -> float:
        """Give the L2 error that is no more than rounding; in float64 0, since POT iterates on."""
        if self.cost.dtype == np.float64:
            return 0.0
        return rounding(self.cost) * self.mass / math.sqrt(len(self.b))


def iterate(
    run: Iterations,
    most: int,
    threshold: float,
    period: int = 10,
    watch: Callable[[int, float], None] | None = None,
) -> tuple[int, bool]:
    """Iterate until the error is below the threshold, looking every `period` iterations.

    Parameters
    ----------
    run : Iterations
        That has begun.
    most : int
        How many iterations there may be.
    threshold : float
        What the L2 error is to be below.
    period : int
        Iteration 0, `period`, 2 `period`, ... are looked at.
    watch : callable, optional
        Told the iteration and its error at each look.

    Returns
    -------
    last : int
        The last iteration, counted from 0.
    met : bool
        Whether the error was below the threshold.
    """
    threshold = max(threshold, run.floor())
    # |x|_1 <= sqrt(m) |x|_2: while the first norm is above this, the second is not below.
    far = math.inf if watch is not None else math.sqrt(len(run.b)) * threshold
    if watch is None and most > period:
        # One call for two looks, the first of which seldom is the last.
        run.advance(period + 1, far)
    while True:
        if run.done and (run.done - 1) % period == 0:
            error = run.error
            if watch is not None:
                watch(run.done - 1, error)
            if error < threshold:
                return run.done - 1, True
        if run.done >= most:
            return run.done - 1, False
        if run.done and np.abs(run.columns - run.b).sum() > far:
            run.advance(most - run.done, far)
        else:
            look = (run.done + period - 1) // period * period + 1
            run.advance(min(look, most) - run.done)
