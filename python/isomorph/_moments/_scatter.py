"""The sums as matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isomorph._backends import Run
from isomorph._moments._sums import Tools, tools_of

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    r"""Second moments of x and y, float64.

    Attributes
    ----------
    xx, xy, yy : array of shape (d, d), (d, e), (e, e)
        :math:`\sum w (x - \bar x)^T (x - \bar x)` and so on; without means if not translated.
    x_mean, y_mean : array of shape (d,) and (e,)
        The weighted means, whether subtracted or not.
    weight : float
        Sum of the weights.
    rows : int
        Rows behind them.
    exponents : tuple of int
        Where data is near the ends of float64's range, everything is that of x and y multiplied by
        2 to these powers; (0, 0) otherwise.
    translated : bool
        Whether the means were subtracted.
    """

    xx: Any
    xy: Any
    yy: Any
    x_mean: Any
    y_mean: Any
    weight: float
    rows: int
    exponents: tuple[int, int]
    translated: bool
    _decompositions: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, moments: Moments, translate: bool, run: Run) -> Scatter:
        """Take the matrices out of the sums of all groups."""
        return cls.from_parts(moments, moments._total(run), translate)

    @classmethod
    def from_parts(cls, moments: Moments, sums: Any, translate: bool) -> Scatter:
        """Take the matrices out of `sums`."""
        d = moments.x_dim
        weight, mean, second, _ = sums.parts
        tools = tools_of(second)
        xp = tools.xp
        centre = mean[0, :] + mean[1, :]
        x, y = tools.kept(centre[:d]), tools.kept(centre[d:])

        def block(rows: slice, columns: slice, left: Any, right: Any) -> Any:
            part = second[rows, columns]
            if rows == columns:
                part = xp.triu(part) + xp.matrix_transpose(xp.triu(part, k=1))
            if not translate:
                part = part + (weight[0] * left)[:, None] * right[None, :]
            return tools.kept(part)

        first, last = slice(0, d), slice(d, d + moments.y_dim)
        return cls(
            block(first, first, x, x),
            block(first, last, x, y),
            block(last, last, y, y),
            x,
            y,
            float(weight[0]),
            sums.rows,
            (moments._exponents[0] or 0, moments._exponents[1] or 0),
            translate,
        )

    @property
    def tools(self) -> Tools:
        """What serves these arrays."""
        return tools_of(self.xy)

    def squares(self) -> tuple[float, float]:
        """Give the sums of squares of x and of y."""
        xp = self.tools.xp
        return float(xp.linalg.trace(self.xx)), float(xp.linalg.trace(self.yy))

    def eigh(self, side: str, run: Run) -> tuple[Any, Any, int]:
        """Eigenvalues of xx or yy, ascending, vectors in columns, and how many are not rounding.

        An eigenvalue counts as rounding up to eps (max(d, 8 sqrt d) + sqrt n) times the Frobenius
        norm: what the decomposition promises, and what sums of n rows leave.
        """
        if side not in self._decompositions:
            tools = self.tools
            matrix = self.xx if side == "x" else self.yy
            values, vectors = tools.backend.eigh(matrix[None, ...], False, run)
            self._keep(side, values[0, ...], vectors[0, ...])
        found: tuple[Any, Any, int] = self._decompositions[side]
        return found

    def eigh_both(self, run: Run) -> None:
        """Decompose both sides side by side, where they have one shape and neither is known."""
        if self._decompositions or self.xx.shape != self.yy.shape:
            return
        tools = self.tools
        stack = tools.xp.stack([self.xx, self.yy])
        values, vectors = tools.backend.eigh(stack, False, run)
        for i, side in enumerate(("x", "y")):
            self._keep(side, values[i, ...], vectors[i, ...])

    def _keep(self, side: str, values: Any, vectors: Any) -> None:
        xp = self.tools.xp
        size = float(xp.linalg.vector_norm(values))
        threshold = rounding(int(values.shape[0]), self.rows) * size
        if self.translated:
            # What subtracting the means leaves of rows that are all equal.
            mean = self.x_mean if side == "x" else self.y_mean
            level = self.weight * float(xp.sum(mean * mean))
            threshold = max(threshold, EQUAL**2 * level)
        rank = int(xp.sum(xp.astype(values > threshold, xp.int64)))
        self._decompositions[side] = values, vectors, rank


#: Rows that differ by less than this part of their mean are equal but for rounding.
EQUAL = 16 * 2.0**-52


def rounding(d: int, rows: int) -> float:
    """Tell how large an eigenvalue of a d x d sum of n rows may come out by rounding alone."""
    return 2.0**-52 * (max(d, 8 * math.sqrt(d)) + math.sqrt(rows))
