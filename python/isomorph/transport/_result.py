"""What a transport problem's solution is: its potentials, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from isomorph import _arrays, _checks
from isomorph._dlpack import served
from isomorph._results import Neighbors, Unpackable
from isomorph.errors import ShapeError
from isomorph.transport import _gradients
from isomorph.transport._asked import Asked
from isomorph.transport._problem import Problem

#: Entries of a plan that are made together.
_ENTRIES = 1 << 22
#: Up to so many largest entries of a row are found one after another, which is quicker than to
#: sort.
_FEW = 16
#: What of the mass is no more than rounding of its sums.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class History(Unpackable):
    """How an iteration went; unpacks as ``iterations, errors``.

    Attributes
    ----------
    iterations : array of int64, shape (k,)
        1, 2, ...: passes over the cost.
    errors : array of float64, shape (k,)
        The L1 error of the marginals that each pass found.
    regs : array of float64, shape (k,)
        The `reg` that each pass worked with: larger ones first, where `reg` was brought down in
        steps.
    """

    iterations: Any
    errors: Any
    regs: Any
    _unpacks: ClassVar[tuple[str, ...]] = ("iterations", "errors")


@dataclass(frozen=True, eq=False, repr=False)
class Transport(Unpackable):
    r"""The solution of an entropic transport problem; unpacks as its first six fields.

    The plan is :math:`P_{ij} = \exp((f_i + g_j - C_{ij}) / \mathrm{reg})`; it is made only when
    asked for, from the cost array that was given: that is kept, not copied, where its type allows,
    and a later change of it changes the plan.

    Attributes
    ----------
    f, g : array of float64, shape (n,), (m,)
        Potentials of rows and columns, in the units of the cost; -inf where there is no mass.
        They are float64 whatever the cost is, because a rounding of theirs by e changes the plan by
        the factor exp(e / reg). Only f + g counts: of balanced problems the constant that may move
        from one to the other is such that their means, weighted by the masses, are the same.
    value : float
        :math:`\langle P, C \rangle`, what the plan costs, without the entropy.
    error : float
        :math:`|P\mathbf 1 - a|_1 + |P^T\mathbf 1 - b|_1`, of the plan that these potentials give.
    iterations : int
        Passes over the cost.
    converged : bool
        Whether `error` is at most `tol` times the mass.
    error_l2 : float
        :math:`|P\mathbf 1 - a|_2 + |P^T\mathbf 1 - b|_2`, by which other programs stop.
    reg, tol : float
        As given; `tol` as it came out.
    method : str
        ``"scaling"``, ``"stabilized"`` or ``"log"``: what was used.
    history : History
        The error that each pass found: the curve of convergence.
    """

    f: Any
    g: Any
    value: float
    error: float
    iterations: int
    converged: bool
    error_l2: float
    reg: float
    tol: float
    method: str
    history: History
    _problem: Problem
    _potentials: tuple[Any, Any]
    #: What is asked of the sums of the plan, if not just that they be the masses.
    _asked: Asked | None = None
    #: The sums of the plan by row and by column, where they are known.
    _known_sums: tuple[Any, Any] | None = None
    _unpacks: ClassVar[tuple[str, ...]] = (
        "f",
        "g",
        "value",
        "error",
        "iterations",
        "converged",
    )

    def __repr__(self) -> str:
        n, m = (int(length) for length in self._problem.cost.shape)
        said = "converged" if self.converged else "not converged"
        return (
            f"Transport({n:,} x {m:,}, reg={self.reg:g}, value={self.value:.6g}, {said} in "
            f"{self.iterations:,}, error={self.error:.2g}, {self.method!r})"
        )

    @served
    def plan(self) -> Any:
        """Make the plan: an array of the cost's shape and type, n x m.

        Takes as much memory as the cost, and blocks of 32 MB.
        """
        xp = self._problem.xp
        parts = [xp.astype(rows, self._problem.cost.dtype) for _, rows in self._blocks()]
        return xp.concat(parts)

    @served
    def top(self, k: int = 1) -> Neighbors:
        """Give the `k` columns to which each row sends most.

        Parameters
        ----------
        k : int, default 1
            From 1 to m.

        Returns
        -------
        Neighbors
            ``scores``: the entries of the plan, float64 (n, k), largest first, of equal ones the
            lower column first; ``indices``. No n x m matrix is made.
        """
        k = _checks.integer("k", k, 1, int(self._problem.cost.shape[1]), of="columns of cost")
        xp, scores, indices = self._problem.xp, [], []
        for _, rows in self._blocks():
            order = _largest(xp, rows, k)
            scores.append(xp.take_along_axis(rows, order, axis=1))
            indices.append(xp.astype(order, xp.int64))
        return Neighbors(xp.concat(scores), xp.concat(indices), "transport")

    @served
    def apply(self, targets: Any, *, check_finite: bool = True) -> Any:
        r"""Send each row to the mean of where its mass goes: the barycentric projection.

        .. math:: \hat y_i = \sum_j P_{ij} y_j \Big/ \sum_j P_{ij}

        Parameters
        ----------
        targets : array of shape (m, d)
            A vector of each column.
        check_finite : bool, default True
            Refuse NaN and infinities.

        Returns
        -------
        array of shape (n, d)
            In the type of `targets` (float16 and bfloat16: float32); of rows without mass, NaN.
            No n x m matrix is made.
        """
        arguments = _arrays.Arguments(targets=targets)
        arguments.require_not_empty()
        rows, columns = arguments.shapes["targets"][0], int(self._problem.cost.shape[1])
        if rows != columns:
            raise ShapeError(f"targets: expected {columns} rows, one a column of cost, got {rows}")
        (ready,) = arguments.ready(check_finite=check_finite).arrays
        xp = self._problem.xp
        values = xp.astype(ready, xp.float64)
        parts = []
        for _, block in self._blocks():
            mass = xp.sum(block, axis=1)
            share = block / xp.where(mass > 0, mass, xp.nan)[:, None]
            parts.append(xp.astype(share @ values, ready.dtype))
        return xp.concat(parts)

    gradient_cost = _gradients.gradient_cost
    gradient_points = _gradients.gradient_points
    gradient_masses = _gradients.gradient_masses

    @cached_property
    def entropic_value(self) -> float:
        r"""What is minimised: :math:`\langle P, C\rangle + \mathrm{reg} \sum P (\log P - 1)`."""
        f, g = self._potentials
        rows, columns = self._sums
        reached = rows @ self._known(f) + columns @ self._known(g)
        mass = float(self._problem.xp.sum(rows))
        beside = 0.0 if self._asked is None else self._asked.beside(self)
        return float(reached) + self._problem.taken(rows, columns) - self.reg * mass + beside

    @cached_property
    def dual_value(self) -> float:
        r"""The dual, :math:`\langle f, a\rangle + \langle g, b\rangle - \mathrm{reg} \sum P`.

        No plan with the marginals a and b comes to less than that, whatever the potentials.
        """
        if self._asked is not None:
            return self._asked.dual_value(self)
        f, g = self._potentials
        problem = self._problem
        paid = float(problem.a @ self._known(f) + problem.b @ self._known(g))
        paid += problem.taken(problem.a, problem.b)
        return paid - self.reg * float(problem.xp.sum(self._sums[0]))

    @cached_property
    def gap(self) -> float:
        """By how much a plan with just these marginals, made from this one, misses the dual.

        A certificate: the best plan lies between. The plan is rounded to its marginals as
        Altschuler et al. (2017, Algorithm 2) do, which sends what is left over from every row that
        lacks some to every column that does. Where more than rounding is left over and one of these
        pairs is forbidden the gap is infinite: that says nothing of the plan, but that it is not
        certified; a smaller `tol` leaves less over. Four passes over the cost.
        """
        xp, problem, asked = self._problem.xp, self._problem, self._asked
        if asked is not None and asked.penalised():
            return asked.gap(self)
        rows, _ = self._sums
        shrink = xp.where(rows > problem.a, problem.a / xp.where(rows > 0, rows, 1.0), 1.0)
        columns = xp.zeros_like(problem.b)
        for block, plan in self._blocks():
            columns = columns + shrink[block] @ plan
        narrow = xp.where(columns > problem.b, problem.b / xp.where(columns > 0, columns, 1.0), 1.0)
        everything = float(xp.sum(problem.a))
        wanted = everything
        if asked is not None and asked.total is not None:
            wanted = asked.total
            narrow = narrow * min(1.0, wanted / float(xp.sum(columns * narrow)))
        lacking = problem.b - columns * narrow
        missing = xp.concat(
            [problem.a[block] - shrink[block] * (plan @ narrow) for block, plan in self._blocks()]
        )
        missing, lacking = xp.clip(missing, 0.0, None), xp.clip(lacking, 0.0, None)
        left = float(xp.sum(missing)) - (everything - wanted)
        # A remainder that is rounding is left where it is: it may belong to forbidden pairs.
        added = left > _ROUNDING * everything
        if added:
            missing, lacking = missing * (left / float(xp.sum(missing))), lacking / xp.sum(lacking)
        total = 0.0
        for block, plan in self._blocks():
            exact = shrink[block][:, None] * plan * narrow[None, :]
            if added:
                exact = exact + missing[block][:, None] * lacking[None, :]
            cost = problem.whole(block)
            held = exact > 0
            entropy = xp.log(xp.where(held, exact, 1.0)) - 1.0
            spent = xp.where(held, exact, 1.0) * (xp.where(held, cost, 0.0) + self.reg * entropy)
            total += float(xp.sum(xp.where(held, spent, 0.0)))
        return total - self.dual_value

    @property
    @served
    def marginals(self) -> tuple[Any, Any]:
        """The sums of the plan by row and by column, float64: what was really moved."""
        return self._sums

    @cached_property
    def _sums(self) -> tuple[Any, Any]:
        """The sums of the plan by row and by column."""
        if self._known_sums is not None:
            return self._known_sums
        problem, (f, g) = self._problem, self._potentials
        rows, columns, _ = problem.backend.plan_sums(problem.cost, f, g, self.reg)
        return rows, columns

    def _known(self, potential: Any) -> Any:
        xp = self._problem.xp
        return xp.where(xp.isfinite(potential), potential, xp.zeros_like(potential))

    def _blocks(self) -> Iterator[tuple[slice, Any]]:
        """Give the plan in float64, some rows at a time."""
        cost, (f, g) = self._problem.cost, self._potentials
        n, m = (int(length) for length in cost.shape)
        height = max(1, _ENTRIES // m)
        for start in range(0, n, height):
            rows = slice(start, min(start + height, n))
            yield rows, self._problem.backend.plan_rows(cost, f, g, self.reg, rows)


def _largest(xp: Any, rows: Any, k: int) -> Any:
    """Give where the k largest entries of rows of a plan are, of equal ones the lower first."""
    if k > _FEW:
        return xp.argsort(-rows, axis=1, stable=True)[:, :k]
    beside = _arrays.Arguments(rows=rows).device_of(rows)
    columns = xp.arange(int(rows.shape[1]), dtype=xp.int64, **beside)[None, :]
    found = []
    for _ in range(k):
        found.append(xp.argmax(rows, axis=1))
        # Entries are 0 or more.
        rows = xp.where(columns == found[-1][:, None], -xp.ones_like(rows), rows)
    return xp.stack(found, axis=1)
