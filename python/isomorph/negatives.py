"""Hard negatives: what models rank high and is not relevant, for training retrievers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, _checks, neighbors
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.errors import DTypeError, ShapeError
from isomorph.metrics._host import take_rows, to_numpy
from isomorph.metrics._relevance import Judgements, read_judgements

__all__ = ["HardNegatives", "hard_negatives"]

#: Numbers in one block of positive scores.
BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class HardNegatives:
    """Negatives of each query, the hardest first; iterates over the queries' indices.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n + 1,)
        Query i has the entries ``offsets[i]`` to ``offsets[i + 1] - 1`` of the other arrays.
    indices : ndarray of int64, shape (p,)
        Rows of the corpus: by the best rank in any model, then the number of that model.
    ranks : ndarray of int64, shape (p, models)
        The rank in each model among what is not positive, from 1; 0 where it does not list it.
    scores : ndarray of shape (p, models)
        The score in each model that lists it, -inf in the others.
    """

    offsets: NDArray[np.int64]
    indices: NDArray[np.int64]
    ranks: NDArray[np.int64]
    scores: NDArray[Any]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, query: int) -> NDArray[np.int64]:
        number = range(len(self))[query]
        return self.indices[self.offsets[number] : self.offsets[number + 1]]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (self[query] for query in range(len(self)))

    @property
    def best_rank(self) -> NDArray[np.int64]:
        """The best rank of each entry in any model, shape (p,)."""
        unlisted = np.iinfo(np.int64).max
        ranks: NDArray[np.int64] = np.where(self.ranks > 0, self.ranks, unlisted)
        best: NDArray[np.int64] = ranks.min(axis=1, initial=unlisted)
        return best

    @property
    def best_model(self) -> NDArray[np.int64]:
        """The first model that gives each entry its best rank, shape (p,)."""
        unlisted = np.iinfo(np.int64).max
        best: NDArray[np.int64] = np.where(self.ranks > 0, self.ranks, unlisted).argmin(axis=1)
        return best


@served
def hard_negatives(
    queries: Any,
    corpus: Any,
    positives: Any,
    k: int = 10,
    *,
    models: Sequence[tuple[Any, Any]] = (),
    metric: str = "cosine",
    skip: int = 0,
    per_query: int | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    min_score: float | None = None,
    max_score: float | None = None,
    exclude_self: bool = False,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> HardNegatives:
    r"""Pool hard negatives: the union of what several models rank high, positives left out.

    Each model lists, for each query, the ranks ``skip + 1`` to ``skip + k`` of the corpus rows that
    are not positive. A listed row stays unless a model that lists it finds it too good, or too bad:

    .. math:: s > s_+ - a, \qquad s > s_+ - r |s_+|, \qquad s > s_{\max}, \qquad s < s_{\min}

    with :math:`s_+` the lowest score of the query's positives in that model, a the absolute and r
    the relative margin: what scores like a positive may be one that nobody has labelled.

    Parameters
    ----------
    queries : array of shape (n, d)
        Of the first model; see :func:`isomorph.topk` for types.
    corpus : array of shape (m, d)
        Of the first model.
    positives
        The positive rows of each query, in any form that
        :func:`isomorph.metrics.rank_metrics` takes; a query may have none (then margins to them
        take nothing away).
    k : int, default 10
        How many each model lists.
    models : sequence of (queries, corpus), default ()
        Vectors of the same queries and rows from further models, of any number of columns.
    metric : {"cosine", "dot", "l2"}, default "cosine"
        As in :func:`isomorph.topk`.
    skip : int, default 0
        How many of the highest ranked each model leaves out ("range_min" elsewhere).
    per_query : int, optional
        Keep at most so many of the union.
    absolute_margin, relative_margin : float, optional
        As above. A `relative_margin` of 0.05 keeps what scores up to 95 % of the positive.
    min_score, max_score : float, optional
        As above.
    exclude_self : bool, default False
        Leave out row i for query i.
    check_finite, threads, progress
        As in :func:`isomorph.topk`; progress is of one model after the other.

    Returns
    -------
    HardNegatives
        Ragged: a query has as many as were found.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        As :func:`isomorph.topk`; other numbers of rows in another model.
    ValueError
        Positives out of range or twice; `k`, `skip`, margins out of range.

    Notes
    -----
    One exact search for each model, ``skip + k`` and the largest number of positives deep; memory
    for these lists. The relative margin is the filter that G. Moreira et al., *NV-Retriever:
    improving text embedding models with effective hard-negative mining*, 2024, find best.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> corpus = np.array([[1, 0], [0.9, 0.1], [0.6, 0.4], [0, 1]], dtype=np.float32)
    >>> [row.tolist() for row in iso.hard_negatives(corpus[:1], corpus, [0], k=2)]
    [[1, 2]]
    """
    first = _arrays.Arguments(queries=queries, corpus=corpus)
    first.require_not_empty()
    first.require_same_columns("queries", "corpus")
    n, m = first.shapes["queries"][0], first.shapes["corpus"][0]
    _check_models(models, n, m)
    if exclude_self and n != m:
        raise ShapeError(
            f"queries: exclude_self leaves row i out for query i, so as many rows as corpus ({m}) "
            f"are expected, got {n}"
        )
    k = _checks.integer("k", k, 1, m, of="rows of corpus")
    skip = _checks.integer("skip", skip, 0)
    if per_query is not None:
        per_query = _checks.integer("per_query", per_query, 1, m, of="rows of corpus")
    filters = _Filters(
        *(
            None if value is None else _checks.number(name, value, least=least)
            for name, value, least in (
                ("absolute_margin", absolute_margin, 0.0),
                ("relative_margin", relative_margin, 0.0),
                ("min_score", min_score, -math.inf),
                ("max_score", max_score, -math.inf),
            )
        )
    )
    known = read_judgements(positives, n, m, name="positives", required=False)
    left_out = _with_self(known) if exclude_self else known
    most = int(np.diff(left_out.offsets).max(initial=0))
    lists = []
    for x, y in ((queries, corpus), *models):
        found = neighbors.topk(
            x,
            y,
            min(m, skip + k + most),
            metric=metric,
            check_finite=check_finite,
            threads=threads,
            progress=progress,
        )
        listed = _listed(to_numpy(found.scores), to_numpy(found.indices), left_out, skip, k)
        bars = filters.bars(x, y, known, metric) if filters.margins else None
        lists.append(filters.apply(listed, bars))
    return _union(lists, n, m, per_query)


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """What one model lists: one entry a row, by query, then rank."""

    query: NDArray[np.int64]
    row: NDArray[np.int64]
    rank: NDArray[np.int64]
    score: NDArray[Any]
    #: Whether the model would rather not have it.
    vetoed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Filters:
    absolute: float | None
    relative: float | None
    lowest: float | None
    highest: float | None

    @property
    def margins(self) -> bool:
        return self.absolute is not None or self.relative is not None

    def bars(self, queries: Any, corpus: Any, known: Judgements, metric: str) -> Any:
        """Give what each query's negatives must not exceed, in float64; inf without positives."""
        lowest = np.full(known.queries, np.inf)
        query_of = known.query_of()
        step = max(1, BLOCK // max(1, int(queries.shape[1])))
        for start in range(0, len(query_of), step):
            part = slice(start, start + step)
            x, y = take_rows(queries, query_of[part]), take_rows(corpus, known.items[part])
            np.minimum.at(lowest, query_of[part], _pair_scores(x, y, metric))
        bars = np.full(known.queries, np.inf)
        has = np.isfinite(lowest)
        if self.absolute is not None:
            bars[has] = lowest[has] - self.absolute
        if self.relative is not None:
            bars[has] = np.minimum(bars[has], lowest[has] - self.relative * np.abs(lowest[has]))
        return bars

    def apply(self, listed: _Listed, bars: Any) -> _Listed:
        score = listed.score.astype(np.float64)
        vetoed = np.zeros(len(score), bool)
        if bars is not None:
            vetoed |= score > bars[listed.query]
        if self.highest is not None:
            vetoed |= score > self.highest
        if self.lowest is not None:
            vetoed |= score < self.lowest
        return _Listed(listed.query, listed.row, listed.rank, listed.score, vetoed)


def _pair_scores(x: Any, y: Any, metric: str) -> NDArray[np.float64]:
    """Canonical scores of row i of x with row i of y, as :func:`isomorph.topk` has them."""
    from isomorph._backends.array_neighbors import ArrayNeighbors, _quiet, _sum_of_lanes

    prepared = _arrays.Arguments(queries=x, corpus=y).ready(check_finite=False)
    left, right = (to_numpy(array) for array in prepared.arrays)
    lanes = ArrayNeighbors()
    import array_api_compat.numpy

    lanes.xp = array_api_compat.numpy
    a, b = lanes._lanes(left), lanes._lanes(right)
    with _quiet():
        if metric == "cosine":
            a, b = lanes._unit_exponent(a), lanes._unit_exponent(b)
        terms = (a - b) ** 2 if metric == "l2" else a * b
        total = np.zeros_like(terms[:, 0])
        for chunk in range(terms.shape[1]):
            total = total + terms[:, chunk]
        score = _sum_of_lanes(total)
        if metric == "cosine":
            norms = np.sqrt(lanes._squares(a)) * np.sqrt(lanes._squares(b))
            score = np.where(norms == 0, 0.0, score / np.where(norms == 0, 1.0, norms))
        elif metric == "l2":
            score = -score
        rounded: NDArray[np.float64] = score.astype(left.dtype).astype(np.float64)
        return rounded


def _listed(
    scores: NDArray[Any], rows: NDArray[np.int64], left_out: Judgements, skip: int, k: int
) -> _Listed:
    """Leave out the positives, number what remains from 1, and take the ranks that are wanted."""
    n, m = len(rows), int(rows.max(initial=0)) + 1
    keys = np.arange(n)[:, None] * m + rows
    own = left_out.items < m
    out = left_out.query_of()[own] * m + left_out.items[own]
    kept = ~np.isin(keys, out) & (rows >= 0)
    rank = np.cumsum(kept, axis=1, dtype=np.int64)
    query, place = np.nonzero(kept & (rank > skip) & (rank <= skip + k))
    none = np.zeros(len(query), bool)
    return _Listed(query, rows[query, place], rank[query, place], scores[query, place], none)


def _union(lists: list[_Listed], n: int, m: int, per_query: int | None) -> HardNegatives:
    keys = [listed.query * m + listed.row for listed in lists]
    union = np.unique(np.concatenate(keys))
    ranks = np.zeros((len(union), len(lists)), np.int64)
    scores = np.full(ranks.shape, -np.inf, np.result_type(*(listed.score for listed in lists)))
    vetoed = np.zeros(len(union), bool)
    for model, (key, listed) in enumerate(zip(keys, lists, strict=True)):
        place = np.searchsorted(union, key)
        ranks[place, model], scores[place, model] = listed.rank, listed.score
        vetoed[place] |= listed.vetoed
    union, ranks, scores = union[~vetoed], ranks[~vetoed], scores[~vetoed]
    pool = HardNegatives(np.zeros(1, np.int64), union % m, ranks, scores)
    query = union // m
    # A rank of a model is one row's: the order is complete.
    order = np.lexsort((pool.best_model, pool.best_rank, query))
    if per_query is not None:
        starts = np.searchsorted(query[order], np.arange(n))
        order = order[np.arange(len(order)) - starts[query[order]] < per_query]
    counts = np.bincount(query[order], minlength=n)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return HardNegatives(offsets, (union % m)[order], ranks[order], scores[order])


def _with_self(known: Judgements) -> Judgements:
    rows = np.arange(known.queries)
    merged = np.unique(
        np.concatenate(
            [known.query_of() * known.queries + known.items, rows * known.queries + rows]
        )
    )
    counts = np.bincount(merged // known.queries, minlength=known.queries)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Judgements(offsets, merged % known.queries, np.ones(len(merged)))


def _check_models(models: Any, n: int, m: int) -> None:
    if not isinstance(models, Sequence):
        raise DTypeError(
            f"models: expected a sequence of (queries, corpus), got {type(models).__name__}"
        )
    for number, model in enumerate(models):
        if not isinstance(model, Sequence) or len(model) != 2:
            raise DTypeError(f"models[{number}]: expected (queries, corpus), got {model!r:.60}")
        names = (f"models[{number}] queries", f"models[{number}] corpus")
        other = _arrays.Arguments(**dict(zip(names, model, strict=True)))
        other.require_not_empty()
        other.require_same_columns(*names)
        for name, rows in zip(names, (n, m), strict=True):
            if other.shapes[name][0] != rows:
                raise ShapeError(
                    f"{name}: expected {rows} rows as in the first model, got {other.shapes[name]}"
                )
