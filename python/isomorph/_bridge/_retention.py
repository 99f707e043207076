"""What a map that has not seen some pairs makes of retrieval among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, runtime, transforms
from isomorph._backends import Run
from isomorph.align import LinearMap
from isomorph.metrics._host import take_rows, to_numpy
from isomorph.metrics.intervals import permutation
from isomorph.neighbors import topk

#: Rows of a fold that are measured, at most.
MEASURED = 4096
#: The smallest store that is measured, and its share that one list may be.
SMALLEST, LARGEST_SHARE = 20, 0.1
#: Matches of two lists of neighbours that are looked at in one step.
_MATCHES = 1 << 22

Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Task:
    """Pairs of rows, and what is asked of them.

    Attributes
    ----------
    old, new : array
        Row i of both is of one text.
    queries : array or None
        Of the new model; None: the rows of `new` that a map has not seen, each without itself.
    relevant : ndarray of int64 or None
        The row of the pairs that each query is looking for.
    direction : {"store", "query"}
        Whether old vectors are mapped to the new model, or new queries to the old one.
    normalize : bool
        Whether mapped vectors are scaled to length 1.
    metric : {"cosine", "dot"}
        What neighbours are.
    threads : int or None
        See :mod:`isomorph.runtime`.
    """

    old: Any
    new: Any
    queries: Any
    relevant: Rows | None
    direction: str
    normalize: bool
    metric: str
    threads: int | None

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return int(self.new.shape[0])

    @property
    def asked(self) -> int:
        """How many queries there are."""
        return self.pairs if self.queries is None else int(self.queries.shape[0])

    @property
    def sides(self) -> tuple[Any, Any]:
        """What a map goes from, and where to."""
        return (self.old, self.new) if self.direction == "store" else (self.new, self.old)

    def image(self, map: LinearMap, rows: Any) -> Any:  # noqa: A002 - the field's word for it
        """Map rows as they are mapped in use."""
        mapped = map.apply(rows, check_finite=False, threads=self.threads)
        if not self.normalize:
            return mapped
        return transforms.unit(mapped, check_finite=False, threads=self.threads)


@dataclass(slots=True)
class Point:
    """What was measured of stores of one size, by maps of as many pairs.

    Attributes
    ----------
    store, trained : float
        Rows that a query can find, and pairs that the map was fitted on: means over folds.
    overlap : dict of int to array of shape (q,)
        For each k the share of the new model's own k neighbours of each query among the k found;
        NaN for queries that were not asked.
    reciprocal, own_reciprocal : array of shape (q,)
        1 / rank of the row looked for among the rows found, and by the new model itself.
    standing : array of shape (n,)
        Of each pair, the share of other rows that its own row stands behind.
    """

    store: float
    trained: float
    overlap: dict[int, Values]
    reciprocal: Values
    own_reciprocal: Values
    standing: Values


def folds_of(n: int, folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Deal n pairs to folds: the rows to fit on and those to measure on, for each."""
    order = permutation(n, seed)
    answer = []
    for fold in range(folds):
        left_out = order[fold::folds]
        trained = np.ones(n, bool)
        trained[left_out] = False
        answer.append((np.flatnonzero(trained), np.sort(left_out[:MEASURED])))
    return answer


def usable(ks: Sequence[int], store: float) -> list[int]:
    """Give the lengths of lists that are a small part of a store."""
    return [k for k in ks if k <= LARGEST_SHARE * store]


class Measurement:
    """Retrieval in folds, and in ever smaller parts of their stores.

    Parameters
    ----------
    task : Task
        The pairs.
    ks : sequence of int
        Lengths of the lists that are compared.
    levels : int
        How often a store is halved.
    """

    def __init__(self, task: Task, ks: Sequence[int], levels: int) -> None:
        self.task, self.ks = task, tuple(ks)
        self._levels: list[list[_Group]] = [[] for _ in range(levels)]

    def add(self, map: LinearMap, trained: int, rows: Rows, seed: int) -> None:  # noqa: A002
        """Measure a map on rows that it has not seen."""
        fold = _Fold.of(self.task, map, rows)
        order = permutation(len(rows), seed)
        for level, found in enumerate(self._levels):
            count = 1 << level
            if level and len(rows) // count < SMALLEST:
                return
            for part in range(count):
                found.append(_measure(self.task, self.ks, trained, fold, order[part::count]))

    def points(self) -> list[Point]:
        """Put the folds together."""
        return [_join(self.task, groups) for groups in self._levels if groups]


@dataclass(frozen=True, slots=True)
class _Fold:
    """Rows left out, and what is searched for and among what.

    Attributes
    ----------
    rows : ndarray of int64
        Which pairs.
    asked : ndarray of int64
        Which queries.
    wanted, found : array
        The queries as the new model searches its own rows with them, and as the mapped store is
        searched with them.
    new, candidates, seekers : array
        The rows: in the new model, in the store, and as they look for themselves there.
    """

    rows: Rows
    asked: Rows
    wanted: Any
    found: Any
    new: Any
    candidates: Any
    seekers: Any

    @classmethod
    def of(cls, task: Task, map: LinearMap, rows: Rows) -> _Fold:  # noqa: A002
        new, old = take_rows(task.new, rows), take_rows(task.old, rows)
        to_store = task.direction == "store"
        candidates, seekers = (
            (task.image(map, old), new) if to_store else (old, task.image(map, new))
        )
        if task.queries is None:
            return cls(rows, rows, new, seekers, new, candidates, seekers)
        found = task.queries if to_store else task.image(map, task.queries)
        return cls(rows, np.arange(task.asked), task.queries, found, new, candidates, seekers)


@dataclass(slots=True)
class _Group:
    """What one store of rows left out gave."""

    store: int
    trained: int
    asked: Rows
    overlap: dict[int, Values]
    looked: Rows
    reciprocal: Values
    own_reciprocal: Values
    rows: Rows
    standing: Values


def _measure(task: Task, ks: Sequence[int], trained: int, fold: _Fold, part: Rows) -> _Group:
    """Search a store of some rows of a fold."""
    part = np.sort(part)
    new, candidates = take_rows(fold.new, part), take_rows(fold.candidates, part)
    held_out = task.queries is None
    store = fold.rows[part]
    # Where the queries themselves are in the store.
    position = _places_in(store, fold.asked) if held_out else np.full(len(fold.asked), -1)
    lengths = usable(ks, len(store) - held_out)
    depth = max(lengths, default=1)
    wanted = _neighbors(task, fold.wanted, new, depth, position)
    given = _neighbors(task, fold.found, candidates, depth, position)
    # The row that a query looks for, as a position in the store.
    if held_out:
        goal = position
    elif task.relevant is None:
        goal = wanted[:, 0]
    else:
        goal = _places_in(store, task.relevant)
    looked = np.flatnonzero(goal >= 0)
    rank = _ranks(task, take_rows(fold.found, looked), candidates, goal[looked])
    own = np.ones(len(looked))
    if task.relevant is not None:
        own = _ranks(task, take_rows(fold.wanted, looked), new, goal[looked])
    # Whether the two rows of each pair find each other, whatever is asked of them.
    place = rank
    if not held_out:
        everyone = np.arange(len(part))
        place = _ranks(task, take_rows(fold.seekers, part), candidates, everyone)
    return _Group(
        len(store) - held_out,
        trained,
        fold.asked,
        {k: shared(wanted, given, k) for k in lengths},
        fold.asked[looked],
        1 / rank,
        1 / own,
        store,
        (place - 1) / max(1, len(store) - 1),
    )


def _places_in(store: Rows, rows: Rows) -> Rows:
    """Give where rows stand in a store, which is sorted; -1 for those that do not."""
    at = np.minimum(np.searchsorted(store, rows), len(store) - 1)
    return np.where(store[at] == rows, at, -1)


def _neighbors(task: Task, queries: Any, store: Any, depth: int, position: Rows) -> Rows:
    """Give the positions of the nearest rows of the store, none of them the query's own."""
    own = bool((position >= 0).any())
    count = min(depth + own, int(store.shape[0]))
    found = to_numpy(
        topk(
            queries, store, count, metric=task.metric, check_finite=False, threads=task.threads
        ).indices
    )
    # The query's own row goes to the end of its list, which is a place too long.
    order = np.argsort(found == position[:, None], axis=1, kind="stable")
    kept: Rows = np.take_along_axis(found, order, axis=1)[:, :depth]
    return kept


def shared(wanted: Rows, given: Rows, k: int) -> Values:
    """Give for each row the share of the first k of one list that is in the first k of another."""
    answer = np.empty(len(wanted))
    step = max(1, _MATCHES // (k * k))
    for start in range(0, len(wanted), step):
        part = slice(start, start + step)
        same = wanted[part, :k, None] == given[part, None, :k]
        answer[part] = same.any(axis=2).sum(axis=1) / k
    return answer


def _ranks(task: Task, queries: Any, store: Any, goal: Rows) -> Values:
    """Give the rank of one row of the store for each query, the mean where scores are equal."""
    if not len(goal):
        return np.empty(0)
    ready = _arrays.Arguments(queries=queries, store=store).ready(check_finite=False)
    x, y = ready.arrays
    above, tied = ready.backend.places(
        x,
        y,
        np.arange(len(goal) + 1),
        goal.astype(np.int64),
        task.metric,
        False,
        Run(runtime.resolve_threads(task.threads)),
    )
    # Its own score is among those tied.
    rank: Values = above + (tied + 1) / 2
    return rank


def _join(task: Task, groups: list[_Group]) -> Point:
    """Average over the stores that a query was asked of."""
    ks = sorted({k for group in groups for k in group.overlap})
    mean = _Means(task.asked)
    overlap = {k: mean((g.asked, g.overlap[k]) for g in groups if k in g.overlap) for k in ks}
    return Point(
        float(np.mean([g.store for g in groups])),
        float(np.mean([g.trained for g in groups])),
        overlap,
        mean((g.looked, g.reciprocal) for g in groups),
        mean((g.looked, g.own_reciprocal) for g in groups),
        _Means(task.pairs)((g.rows, g.standing) for g in groups),
    )


@dataclass(frozen=True, slots=True)
class _Means:
    """Means of what several parts say about some of n things; NaN where none does."""

    n: int

    def __call__(self, parts: Any) -> Values:
        total, count = np.zeros(self.n), np.zeros(self.n)
        for rows, values in parts:
            # No row twice in a part.
            total[rows] += values
            count[rows] += 1
        with np.errstate(invalid="ignore"):
            return np.where(count > 0, total / np.maximum(count, 1), np.nan)
