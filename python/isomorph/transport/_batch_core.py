"""Batches that the core solves: NumPy's arrays, checked and prepared all together."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from isomorph._backends import Run, Solver
from isomorph.transport import _problem, _sinkhorn
from isomorph.transport._batch import Batch, Transports, solve_one
from isomorph.transport._result import History, Transport

#: Passes after which a problem goes to Newton's method or extrapolation, one pass of which takes as
#: long as dozens beside others.
_PATIENCE = 500
#: Entries of plans that are made together.
_ENTRIES = 1 << 18


@dataclasses.dataclass(frozen=True, slots=True)
class _Flat:
    """Values of all problems, one problem after another; and where each begins."""

    values: Any
    starts: Any

    def of(self, i: int) -> Any:
        return self.values[self.starts[i] : self.starts[i + 1]]

    def sums(self) -> Any:
        return np.add.reduceat(self.values, self.starts[:-1])

    def mean(self, values: Any) -> Any:
        """Give the mean of a problem's `values`, weighted by these."""
        shares = np.where(self.values > 0, values, 0.0) * (self.values / self.repeat(self.sums()))
        return np.add.reduceat(shares, self.starts[:-1])

    def repeat(self, one_each: Any) -> Any:
        """Give a value a problem to each of its values."""
        return np.repeat(one_each, np.diff(self.starts))

    def split(self, batch: Batch) -> Any:
        """Give a row a problem, or a list."""
        if batch.stacked:
            return self.values.reshape(batch.count, -1)
        return [self.of(i) for i in range(batch.count)]


def solve_all(batch: Batch, solver: Solver, check_finite: bool, run: Run) -> Transports:
    """Solve them all; what turns out to be slow, or out of range, by what solves single ones."""
    from isomorph._backends import cpu_batches

    costs = [batch.costs] if batch.stacked else batch.costs
    least, most, finite = cpu_batches.scan_costs(costs, run)
    sizes = np.array(
        [batch.costs.shape[1:]] * batch.count if batch.stacked else [c.shape for c in costs]
    )
    doubtful = ~finite
    regs = _regs(batch)
    doubtful |= ~((regs > 0) & np.isfinite(regs))
    a, b = _masses(batch, batch.a, sizes[:, 0]), _masses(batch, batch.b, sizes[:, 1])
    dtype = str(batch.costs.dtype if batch.stacked else costs[0].dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        doubtful |= _uneven(a, b, dtype)
        b = _evened(a, b)
        most = np.where(finite, most, np.maximum(least, most))
        commons = np.where(
            most - least < _problem._COMMON * np.maximum(np.abs(least), np.abs(most)), least, 0.0
        )
        largest = np.maximum(np.abs(least - commons), np.abs(most - commons))
        doubtful |= ~(largest * np.finfo(dtype).eps / _problem._LEAST_DIGITS <= regs)
        methods = np.where(
            most - least <= _sinkhorn.SCALING_RANGE[dtype] * regs, "scaling", "stabilized"
        )
    for i in np.flatnonzero(doubtful).tolist():
        made = batch.problem(i, check_finite=check_finite)
        commons[i] = made.common
    if solver.method != "auto":
        methods[:] = solver.method
    with np.errstate(divide="ignore"):
        known = np.log(np.where(b.values > 0, b.values, 1.0))
    starts = _Flat(b.repeat(regs) * known, b.starts)
    if batch.initial is not None:
        for i in range(batch.count):
            made = batch.problem(i, check_finite=False)
            starts.of(i)[:] = batch.start(i, made)
    patience = solver.max_iter if solver.acceleration == "none" else _PATIENCE
    limits = (solver.tol, solver.max_iter, patience)
    f, g, value, error, error_l2, iterations, left = cpu_batches.sinkhorn_many(
        costs, a.values, b.values, regs, commons, starts.values, limits, run
    )
    rows, columns = _Flat(f, a.starts), _Flat(g, b.starts)
    value += commons * a.sums()
    for i in np.flatnonzero(left).tolist():
        made = batch.problem(i, check_finite=False)
        rest = dataclasses.replace(
            solver,
            method=str(methods[i]),
            max_iter=max(1, solver.max_iter - int(iterations[i])),
        )
        start = np.where(np.isfinite(columns.of(i)), columns.of(i), 0.0)
        one = solve_one(made, start, rest, Run(run.threads))
        rows.of(i)[:], columns.of(i)[:] = one._potentials
        value[i], error[i], error_l2[i] = one.value, one.error, one.error_l2
        iterations[i] += one.iterations
    solution = _Solutions(batch, rows, columns, commons, regs)
    shifts = (commons + a.mean(f) - b.mean(g)) / 2
    found = Transports(
        _Flat(f + a.repeat(commons - shifts), a.starts).split(batch),
        _Flat(g + b.repeat(shifts), b.starts).split(batch),
        value,
        error,
        iterations,
        error <= solver.tol * b.sums(),
        error_l2,
        regs,
        solver.tol,
        tuple(methods.tolist()),
        lambda i: solution.one(i, found),
        solution.plans,
    )
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Solutions:
    """What plans are made of: potentials of the costs less what these have in common."""

    batch: Batch
    f: _Flat
    g: _Flat
    commons: Any
    regs: Any

    def one(self, i: int, found: Transports) -> Transport:
        """Give problem i alone; of the passes only the last is known."""
        error, passes = float(found.error[i]), int(found.iterations[i])
        history = History(np.array([passes]), np.array([error]), self.regs[i : i + 1])
        return Transport(
            found.f[i],
            found.g[i],
            float(found.value[i]),
            error,
            passes,
            bool(found.converged[i]),
            float(found.error_l2[i]),
            float(self.regs[i]),
            found.tol,
            found.method[i],
            history,
            self.batch.problem(i, check_finite=False),
            (self.f.of(i), self.g.of(i)),
        )

    def plans(self) -> Any:
        """Make all plans, in blocks of problems."""
        costs = self.batch.costs
        if not self.batch.stacked:
            return [
                self._plans(cost[None], slice(i, i + 1), self.f.of(i)[None], self.g.of(i)[None])[0]
                for i, cost in enumerate(costs)
            ]
        plans = np.empty_like(costs)
        f, g = self.f.split(self.batch), self.g.split(self.batch)
        height = max(1, _ENTRIES // costs[0].size)
        for start in range(0, self.batch.count, height):
            block = slice(start, start + height)
            plans[block] = self._plans(costs[block], block, f[block], g[block])
        return plans

    def _plans(self, costs: Any, block: slice, f: Any, g: Any) -> Any:
        regs = self.regs[block, None, None]
        less = costs - self.commons[block, None, None].astype(costs.dtype)
        with np.errstate(invalid="ignore"):
            exponents = f[:, :, None] / regs + (g[:, None, :] / regs - less / regs)
        np.exp(exponents, out=exponents)
        return np.nan_to_num(exponents, copy=False, nan=0.0).astype(costs.dtype, copy=False)


def _regs(batch: Batch) -> Any:
    """Give one a problem, NaN for what is no number."""
    try:
        return np.array(np.broadcast_to(np.asarray(batch.reg, np.float64), (batch.count,)))
    except (TypeError, ValueError):
        return np.full(batch.count, np.nan)


def _masses(batch: Batch, mass: Any, lengths: Any) -> _Flat:
    """Give masses in float64; those of a problem whose masses do not fit raise."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    if mass is None:
        return _Flat(np.repeat(1.0 / lengths, lengths), starts)
    if isinstance(mass, list | tuple):
        parts = [
            np.full(length, 1.0 / length) if one is None else one
            for one, length in zip(mass, lengths, strict=True)
        ]
    elif mass.ndim == 2:
        parts = [mass.reshape(-1)] if (lengths == mass.shape[1]).all() else list(mass)
    else:
        parts = [mass] * batch.count
    fits = len(parts) == 1 or all(
        getattr(one, "shape", None) == (length,) for one, length in zip(parts, lengths, strict=True)
    )
    kinds = {str(getattr(one, "dtype", "")) for one in parts}
    plain = all(isinstance(one, np.ndarray) for one in parts) and kinds <= {"float32", "float64"}
    if not (fits and plain):
        for i in range(batch.count):
            batch.problem(i, check_finite=False)
    return _Flat(np.concatenate([np.asarray(one, np.float64) for one in parts]), starts)


def _evened(a: _Flat, b: _Flat) -> _Flat:
    """Give b with the sums of a, from which they differ by rounding where masses are sound."""
    one, other = a.sums(), b.sums()
    # No problem may depend on another: those that are even stay as they are.
    even = np.abs(one - other) <= _problem._ROUNDING * one
    return _Flat(b.values * b.repeat(np.where(even, 1.0, one / other)), b.starts)


def _uneven(a: _Flat, b: _Flat, dtype: str) -> Any:
    """Where masses are not sound: not finite, negative, none, or more on one side."""
    bad = np.zeros(len(a.starts) - 1, bool)
    for side in (a, b):
        wrong = ~((side.values >= 0) & (side.values < np.inf))
        bad |= np.add.reduceat(wrong, side.starts[:-1], dtype=np.int64) > 0
        bad |= ~((side.sums() >= _problem._LEAST_MASS) & (side.sums() < _problem._MOST_MASS))
    one, other = a.sums(), b.sums()
    return bad | ~(np.abs(one - other) <= _problem._UNEVEN[dtype] * np.maximum(one, other))
