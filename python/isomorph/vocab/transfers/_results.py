"""What leaving tokens out says of methods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _text
from isomorph.vocab.transfers import _student, _validation
from isomorph.vocab.transfers._kinds import KINDS

#: Nothing is decided by kinds that are less than this part of what is to be made.
_COVERED = 0.5


@dataclass(frozen=True, eq=False)
class LeaveOut:
    """How near methods come to rows that are known.

    Attributes
    ----------
    methods : tuple of str
        What was compared.
    tokens : ndarray of int64, shape (n,)
        The target tokens that were hidden.
    kinds : ndarray of int8, shape (n,)
        The kind of each, as a number in `kind_names`.
    cosine, reciprocal_rank, norm_ratio : ndarray of float64, shape (methods, n)
        Of each row that was made and the true one: their cosine; 1 / (1 + how many rows of the old
        table are nearer to it than the true one, by cosine); the quotient of their norms.
    shares : ndarray of float64, shape (kinds,)
        The kinds of the tokens that are really to be made: their parts of all.
    confidence : float
        Of the intervals.
    kind_names : tuple of str
        words, capitalised, continuations, digits, punctuation.
    """

    methods: tuple[str, ...]
    tokens: NDArray[np.int64] = field(repr=False)
    kinds: NDArray[np.int8] = field(repr=False)
    cosine: NDArray[np.float64] = field(repr=False)
    reciprocal_rank: NDArray[np.float64] = field(repr=False)
    norm_ratio: NDArray[np.float64] = field(repr=False)
    shares: NDArray[np.float64]
    confidence: float = 0.95
    kind_names: tuple[str, ...] = KINDS

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many tokens of each kind were hidden."""
        found: NDArray[np.int64] = np.bincount(self.kinds, minlength=len(self.kind_names))
        return found

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each kind counts in the score: its share of what is to be made.

        A kind of which fewer than two tokens are shared says nothing and counts nothing.
        """
        found = np.where(self.counts >= 2, self.shares, 0.0)
        if found.sum() <= 0:
            found = np.where(self.counts >= 2, self.counts, 0.0)
        if found.sum() <= 0:
            found = self.counts.astype(np.float64)
        weights: NDArray[np.float64] = found / found.sum()
        return weights

    @property
    def scores(self) -> NDArray[np.float64]:
        """The mean cosine of each method, kinds weighted by :attr:`weights`; shape (methods,)."""
        return self._weighted(self.cosine)[0]

    @property
    def intervals(self) -> NDArray[np.float64]:
        """Intervals of the scores, by Student's t; shape (methods, 2)."""
        means, widths = self._weighted(self.cosine)
        return np.stack([means - widths, means + widths], axis=1)

    @property
    def best(self) -> str:
        """The method of the largest score, the first of several; one without a score is last."""
        return self.methods[int(self._order[0])]

    @property
    def covered(self) -> float:
        """The part of the tokens to be made whose kinds have two hidden tokens or more."""
        if self.shares.sum() <= 0:
            return 1.0
        return float(self.shares[self.counts >= 2].sum() / self.shares.sum())

    @property
    def decided(self) -> bool:
        """Whether the best is ahead of every other, each with an interval above zero.

        Never where :attr:`covered` is less than a half, or the best has no score.
        """
        first, others = self._order[0], self._order[1:]
        if self.covered < _COVERED or np.isnan(self.scores[first]):
            return False
        others = others[~np.isnan(self.scores[others])]
        means, widths = self._weighted(self.cosine[first] - self.cosine[others])
        return bool((means - widths > 0).all())

    @property
    def validated(self) -> bool:
        """Whether the order of methods by this score is known to be that after a real transfer."""
        return _validation.INTERVAL[0] > 0

    @property
    def status(self) -> str:
        """``validated`` or ``unvalidated``, with the figures that say so."""
        low, high = _validation.INTERVAL
        word = "validated" if self.validated else "unvalidated"
        return (
            f"{word}: order by this score and by retrieval after a transfer of "
            f"{_validation.MODEL}: Kendall's tau {_validation.TAU:.2f} [{low:.2f}, {high:.2f}]"
        )

    def table(self) -> list[str]:
        """Give the scores, a line a method, the best first; below, the kinds."""
        ranks = self._weighted(self.reciprocal_rank)[0]
        norms = self._weighted(self.norm_ratio)[0]
        shown = np.flatnonzero((self.counts > 0) | (self.shares > 0)).tolist()
        head = ["method", "score", f"{self.confidence:.0%} interval", "1/rank", "norm"]
        rows = [[*head, *(self.kind_names[place] for place in shown)]]
        for at in self._order.tolist():
            low, high = self.intervals[at]
            each = [self.cosine[at, self.kinds == place] for place in shown]
            rows.append(
                [
                    self.methods[at],
                    f"{self.scores[at]:.3f}",
                    f"[{low:.3f}, {high:.3f}]",
                    f"{ranks[at]:.3f}",
                    f"{norms[at]:.2f}",
                    *(f"{own.mean():.3f}" if len(own) else "" for own in each),
                ]
            )
        rows.append(["tokens left out", "", "", "", "", *(str(self.counts[p]) for p in shown)])
        rows.append(["share of new", "", "", "", "", *(f"{self.shares[p]:.0%}" for p in shown)])
        lines = _text.table(rows, right=tuple(range(1, 5 + len(shown))))
        if self.covered < _COVERED:
            lines.append(
                f"undecided: {1 - self.covered:.0%} of the tokens to be made are of kinds of which "
                "fewer than two could be left out"
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Give the scores as plain Python values."""
        ranks = self._weighted(self.reciprocal_rank)[0]
        norms = self._weighted(self.norm_ratio)[0]
        return {
            "best": self.best,
            "decided": self.decided,
            "covered": self.covered,
            "validated": self.validated,
            "methods": {
                name: {
                    "score": float(self.scores[at]),
                    "interval": self.intervals[at].tolist(),
                    "reciprocal_rank": float(ranks[at]),
                    "norm_ratio": float(norms[at]),
                }
                for at, name in enumerate(self.methods)
            },
            "left_out": dict(zip(self.kind_names, self.counts.tolist(), strict=True)),
            "shares": dict(zip(self.kind_names, self.shares.tolist(), strict=True)),
        }

    def __str__(self) -> str:
        return "\n".join([*self.table(), self.status])

    @property
    def _order(self) -> NDArray[np.int64]:
        """The methods, the best first; those without a score last."""
        scores = np.where(np.isnan(self.scores), -np.inf, self.scores)
        found: NDArray[np.int64] = np.argsort(-scores, kind="stable")
        return found

    def _weighted(
        self, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the mean over kinds of each row of values, and half the width of its interval.

        Each kind has a variance of its own: Student's t with the degrees of freedom of Welch and
        Satterthwaite.
        """
        means, variances, parts = np.zeros((3, len(values)))
        for place, weight in enumerate(self.weights.tolist()):
            if weight == 0:
                continue
            own = values[:, self.kinds == place]
            means += weight * own.mean(axis=1)
            if own.shape[1] > 1:
                part = weight**2 * own.var(axis=1, ddof=1) / own.shape[1]
                variances += part
                parts += part**2 / (own.shape[1] - 1)
        freedom = np.divide(variances**2, parts, out=np.full(len(parts), np.inf), where=parts > 0)
        reach = [_student.quantile(0.5 + self.confidence / 2, value) for value in freedom.tolist()]
        return means, np.array(reach, dtype=np.float64) * np.sqrt(variances)
