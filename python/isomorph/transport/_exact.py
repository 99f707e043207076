"""Transport without entropy, by libraries that solve linear programs: for checks, and if small."""

from __future__ import annotations

import math
import sys
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isomorph import _arrays
from isomorph._dlpack import served_on_cpu
from isomorph._extras import require
from isomorph._results import Unpackable
from isomorph._warning import warn
from isomorph.errors import ConvergenceWarning, DTypeError
from isomorph.transport._problem import problem

#: What of the largest cost is no more than rounding.
_ROUNDING = 1e-13
#: Pivots of the network simplex, more than problems of any size that fits take.
_PIVOTS = 2**31 - 1


@dataclass(frozen=True, eq=False, repr=False)
class ExactTransport(Unpackable):
    r"""A best plan without entropy; unpacks as its first four fields.

    Attributes
    ----------
    rows, columns : array of int64, shape (k,)
        Where the plan is not 0, in the order of rows: at most n + m - 1 pairs.
    masses : array of float64, shape (k,)
        What goes there.
    value : float
        :math:`\langle P, C \rangle`.
    f, g : array of float64, shape (n,), (m,)
        Dual potentials: :math:`f_i + g_j \le C_{ij}`. Only the sum counts. Where there is no mass
        they are as large as that allows.
    gap : float
        `value` less :math:`\langle f, a \rangle + \langle g, b \rangle`, which is no more than any
        plan costs: a certificate, 0 but for rounding.
    method : str
        ``"assignment"`` (SciPy) or ``"simplex"`` (POT).
    shape : tuple of int
        (n, m).
    """

    rows: Any
    columns: Any
    masses: Any
    value: float
    f: Any
    g: Any
    gap: float
    method: str
    shape: tuple[int, int]
    _unpacks: ClassVar[tuple[str, ...]] = ("rows", "columns", "masses", "value")

    def __repr__(self) -> str:
        n, m = self.shape
        return (
            f"ExactTransport({n:,} x {m:,}, value={self.value:.6g}, {len(self.rows):,} pairs, "
            f"gap={self.gap:.2g}, {self.method!r})"
        )

    def plan(self) -> Any:
        """Make the plan: an array of float64, n x m."""
        made = np.zeros(self.shape)
        made[self.rows, self.columns] = self.masses
        return made


@served_on_cpu
def exact(a: Any, b: Any, cost: Any, *, check_finite: bool = True) -> ExactTransport:
    r"""Move the masses `a` of rows to the masses `b` of columns at the least cost, without entropy.

    .. math::

        \min_P \langle P, C \rangle \quad\text{with}\quad P \ge 0,\; P \mathbf 1 = a,\;
        P^T \mathbf 1 = b

    The linear program is solved by others: as an assignment by SciPy where there are as many rows
    as columns and all masses are equal, else by the network simplex of POT. What comes back is
    checked: potentials are made feasible here, and `gap` certifies the plan, whoever made it.

    Parameters
    ----------
    a, b : array of shape (n,), (m,), or None
        Masses of the rows and of the columns of `cost`, 0 or more, with the same sum. None: equal
        ones, 1 in all.
    cost : array of shape (n, m)
        Any numbers, in NumPy; +inf forbids a pair. Computed in float64.
    check_finite : bool, default True
        Look for NaN and -inf in `cost`.

    Returns
    -------
    ExactTransport
        ``rows, columns, masses, value``: the plan where it is not 0; and ``f``, ``g``, ``gap``,
        ``.plan()``. Its derivatives are those of the optimum where that is unique: by the costs the
        plan, by the masses f and g.

    Warns
    -----
    ConvergenceWarning
        The solver gave up; the plan is feasible, and `gap` says how far from the best it may be.

    Raises
    ------
    ImportError
        SciPy or POT is missing: ``pip install 'isomorph[ot]'``.
    ShapeError, DTypeError, NonFiniteError
        From the arrays.
    ValueError
        A negative mass, none at all, or not the same on both sides; forbidden pairs without which
        the masses cannot be carried.

    Notes
    -----
    About O(n^3) both; a copy of the cost in float64, and with POT one of the plan.

    References
    ----------
    D. F. Crouse, "On implementing 2D rectangular assignment algorithms", 2016. N. Bonneel, M. van
    de Panne, S. Paris and W. Heidrich, "Displacement interpolation using Lagrangian mass
    transport", 2011.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> cost = np.array([[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]])
    >>> best = iso.transport.exact(None, None, cost)
    >>> best.columns.tolist(), round(best.value, 6), best.gap < 1e-12
    ([1, 0, 2], 1.666667, True)
    """
    arguments = _arrays.Arguments(cost=cost)
    if arguments.namespace is not None:
        raise DTypeError(f"cost: expected a NumPy array, got {type(cost).__name__}")
    # A reg without bounds asks nothing of the digits of the costs.
    made = problem(a, b, cost, sys.float_info.max, check_finite=check_finite)
    costs, a, b = np.asarray(made.cost, np.float64), made.a, made.b
    b = b * (a.sum() / b.sum())
    # In units in which tolerances make sense.
    unit = math.ldexp(
        1.0, math.frexp(float(np.max(np.abs(costs), initial=0, where=costs < np.inf)))[1]
    )
    costs = costs / unit
    equal = len(a) == len(b) and bool((a == a[0]).all() and (made.b == made.b[0]).all())
    if equal:
        rows, columns, masses, g = _assignment(costs, float(a[0]))
        method = "assignment"
    else:
        rows, columns, masses, g = _simplex(costs, a, b)
        method = "simplex"
    f, g = _feasible(costs, a > 0, b > 0, g)
    value = math.fsum(costs[rows, columns] * masses)
    gap = value - math.fsum(f * a) - math.fsum(g * b)
    value = unit * value + made.common * float(a.sum())
    shape = int(costs.shape[0]), int(costs.shape[1])
    return ExactTransport(
        rows, columns, masses, value, unit * f + made.common, unit * g, unit * gap, method, shape
    )


def _feasible(cost: Any, rows: Any, columns: Any, g: Any) -> tuple[Any, Any]:
    """Give the largest potentials, from g of columns with mass, whose sums are below all costs.

    First the rows' that have mass, then all columns', then all rows'. What no pair bounds is 0.
    """
    f = np.min(cost[rows][:, columns] - g[None, columns], axis=1)
    g = _bounded(np.min(cost[rows] - f[:, None], axis=0))
    return _bounded(np.min(cost - g[None, :], axis=1)), g


def _bounded(potential: Any) -> Any:
    return np.where(np.isfinite(potential), potential, 0.0)


def _assignment(cost: Any, mass: float) -> tuple[Any, Any, Any, Any]:
    """Solve for equal masses; the potentials are lengths of shortest paths.

    With the partner s(i) of row i, g has to be so that g_j - g_s(i) <= C_ij - C_is(i): the lengths
    of the shortest paths along these differences, which have no negative cycle at the best.
    """
    optimize = require("scipy.optimize", extra="ot", purpose="Exact transport")
    try:
        rows, columns = optimize.linear_sum_assignment(cost)
    except ValueError as error:
        raise _uncarried() from error
    excess = cost - cost[rows, columns][:, None]
    g = np.zeros(len(cost))
    for _ in range(len(cost)):
        shorter = np.min(g[columns][:, None] + excess, axis=0)
        if not (shorter < g - _ROUNDING).any():
            break
        g = np.minimum(g, shorter)
    masses = np.full(len(rows), mass)
    return rows.astype(np.int64), columns.astype(np.int64), masses, g


def _simplex(cost: Any, a: Any, b: Any) -> tuple[Any, Any, Any, Any]:
    """Solve by POT, which knows no forbidden pairs: they get a cost that no plan can afford."""
    ot = require("ot", extra="ot", purpose="Exact transport of masses that are not all equal")
    finite = cost < np.inf
    if not finite.all():
        least, most = float(cost.min()), float(cost[finite].max())
        # More than any cycle of exchanges can save.
        barred = most + (most - least + 1.0) * (2 * min(cost.shape) + 1)
        cost = np.where(finite, cost, barred)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan, log = ot.emd(a, b, cost, numItermax=_PIVOTS, log=True)
    if log["warning"] is not None:
        warn(f"exact: POT says: {log['warning']}; gap tells what that may cost", ConvergenceWarning)
    plan = np.where(finite | (plan > _ROUNDING * a.sum()), plan, 0.0)
    rows, columns = np.nonzero(plan)
    if not finite[rows, columns].all():
        raise _uncarried()
    return rows, columns, plan[rows, columns], np.asarray(log["v"], np.float64)


def _uncarried() -> ValueError:
    return ValueError("cost: expected pairs that can carry the masses, but too many are forbidden")
