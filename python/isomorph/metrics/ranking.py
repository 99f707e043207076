"""Ranking measures with a stated meaning of ties, by counting scores instead of sorting them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph._results import Neighbors, Unpackable
from isomorph.errors import DTypeError, NonFiniteError, ShapeError
from isomorph.metrics._host import to_numpy
from isomorph.metrics._relevance import Judgements, read_judgements
from isomorph.metrics._ties import GAINS, POLICIES, Placed, measures

__all__ = ["RankMetrics", "rank_metrics"]

#: Comparisons of one block of a Neighbors list.
BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class RankMetrics(Unpackable):
    """How well relevant items are ranked; unpacks as ``mrr, recall, ndcg``.

    Attributes
    ----------
    mrr : float
        Mean of 1 / rank of the first relevant item; 0 for queries whose items a list lacks.
    recall, precision, hit_rate, ndcg : dict of int to float
        By depth k: the share of the relevant items in the first k; the share of the first k that
        is relevant; the share of queries with any relevant item in the first k; normalised
        discounted cumulative gain.
    ties : str
        The policy: "expected", "optimistic" or "pessimistic".
    queries : int
        How many were counted: those with a relevant item.
    skipped : int
        How many were not, having none.
    per_query : dict of str to ndarray
        The value of every counted query, in order, by name: ``"mrr"``, ``"recall@10"``, ...; what
        :func:`isomorph.metrics.bootstrap_mean` and
        :func:`isomorph.metrics.paired_difference` take.
    """

    mrr: float
    recall: dict[int, float]
    precision: dict[int, float]
    hit_rate: dict[int, float]
    ndcg: dict[int, float]
    ties: str
    queries: int
    skipped: int
    per_query: dict[str, NDArray[np.float64]]
    _unpacks: ClassVar[tuple[str, ...]] = ("mrr", "recall", "ndcg")

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain Python values, the queries' own left out."""
        depths = {
            name: {str(k): value for k, value in getattr(self, name).items()}
            for name in ("recall", "precision", "hit_rate", "ndcg")
        }
        counts = {"ties": self.ties, "queries": self.queries, "skipped": self.skipped}
        return {"mrr": self.mrr, **depths, **counts}


def rank_metrics(
    scores: Neighbors | Any,
    relevant: Any,
    *,
    at: Sequence[int] = (1, 5, 10),
    ties: str = "expected",
    gain: str = "linear",
) -> RankMetrics:
    r"""Measure how high relevant items are ranked, without sorting.

    An item with score s has :math:`g` items above it (scores greater than s) and is one of
    :math:`T` with score s: its rank is one of :math:`g + 1, \dots, g + T`. What that counts as,
    when T > 1, is the tie policy:

    * ``"expected"``: the mean over all orders of tied items, exactly (what sorting with random
      tie-breaks tends to);
    * ``"optimistic"``: relevant items come first among equals, the most relevant at the top;
    * ``"pessimistic"``: they come last, the most relevant at the end.

    A model that gives all items one score is perfect by the second and useless by the third; a
    sort that happens to keep the order of the input may give either.

    Parameters
    ----------
    scores : array of shape (n, m), or Neighbors
        Scores of every item for every query, greater is better; or what :func:`isomorph.topk`,
        :func:`isomorph.csls` or :func:`isomorph.maxsim_topk` returned: then an item that is not
        listed has no rank, and ties are among those listed.
    relevant : array or sequence
        The relevant items of each query: an int array (n,), one each; (n, r), filled up with -1;
        a sequence of n sequences of items; of n dicts, item to grade; or a bool or float array
        (n, m) of grades. Grades are finite and not negative; 0 is not relevant.
    at : sequence of int, default (1, 5, 10)
        The depths k; for Neighbors at most as many as are listed.
    ties : {"expected", "optimistic", "pessimistic"}, default "expected"
        The policy.
    gain : {"linear", "exponential"}, default "linear"
        Of NDCG: the grade, or :math:`2^{\mathrm{grade}} - 1`.

    Returns
    -------
    RankMetrics
        Means over the queries that have a relevant item, and the values of each.

    Raises
    ------
    ShapeError
        `scores` without two axes, `relevant` for another number of queries.
    DTypeError
        Types that are none of these.
    ValueError
        An item out of range or twice, a bad grade, depth, policy or gain; no query with a relevant
        item.
    NonFiniteError
        A score is NaN.

    Notes
    -----
    With R relevant items in all, O(R m) comparisons or less, against O(n m log m) of a sort; memory
    for one row. Formulas for the expected values: F. McSherry, M. Najork, *Computing information
    retrieval performance measures efficiently in the presence of tied scores*, ECIR 2008. The
    discount is :math:`1 / \log_2(\mathrm{rank} + 1)`: K. Järvelin, J. Kekäläinen, *Cumulated
    gain-based evaluation of IR techniques*, TOIS 2002.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> scores = np.array([[0.9, 0.5, 0.5, 0.1]])
    >>> for ties in ("optimistic", "expected", "pessimistic"):
    ...     print(iso.metrics.rank_metrics(scores, [[2]], at=[2], ties=ties).recall)
    {2: 1.0}
    {2: 0.5}
    {2: 0.0}
    """
    checked_policy(ties, gain)
    if isinstance(scores, Neighbors):
        values, items = to_numpy(scores.scores), to_numpy(scores.indices)
        depths = depths_of(at, values.shape[1])
        placed = _place_in_lists(values, items, read_judgements(relevant, len(values), None))
    else:
        values = _checked_scores(scores)
        depths = depths_of(at, None)
        placed = _place_in_rows(values, read_judgements(relevant, *values.shape))
    return summarise(placed, depths, ties, gain)


def summarise(placed: Placed, depths: list[int], ties: str, gain: str) -> RankMetrics:
    """Turn the places of relevant items into measures."""
    per_query = measures(placed, depths, ties, gain)
    mean = {name: float(values.mean()) for name, values in per_query.items()}

    def atdepths_of(name: str) -> dict[int, float]:
        return {k: mean[f"{name}@{k}"] for k in depths}

    counted = len(per_query["mrr"])
    return RankMetrics(
        mean["mrr"],
        atdepths_of("recall"),
        atdepths_of("precision"),
        atdepths_of("hit_rate"),
        atdepths_of("ndcg"),
        ties,
        counted,
        placed.judgements.queries - counted,
        per_query,
    )


def checked_policy(ties: str, gain: str) -> None:
    """Raise unless these are names of a policy and of a gain."""
    if ties not in POLICIES:
        raise ValueError(f"ties: expected one of {', '.join(POLICIES)}, got {ties!r}")
    if gain not in GAINS:
        raise ValueError(f"gain: expected one of {', '.join(GAINS)}, got {gain!r}")


def depths_of(at: Sequence[int], listed: int | None) -> list[int]:
    """Give the depths as integers, none deeper than what is listed."""
    try:
        depths = [operator.index(k) for k in at]
    except TypeError:
        raise DTypeError(f"at: expected integers, got {at!r}") from None
    if not depths or min(depths) < 1:
        raise ValueError(f"at: expected depths of 1 or more, got {at!r}")
    if listed is not None and max(depths) > listed:
        raise ValueError(f"at: expected depths up to {listed}, as many as are listed, got {at!r}")
    return depths


def _checked_scores(scores: Any) -> NDArray[Any]:
    if not hasattr(scores, "shape"):
        raise DTypeError(
            f"scores: expected an array or Neighbors, got {type(scores).__name__}; make it one "
            "with numpy.asarray(scores)"
        )
    values = to_numpy(scores)
    if values.dtype.kind not in "fiu":
        raise DTypeError(f"scores: expected real values, got {values.dtype}")
    if values.ndim != 2 or 0 in values.shape:
        raise ShapeError(f"scores: expected shape (queries, items), got {values.shape}")
    return values


def _place_in_rows(scores: NDArray[Any], judgements: Judgements) -> Placed:
    """Count, for every relevant item, the scores of its row that are greater and equal."""
    above = np.zeros(len(judgements.items), np.int64)
    tied = np.zeros_like(above)
    for query in range(judgements.queries):
        own = judgements.of(query)
        if own.start == own.stop:
            continue
        row = scores[query]
        if row.dtype.kind == "f" and np.isnan(row).any():
            raise NonFiniteError(f"scores: row {query} has a NaN")
        levels, which = np.unique(row[judgements.items[own]], return_inverse=True)
        # How many of the row are below, at and above each level.
        up_to = len(row) - _count_above(row, levels)
        below = _count_below(row, levels)
        above[own] = (len(row) - up_to)[which.ravel()]
        tied[own] = (up_to - below)[which.ravel()]
    return Placed(judgements, above, tied, np.ones(len(above), bool))


#: Up to here comparing the row with each level is quicker than looking each value up.
FEW_LEVELS = 16


def _count_above(row: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    if len(levels) <= FEW_LEVELS:
        return np.array([np.count_nonzero(row > level) for level in levels], np.int64)
    # A value is above the levels that stand before where it would be inserted on their left.
    places = np.bincount(np.searchsorted(levels, row, side="left"), minlength=len(levels) + 1)
    return np.cumsum(places[::-1])[::-1][1:]


def _count_below(row: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    if len(levels) <= FEW_LEVELS:
        return np.array([np.count_nonzero(row < level) for level in levels], np.int64)
    places = np.bincount(np.searchsorted(levels, row, side="right"), minlength=len(levels) + 1)
    return np.cumsum(places)[:-1]


def _place_in_lists(scores: NDArray[Any], items: NDArray[Any], judgements: Judgements) -> Placed:
    """Do the same within the lists; an item that its list lacks is not found."""
    count, k = len(judgements.items), scores.shape[1]
    above, tied = np.zeros(count, np.int64), np.zeros(count, np.int64)
    found = np.zeros(count, bool)
    query_of = judgements.query_of()
    listed = np.where(items >= 0, scores, np.nan)
    for start in range(0, count, max(1, BLOCK // k)):
        part = slice(start, start + max(1, BLOCK // k))
        rows = query_of[part]
        matches = items[rows] == judgements.items[part, None]
        found[part] = matches.any(axis=1)
        own = scores[rows, matches.argmax(axis=1)][:, None]
        above[part] = (listed[rows] > own).sum(axis=1)
        tied[part] = (listed[rows] == own).sum(axis=1)
    return Placed(judgements, above, tied, found)
