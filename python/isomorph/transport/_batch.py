"""Many transport problems in one call: a stack of costs, or a list of costs of any sizes."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run, Solver
from isomorph._progress import Progress, reporting
from isomorph._results import Unpackable
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

    def plan(self) -> Any:
        """Make all plans: an array of shape (p, n, m), or a list, in the type of the costs."""
        plans = [self._solution(place).plan() for place in range(len(self))]
        if isinstance(self.f, list):
            return plans
        xp = _namespace(self.f)
        return xp.stack(plans)


@dataclass(frozen=True, slots=True)
class _Batch:
    """The arguments, one a problem; and the library and device of the arrays."""

    costs: list[Any]
    a: list[Any]
    b: list[Any]
    regs: list[float]
    starts: list[Any]
    #: How the arguments of each are called in messages.
    names: list[dict[str, str]]
    stacked: bool
    xp: Any
    beside: dict[str, Any]

    def problem(self, i: int, check_finite: bool) -> Problem:
        with renamed(self.names[i]):
            return problem(
                self.a[i], self.b[i], self.costs[i], self.regs[i], check_finite=check_finite
            )

    def start(self, i: int, made: Problem) -> Any:
        with renamed(self.names[i]):
            return _sinkhorn._start(self.starts[i], made)


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
    run = Run(runtime.resolve_threads(threads))
    # Everything is checked before anything is solved.
    made = [batch.problem(i, check_finite) for i in range(len(batch.costs))]
    starts = [batch.start(i, one) for i, one in enumerate(made)]
    solutions: list[Transport] = []
    with reporting(progress, "transports") as report:
        for one, start in zip(made, starts, strict=True):
            solutions.append(_solve(one, start, solver, run))
            if report is not None:
                report(len(solutions), len(made))
    found = _joined(batch, solutions, solver.tol)
    _warn(found)
    return found


def _solve(made: Problem, start: Any, solver: Solver, run: Run) -> Transport:
    if solver.method == "auto":
        solver = dataclasses.replace(solver, method=_sinkhorn._chosen(made))
    found = made.backend.sinkhorn(made.cost, made.a, made.b, made.reg, start, solver, run)
    return _sinkhorn._transport(made, found, solver)


def _joined(batch: _Batch, solutions: list[Transport], tol: float) -> Transports:
    xp, beside = batch.xp, batch.beside

    def all_of(name: str, dtype: Any) -> Any:
        return xp.asarray([getattr(one, name) for one in solutions], dtype=dtype, **beside)

    f: Any = [one.f for one in solutions]
    g: Any = [one.g for one in solutions]
    if batch.stacked:
        f, g = xp.stack(f), xp.stack(g)
    return Transports(
        f,
        g,
        all_of("value", xp.float64),
        all_of("error", xp.float64),
        all_of("iterations", xp.int64),
        all_of("converged", xp.bool),
        all_of("error_l2", xp.float64),
        all_of("reg", xp.float64),
        tol,
        tuple(one.method for one in solutions),
        solutions.__getitem__,
    )


def _warn(found: Transports) -> None:
    missed = [place for place, done in enumerate(found.converged) if not bool(done)]
    if missed:
        worst = max(missed, key=lambda place: float(found.error[place]))
        warnings.warn(
            f"sinkhorn: {len(missed):,} of {len(found):,} problems did not converge; the largest "
            f"error is {float(found.error[worst]):.2g}, of problem {worst}, expected "
            f"{found.tol:.2g} of the mass; take a larger reg, tol or max_iter, or go on with "
            "initial=",
            ConvergenceWarning,
            stacklevel=4,
        )


def _batch(a: Any, b: Any, cost: Any, reg: Any, initial: Any) -> _Batch:
    stacked = not isinstance(cost, list | tuple)
    if stacked:
        arguments = _arrays.Arguments(ndim=3, cost=cost)
        if 0 in arguments.shapes["cost"]:
            raise ShapeError(
                "cost: expected at least one problem, row and column, got shape "
                f"{arguments.shapes['cost']}"
            )
        first, count = cost, arguments.shapes["cost"][0]
        (ready,) = arguments.ready(check_finite=False).arrays
        costs = [ready[i, :, :] for i in range(count)]
    else:
        first, count = cost[0], len(cost)
        arguments = _arrays.Arguments(**{f"cost[{i}]": one for i, one in enumerate(cost)})
        arguments.require_not_empty()
        costs = list(arguments.ready(check_finite=False).arrays)
    sides = {name: _items(name, mass, count) for name, mass in (("a", a), ("b", b))}
    regs, reg_name = _regs(reg, count)
    names = []
    for i in range(count):
        names.append({"cost": f"cost[{i}]", "reg": reg_name(i)})
        for name, mass in (("a", a), ("b", b)):
            names[i][name] = name if _is_shared(mass) else f"{name}[{i}]"
        names[i]["initial"] = f"initial[{i}]"
    return _Batch(
        costs,
        sides["a"],
        sides["b"],
        regs,
        _starts(initial, count),
        names,
        stacked,
        arguments.array_namespace(),
        arguments.device_of(first),
    )


def _is_shared(mass: Any) -> bool:
    """Whether all problems were given these masses."""
    return len(getattr(mass, "shape", ())) == 1


def _items(name: str, mass: Any, count: int) -> list[Any]:
    """Give the masses of each problem."""
    if mass is None:
        return [None] * count
    if isinstance(mass, list | tuple):
        items, length = list(mass), len(mass)
        if not any(one is None or hasattr(one, "shape") for one in items):
            # It says that this is no array.
            _arrays.Arguments(**{name: mass})
    else:
        shape = _arrays.Arguments(ndim=(1, 2), **{name: mass}).shapes[name]
        if len(shape) == 1:
            return [mass] * count
        length = shape[0]
        items = [mass[i, :] for i in range(length)]
    if length != count:
        raise ShapeError(
            f"{name}: expected masses of {count} problems, or one array of 1 dimension for all, "
            f"got {length}"
        )
    return items


def _regs(reg: Any, count: int) -> tuple[list[float], Callable[[int], str]]:
    """Give the reg of each problem, and how it is called."""
    one_each = isinstance(reg, list | tuple) or len(getattr(reg, "shape", ())) > 0
    if not one_each:
        return [_checks.number("reg", reg, above=0.0)] * count, lambda _: "reg"
    shape = tuple(getattr(reg, "shape", (len(reg),)))
    if shape != (count,):
        raise ShapeError(f"reg: expected a number, or {count}, one a problem, got shape {shape}")
    regs = [_checks.number(f"reg[{i}]", reg[i], above=0.0) for i in range(count)]
    return regs, lambda i: f"reg[{i}]"


def _starts(initial: Any, count: int) -> list[Any]:
    """Give what each problem starts from."""
    if initial is None:
        return [None] * count
    if isinstance(initial, Transports):
        g = initial.g
    elif isinstance(initial, tuple | list) and len(initial) == 2:
        g = initial[1]
    else:
        raise DTypeError(f"initial: expected Transports or (f, g), got {initial!r}")
    length = len(g) if isinstance(g, list | tuple) else int((*getattr(g, "shape", ()), 0)[0])
    if length != count:
        raise ShapeError(f"initial: expected a g of {count} problems, got {length}")
    return [(None, g[i] if isinstance(g, list | tuple) else g[i, :]) for i in range(count)]


def _namespace(array: Any) -> Any:
    return _arrays.Arguments(ndim=2, f=array).array_namespace()
