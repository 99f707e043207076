"""Entropic transport of a cost matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run, Solver
from isomorph._backends.sides import rounding
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._warning import warn
from isomorph.errors import ConvergenceWarning, DTypeError, ShapeError
from isomorph.transport._problem import Problem, problem
from isomorph.transport._result import History, Transport

if TYPE_CHECKING:
    from isomorph.transport._batch import Transports

ACCELERATIONS = ("auto", "newton", "anderson", "overrelaxation", "none")
METHODS = ("auto", "scaling", "stabilized", "log")
#: In units of reg: up to here the numbers of the scaling form stay inside float64, and in float32
#: the exponents of what carries mass stay as small as those of the stabilised form.
SCALING_RANGE = {"float32": 8.0, "float64": 300.0}
TOLERANCE = 1e-6
#: Potentials of a start, in units of reg, that have digits left after the point.
_START_RANGE = 1e10


@overload
def sinkhorn(
    a: Any,
    b: Any,
    cost: Sequence[Any],
    reg: Any,
    *,
    method: str = ...,
    max_iter: int = ...,
    tol: float | None = ...,
    initial: Transports | tuple[Any, Any] | None = ...,
    acceleration: str = ...,
    epsilon_scaling: bool | str = ...,
    check_finite: bool = ...,
    threads: int | None = ...,
    progress: Progress = ...,
) -> Transports: ...


@overload
def sinkhorn(
    a: Any,
    b: Any,
    cost: Any,
    reg: Any,
    *,
    method: str = ...,
    max_iter: int = ...,
    tol: float | None = ...,
    initial: Transport | Transports | tuple[Any, Any] | None = ...,
    acceleration: str = ...,
    epsilon_scaling: bool | str = ...,
    check_finite: bool = ...,
    threads: int | None = ...,
    progress: Progress = ...,
) -> Transport: ...


@served
def sinkhorn(
    a: Any,
    b: Any,
    cost: Any,
    reg: Any,
    *,
    method: str = "auto",
    max_iter: int = 10_000,
    tol: float | None = None,
    initial: Transport | Transports | tuple[Any, Any] | None = None,
    acceleration: str = "auto",
    epsilon_scaling: bool | str = "auto",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Transport | Transports:
    r"""Move the masses `a` of rows to the masses `b` of columns at the least cost, smoothed.

    .. math::

        \min_P \langle P, C \rangle + \mathrm{reg} \sum_{ij} P_{ij} (\log P_{ij} - 1)
        \quad\text{with}\quad P \mathbf 1 = a,\; P^T \mathbf 1 = b

    The solution is :math:`P_{ij} = \exp((f_i + g_j - C_{ij}) / \mathrm{reg})`. Each iteration takes
    the f that makes the rows right for the g that there is, and from the sums s of the columns
    :math:`g \leftarrow g + \mathrm{reg} (\log b - \log s)`: one pass over the cost. Few such steps
    suffice for a large reg; for a small one, `acceleration` and `epsilon_scaling` replace thousands
    of them by dozens. Whatever is tried is checked: where it does not help the plain step is taken,
    which always raises the dual.

    Parameters
    ----------
    a, b : array of shape (n,), (m,), or None
        Masses of the rows and of the columns of `cost`, 0 or more, with the same sum. None: equal
        ones, 1 in all. For many problems also (p, n), (p, m), or a list of one a problem.
    cost : array of shape (n, m)
        Any numbers; +inf forbids a pair. float32 or float64 (float16 and bfloat16 are widened).
        An array of shape (p, n, m), or a list of arrays (n_i, m_i), is many problems.
    reg : float
        Weight of the entropy, positive, in the units of the cost: the plan spreads over pairs that
        cost `reg` more or less. A hundredth to a tenth of the median cost is usual. For many
        problems perhaps an array or a list of numbers, one a problem.
    method : {"auto", "scaling", "stabilized", "log"}, default "auto"
        How a pass is computed; the answer is the same. ``"scaling"``: two products of the kernel
        exp(-C / reg) with vectors, which is held. ``"stabilized"``: the same, of a kernel that is
        made anew, around the potentials, when they have moved far. ``"log"``: an exponential an
        entry and pass, and nothing held. ``"auto"``: scaling where the costs span at most 300
        times `reg` (of float32 costs: 8 times), stabilized otherwise.
    max_iter : int, default 10,000
        Passes at most.
    tol : float, optional
        The error at which to stop: the L1 norm of what the marginals of the plan miss, as a part of
        the mass. Default 1e-6.
    initial : Transport, or (f, g), optional
        Where to start: an earlier solution, of the same size. Only its g is used. For many
        problems Transports, or (f, g) of all of them.
    acceleration : {"auto", "newton", "anderson", "overrelaxation", "none"}, default "auto"
        What is made of the steps. ``"newton"``: Newton's method on the dual, its linear systems
        solved by conjugate gradients with what of the plan is not nearly 0. ``"anderson"``: the
        extrapolation of ten steps, in the metric of b. ``"overrelaxation"``: longer steps, by the
        rate that is observed. ``"none"``: the plain iteration. ``"auto"``: extrapolation where
        that is quick, Newton's method otherwise.
    epsilon_scaling : {"auto", True, False}, default "auto"
        Solve for larger values of `reg` first, roughly, each half of the one before. ``"auto"``:
        where there is no `initial`, and `reg` is below a tenth (``acceleration="newton"``) or
        0.008 (``"auto"``) of the standard deviation of the costs, what is a row's or a
        column's own taken off.
    check_finite : bool, default True
        Look for NaN and -inf in `cost`.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)`` passes.

    Returns
    -------
    Transport
        ``f, g, value, error, iterations, converged``; and ``.plan()``, ``.top(k)``, ``.apply(v)``,
        ``.gap``. The best potentials that were seen, if it did not converge. Of many problems
        :class:`Transports`: the same fields of all, ``.plan()``, and as ``[i]`` a Transport, which
        depends on no other problem.

    Warns
    -----
    ConvergenceWarning
        The error is above `tol` after `max_iter` passes.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        From the arrays.
    ValueError
        A negative mass, none at all, or not the same on both sides; a row or column with mass all
        of whose pairs are forbidden; `reg` not positive, or too small for exp(cost / reg) to have
        digits in the type of the cost; another option out of its range.

    Notes
    -----
    O(n m) an iteration. Peak memory beyond the cost: its kernel in float64 (none with ``"log"``),
    blocks of 32 MB, 22 vectors of length m, and for Newton's method the kept part of the plan.

    References
    ----------
    M. Cuturi, "Sinkhorn distances: lightspeed computation of optimal transport", 2013.
    B. Schmitzer, "Stabilized sparse scaling algorithms for entropy regularized transport
    problems", 2019. H. Walker and P. Ni, "Anderson acceleration for fixed-point iterations", 2011.
    A. Thibault, L. Chizat, C. Dossal and N. Papadakis, "Overrelaxed Sinkhorn-Knopp algorithm for
    regularized optimal transport", 2021. X. Tang et al., "Accelerating Sinkhorn algorithm with
    sparse Newton iterations", 2024.
    J. Altschuler, J. Weed and P. Rigollet, "Near-linear time approximation algorithms for optimal
    transport via Sinkhorn iteration", 2017, for the gap.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> cost = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    >>> moved = iso.sinkhorn(None, None, cost, 0.1)
    >>> moved.plan().round(3).tolist()
    [[0.333, 0.167, 0.0], [0.0, 0.167, 0.333]]
    >>> moved.converged, round(moved.value, 3)
    (True, 0.333)
    """
    from isomorph.transport import _batch

    options = solver(method, max_iter, tol, initial, acceleration, epsilon_scaling)
    if _batch.is_many(cost):
        return _batch.sinkhorn_many(
            a,
            b,
            cost,
            reg,
            initial=initial,
            solver=options,
            check_finite=check_finite,
            threads=threads,
            progress=progress,
        )
    made = problem(a, b, cost, reg, check_finite=check_finite)
    if method == "auto":
        options = dataclasses.replace(options, method=_chosen(made))
    if tol is None:
        options = dataclasses.replace(options, tol=max(options.tol, rounding(made.cost)))
    return solve(made, initial, options, Run(runtime.resolve_threads(threads), progress))


def solver(
    method: str,
    max_iter: int,
    tol: float | None,
    initial: Any,
    acceleration: str,
    epsilon_scaling: bool | str,
) -> Solver:
    """Check the options of an iteration."""
    annealing = None
    if isinstance(epsilon_scaling, bool):
        annealing = epsilon_scaling
    elif epsilon_scaling != "auto":
        raise ValueError(
            f"epsilon_scaling: expected one of auto, True, False, got {epsilon_scaling!r}"
        )
    elif initial is not None:
        # What is known about the solution would be lost on the way.
        annealing = False
    return Solver(
        _checks.one_of("method", method, METHODS),
        _checks.one_of("acceleration", acceleration, ACCELERATIONS),
        _checks.integer("max_iter", max_iter, 1),
        TOLERANCE if tol is None else _checks.number("tol", tol, above=0.0),
        annealing,
    )


def solve(
    made: Problem,
    initial: Transport | Transports | tuple[Any, Any] | None,
    solver: Solver,
    run: Run,
) -> Transport:
    """Solve a problem that is ready; a warning names the line that called the caller."""
    start = _start(initial, made)
    found = made.backend.sinkhorn(made.cost, made.a, made.b, made.reg, start, solver, run)
    solved = _transport(made, found, solver)
    if not solved.converged:
        stuck = " (or what is not forbidden cannot carry these masses)" if made.forbids() else ""
        warn(
            f"sinkhorn: error {solved.error:.2g} after {solved.iterations:,} passes, expected "
            f"{solver.tol:.2g} of the mass; take a larger reg, tol or max_iter, or go on with "
            f"initial={stuck}",
            ConvergenceWarning,
        )
    return solved


def _chosen(made: Problem) -> str:
    narrow = made.cost.dtype == made.xp.float32
    range_ = SCALING_RANGE["float32" if narrow else "float64"]
    return "scaling" if made.span <= range_ * made.reg else "stabilized"


def _start(initial: Transport | Transports | tuple[Any, Any] | None, made: Problem) -> Any:
    """Give the column potentials to start from."""
    xp = made.xp
    if initial is None:
        # That of costs which are all the same.
        return made.reg * xp.log(xp.where(made.b > 0, made.b, xp.ones_like(made.b)))
    if isinstance(initial, Transport):
        g = initial.g
    elif isinstance(initial, tuple | list) and len(initial) == 2:
        g = initial[1]
    else:
        raise DTypeError(f"initial: expected a Transport or (f, g), got {initial!r}")
    if tuple(getattr(g, "shape", ())) != tuple(made.b.shape):
        raise ShapeError(
            f"initial: expected a g of shape {tuple(made.b.shape)}, got "
            f"{tuple(getattr(g, 'shape', ()))}"
        )
    g = xp.astype(xp.asarray(g), xp.float64)
    if made.of_columns is not None:
        g = g - made.of_columns
    known = xp.isfinite(g) & (made.b > 0)
    if not bool(xp.any(known)):
        return xp.zeros_like(g)
    # A constant in g says nothing, and a large one costs digits.
    g = xp.where(known, g, xp.zeros_like(g))
    middle = float(xp.max(xp.where(known, g, -xp.inf))) / 2
    middle += float(xp.min(xp.where(known, g, xp.inf))) / 2
    g = xp.where(known, g - middle, xp.zeros_like(g))
    if float(xp.max(xp.abs(g))) > _START_RANGE * made.reg:
        raise ValueError(
            f"initial: expected a g that spans at most {2 * _START_RANGE:g} times reg, got "
            f"{2 * float(xp.max(xp.abs(g))):g}; is it of another problem?"
        )
    return g


def _history(made: Problem, found: Any) -> History:
    xp, beside = made.xp, _arrays.Arguments(ndim=1, b=made.b).device_of(made.b)
    errors, regs = (xp.asarray(one, dtype=xp.float64, **beside) for one in found.history)
    count = len(found.history[0])
    return History(xp.arange(1, count + 1, dtype=xp.int64, **beside), errors, regs)


def _transport(made: Problem, found: Any, solver: Solver, *, balanced: bool = True) -> Transport:
    f, g = made.restore(found.f, found.g)
    if balanced:
        f, g = made.balance(f, g)
    error, error_l2, converged = found.error, found.error_l2, found.converged
    sums = found.sums or made.backend.plan_sums(made.cost, found.f, found.g, made.reg)
    rows, columns, value = sums
    if balanced and found.sums is None:
        # An iteration knows the sums of the plan before its last step only.
        error, error_l2 = made.missed(rows, columns)
        converged = error <= solver.tol * float(made.xp.sum(made.a))
    return Transport(
        f,
        g,
        value + made.taken(rows, columns),
        error,
        found.iterations,
        converged,
        error_l2,
        made.reg,
        solver.tol,
        solver.method,
        _history(made, found),
        made,
        (found.f, found.g),
        _known_sums=(rows, columns),
    )
