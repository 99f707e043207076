"""Word translation: P@k and mean reciprocal rank of a dictionary, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Coverage, Neighbors, Pairs, Unpackable
from isomorph.metrics._host import distinct_in_order, pair_rows, take_rows, to_numpy
from isomorph.metrics.conventions import Convention, resolve
from isomorph.metrics.intervals import (
    Interval,
    check_bootstrap,
    percentile_interval,
    resampled_means,
    wilson,
)
from isomorph.neighbors import check_radii, csls, csls_radii, topk

__all__ = ["WordTranslation", "first_gold_ranks", "word_translation"]

#: Reciprocal ranks are counted down to this depth, or to the largest k that is asked for.
MRR_DEPTH = 10


@dataclass(frozen=True, slots=True, eq=False)
class WordTranslation(Unpackable):
    """How well a dictionary's words are translated; unpacks as ``precision, mrr, coverage``.

    Attributes
    ----------
    method : {"nn", "csls"}
        How translations were retrieved.
    convention : str
        Whose way of counting.
    precision : dict of int to float
        P@k: share of the counted words with a gold translation among the first k.
    mrr : float
        Mean of 1 / rank of the first gold translation, 0 where it is not among the first `depth`.
    depth : int
        Where ranks are cut.
    intervals : dict of int to Interval
        Of each P@k.
    mrr_interval : Interval
        Of the mean reciprocal rank.
    total : int
        The denominator: words counted, those out of vocabulary included where the convention has
        them count as errors.
    coverage : Coverage or None
        How much of the dictionary the vocabularies hold, if the pairs came with it.
    queries : ndarray of int64, shape (q,)
        Source rows that were looked up, in order of first appearance.
    ranks : ndarray of int64, shape (q,)
        Rank (from 1) of the first gold translation of each; 0 beyond `depth`.
    neighbors : Neighbors
        What was retrieved for each, scores and target rows (q, depth).
    """

    method: str
    convention: str
    precision: dict[int, float]
    mrr: float
    depth: int
    intervals: dict[int, Interval]
    mrr_interval: Interval
    total: int
    coverage: Coverage | None
    queries: NDArray[np.int64]
    ranks: NDArray[np.int64]
    neighbors: Neighbors
    _unpacks: ClassVar[tuple[str, ...]] = ("precision", "mrr", "coverage")

    def hits(self, k: int = 1) -> NDArray[np.bool_]:
        """Whether each query has a gold translation among its first k, shape (q,)."""
        if not 1 <= k <= self.depth:
            raise ValueError(f"k: expected 1 to {self.depth}, the depth retrieved, got {k}")
        return (self.ranks > 0) & (self.ranks <= k)

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain Python values, without the arrays."""
        covered = self.coverage
        return {
            "method": self.method,
            "convention": self.convention,
            "precision": {str(k): value for k, value in self.precision.items()},
            "precision_intervals": {str(k): list(ends) for k, ends in self.intervals.items()},
            "mrr": self.mrr,
            "mrr_depth": self.depth,
            "mrr_interval": list(self.mrr_interval),
            "confidence": self.mrr_interval.confidence,
            "queries": len(self.queries),
            "total": self.total,
            "coverage": None if covered is None else covered.fraction,
        }

    def __str__(self) -> str:
        figures = [
            f"P@{k} {100 * value:.2f} [{100 * low:.1f}, {100 * high:.1f}]"
            for k, value in self.precision.items()
            for low, high in [self.intervals[k]]
        ]
        return (
            f"{self.method.upper()} ({self.convention}): {'  '.join(figures)}  "
            f"MRR@{self.depth} {self.mrr:.4f}  ({len(self.queries):,} words found, "
            f"{self.total:,} counted)"
        )


@served
def word_translation(
    source: Any,
    target: Any,
    pairs: Pairs | tuple[Any, Any],
    *,
    method: str = "csls",
    convention: str | Convention = "vecmap",
    neighborhood: int = 10,
    at: Sequence[int] = (1, 5, 10),
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    interval: str = "bootstrap",
    sources_total: int | None = None,
    source_radii: Any = None,
    target_radii: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> WordTranslation:
    r"""Translate the source words of a dictionary by retrieval, and score the answers.

    For each distinct source row s of `pairs`, with gold targets G(s), the target rows are ranked
    by cosine (``"nn"``) or by CSLS, ties by row number, and rank(s) is that of the first row in
    G(s): any of several gold translations is a hit. Over a number N of counted words,

    .. math:: P@k = \frac1N |\{s : rank(s) \le k\}|, \qquad
              MRR = \frac1N \sum_{s : rank(s) \le D} 1 / rank(s).

    Parameters
    ----------
    source : array of shape (n, d)
        The whole source vocabulary, mapped into the target's space: it is what the radii of
        CSLS are taken over. Only the dictionary's sources are queries.
    target : array of shape (m, d)
        The whole target vocabulary: every row is a candidate.
    pairs : Pairs, or (source rows, target rows)
        The test dictionary as row numbers, from :func:`isomorph.io.load_dictionary`.
    method : {"csls", "nn"}, default "csls"
        Retrieval.
    convention : {"vecmap", "muse", "fasttext"} or Convention, default "vecmap"
        Which words count: N is the number of sources with a known pair (VecMap, MUSE), or of all
        distinct sources of the dictionary (fastText: out of vocabulary is an error). What a
        convention says about files (duplicates, case, limits) concerns loading; see
        :func:`evaluate_files`.
    neighborhood : int, default 10
        K of the CSLS radii.
    at : sequence of int, default (1, 5, 10)
        The k of P@k.
    confidence, resamples, seed
        See :func:`bootstrap_mean`; the counted words are what is resampled.
    interval : {"bootstrap", "wilson"}, default "bootstrap"
        For P@k. Where every word is a hit or none is, resampling cannot vary, and the Wilson
        interval is given anyway (``Interval.method`` tells). Prefer "wilson" for fewer than about
        100 words. MRR is always bootstrapped.
    sources_total : int, optional
        Distinct sources of the dictionary, for a convention that counts those out of vocabulary,
        when `pairs` has no coverage.
    source_radii : array of shape (n,), optional
        Radii of the whole vocabularies, if you have them; computed otherwise.
    target_radii : array of shape (m,), optional
        The same.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    WordTranslation
        Figures, intervals, ranks and what was retrieved.

    Raises
    ------
    DictionaryError
        No pair.
    ValueError
        A parameter out of range; a convention that counts words out of vocabulary without
        knowing how many there are.
    ShapeError, DTypeError, NonFiniteError
        As in :func:`isomorph.topk`.

    Notes
    -----
    The depth D of the reciprocal ranks is the largest of 10 and `at` (or m, if that is less); it
    is in the result. Time O(n m d) for the radii (only with CSLS, only if not given) and O(q m d)
    for q queries; memory O(q D) beside what the two need, never q x m.

    An interval is about words: it says how far the figure would move with another dictionary drawn
    from the same kind of words. It does not cover the choice of vectors or of training pairs.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.eye(12, dtype=np.float32)
    >>> rows = np.arange(4)
    >>> result = iso.metrics.word_translation(x, x, (rows, rows), method="nn")
    >>> result.precision[1], result.mrr
    (1.0, 1.0)
    """
    if method not in ("nn", "csls"):
        raise ValueError(f"method: expected 'csls' or 'nn', got {method!r}")
    if interval not in ("bootstrap", "wilson"):
        raise ValueError(f"interval: expected 'bootstrap' or 'wilson', got {interval!r}")
    check_bootstrap(confidence, resamples, seed)
    rule = resolve(convention)
    arguments = _arrays.Arguments(source=source, target=target)
    arguments.require_not_empty()
    arguments.require_same_columns("source", "target")
    n, m = arguments.shapes["source"][0], arguments.shapes["target"][0]
    check_radii(arguments, source_radii, target_radii)
    cuts = _cuts(at, m)
    rows, golds = pair_rows(pairs, n, m)
    queries, owner = distinct_in_order(rows)
    coverage = pairs.coverage if isinstance(pairs, Pairs) else None
    total = _total(rule, len(queries), coverage, sources_total)
    depth = min(m, max(MRR_DEPTH, *cuts))

    # Checked here, under the names of this function.
    source, target = arguments.ready(check_finite=check_finite).arrays
    options: dict[str, Any] = {
        "check_finite": False,
        "threads": threads,
        "progress": progress,
    }
    asked = take_rows(source, queries)
    if method == "nn":
        found = topk(asked, target, depth, **options)
    else:
        if source_radii is None or target_radii is None:
            computed = csls_radii(source, target, neighborhood=neighborhood, **options)
            source_radii = computed[0] if source_radii is None else source_radii
            target_radii = computed[1] if target_radii is None else target_radii
        found = csls(
            asked,
            target,
            depth,
            source_radii=take_rows(source_radii, queries),
            target_radii=target_radii,
            **options,
        )
    ranks = first_gold_ranks(to_numpy(found.indices), owner, golds, m)
    return _scored(
        ranks, cuts, total, (confidence, resamples, seed), interval,
        method=method, convention=rule.name, depth=depth, coverage=coverage, queries=queries,
        neighbors=found,
    )  # fmt: skip


def first_gold_ranks(
    retrieved: NDArray[np.int64], owner: NDArray[np.int64], golds: NDArray[np.int64], n_targets: int
) -> NDArray[np.int64]:
    """Rank, from 1, of the first gold target of each query among those retrieved; 0 if none is.

    Parameters
    ----------
    retrieved : ndarray of shape (q, depth)
        Target rows, best first.
    owner, golds : ndarray of shape (p,)
        Pair i says that target ``golds[i]`` is gold for query ``owner[i]``.
    n_targets : int
        Number of target rows.
    """
    positions = np.arange(len(retrieved), dtype=np.int64)[:, None]
    # One number a (query, target); what was not found (-1) gets one that no pair has.
    keys = np.where(retrieved >= 0, positions * n_targets + retrieved, -1)
    gold = np.isin(keys, owner * n_targets + golds)
    return np.where(gold.any(axis=1), gold.argmax(axis=1) + 1, 0)


def _scored(
    ranks: NDArray[np.int64],
    cuts: list[int],
    total: int,
    bootstrap: tuple[float, int, int],
    interval: str,
    **known: Any,
) -> WordTranslation:
    confidence, resamples, seed = bootstrap
    # Words out of vocabulary that count are misses: rank 0.
    counted = np.concatenate([ranks, np.zeros(total - len(ranks), dtype=np.int64)])
    found = counted > 0
    reciprocal = np.where(found, 1.0 / np.maximum(counted, 1), 0.0)
    columns = np.stack([*(found & (counted <= k) for k in cuts), reciprocal], axis=1)
    means = resampled_means(columns, resamples=resamples, seed=seed)
    intervals = {}
    for column, k in enumerate(cuts):
        hits = int(columns[:, column].sum())
        if interval == "wilson" or hits in (0, total):
            intervals[k] = wilson(hits, total, confidence=confidence)
        else:
            intervals[k] = percentile_interval(means[:, column], confidence)
    return WordTranslation(
        precision={k: float(columns[:, i].sum()) / total for i, k in enumerate(cuts)},
        mrr=float(reciprocal.mean()),
        intervals=intervals,
        mrr_interval=percentile_interval(means[:, -1], confidence),
        total=total,
        ranks=ranks,
        **known,
    )


def _cuts(at: Sequence[int], m: int) -> list[int]:
    cuts = sorted(set(at))
    if not cuts or any(isinstance(k, bool) or not isinstance(k, int | np.integer) for k in cuts):
        raise ValueError(f"at: expected one or more integers, got {at!r}")
    if not 1 <= cuts[0] <= cuts[-1] <= m:
        raise ValueError(f"at: expected values from 1 to {m} (rows of target), got {at!r}")
    return [int(k) for k in cuts]


def _total(
    rule: Convention, found: int, coverage: Coverage | None, sources_total: int | None
) -> int:
    if rule.oov == "drop":
        return found
    if sources_total is None and coverage is not None:
        sources_total = coverage.sources_total
    if sources_total is None:
        raise ValueError(
            f"sources_total: convention {rule.name!r} counts words out of vocabulary as errors; "
            "give their number with the others', or pairs with coverage, as io.load_dictionary does"
        )
    if sources_total < found:
        raise ValueError(
            f"sources_total: expected at least the {found} sources that were found, got "
            f"{sources_total}"
        )
    return int(sources_total)
