"""Entropic transport that need not move everything: penalised masses, and a part of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from isomorph import _checks, runtime
from isomorph._backends import Run, Solver
from isomorph._backends.sides import AtMost, Exact, Relaxed, Within
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._warning import warn
from isomorph.errors import ConvergenceWarning, DTypeError, ShapeError
from isomorph.transport._asked import Asked
from isomorph.transport._problem import Problem, problem, require_ways, stuck
from isomorph.transport._result import Transport
from isomorph.transport._sinkhorn import METHODS, TOLERANCE, _chosen, _transport, sinkhorn

REFERENCES = ("uniform", "product")
#: Newton's method and annealing are those of given sums.
ACCELERATIONS = ("auto", "anderson", "overrelaxation", "none")
#: What of the mass is no more than rounding of its sums.
_ROUNDING = 1e-12


@served
def sinkhorn_unbalanced(
    a: Any,
    b: Any,
    cost: Any,
    reg: float,
    *,
    penalty: float | tuple[float, float],
    reference: str = "uniform",
    method: str = "auto",
    max_iter: int = 10_000,
    tol: float | None = None,
    initial: Transport | tuple[Any, Any] | None = None,
    acceleration: str = "auto",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Transport:
    r"""Move masses at the least cost, where leaving some, or making some, has a price.

    .. math::

        \min_P \langle P, C \rangle + \mathrm{reg}\, H(P)
        + \rho_a\, \mathrm{KL}(P \mathbf 1 \mid a) + \rho_b\, \mathrm{KL}(P^T \mathbf 1 \mid b),
        \qquad \mathrm{KL}(r \mid a) = \sum_i r_i \log \frac{r_i}{a_i} - r_i + a_i

    with :math:`H(P) = \sum P (\log P - 1)`, as in :func:`sinkhorn`, or
    :math:`\mathrm{KL}(P \mid a b^T)`. The solution is
    :math:`P_{ij} = \exp((f_i + g_j - C_{ij}) / \mathrm{reg})`. With the sums s of the plan without
    f, the best f for a g is :math:`\frac{\rho_a}{\rho_a + \mathrm{reg}} \mathrm{reg} (\log a - \log
    s)`, and likewise g: iterated as in :func:`sinkhorn`, each step raises the dual.

    Parameters
    ----------
    a, b : array of shape (n,), (m,), or None
        Masses of the rows and of the columns of `cost`, 0 or more; their sums may differ. None:
        equal ones, 1 in all.
    cost : array of shape (n, m)
        Any numbers; +inf forbids a pair. float32 or float64 (float16 and bfloat16 are widened). A
        constant added to it counts here: it is what moving costs beside leaving.
    reg : float
        Weight of the entropy, positive, in the units of the cost.
    penalty : float, or (float, float)
        :math:`\rho`, of both sides or of a and of b, positive, in the units of the cost: mass is
        moved if that costs less than about :math:`\rho_a + \rho_b`. Infinity: that side's sums are
        its masses; both infinite is :func:`sinkhorn`.
    reference : {"uniform", "product"}, default "uniform"
        What H is relative to. ``"uniform"``: each pair counts alike, :math:`\sum P (\log P - 1)`.
        ``"product"``: :math:`\mathrm{KL}(P \mid a b^T)`, so that splitting a point in two of half
        its mass changes nothing. Where sums are given that makes no difference to the plan; here it
        does. (POT: ``reg_type="entropy"`` and its default ``"kl"``.)
    acceleration : {"auto", "anderson", "overrelaxation", "none"}, default "auto"
        As of :func:`sinkhorn`; ``"auto"`` is ``"anderson"``.
    method, max_iter, initial, check_finite, threads, progress
        As of :func:`sinkhorn`.
    tol : float, optional
        The error at which to stop, as a part of the plan's mass. Default 1e-6.

    Returns
    -------
    Transport
        Its `error` is the L1 norm of what one more step would change of the sums of the columns
        (those of the rows are right for them); ``.marginals`` are the sums, ``.entropic_value`` is
        what is minimised, the penalties included, ``.gap`` its certificate, in closed form. Rows
        all of whose pairs are forbidden have a potential of -inf: their mass pays the penalty.

    Warns
    -----
    ConvergenceWarning
        The error is above `tol` after `max_iter` passes.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As from :func:`sinkhorn`, but for the sums of the masses; `penalty` not positive.

    Notes
    -----
    O(n m) an iteration; peak memory as of :func:`sinkhorn`.

    As the penalties grow the plan becomes that of :func:`sinkhorn` (if the masses have the same
    sum). As they vanish P becomes exp(-C / reg) between points that have mass (times a b' with
    ``"product"``): each pair on its own, whatever the masses.

    References
    ----------
    L. Chizat, G. Peyré, B. Schmitzer and F.-X. Vialard, "Scaling algorithms for unbalanced optimal
    transport problems", 2018. T. Séjourné, J. Feydy, F.-X. Vialard, A. Trouvé and G. Peyré,
    "Sinkhorn divergences for unbalanced optimal transport", 2019, for the product.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> cost = np.array([[0.0, 1.0], [1.0, 0.0], [9.0, 9.0]])
    >>> moved = iso.sinkhorn_unbalanced(None, None, cost, 0.1, penalty=1.0)
    >>> [part.round(2).tolist() for part in moved.marginals]
    [[0.43, 0.43, 0.0], [0.43, 0.43]]
    """
    penalties = _penalties(penalty)
    _checks.one_of("reference", reference, REFERENCES)
    solver = _solver(method, max_iter, tol, acceleration)
    if min(penalties) == math.inf:
        return sinkhorn(
            a,
            b,
            cost,
            reg,
            method=method,
            max_iter=max_iter,
            tol=tol,
            initial=initial,
            acceleration=acceleration,
            check_finite=check_finite,
            threads=threads,
            progress=progress,
        )
    made = problem(a, b, cost, reg, check_finite=check_finite, balanced=False)
    xp, product = made.xp, reference == "product"
    require_ways(
        xp,
        made.cost,
        made.a,
        made.b,
        tuple(name for name, one in zip("ab", penalties, strict=True) if one == math.inf),
    )
    totals = (float(xp.sum(made.a)), float(xp.sum(made.b))) if product else None
    made, lost = _without_stuck(made)
    sides: list[Exact] = []
    for mass, one, without in zip((made.a, made.b), penalties, lost, strict=True):
        logs = xp.log(xp.where(mass > 0, mass, xp.ones_like(mass)))
        base = logs if product else xp.zeros_like(mass)
        if one == math.inf:
            sides.append(Exact(xp, mass, reference=base))
        else:
            sides.append(Relaxed(xp, mass, one / made.reg, reference=base, lost=without))
    rows, columns = sides
    asked = Asked(rows, columns, totals=totals)
    run = Run(runtime.resolve_threads(threads), progress)
    return _solve("sinkhorn_unbalanced", made, asked, columns.reference, initial, solver, run)


@served
def sinkhorn_partial(
    a: Any,
    b: Any,
    cost: Any,
    reg: float,
    *,
    mass: float,
    method: str = "auto",
    max_iter: int = 10_000,
    tol: float | None = None,
    initial: Transport | tuple[Any, Any] | None = None,
    acceleration: str = "auto",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Transport:
    r"""Move just `mass` at the least cost, whichever part of the masses that is.

    .. math::

        \min_P \langle P, C \rangle + \mathrm{reg} \sum_{ij} P_{ij} (\log P_{ij} - 1)
        \quad\text{with}\quad P \mathbf 1 \le a,\; P^T \mathbf 1 \le b,\;
        \mathbf 1^T P \mathbf 1 = \mathrm{mass}

    The solution is :math:`P_{ij} = \exp((f_i + g_j + \lambda - C_{ij}) / \mathrm{reg})` with
    potentials :math:`f, g \le 0`, and 0 where a point keeps some of its mass, and the price
    :math:`\lambda` of one more unit. The iteration raises the dual in turn by the best f, which is
    :math:`\min(0, \cdot)` of that of :func:`sinkhorn`, and by the best g and :math:`\lambda` at
    once: a smooth concave problem with bounds, so that this converges, linearly in the end.

    Parameters
    ----------
    a, b : array of shape (n,), (m,), or None
        Masses of the rows and of the columns of `cost`, 0 or more; their sums may differ. None:
        equal ones, 1 in all.
    cost : array of shape (n, m)
        Any numbers; +inf forbids a pair. float32 or float64 (float16 and bfloat16 are widened).
    reg : float
        Weight of the entropy, positive, in the units of the cost.
    mass : float
        What to move: above 0, at most the smaller of the sums of a and b.
    acceleration : {"auto", "anderson", "overrelaxation", "none"}, default "auto"
        As of :func:`sinkhorn`; ``"auto"`` is ``"anderson"``.
    method, max_iter, initial, check_finite, threads, progress
        As of :func:`sinkhorn`.
    tol : float, optional
        The error at which to stop, as a part of `mass`. Default 1e-6.

    Returns
    -------
    Transport
        The side with less mass has :math:`\lambda` in its potentials, of which it is the largest.
        Its `error` is the L1 norm of what one more step would change of the sums of that side
        (those of the other are right for them); ``.marginals`` are the sums.

    Warns
    -----
    ConvergenceWarning
        The error is above `tol` after `max_iter` passes; perhaps because what is not forbidden
        cannot carry `mass`.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As from :func:`sinkhorn`, but for the sums of the masses; `mass` out of its range.

    Notes
    -----
    O(n m) an iteration; peak memory as of :func:`sinkhorn`, and a copy of the cost if a is the
    smaller one: rows and columns are swapped then, because :math:`\lambda` would come slowly with
    the emptier side. The best g and :math:`\lambda` fill columns as water fills vessels, found by
    bisection.

    References
    ----------
    J.-D. Benamou, G. Carlier, M. Cuturi, L. Nenna and G. Peyré, "Iterative Bregman projections for
    regularized transportation problems", 2015, for the problem. Z.-Q. Luo and P. Tseng, "On the
    convergence of the coordinate descent method for convex differentiable minimization", 1992.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> cost = np.array([[0.0, 1.0], [1.0, 0.0], [9.0, 9.0]])
    >>> moved = iso.sinkhorn_partial(None, None, cost, 0.1, mass=0.5)
    >>> [part.round(2).tolist() for part in moved.marginals]
    [[0.25, 0.25, 0.0], [0.25, 0.25]]
    """
    solver = _solver(method, max_iter, tol, acceleration)
    mass = _checks.number("mass", mass, above=0.0)
    made = problem(a, b, cost, reg, check_finite=check_finite, balanced=False)
    xp = made.xp
    most = float(xp.sum(made.a)), float(xp.sum(made.b))
    if mass > min(most) * (1.0 + _ROUNDING):
        raise ValueError(
            f"mass: expected at most the smaller sum of the masses, {min(most):.9g}, got {mass:.9g}"
        )
    made, lost = _without_stuck(made)
    most = float(xp.sum(made.a)), float(xp.sum(made.b))
    if mass > min(most) * (1.0 + _ROUNDING):
        raise ValueError(
            f"mass: expected at most {min(most):.9g}, what is in rows and columns with a pair that "
            f"is not forbidden, got {mass:.9g}"
        )
    # The multiplier goes with the fuller side: with the other it would creep while that one fills.
    swapped = most[0] < most[1]
    rows = _part(xp, made.a, lost[0], mass, fuller=swapped)
    columns = _part(xp, made.b, lost[1], mass, fuller=not swapped)
    asked = Asked(rows, columns, total=mass)
    run = Run(runtime.resolve_threads(threads), progress)
    # What is known about the solution would be lost on the way.
    solver = dataclasses.replace(solver, annealing=initial is None)
    default = rows.logs if swapped else columns.logs
    return _solve("sinkhorn_partial", made, asked, default, initial, solver, run, swapped=swapped)


def _part(xp: Any, masses: Any, lost: Any, mass: float, *, fuller: bool) -> Exact:
    if mass >= float(xp.sum(masses)) * (1.0 - _ROUNDING):
        # All of the side: its sums are given.
        return Exact(xp, masses, lost=lost)
    return Within(xp, masses, mass, lost=lost) if fuller else AtMost(xp, masses, lost=lost)


def _solver(method: str, max_iter: int, tol: float | None, acceleration: str) -> Solver:
    return Solver(
        _checks.one_of("method", method, METHODS),
        _checks.one_of("acceleration", acceleration, ACCELERATIONS),
        _checks.integer("max_iter", max_iter, 1),
        TOLERANCE if tol is None else _checks.number("tol", tol, above=0.0),
        annealing=False,
    )


def _penalties(penalty: Any) -> tuple[float, float]:
    if isinstance(penalty, tuple | list) and len(penalty) == 2:
        first, second = (_penalty(one) for one in penalty)
        return first, second
    both = _penalty(penalty)
    return both, both


def _penalty(penalty: Any) -> float:
    try:
        infinite = float(penalty) == math.inf
    except (TypeError, ValueError):
        raise DTypeError(
            f"penalty: expected a number, or one of a and one of b, got {penalty!r}"
        ) from None
    return math.inf if infinite else _checks.number("penalty", penalty, above=0.0)


def _without_stuck(made: Problem) -> tuple[Problem, tuple[Any, Any]]:
    """Take out the mass that can go nowhere; give what it is."""
    xp, masses, lost = made.xp, [], []
    for mass, closed in zip((made.a, made.b), stuck(xp, made.cost, made.a, made.b), strict=True):
        none = xp.zeros_like(mass)
        masses.append(xp.where(closed, none, mass))
        lost.append(xp.where(closed, mass, none))
    if not bool(xp.any(masses[0] > 0)):
        raise ValueError("cost: expected a pair of masses that is not forbidden, got none")
    return dataclasses.replace(made, a=masses[0], b=masses[1]), (lost[0], lost[1])


def _solve(
    name: str,
    made: Problem,
    asked: Asked,
    default: Any,
    initial: Transport | tuple[Any, Any] | None,
    solver: Solver,
    run: Run,
    *,
    swapped: bool = False,
) -> Transport:
    """Solve a problem, with rows for columns if `swapped`, from potentials `default` of columns."""
    if solver.method == "auto":
        solver = dataclasses.replace(solver, method=_chosen(made))
    start = (
        made.reg * default
        if initial is None
        else _start(made.xp, initial, default, swapped=swapped)
    )
    cost, sides = made.cost, (asked.rows, asked.columns)
    if swapped:
        xp, (n, m) = made.xp, made.cost.shape
        # The detour makes it an array of rows.
        cost = xp.reshape(xp.reshape(xp.permute_dims(cost, (1, 0)), (-1,)), (m, n))
        sides = asked.columns, asked.rows
    found = made.backend.transport(cost, sides, made.reg, start, solver, run)
    if swapped:
        found = dataclasses.replace(found, f=found.g, g=found.f)
    solved = dataclasses.replace(_transport(made, found, solver, balanced=False), _asked=asked)
    if not solved.converged:
        warn(
            f"{name}: error {solved.error:.2g} after {solved.iterations:,} passes, expected "
            f"{solver.tol:.2g} of the mass; take a larger reg, tol or max_iter, or go on with "
            "initial=",
            ConvergenceWarning,
        )
    return solved


def _start(xp: Any, initial: Any, default: Any, *, swapped: bool) -> Any:
    """Give the potentials to start from; a constant in them counts."""
    if isinstance(initial, Transport):
        initial = initial.f, initial.g
    elif not (isinstance(initial, tuple | list) and len(initial) == 2):
        raise DTypeError(f"initial: expected a Transport or (f, g), got {initial!r}")
    given = initial[0] if swapped else initial[1]
    if tuple(getattr(given, "shape", ())) != tuple(default.shape):
        raise ShapeError(
            f"initial: expected {'an f' if swapped else 'a g'} of shape {tuple(default.shape)}, "
            f"got {tuple(getattr(given, 'shape', ()))}"
        )
    given = xp.astype(xp.asarray(given), xp.float64)
    return xp.where(xp.isfinite(given), given, xp.zeros_like(given))
