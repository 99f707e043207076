"""Measures from the places of relevant items, under a policy for ties.

An item that has g items above it and is one of T equals can have any rank from g + 1 to g + T. The
relevant items of a query that have the same g are the relevant ones of one group of equals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.metrics._relevance import Judgements

POLICIES = ("expected", "optimistic", "pessimistic")
GAINS = ("linear", "exponential")

Floats = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where relevant items stand: one entry an item of the judgements."""

    judgements: Judgements
    #: Items with a greater score.
    above: Ints
    #: Items with the same score, itself included.
    tied: Ints
    #: Whether it is ranked at all.
    found: NDArray[np.bool_]


def measures(placed: Placed, depths: list[int], ties: str, gain: str) -> dict[str, Floats]:
    """Give the measures of every query that has a relevant item."""
    judgements = placed.judgements
    sizes = np.diff(judgements.offsets)
    # Numbers of the queries that count, among themselves.
    query = (np.cumsum(sizes > 0) - 1)[judgements.query_of()]
    n = int((sizes > 0).sum())
    grades = judgements.grades
    gains = grades if gain == "linear" else np.exp2(grades) - 1
    ideal = _ideal(query, gains, depths)
    relevant = np.bincount(query, minlength=n)
    # The order of ranks: best first; among equals the most relevant first, or last.
    sign = 1.0 if ties == "pessimistic" else -1.0
    order = np.lexsort((sign * grades, placed.above, query))
    order = order[placed.found[order]]
    groups = _Groups(query[order], placed.above[order], placed.tied[order])
    ranked = _Expected(groups) if ties == "expected" else _Fixed(groups, ties == "pessimistic")
    answer = {"mrr": _by_query(groups, ranked.reciprocal(), n)}
    for k in depths:
        inside = np.bincount(groups.query, ranked.inside(k), minlength=n)
        dcg = np.bincount(groups.query, gains[order] * ranked.discount(k), minlength=n)
        answer[f"recall@{k}"] = inside / relevant
        answer[f"precision@{k}"] = inside / k
        answer[f"hit_rate@{k}"] = _by_query(groups, ranked.any_inside(k), n)
        answer[f"ndcg@{k}"] = dcg / ideal[k]
    return answer


class _Groups:
    """Relevant items in the order of ranks, by query and by equal score."""

    def __init__(self, query: Ints, above: Ints, tied: Ints) -> None:
        self.query, self.above, self.tied = query, above, tied
        new_query = np.diff(query, prepend=-1) != 0
        new_group = new_query | (np.diff(above, prepend=-1) != 0)
        starts = np.flatnonzero(new_group)
        lengths = np.diff(starts, append=len(query))
        #: How many relevant items the group has, and which of them this one is.
        self.size = np.repeat(lengths, lengths)
        self.number = np.arange(len(query)) - np.repeat(starts, lengths)
        #: The best item of each query.
        self.first = np.flatnonzero(new_query)


def _by_query(groups: _Groups, values: Floats, n: int) -> Floats:
    """Spread values of the queries that have a found item; the others have 0."""
    answer = np.zeros(n)
    answer[groups.query[groups.first]] = values
    return answer


class _Fixed:
    """Relevant items first, or last, among their equals: every item has one rank."""

    def __init__(self, groups: _Groups, last: bool) -> None:
        others = groups.tied - groups.size if last else 0
        self.rank = groups.above + others + groups.number + 1
        self.first = groups.first

    def reciprocal(self) -> Floats:
        return 1.0 / self.rank[self.first]

    def inside(self, k: int) -> Floats:
        return (self.rank <= k).astype(np.float64)

    def any_inside(self, k: int) -> Floats:
        return self.inside(k)[self.first]

    def discount(self, k: int) -> Floats:
        return np.where(self.rank <= k, 1.0 / np.log2(self.rank + 1.0), 0.0)


class _Expected:
    """Means over all orders of equals."""

    def __init__(self, groups: _Groups) -> None:
        self.groups = groups

    def reciprocal(self) -> Floats:
        r"""Mean of 1 / (g + p), p the first of r relevant among T equals.

        P(p) = C(T - p, r - 1) / C(T, r): P(1) = r / T, P(p + 1) = P(p) (T - p - r + 1) / (T - p).
        """
        groups = self.groups
        first = groups.first
        answer = 1.0 / (groups.above[first] + 1.0)
        for at in np.flatnonzero(groups.tied[first] > 1):
            item = first[at]
            g, t, r = (int(x[item]) for x in (groups.above, groups.tied, groups.size))
            p = np.arange(1, t - r + 1)
            chance = np.cumprod(np.concatenate([[r / t], (t - p - r + 1) / (t - p)]))
            answer[at] = (chance / (g + np.arange(1, t - r + 2))).sum()
        return answer

    def inside(self, k: int) -> Floats:
        """Chance of a rank up to k: every rank of the group has the same."""
        chance: Floats = np.clip(k - self.groups.above, 0, self.groups.tied) / self.groups.tied
        return chance

    def any_inside(self, k: int) -> Floats:
        """Chance that c of the T equals, drawn at random, have any of the r relevant ones.

        Only the best group of a query matters: where it ends after k, no other begins before.
        """
        first = self.groups.first
        t, r = self.groups.tied[first], self.groups.size[first]
        c = np.clip(k - self.groups.above[first], 0, t)
        none = np.ones(len(first))
        for i in range(int(r.max(initial=0))):
            factor = np.maximum(t - c - i, 0) / np.maximum(t - i, 1)
            none = np.where(i < r, none * factor, none)
        return 1.0 - none

    def discount(self, k: int) -> Floats:
        """Mean discount over the group's ranks up to k."""
        sums = np.concatenate([[0.0], np.cumsum(_discounts(k))])
        above, tied = self.groups.above, self.groups.tied
        mean: Floats = (sums[np.minimum(above + tied, k)] - sums[np.minimum(above, k)]) / tied
        return mean


def _discounts(k: int) -> Floats:
    return 1.0 / np.log2(np.arange(2, k + 2))


def _ideal(query: Ints, gains: Floats, depths: list[int]) -> dict[int, Floats]:
    """Give the largest discounted gain that any order of the items could have."""
    order = np.lexsort((-gains, query))
    starts = np.flatnonzero(np.diff(query[order], prepend=-1))
    lengths = np.diff(starts, append=len(order))
    rank = np.arange(len(order)) - np.repeat(starts, lengths) + 1
    discounted = gains[order] / np.log2(rank + 1.0)
    return {k: np.bincount(query[order], np.where(rank <= k, discounted, 0.0)) for k in depths}
