"""The debiased divergence between two sets of points, by entropic transport."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from isomorph import runtime
from isomorph._backends import Run
from isomorph._backends.sides import rounding
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Unpackable
from isomorph.errors import DTypeError
from isomorph.transport._points import clouds
from isomorph.transport._result import Transport
from isomorph.transport._sinkhorn import solve, solver


@dataclass(frozen=True, eq=False, repr=False)
class SinkhornDivergence(Unpackable):
    """What :func:`sinkhorn_divergence` gives; unpacks as its first three fields.

    Attributes
    ----------
    value : float
        The divergence.
    error : float
        The largest error of the marginals of the three plans, each as a part of the mass.
    converged : bool
        Whether all three problems are solved to `tol`.
    xy, xx, yy : Transport
        The solutions between the sets, and of each with itself.
    """

    value: float
    error: float
    converged: bool
    xy: Transport
    xx: Transport
    yy: Transport
    _points: tuple[Any, Any]
    _cost: str
    _unpacks: ClassVar[tuple[str, ...]] = ("value", "error", "converged")

    def __repr__(self) -> str:
        n, m = (len(self.xx.f), len(self.yy.f))
        said = "converged" if self.converged else "not converged"
        return (
            f"SinkhornDivergence({n:,} x {m:,}, reg={self.xy.reg:g}, value={self.value:.6g}, "
            f"{said}, error={self.error:.2g})"
        )

    @served
    def gradient_points(self) -> tuple[Any, Any]:
        r"""Give the derivatives of `value` with respect to the points.

        By the envelope theorem no iteration is undone, as in :meth:`Transport.gradient_points`:

        .. math::

            \nabla_{x_i} S = \sum_j P^{xy}_{ij} \partial_1 c(x_i, y_j)
            - \sum_j P^{xx}_{ij} \partial_1 c(x_i, x_j)

        and the same for y: a set's two parts in the problem with itself are equal, which makes up
        for the half. Their mean is taken, so that what is left of the error cancels in part.

        Returns
        -------
        of_x, of_y : array of shape (n, d), (m, d)
            In the type of the points, which must not have been changed in place since.
            O((n + m)^2 d); no n x m array is made.
        """
        x, y = self._points
        of_x, of_y = self.xy.gradient_points(x, y, cost=self._cost, check_finite=False)
        same_x = self.xx.gradient_points(x, x, cost=self._cost, check_finite=False)
        same_y = self.yy.gradient_points(y, y, cost=self._cost, check_finite=False)
        return of_x - 0.5 * (same_x[0] + same_x[1]), of_y - 0.5 * (same_y[0] + same_y[1])


@served
def sinkhorn_divergence(
    x: Any,
    y: Any,
    reg: float,
    *,
    a: Any = None,
    b: Any = None,
    cost: str = "cosine",
    max_iter: int = 10_000,
    tol: float | None = None,
    initial: SinkhornDivergence | None = None,
    acceleration: str = "auto",
    epsilon_scaling: bool | str = "auto",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> SinkhornDivergence:
    r"""Tell how far the points `x` are from the points `y`: transport, less what entropy adds.

    .. math::

        S(x, y) = \mathrm{OT}(x, y) - \tfrac12 \mathrm{OT}(x, x) - \tfrac12 \mathrm{OT}(y, y)

    where OT is the least :math:`\langle P, C \rangle + \mathrm{reg}\, \mathrm{KL}(P \mid a
    b^T)`. Entropy alone makes OT(x, x) differ from 0, and a loss that is OT alone pulls points
    together; S is 0 for equal sets, 0 or more, and symmetric. As `reg` goes to 0 it becomes the
    cost of the best transport (with the self-costs taken off, for ``"dot"``); as `reg` grows,
    :math:`\sum_{ij} (a_i b_j C^{xy}_{ij} - \tfrac12 a_i a_j C^{xx}_{ij}) - \tfrac12 \sum_{ij}
    b_i b_j C^{yy}_{ij}`: the squared distance of the means for ``"sqeuclidean"``, and half of that
    for ``"dot"`` and, of unit vectors, ``"cosine"``.

    Parameters
    ----------
    x : array of shape (n, d)
        float32 or float64; float16 and bfloat16 are widened to float32.
    y : array of shape (m, d)
        Mixed types promote as in NumPy.
    reg : float
        Weight of the entropy, positive, in the units of the cost.
    a, b : array of shape (n,), (m,), optional
        Masses of the points, 0 or more, with the same sum. Default: equal ones, 1 in all. Sets of
        different mass (Sejourne et al. 2019) are not offered.
    cost : {"cosine", "dot", "sqeuclidean"}, default "cosine"
        As in :func:`isomorph.sinkhorn_points`.
    max_iter, tol, acceleration, epsilon_scaling
        As in :func:`isomorph.sinkhorn`, for each of the three problems.
    initial : SinkhornDivergence, optional
        Where to start: an earlier result of as many points, as after a step of theirs.
    check_finite : bool, default True
        Look for NaN and infinities first, to name the row.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)`` passes; once a problem.

    Returns
    -------
    SinkhornDivergence
        ``value, error, converged``, the three solutions ``xy, xx, yy``, and
        ``.gradient_points()``.

    Warns
    -----
    ConvergenceWarning
        The error of a problem is above `tol` after `max_iter` passes.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As :func:`isomorph.sinkhorn_points`.

    Notes
    -----
    Three problems of :func:`isomorph.sinkhorn_points`: O((n + m)^2 d) an iteration, memory that
    grows with n + m. Each OT is the dual of its potentials, a lower bound whose error is of second
    order in that of the marginals, so `value` may be below 0 by as much; ``xx.gap`` and the like
    bound it. float32 points have costs with an error of :math:`2 (d + 2) u R`, at most (see
    :func:`isomorph.sinkhorn_points`): values below that are 0.

    Terms of the entropy that depend on nothing but the masses cancel, so that
    :math:`\mathrm{reg} \sum P (\log P - 1)` gives the same value.

    References
    ----------
    J. Feydy, T. Sejourne, F.-X. Vialard, S. Amari, A. Trouve and G. Peyre, "Interpolating between
    optimal transport and MMD using Sinkhorn divergences", 2019. A. Genevay, G. Peyre and M. Cuturi,
    "Learning generative models with Sinkhorn divergences", 2018.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> found = iso.sinkhorn_divergence(x, x + [0.0, 1.0], 0.1, cost="sqeuclidean")
    >>> round(found.value, 3), found.converged
    (1.0, True)
    >>> round(iso.sinkhorn_divergence(x, x[::-1], 0.1, cost="sqeuclidean").value, 6) + 0.0
    0.0
    """
    if initial is not None and not isinstance(initial, SinkhornDivergence):
        raise DTypeError(f"initial: expected a SinkhornDivergence, got {initial!r}")
    options = solver("log", max_iter, tol, initial, acceleration, epsilon_scaling)
    made = clouds(x, y, a, b, cost, reg, check_finite=check_finite)
    run = Run(runtime.resolve_threads(threads), progress)
    starts = (None, None, None) if initial is None else (initial.xy, initial.xx, initial.yy)
    solved = []
    for (left, right), start in zip(((0, 1), (0, 0), (1, 1)), starts, strict=True):
        problem = made.between(left, right)
        if tol is None:
            options = dataclasses.replace(options, tol=max(options.tol, rounding(problem.cost)))
        solved.append(solve(problem, start, options, run))
    xy, xx, yy = solved
    mass = float(made.xp.sum(made.masses[0]))
    return SinkhornDivergence(
        xy.dual_value - 0.5 * (xx.dual_value + yy.dual_value),
        max(one.error for one in solved) / mass,
        all(one.converged for one in solved),
        xy,
        xx,
        yy,
        made.points,
        cost,
    )
