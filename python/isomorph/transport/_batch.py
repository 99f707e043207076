"""Many transport problems in one call: a stack of costs, or a list of costs of any sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run, Solver
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph._results import Unpackable
from isomorph._warning import warn
from isomorph.align._methods import renamed
from isomorph.errors import ConvergenceWarning, DTypeError, ShapeError
from isomorph.transport import _sinkhorn
from isomorph.transport._problem import Problem, problem
from isomorph.transport._result import Transport


@dataclass(frozen=True, eq=False, repr=False)
class Transports(Unpackable):
    """The solutions of many transport problems; unpacks as its first six fields.

    ``found[i]`` is the :class:`Transport` of problem i, ``len(found)`` says how many there are.

    Attributes
    ----------
    f, g : array of float64, shape (p, n), (p, m), or list of arrays
        Potentials of rows and columns, one row a problem; of a list of costs lists of arrays
        (n_i,) and (m_i,). See :class:`Transport`.
    value, error : array of float64, shape (p,)
        What each plan costs; and what its marginals miss, in the L1 norm.
    iterations : array of int64, shape (p,)
        Passes over each cost.
    converged : array of bool, shape (p,)
        Whether the error is at most `tol` times the mass.
    error_l2 : array of float64, shape (p,)
        The error in the L2 norm.
    reg : array of float64, shape (p,)
    tol : float
    method : tuple of str
        What was used for each.
    """

    f: Any
    g: Any
    value: Any
    error: Any
    iterations: Any
    converged: Any
    error_l2: Any
    reg: Any
    tol: float
    method: tuple[str, ...]
    _solution: Callable[[int], Transport]
    _plans: Callable[[], Any]
    _unpacks: ClassVar[tuple[str, ...]] = (
        "f",
        "g",
        "value",
        "error",
        "iterations",
        "converged",
    )

    def __len__(self) -> int:
        return len(self.method)

    def __getitem__(self, index: int) -> Transport:
        """Give the solution of one problem."""
        place = _checks.integer("index", index, -len(self), len(self) - 1, of="problems")
        return self._solution(place % len(self))

    def __repr__(self) -> str:
        done = sum(bool(one) for one in self.converged)
        return f"Transports({len(self):,} problems, {done:,} converged)"

    @served
    def plan(self) -> Any:
        """Make all plans: an array of shape (p, n, m), or a list, in the type of the costs."""
        return self._plans()


@dataclass(frozen=True, slots=True)
class Batch:
    """The arguments of many problems, as they were given but for the costs."""

    #: In the computing type, as the backend takes them: a stack, or a list.
    costs: Any
    a: Any
    b: Any
    reg: Any
    initial: Any
    count: int
    arguments: _arrays.Arguments
    device: dict[str, Any]

    @property
    def stacked(self) -> bool:
        """Whether all costs are one array."""
        return not isinstance(self.costs, list)

    @property
    def xp(self) -> Any:
        """The namespace of the arrays."""
        return self.arguments.array_namespace()

    def cost(self, i: int) -> Any:
        """Give the costs of problem i."""
        return self.costs[i, :, :] if self.stacked else self.costs[i]

    def problem(self, i: int, *, check_finite: bool) -> Problem:
        """Check one problem as if it were alone, but for the names in messages."""
        with self._renamed(i):
            a, b = _item(self.a, i), _item(self.b, i)
            reg = self.reg[i] if _is_many(self.reg) else self.reg
            return problem(a, b, self.cost(i), reg, check_finite=check_finite)

    def start(self, i: int, made: Problem) -> Any:
        """Give the column potentials that problem i starts from."""
        initial = None
        if self.initial is not None:
            g = self.initial.g if isinstance(self.initial, Transports) else self.initial[1]
            initial = (None, g[i] if isinstance(g, list | tuple) else g[i, :])
        with self._renamed(i):
            return _sinkhorn._start(initial, made)

    def _renamed(self, i: int) -> renamed:
        names = {"cost": f"cost[{i}]", "initial": f"initial[{i}]"}
        for name, given in (("a", self.a), ("b", self.b)):
            if len(getattr(given, "shape", ())) != 1:
                names[name] = f"{name}[{i}]"
        if _is_many(self.reg):
            names["reg"] = f"reg[{i}]"
        return renamed(names)


def is_many(cost: Any) -> bool:
    """Whether `cost` is of many problems: a stack of matrices, or a list of them."""
    if isinstance(cost, list | tuple):
        return any(hasattr(item, "shape") and hasattr(item, "dtype") for item in cost)
    return hasattr(cost, "dtype") and len(getattr(cost, "shape", ())) == 3


def sinkhorn_many(
    a: Any,
    b: Any,
    cost: Any,
    reg: Any,
    *,
    initial: Any,
    solver: Solver,
    check_finite: bool,
    threads: int | None,
    progress: Progress,
) -> Transports:
    """Solve many problems: see :func:`isomorph.sinkhorn`."""
    batch = _batch(a, b, cost, reg, initial)
    run = Run(runtime.resolve_threads(threads), progress)
    # Who asks for a certain way gets it, one problem after another.
    plain = solver.acceleration in ("auto", "none") and not solver.annealing
    if batch.arguments.on_cpu() and plain and solver.method != "log":
        from isomorph.transport import _batch_core

        found = _batch_core.solve_all(batch, solver, check_finite, run)
    else:
        found = _one_by_one(batch, solver, check_finite, run)
    _warn(found, batch.xp)
    return found


def solve_one(made: Problem, start: Any, solver: Solver, run: Run) -> Transport:
    """Solve a problem by what solves single ones; whoever asked warns."""
    if solver.method == "auto":
        solver = dataclasses.replace(solver, method=_sinkhorn._chosen(made))
    found = made.backend.sinkhorn(made.cost, made.a, made.b, made.reg, start, solver, run)
    return _sinkhorn._transport(made, found, solver)


def _one_by_one(batch: Batch, solver: Solver, check_finite: bool, run: Run) -> Transports:
    # Everything is checked before anything is solved.
    made = [batch.problem(i, check_finite=check_finite) for i in range(batch.count)]
    starts = [batch.start(i, one) for i, one in enumerate(made)]
    solutions: list[Transport] = []
    with reporting(run.progress, "transports") as report:
        for one, start in zip(made, starts, strict=True):
            solutions.append(solve_one(one, start, solver, Run(run.threads)))
            if report is not None:
                report(len(solutions), len(made))
    xp, device = batch.xp, batch.device

    def all_of(name: str, dtype: Any) -> Any:
        return xp.asarray([getattr(one, name) for one in solutions], dtype=dtype, **device)

    def joined(parts: list[Any]) -> Any:
        return xp.stack(parts) if batch.stacked else parts

    return Transports(
        joined([one.f for one in solutions]),
        joined([one.g for one in solutions]),
        all_of("value", xp.float64),
        all_of("error", xp.float64),
        all_of("iterations", xp.int64),
        all_of("converged", xp.bool),
        all_of("error_l2", xp.float64),
        all_of("reg", xp.float64),
        solver.tol,
        tuple(one.method for one in solutions),
        solutions.__getitem__,
        lambda: joined([one.plan() for one in solutions]),
    )


def _warn(found: Transports, xp: Any) -> None:
    missed = ~found.converged
    if not bool(xp.any(missed)):
        return
    count = int(xp.sum(xp.astype(missed, xp.int64)))
    worst = int(xp.argmax(xp.where(missed, found.error, -xp.ones_like(found.error))))
    warn(
        f"sinkhorn: {count:,} of {len(found):,} problems did not converge; the largest error is "
        f"{float(found.error[worst]):.2g}, of problem {worst}, expected {found.tol:.2g} of the "
        "mass; take a larger reg, tol or max_iter, or go on with initial=",
        ConvergenceWarning,
    )


def _batch(a: Any, b: Any, cost: Any, reg: Any, initial: Any) -> Batch:
    """Check what is seen without looking at a value."""
    costs: Any
    if isinstance(cost, list | tuple):
        arguments = _arrays.Arguments(**{f"cost[{i}]": one for i, one in enumerate(cost)})
        arguments.require_not_empty()
        first, count = cost[0], len(cost)
        costs = list(arguments.ready(check_finite=False).arrays)
    else:
        arguments = _arrays.Arguments(ndim=3, cost=cost)
        first, count = cost, arguments.shapes["cost"][0]
        if 0 in arguments.shapes["cost"]:
            raise ShapeError(
                "cost: expected at least one problem, row and column, got shape "
                f"{arguments.shapes['cost']}"
            )
        (costs,) = arguments.ready(check_finite=False).arrays
    _require_masses("a", a, count, first)
    _require_masses("b", b, count, first)
    if _is_many(reg):
        shape = tuple(getattr(reg, "shape", ())) or (len(reg),)
        if shape != (count,):
            raise ShapeError(
                f"reg: expected a number, or {count}, one a problem, got shape {shape}"
            )
    _require_starts(initial, count)
    device = arguments.device_of(first)
    return Batch(costs, a, b, reg, initial, count, arguments, device)


def _require_masses(name: str, mass: Any, count: int, cost: Any) -> None:
    if mass is None:
        return
    if isinstance(mass, list | tuple):
        length = len(mass)
        if not any(one is None or hasattr(one, "shape") for one in mass):
            # It says that this is no array.
            _arrays.Arguments(**{name: mass})
    else:
        shape = _arrays.Arguments(ndim=(1, 2), **{name: mass}).shapes[name]
        # Of one library and device.
        _arrays.Arguments(ndim=(1, 2, 3), cost=cost, **{name: mass})
        length = count if len(shape) == 1 else shape[0]
    if length != count:
        raise ShapeError(
            f"{name}: expected masses of {count} problems, or one array of 1 dimension for all, "
            f"got {length}"
        )


def _require_starts(initial: Any, count: int) -> None:
    if initial is None:
        return
    if isinstance(initial, Transports):
        g = initial.g
    elif isinstance(initial, tuple | list) and len(initial) == 2:
        g = initial[1]
    else:
        raise DTypeError(f"initial: expected Transports or (f, g), got {initial!r}")
    length = len(g) if isinstance(g, list | tuple) else int((*getattr(g, "shape", ()), 0)[0])
    if length != count:
        raise ShapeError(f"initial: expected a g of {count} problems, got {length}")


def _is_many(reg: Any) -> bool:
    return isinstance(reg, list | tuple) or len(getattr(reg, "shape", ())) > 0


def _item(masses: Any, i: int) -> Any:
    """Give what a problem has of masses that are given for all, one a problem, or not."""
    if masses is None or isinstance(masses, list | tuple):
        return None if masses is None else masses[i]
    return masses if masses.ndim == 1 else masses[i, :]
