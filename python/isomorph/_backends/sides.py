"""What transport asks of the masses of a side: the rule for its potentials, and its dual.

Everything is in units of reg. A plan is P = exp(F_i + G_j - C_ij), and the problem

    min <P, C> + H(P) + A(P 1) + B(P' 1),    H(P) = sum P (log P - 1) or KL(P | a b'),

has by Fenchel's theorem the dual  max -A*(-f) - B*(-g) - sum P  (+ sum a sum b for the second H),
where F = f + `reference` and G likewise: the reference is 0, or the logarithms of the masses. Each
side's term is concave in its own potentials, and the sum is smooth in both, so that making one
side's potentials the best for the other's, in turn, always raises the dual; that is all the loop
does. What is the best for a side depends on the other only through the sums of the plan.
"""

from __future__ import annotations

import math
from typing import Any

from isomorph._backends.array_neighbors import _quiet

EVERYTHING = slice(None)


class Exact:
    """The sums are the masses: A(r) is 0 for r = a, and infinite else."""

    #: The slope of what is minimised in mass that can go nowhere.
    stuck = 0.0

    def __init__(self, xp: Any, mass: Any, *, reference: Any = None, lost: Any = None) -> None:
        """Take masses of which those that are `lost`, having nowhere to go, are 0."""
        self.xp, self.mass, self.held = xp, mass, mass > 0
        none = xp.zeros_like(mass)
        self.reference = none if reference is None else reference
        self.lost = none if lost is None else lost
        with _quiet():
            self.logs = xp.where(self.held, xp.log(mass), xp.zeros_like(mass))

    def change(self, logs: Any, own: Any, rows: slice = EVERYTHING) -> Any:
        """Give what takes the potentials `own` to the best ones.

        `logs` are the logarithms of the sums of the plan with `own`; where there is no mass the
        answer says nothing.
        """
        del own
        return self.logs[rows] - self._known(logs, rows)

    def potential(self, logs: Any, rows: slice = EVERYTHING) -> Any:
        """Give the best potentials for sums exp(logs) of the plan without them."""
        best = self.change(logs, self.xp.zeros_like(logs), rows)
        return self.xp.where(self.held[rows], best, -self.xp.inf)

    def miss(self, logs: Any, change: Any) -> Any:
        """Give by how much that change of the potentials changes the sums exp(logs)."""
        xp = self.xp
        with _quiet():
            near = xp.exp(logs) * xp.expm1(change)
            far = xp.exp(logs + change) - xp.exp(logs)
            miss = xp.where(xp.abs(change) < 1.0, near, far)
        # Where no pair is left nothing can be changed.
        return self._where_held(xp.where(xp.isnan(miss), self.mass, miss))

    def dual(self, own: Any) -> float:
        """Give the side's term of the dual, -A*(-f)."""
        return float(self.xp.sum((self._known(own) - self.reference) * self.mass))

    def slope(self, own: Any, sums: Any) -> Any:
        """Give the derivative of what is minimised with respect to the masses.

        That is the potential, or what A(r) says; -inf without mass, where that is the limit.
        """
        del sums
        return self._with_stuck(own - self.reference)

    def _with_stuck(self, slopes: Any) -> Any:
        slopes = self.xp.where(self.held, slopes, -self.xp.inf)
        return self.xp.where(self.lost > 0, self.stuck, slopes)

    def _known(self, logs: Any, rows: slice = EVERYTHING) -> Any:
        return self.xp.where(self.held[rows], logs, self.xp.zeros_like(logs))

    def _where_held(self, values: Any) -> Any:
        return self.xp.where(self.held, values, self.xp.zeros_like(self.mass))


class Relaxed(Exact):
    """The sums cost what they differ from the masses: A(r) = penalty KL(r | a).

    KL(r | a) = sum r log(r / a) - r + a. The best potentials are f = share (log a - reference -
    log s), with share = penalty / (penalty + 1) and s the sums without f.
    """

    def __init__(self, xp: Any, mass: Any, penalty: float, *, reference: Any, lost: Any) -> None:
        super().__init__(xp, mass, reference=reference, lost=lost)
        self.penalty = self.stuck = penalty
        self.share, self.rest = penalty / (penalty + 1.0), 1.0 / (penalty + 1.0)

    def change(self, logs: Any, own: Any, rows: slice = EVERYTHING) -> Any:
        """See Exact."""
        own = self._known(own, rows)
        missing = self.logs[rows] - self._known(logs, rows)
        return self.share * missing - self.rest * (own - self.reference[rows])

    def dual(self, own: Any) -> float:
        """See Exact; mass that can go nowhere pays its penalty."""
        xp = self.xp
        with _quiet():
            kept = self.mass * xp.expm1((self.reference - self._known(own)) / self.penalty)
        return self.penalty * float(xp.sum(self.lost) - xp.sum(self._where_held(kept)))

    def paid(self, sums: Any) -> float:
        """Give A of these sums."""
        lost = float(self.xp.sum(self.lost))
        return self.penalty * (lost + self._divergence(sums, self.mass))

    def missed(self, sums: Any, own: Any) -> float:
        """Give A(r) + A*(-f) + <f, r> of sums r: 0 or more, and 0 if f is right for them.

        It is the penalty times KL(r | the sums for which f is right).
        """
        xp = self.xp
        with _quiet():
            right = self.mass * xp.exp((self.reference - self._known(own)) / self.penalty)
        return self.penalty * self._divergence(sums, right)

    def slope(self, own: Any, sums: Any) -> Any:
        """See Exact: of penalty KL(r | a), that is penalty (1 - r / a)."""
        del own
        share = sums / self.xp.where(self.held, self.mass, 1.0)
        return self._with_stuck(self.penalty * (1.0 - share))

    def _divergence(self, sums: Any, other: Any) -> float:
        return divergence(self.xp, sums, other, self.held)


class AtMost(Exact):
    """The sums are at most the masses: A(r) is 0 for r <= a; potentials are at most 0."""

    def change(self, logs: Any, own: Any, rows: slice = EVERYTHING) -> Any:
        """See Exact."""
        return self.xp.minimum(super().change(logs, own, rows), -self._known(own, rows))


class Within(AtMost):
    """The sums are at most the masses, and come to `total`.

    Potentials are g + l, with g <= 0 and the multiplier l of the total: min(l, log b - log s),
    where l is such that sum min(s exp(l), b) is the total. So both are found at once: the larger l
    is the more columns are full, and there are only as many cases as columns.
    """

    def __init__(self, xp: Any, mass: Any, total: float, *, lost: Any) -> None:
        super().__init__(xp, mass, lost=lost)
        self.total = total

    def change(self, logs: Any, own: Any, rows: slice = EVERYTHING) -> Any:
        """See Exact."""
        own = self._known(own, rows)
        full = self.logs - self._known(logs, rows)
        return self.xp.minimum(full, self._multiplier(logs, own, full + own) - own)

    def without_slack(self, f: Any, own: Any) -> tuple[Any, Any]:
        """Move what all rows' potentials are below 0 to the multiplier: the same plan, and nearer.

        Potentials of rows that are all full could move without bounds, to a dual that is far away.
        """
        most = float(self.xp.max(f))
        return (f - most, own + most) if -math.inf < most < 0 else (f, own)

    def dual(self, own: Any) -> float:
        """See Exact; of all multipliers that these potentials allow, the best is their largest."""
        xp = self.xp
        known = self._known(own)
        most = float(xp.max(xp.where(self.held, own, xp.full_like(own, -xp.inf))))
        return most * self.total + float(xp.sum(self.mass * (known - most)))

    def slope(self, own: Any, sums: Any) -> Any:
        """See Exact: the potentials without the multiplier."""
        most = self.xp.max(self.xp.where(self.held, own, self.xp.full_like(own, -self.xp.inf)))
        return super().slope(own - most, sums)

    def _multiplier(self, logs: Any, own: Any, full: Any) -> float:
        """Give l. Column j is full from l = `full`_j on; the order of these is that of filling."""
        xp, lowest = self.xp, -float("inf")
        sums = xp.where(self.held, logs - own, lowest)
        order = xp.argsort(xp.where(self.held & (sums > lowest), full, xp.inf))
        sums, full, logs = (xp.take(one, order) for one in (sums, full, self.logs))
        mass = xp.take(self.mass, order)
        count = int(xp.sum(xp.astype(sums > lowest, xp.int64)))
        # How many are full when the next one is: the largest number for which that is not too much.
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            held = xp.minimum(sums[:count] + full[middle], logs[:count])
            if float(xp.sum(xp.exp(held))) <= self.total:
                low = middle + 1
            else:
                high = middle
        if low == count:
            return float("inf")
        left = self.total - float(xp.sum(mass[:low]))
        if not left > 0:
            return float(full[low - 1])
        top = float(xp.max(sums[low:count]))
        return math.log(left / float(xp.sum(xp.exp(sums[low:count] - top)))) - top


def divergence(xp: Any, sums: Any, other: Any, held: Any) -> float:
    """Give KL(sums | other), without cancellation where they are nearly the same."""
    one = xp.ones_like(sums)
    other = xp.where(held, other, one)
    sums = xp.where(held, sums, one)
    with _quiet():
        ratio = sums / other
        terms = other * (ratio * xp.log1p(ratio - 1.0) - (ratio - 1.0))
        # Where one is none, or the ratio is out of range.
        terms = xp.where(sums > 0, terms, other)
        terms = xp.where((other > 0) | (sums == 0), terms, xp.inf)
    return float(xp.sum(xp.clip(terms, 0.0, None)))


def rounding(cost: Any) -> float:
    """Give the error, as a part of the mass, that passes in the type of the cost may leave.

    An entry exp(t) of the plan, as a part of its row, has a relative error of |t| / 2 roundings for
    its exponent and about 4 for the exponential, the factors and the sums. Weighted by the entries,
    |t| comes to an entropy, of a row or of a column: at most the logarithm of its length.
    """
    eps = 2.0**-23 if "float32" in str(cost.dtype) else 2.0**-52
    return eps * (0.5 * math.log(min(int(length) for length in cost.shape)) + 4.0)
