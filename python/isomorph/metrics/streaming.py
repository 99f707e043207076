"""Ranking measures straight from two embedding sets: ranks are counted, never sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isomorph import _arrays, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.errors import ShapeError
from isomorph.metrics._relevance import read_judgements
from isomorph.metrics._ties import Placed
from isomorph.metrics.ranking import RankMetrics, checked_policy, depths_of, summarise

__all__ = ["retrieval_metrics"]


@served
def retrieval_metrics(
    queries: Any,
    corpus: Any,
    relevant: Any,
    *,
    metric: str = "cosine",
    at: Sequence[int] = (1, 5, 10),
    ties: str = "expected",
    gain: str = "linear",
    exclude_self: bool = False,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> RankMetrics:
    """Measure how high the relevant corpus rows of each query are ranked, without the n x m scores.

    The same as :func:`isomorph.metrics.rank_metrics` of all scores of :func:`isomorph.topk`: for
    every relevant row the rows that score more, and as much, are counted.

    Parameters
    ----------
    queries : array of shape (n, d)
        See :func:`isomorph.topk` for types.
    corpus : array of shape (m, d)
        What is ranked.
    relevant
        The relevant rows of each query, in any form that
        :func:`isomorph.metrics.rank_metrics` takes.
    metric : {"cosine", "dot"}, default "cosine"
        What the score is.
    at, ties, gain
        As in :func:`isomorph.metrics.rank_metrics`.
    exclude_self : bool, default False
        Leave corpus row i out for query i. Needs n = m, and no row relevant to itself.
    check_finite : bool, default True
        Refuse NaN and infinities. If False the caller knows that there are none.
    threads : int, optional
        See :mod:`isomorph.runtime`. The answer does not depend on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    RankMetrics
        See there.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As :func:`isomorph.topk` and :func:`isomorph.metrics.rank_metrics`.

    Notes
    -----
    One pass of products in the computing type, O(n m d), which decides every pair but those within
    its rounding error of a relevant row's score; these are scored canonically. O(R m) comparisons
    besides, for R relevant rows a query. No matrix of scores: a megabyte a thread.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.eye(4, dtype=np.float32)
    >>> round(iso.metrics.retrieval_metrics(x, x[::-1], [3, 2, 1, 1]).mrr, 3)
    0.84
    """
    if metric not in ("cosine", "dot"):
        raise ValueError(f"metric: expected 'cosine' or 'dot', got {metric!r}")
    checked_policy(ties, gain)
    depths = depths_of(at, None)
    arguments = _arrays.Arguments(queries=queries, corpus=corpus)
    arguments.require_not_empty()
    arguments.require_same_columns("queries", "corpus")
    n, m = arguments.shapes["queries"][0], arguments.shapes["corpus"][0]
    if exclude_self and n != m:
        raise ShapeError(
            f"queries: exclude_self leaves row i out for query i, so as many rows as corpus ({m}) "
            f"are expected, got {n}"
        )
    run = Run(runtime.resolve_threads(threads), progress)
    judgements = read_judgements(relevant, n, m)
    if exclude_self and (own := judgements.query_of() == judgements.items).any():
        query = int(judgements.items[np.argmax(own)])
        raise ValueError(f"relevant: query {query}: exclude_self, but it is relevant to itself")
    ready = arguments.ready(check_finite=check_finite)
    x, y = ready.arrays
    above, tied = ready.backend.places(
        x, y, judgements.offsets, judgements.items, metric, bool(exclude_self), run
    )
    placed = Placed(judgements, above, tied, np.ones(len(above), bool))
    return summarise(placed, depths, ties, gain)
