"""Values and certificates of problems that ask for less than given sums of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from isomorph._backends.sides import Exact, Relaxed, divergence

if TYPE_CHECKING:
    from isomorph.transport._result import Transport


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the sums of rows and of columns."""

    rows: Exact
    columns: Exact
    #: What all of the plan comes to, if that is asked.
    total: float | None = None
    #: The sums of the masses, if the entropy is relative to their product.
    totals: tuple[float, float] | None = None

    @property
    def constant(self) -> float:
        """What the entropy has in it beside the plan, in units of reg: sum a sum b."""
        return 0.0 if self.totals is None else self.totals[0] * self.totals[1]

    def penalised(self) -> bool:
        """Whether sums pay for what they differ from the masses, so that all plans are allowed."""
        return isinstance(self.rows, Relaxed) or isinstance(self.columns, Relaxed)

    def beside(self, solved: Transport) -> float:
        """Give what the objective has beside <P, C> + reg sum P (log P - 1)."""
        sums = solved._sums
        found = self.constant
        for side, reached in zip((self.rows, self.columns), sums, strict=True):
            found -= float(side.xp.sum(side.reference * reached))
            if isinstance(side, Relaxed):
                found += side.paid(reached)
        return solved.reg * found

    def dual_value(self, solved: Transport) -> float:
        """Give the dual; see :mod:`isomorph._backends.sides`."""
        f, g = (potential / solved.reg for potential in solved._potentials)
        moved = float(self.rows.xp.sum(solved._sums[0]))
        return solved.reg * (self.rows.dual(f) + self.columns.dual(g) - moved + self.constant)

    def gap(self, solved: Transport) -> float:
        r"""Give the gap of a penalised problem in closed form: no term is negative.

        With :math:`P = \exp((f + g - C) / \mathrm{reg})` what the objective exceeds the dual by is
        a term of each side, :math:`A(r) + A^*(-f) + \langle f, r \rangle`: nothing cancels.
        An exact side is made so first, by one more change of its potential: that raises the dual by
        reg KL(masses | sums), and there its term is 0.
        """
        f, g = (potential / solved.reg for potential in solved._potentials)
        row_sums, column_sums = solved._sums
        rows, columns, xp = self.rows, self.columns, self.rows.xp
        if isinstance(rows, Relaxed) and isinstance(columns, Relaxed):
            return solved.reg * (rows.missed(row_sums, f) + columns.missed(column_sums, g))
        if isinstance(rows, Relaxed):
            scale = columns.mass / xp.where(column_sums > 0, column_sums, 1.0)
            row_sums = xp.concat([plan @ scale for _, plan in solved._blocks()])
            moved = divergence(xp, columns.mass, column_sums, columns.held)
            return solved.reg * (rows.missed(row_sums, f) + moved)
        assert isinstance(columns, Relaxed)
        scale = rows.mass / xp.where(row_sums > 0, row_sums, 1.0)
        column_sums = xp.zeros_like(column_sums)
        for block, plan in solved._blocks():
            column_sums = column_sums + scale[block] @ plan
        moved = divergence(xp, rows.mass, row_sums, rows.held)
        return solved.reg * (columns.missed(column_sums, g) + moved)
