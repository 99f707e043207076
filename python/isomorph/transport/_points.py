"""Entropic transport between two sets of points: costs that are never held as a matrix."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Backend, Run
from isomorph._backends.sides import rounding
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.transport import _clouds
from isomorph.transport._problem import Problem, masses, require_digits, require_lengths
from isomorph.transport._result import Transport
from isomorph.transport._sinkhorn import solve, solver


@served
def sinkhorn_points(
    x: Any,
    y: Any,
    reg: float,
    *,
    a: Any = None,
    b: Any = None,
    cost: str = "cosine",
    max_iter: int = 10_000,
    tol: float | None = None,
    initial: Transport | tuple[Any, Any] | None = None,
    acceleration: str = "auto",
    epsilon_scaling: bool | str = "auto",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Transport:
    r"""Move the masses of the points `x` to the points `y`, with costs that are made as needed.

    The problem of :func:`isomorph.sinkhorn`, with

    * ``"cosine"``: :math:`C_{ij} = 1 - \langle x_i, y_j\rangle / (|x_i||y_j|)`, 1 where a row is
      zero;
    * ``"dot"``: :math:`C_{ij} = -\langle x_i, y_j\rangle`;
    * ``"sqeuclidean"``: :math:`C_{ij} = |x_i - y_j|^2`

    in memory that grows with n + m. Every pass makes the costs anew, in tiles, from products of the
    points about the means of their sides; so neither points far from the origin nor directions that
    all points share cost digits.

    Parameters
    ----------
    x : array of shape (n, d)
        float32 or float64, computed in its own type; float16 and bfloat16 are widened to float32.
    y : array of shape (m, d)
        Mixed types promote as in NumPy.
    reg : float
        Weight of the entropy, positive, in the units of the cost.
    a, b : array of shape (n,), (m,), optional
        Masses of the points, 0 or more, with the same sum. Default: equal ones, 1 in all.
    cost : {"cosine", "dot", "sqeuclidean"}, default "cosine"
        What it costs to move mass from a point to another.
    max_iter, tol, initial, acceleration, epsilon_scaling
        As in :func:`isomorph.sinkhorn`.
    check_finite : bool, default True
        Look for NaN and infinities first, to name the row.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)`` passes.

    Returns
    -------
    Transport
        As :func:`isomorph.sinkhorn` gives it for the matrix of the costs. ``.top(k)`` and
        ``.apply(v)`` make no n x m matrix; ``.plan()`` does.

    Warns
    -----
    ConvergenceWarning
        The error is above `tol` after `max_iter` passes.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        From the arrays.
    ValueError
        A negative mass, none at all, or not the same on both sides; `reg` not positive, or too
        small for exp(cost / reg) to have digits in the type of the points; costs that overflow;
        another option out of its range.

    Notes
    -----
    O(n m d) an iteration, one product and one exponential a pair, in the type of the points unless
    `tol` needs more digits; the last sums are float64. Peak memory beyond the points on the CPU:
    copies of both and of `y` in float64, 512 bytes a point of `y`, and for each thread the
    exponentials of 24 to 96 points of `x` with all of `y`; for Newton's method the kept part of the
    plan, up to 3 kB a point.

    In the type of the points with unit roundoff u, a cost is wrong by at most
    :math:`2 (d + 2) u R` with R the largest product of the norms of two points about their means
    (and twice that for ``"sqeuclidean"``), usually by :math:`\sqrt d\, u R`; entries of the plan
    are wrong by as much over `reg`, relative to their size. Where the usual error leaves less than
    two digits, `reg` is refused.

    References
    ----------
    J. Feydy, "Geometric data analysis, beyond convolutions", 2020, for costs that are not held.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> y = np.array([[3.1, 0.1], [0.2, 0.0]])
    >>> moved = iso.sinkhorn_points(x, y, 0.1, cost="sqeuclidean")
    >>> moved.plan().round(3).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    >>> round(moved.value, 3)
    0.03
    """
    options = solver("log", max_iter, tol, initial, acceleration, epsilon_scaling)
    made = _problem(x, y, a, b, cost, reg, check_finite=check_finite)
    if tol is None:
        options = dataclasses.replace(options, tol=max(options.tol, rounding(made.cost)))
    return solve(made, initial, options, Run(runtime.resolve_threads(threads), progress))


def _problem(
    x: Any, y: Any, a: Any, b: Any, cost: str, reg: float, *, check_finite: bool
) -> Problem:
    """Check the arguments of one problem, and make them ready."""
    return clouds(x, y, a, b, cost, reg, check_finite=check_finite).between(0, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Clouds:
    """Two sets of points and their masses, checked and prepared once for several problems."""

    backend: Backend
    xp: Any
    cost: str
    reg: float
    dtype: str
    width: int
    #: In the one type that both promote to.
    points: tuple[Any, Any]
    sides: list[_clouds.Side]
    masses: tuple[Any, Any]

    def between(self, left: int, right: int) -> Problem:
        """Give the problem from one of the sets, 0 or 1, to one."""
        xp, reg = self.xp, self.reg
        made = _clouds.cloud(xp, self.cost, self.sides[left], self.sides[right])
        require_digits(reg, made.largest, self.dtype, 2 + math.sqrt(self.width))
        for part in (made.of_rows, made.of_columns):
            require_digits(reg, float(xp.max(xp.abs(part))), "float64")
        a, b = self.masses[left], self.masses[right]
        taken = made.common, made.of_rows, made.of_columns
        return Problem(self.backend, xp, made.products, a, b, reg, *taken)


def clouds(x: Any, y: Any, a: Any, b: Any, cost: str, reg: float, *, check_finite: bool) -> Clouds:
    """Check two sets of points and what goes with them, and make them ready."""
    _checks.one_of("cost", cost, _clouds.COSTS)
    reg = _checks.number("reg", reg, above=0.0)
    arguments = _arrays.Arguments(x=x, y=y)
    arguments.require_not_empty()
    arguments.require_same_columns("x", "y")
    lengths = arguments.shapes["x"][0], arguments.shapes["y"][0]
    require_lengths(a, b, lengths, ("row of x", "row of y"), x=x)
    both = masses(arguments, a, b, lengths, beside=x)
    ready = arguments.ready(check_finite=check_finite)
    xp = arguments.array_namespace()
    sides = _clouds.prepared(xp, cost, x=ready.arrays[0], y=ready.arrays[1])
    width = arguments.shapes["x"][1]
    points = ready.arrays[0], ready.arrays[1]
    return Clouds(ready.backend, xp, cost, reg, ready.dtype, width, points, sides, both)
