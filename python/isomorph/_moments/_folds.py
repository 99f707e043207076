"""Groups left out of a regression: what the others say, and what the group says about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isomorph._backends import Run
from isomorph._moments._resampling import others_of_each
from isomorph._moments._sums import Sums, tools_of

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """What least squares needs of a set of rows, about its means or about others: float64.

    `y_square` is the trace of y'y, which is all that errors need of it.
    """

    xx: Any
    xy: Any
    y_square: float
    x_mean: Any
    y_mean: Any
    weight: float
    rows: int

    @classmethod
    def of(cls, moments: Moments, sums: Sums) -> Regression:
        """Take it out of `sums`, about their means."""
        d = moments.x_dim
        weight, mean, second, _ = sums.parts
        tools = tools_of(second)
        xp, centre = tools.xp, mean[0, :] + mean[1, :]
        xx, ones = second[:d, :d], xp.ones_like(mean[0, :])
        diagonal = xp.linalg.diagonal(second)
        return cls(
            xp.triu(xx) + xp.matrix_transpose(xp.triu(xx, k=1)),
            tools.contiguous(second[:d, d:]),
            float(xp.sum(xp.where(xp.cumulative_sum(ones) > d, diagonal, 0 * diagonal))),
            tools.contiguous(centre[:d]),
            tools.contiguous(centre[d:]),
            float(weight[0]),
            sums.rows,
        )

    def moved(self, x: Any, y: Any, weight: float) -> Regression:
        """Add `weight` times the outer products of (x, y): the mean was that far away."""
        wx = (weight * x)[:, None]
        y_square = self.y_square + weight * float(tools_of(self.xy).xp.sum(y * y))
        return Regression(
            self.xx + wx * x[None, :],
            self.xy + wx * y[None, :],
            y_square,
            self.x_mean,
            self.y_mean,
            self.weight,
            self.rows,
        )


def splits(moments: Moments, translate: bool, run: Run) -> Iterator[tuple[Regression, Regression]]:
    """Go through the groups: what is fitted, and the group about the means of the fit.

    Where no group has half of the weight or of the spread, the others are the whole less the group:
    what that rounds is eps times the whole, as in the decomposition that follows. Otherwise the
    others are merged.
    """
    groups = {label: moments._groups[label] for label in moments.groups}
    own = [Regression.of(moments, sums) for sums in groups.values() if sums.weight > 0]
    whole = Regression.of(moments, moments._total(run))
    half = [size / 2 for size in _sizes(whole)]
    if all(part <= most for group in own for part, most in zip(_sizes(group), half, strict=True)):
        pairs = ((_without(whole, group), group) for group in own)
    else:
        pairs = (
            (Regression.of(moments, rest), Regression.of(moments, moments._groups[label]))
            for label, rest in others_of_each(moments, run)
        )
    for train, test in pairs:
        x, y = test.x_mean, test.y_mean
        if translate:
            yield train, test.moved(x - train.x_mean, y - train.y_mean, test.weight)
        else:
            fitted = train.moved(train.x_mean, train.y_mean, train.weight)
            yield fitted, test.moved(x, y, test.weight)


def _sizes(rows: Regression) -> tuple[float, float, float]:
    return rows.weight, float(tools_of(rows.xx).xp.linalg.trace(rows.xx)), rows.y_square


def _without(whole: Regression, group: Regression) -> Regression:
    """Take a group out of the whole, both about their means."""
    rest = whole.weight - group.weight
    x, y = whole.x_mean - group.x_mean, whole.y_mean - group.y_mean
    share = group.weight / rest
    less = Regression(
        whole.xx - group.xx,
        whole.xy - group.xy,
        whole.y_square - group.y_square,
        whole.x_mean + share * x,
        whole.y_mean + share * y,
        rest,
        whole.rows - group.rows,
    )
    return less.moved(x, y, -share * whole.weight)
