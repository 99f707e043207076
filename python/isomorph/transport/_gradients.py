"""Derivatives of what transport minimises, by the envelope theorem: no iteration is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isomorph import _arrays, _checks
from isomorph._backends.sides import Exact
from isomorph._dlpack import served
from isomorph.errors import ShapeError

if TYPE_CHECKING:
    from isomorph.transport._result import Transport

COSTS = ("cosine", "dot", "sqeuclidean")


@served
def gradient_cost(self: Transport) -> Any:
    r"""Give the derivative of `entropic_value` with respect to the cost: the plan.

    The solution is the best of all plans, so that to first order a change of the cost does not move
    it: :math:`\partial / \partial C_{ij} = P_{ij}`, whatever is asked of the marginals. Of
    forbidden pairs 0.

    The derivative of `value`, :math:`\langle P, C \rangle` without the entropy, is something else:
    P is not its minimum, so it moves to first order, and its derivative needs a linear system of
    the size of the potentials. It is not offered. The two differ by terms of the order of `reg`.

    Returns
    -------
    array of shape (n, m)
        In the type of the cost; see :meth:`Transport.plan`.
    """
    return self.plan()


@served
def gradient_points(
    self: Transport, x: Any, y: Any, *, cost: str, check_finite: bool = True
) -> tuple[Any, Any]:
    r"""Give the derivatives of `entropic_value` with respect to the points that made the cost.

    .. math:: \sum_j P_{ij} \frac{\partial c(x_i, y_j)}{\partial x_i} \quad\text{for } x_i,

    which is :math:`2 \sum_j P_{ij} (x_i - y_j)` for squared distances, :math:`-\sum_j P_{ij} y_j`
    for products, and for cosines that of the unit vectors, the part along :math:`x_i` taken out,
    divided by :math:`|x_i|`.

    Parameters
    ----------
    x, y : array of shape (n, d), (m, d)
        The points. Where both sides are the same points, the derivative is the sum of both.
    cost : {"cosine", "dot", "sqeuclidean"}
        How the cost was made of them: :math:`1 - \cos(x_i, y_j)`, :math:`-\langle x_i, y_j
        \rangle`, :math:`|x_i - y_j|^2`.
    check_finite : bool, default True
        Refuse NaN and infinities.

    Returns
    -------
    of_x, of_y : array of shape (n, d), (m, d)
        In the type of the points; 0 for points without mass, and for zero rows with cosines, where
        there is no derivative. Sums are float64, O(n m d); no n x m matrix is made.
    """
    _checks.one_of("cost", cost, COSTS)
    arguments = _arrays.Arguments(x=x, y=y)
    arguments.require_not_empty()
    arguments.require_same_columns("x", "y")
    n, m = (int(length) for length in self._problem.cost.shape)
    for name, length, side in (("x", n, "row"), ("y", m, "column")):
        if arguments.shapes[name][0] != length:
            raise ShapeError(
                f"{name}: expected {length} rows, one a {side} of the cost, got "
                f"{arguments.shapes[name][0]}"
            )
    ready = arguments.ready(check_finite=check_finite)
    xp = self._problem.xp
    left, right = (xp.astype(points, xp.float64) for points in ready.arrays)
    norms = None
    if cost == "cosine":
        left, left_norms = _unit(xp, left)
        right, right_norms = _unit(xp, right)
        norms = left_norms, right_norms
    elif cost == "sqeuclidean":
        # Points far from the origin would lose digits to what they have in common.
        middle = xp.mean(right, axis=0)
        left, right = left - middle[None, :], right - middle[None, :]
    parts, across, rows = [], xp.zeros_like(right), []
    columns = xp.zeros_like(right[:, 0])
    for block, plan in self._blocks():
        parts.append(plan @ right)
        rows.append(xp.sum(plan, axis=1))
        across = across + xp.permute_dims(plan, (1, 0)) @ left[block, :]
        columns = columns + xp.sum(plan, axis=0)
    of_x, of_y = -xp.concat(parts), -across
    if cost == "sqeuclidean":
        of_x = 2.0 * (xp.concat(rows)[:, None] * left + of_x)
        of_y = 2.0 * (columns[:, None] * right + of_y)
    elif norms is not None:
        of_x, of_y = _across(xp, of_x, left, norms[0]), _across(xp, of_y, right, norms[1])
    dtype = ready.arrays[0].dtype
    return xp.astype(of_x, dtype), xp.astype(of_y, dtype)


@served
def gradient_masses(self: Transport) -> tuple[Any, Any]:
    r"""Give the derivatives of `entropic_value` with respect to the masses.

    Of :func:`sinkhorn` they are the potentials f and g, so shifted against each other that the mean
    of f is 0: they tell about changes that leave both sides the same sum, and no other are allowed.

    Of :func:`sinkhorn_unbalanced` they are :math:`\rho (1 - r / a)` with the sums r of the plan (a
    side with an infinite penalty: its potential), and with ``reference="product"`` that of
    :math:`\mathrm{reg}\,\mathrm{KL}(P \mid a b^T)` beside, :math:`\mathrm{reg} (\sum b - r / a)`.

    Of :func:`sinkhorn_partial` they are the potentials without the price :math:`\lambda` of the
    mass that is moved: 0 or less, and 0 where a point keeps some. (A side that is moved whole
    changes what is moved with it.)

    Returns
    -------
    of_a, of_b : array of float64, shape (n,), (m,)
        -inf where there is no mass: the entropy of the first mass there is infinitely steep. With
        ``reference="product"`` it is not, but this solution does not tell the slope: NaN.
    """
    xp, asked = self._problem.xp, self._asked
    if asked is None or type(asked.rows) is Exact is type(asked.columns):
        known = xp.isfinite(self.f)
        mean = float(xp.sum(xp.where(known, self.f, 0.0))) / int(xp.sum(xp.astype(known, xp.int64)))
        return self.f - mean, self.g + mean
    f, g = (potential / self.reg for potential in self._potentials)
    rows, columns = self._sums
    of_a, of_b = asked.rows.slope(f, rows), asked.columns.slope(g, columns)
    if asked.totals is not None:
        (of_all, of_others) = asked.totals
        of_a = of_a + _of_product(asked.rows, rows, of_others)
        of_b = of_b + _of_product(asked.columns, columns, of_all)
    return self.reg * of_a, self.reg * of_b


def _of_product(side: Exact, sums: Any, other: float) -> Any:
    """Give the derivative of KL(P | a b') with respect to the masses of a side."""
    xp = side.xp
    share = xp.where(side.held, sums / xp.where(side.held, side.mass, 1.0), xp.nan)
    return other - xp.where(side.lost > 0, xp.zeros_like(share), share)


def _unit(xp: Any, points: Any) -> tuple[Any, Any]:
    """Give unit vectors and the inverses of the norms; zero rows stay, with inverses of 0."""
    largest = xp.max(xp.abs(points), axis=1, keepdims=True)
    largest = xp.where(largest > 0, largest, 1.0)
    scaled = points / largest
    norms = xp.sqrt(xp.sum(scaled * scaled, axis=1, keepdims=True))
    some = norms > 0
    norms = xp.where(some, norms, 1.0)
    return scaled / norms, xp.where(some, 1.0 / norms, 0.0) / largest


def _across(xp: Any, found: Any, unit: Any, inverse: Any) -> Any:
    """Take out what is along the unit vectors, and divide by the norms."""
    return (found - xp.sum(found * unit, axis=1, keepdims=True) * unit) * inverse
