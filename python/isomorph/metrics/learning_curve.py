"""How accuracy grows with the dictionary."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph._checks import integer, one_of
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph._results import Pairs, Unpackable
from isomorph._text import table
from isomorph.errors import DictionaryError, DTypeError
from isomorph.metrics._host import distinct_in_order, pair_rows, take_rows
from isomorph.metrics.intervals import check_bootstrap, permutation
from isomorph.metrics.paired import Comparison, compare, mean_interval
from isomorph.metrics.retrieval import word_translation
from isomorph.metrics.verdict import _cut

if TYPE_CHECKING:
    from isomorph.align._candidates import Candidate

__all__ = ["LearningCurve", "learning_curve"]

#: Source words at which a curve is taken, as far as there are as many.
SIZES = tuple(step * 10**power for power in range(1, 8) for step in (1, 2, 5))[2:]
METHODS = ("procrustes", "ridge", "vecmap")
#: Groups of words that a penalty is chosen by.
_GROUPS = 5


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve(Unpackable):
    """P@1 of methods by dictionary size; unpacks as ``sizes, values, low, high``.

    ``print`` shows it as a table.

    Attributes
    ----------
    methods : tuple of str
        Their names, m of them.
    sizes : tuple of int
        Distinct source words of the training pairs, s of them, ascending.
    pairs : ndarray of int64, shape (s, r)
        Pairs that these words have, in each repeat.
    values : ndarray of float64, shape (m, s)
        P@1 on the test words, the mean over repeats.
    low, high : ndarray of float64, shape (m, s)
        Ends of its interval over test words: Wilson's for one repeat, the bootstrap for several.
    spread : ndarray of float64, shape (m, s)
        Standard deviation between repeats: what the choice of the training words does. 0 for one.
    hits : ndarray of bool, shape (m, s, r, q)
        Which test words were translated right.
    retrieval : {"csls", "nn"}
        As asked for.
    confidence : float
        Level of the intervals.
    """

    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    pairs: NDArray[np.int64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    spread: NDArray[np.float64]
    hits: NDArray[np.bool_]
    retrieval: str
    confidence: float
    _unpacks: ClassVar[tuple[str, ...]] = ("sizes", "values", "low", "high")

    def compare(self, size: int, **options: Any) -> Comparison:
        """Compare the methods at one of the sizes: :func:`isomorph.metrics.compare` of their hits.

        Several repeats count by their mean for each test word.
        """
        if size not in self.sizes:
            raise ValueError(f"size: expected one of {', '.join(map(str, self.sizes))}, got {size}")
        found = self.hits[:, self.sizes.index(size)].mean(axis=1)
        return compare(dict(zip(self.methods, found, strict=True)), **options)

    def __str__(self) -> str:
        level = f"{100 * self.confidence:g} %"
        rows = [["words", "pairs", *(cell for name in self.methods for cell in (name, level))]]
        for i, size in enumerate(self.sizes):
            row = [f"{size:,}", f"{self.pairs[i].mean():,.0f}"]
            for j in range(len(self.methods)):
                low, high = self.low[j, i], self.high[j, i]
                row += [
                    f"{100 * self.values[j, i]:.2f}",
                    f"[{100 * low:.1f}, {100 * high:.1f}]",
                ]
            rows.append(row)
        lines = table(rows, right=[0, 1, *range(2, len(rows[0]), 2)])
        repeats, queries = self.hits.shape[2:]
        return "\n".join(
            [
                *lines,
                f"P@1 of {queries:,} test words by {self.retrieval.upper()}; repeats: {repeats}",
            ]
        )


@served
def learning_curve(
    source: Any,
    target: Any,
    train: Pairs | tuple[Any, Any],
    test: Pairs | tuple[Any, Any],
    *,
    sizes: Sequence[int] | None = None,
    methods: Sequence[Any] = METHODS,
    retrieval: str = "csls",
    order: str = "random",
    repeats: int = 1,
    translate: bool = False,
    neighborhood: int = 10,
    max_rows: int | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> LearningCurve:
    """Fit methods to more and more of a dictionary, and measure each on the same test words.

    Parameters
    ----------
    source : array of shape (n, d)
        The whole source vocabulary, transformed already.
    target : array of shape (m, e)
        The whole target vocabulary, the same.
    train : Pairs, or (source rows, target rows)
        The training dictionary.
    test : Pairs, or (source rows, target rows)
        The test dictionary; it shares no source with `train`.
    sizes : sequence of int, optional
        How many distinct source words to train on, 2 at least; a word comes with all its pairs.
        Default: 50, 100, 200, 500 and so on, and all.
    methods : sequence of str or (str, dict), optional
        Of :func:`isomorph.fit_map`, with options. Default: procrustes, ridge, and vecmap with the
        target as it is.
    retrieval : {"csls", "nn"}, default "csls"
        How test words are translated.
    order : {"random", "given"}, default "random"
        In which order words join: at random, or as `train` has them, from the most frequent on
        perhaps. A smaller dictionary is a part of every larger one.
    repeats : int, default 1
        Random orders, each its own; 1 for "given".
    translate : bool, default False
        As for :func:`isomorph.fit_map`.
    neighborhood : int, default 10
        K of the CSLS radii, which are taken over the whole vocabularies, for each map anew.
    max_rows : int, optional
        Look at the first rows of each vocabulary only, and those of both dictionaries: faster, and
        all figures are higher than with more targets to choose from.
    confidence, resamples, seed
        Of the intervals, see :func:`bootstrap_mean`; the seed also orders the words.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    LearningCurve
        Values and intervals by method and size.

    Raises
    ------
    DictionaryError
        No pair, a single source word in `train`, or a source that is in both dictionaries.
    ValueError, ShapeError, DTypeError, NonFiniteError
        As :func:`word_translation` and :func:`isomorph.fit_map`.

    Notes
    -----
    The pairs are read once for each repeat by all methods that moments serve: a larger dictionary
    adds its new pairs to the moments of the smaller one. "robust", "vecmap" and "rcsls" read all
    pairs of a size. Each map then costs a pass of radii, O(n m d), and a search. Memory: moments of
    five groups, (d + e)^2 numbers each, and a mapped copy of the source.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((600, 20))
    >>> y = x @ iso.linalg.polar(rng.standard_normal((20, 20))).r
    >>> y = y + 0.5 * rng.standard_normal(y.shape)
    >>> old, new = np.arange(300), np.arange(300, 600)
    >>> curve = iso.metrics.learning_curve(x, y, (old, old), (new, new), sizes=(10, 300))
    >>> curve.methods[0], bool(curve.values[0, 1] > curve.values[0, 0] + 0.3)
    ('procrustes', True)
    """
    from isomorph.align._candidates import given
    from isomorph.align._methods import Problem

    check_bootstrap(confidence, resamples, seed)
    one_of("retrieval", retrieval, ("csls", "nn"))
    one_of("order", order, ("random", "given"))
    repeats = integer("repeats", repeats, 1)
    if order == "given" and repeats != 1:
        raise ValueError(f"repeats: expected 1 for the order as given, got {repeats}")
    listed = given(methods)
    arguments = _arrays.Arguments(source=source, target=target)
    arguments.require_not_empty()
    n, m = arguments.shapes["source"][0], arguments.shapes["target"][0]
    pairs, tests = pair_rows(train, n, m), pair_rows(test, n, m)
    words, owner = distinct_in_order(pairs[0])
    if both := np.intersect1d(words, tests[0]).size:
        raise DictionaryError(
            f"test: expected sources that train does not have, got {both} of them"
        )
    steps = _sizes(sizes, len(words))
    x, y = arguments.ready(check_finite=check_finite).arrays
    if max_rows is not None:
        (x, y), pairs, tests = _first_rows(x, y, pairs, tests, max_rows)
    run: dict[str, Any] = {"check_finite": False, "threads": threads}
    problem = Problem(x, y, None, bool(translate), False, threads, None)
    counts = np.empty((len(steps), repeats), dtype=np.int64)
    hits: list[list[list[Any]]] = [[[] for _ in steps] for _ in listed]
    total, done = repeats * len(steps) * len(listed), 0
    with reporting(progress, "learning curve") as report:
        for repeat in range(repeats):
            place = np.arange(len(words))
            if order == "random":
                place[permutation(len(words), seed + repeat)] = np.arange(len(words))
            rank = place[owner]
            growing = _Growing(problem, pairs, rank, listed)
            for i, size in enumerate(steps):
                fits = growing.to(size)
                counts[i, repeat] = int((rank < size).sum())
                for j, one in enumerate(listed):
                    if report is not None:
                        report(done, total)
                    done += 1
                    mapped = fits(one)(x, **run)
                    found = word_translation(
                        mapped,
                        y,
                        tests,
                        method=retrieval,
                        neighborhood=neighborhood,
                        at=(1,),
                        resamples=1,
                        **run,
                    )
                    hits[j][i].append(found.hits(1))
        if report is not None:
            report(total, total)
    return _curve(listed, steps, counts, np.array(hits), retrieval, (confidence, resamples, seed))


class _Growing:
    """A dictionary that grows, and the moments of what it has."""

    def __init__(
        self, problem: Any, pairs: tuple[Any, Any], rank: NDArray[np.int64], listed: list[Candidate]
    ) -> None:
        from isomorph.linalg import Moments

        self._problem, self._pairs, self._rank = problem, pairs, rank
        self._moments, self._size = None, 0
        if any(one.summed for one in listed):
            self._moments = Moments(problem.source.shape[1], problem.target.shape[1])

    def to(self, size: int) -> Any:
        """Take in all words below rank `size`, and give what fits a candidate to them."""
        problem, (sources, targets) = self._problem, self._pairs
        new = np.nonzero((self._rank >= self._size) & (self._rank < size))[0]
        if self._moments is not None:
            self._moments.update(
                take_rows(problem.source, sources[new]),
                take_rows(problem.target, targets[new]),
                group=self._rank[new] % _GROUPS,
                check_finite=False,
                threads=problem.threads,
            )
        self._size = size
        have = np.nonzero(self._rank < size)[0]
        part = dataclasses.replace(
            problem,
            source=take_rows(problem.source, sources[have]),
            target=take_rows(problem.target, targets[have]),
        )
        group = self._rank[have] % _GROUPS
        spaces = (problem.source, problem.target)
        return lambda one: one.fit(part, self._moments, group, spaces)


def _sizes(sizes: Sequence[int] | None, words: int) -> tuple[int, ...]:
    if words < 2:
        raise DictionaryError(f"train: expected two source words or more, got {words}")
    if sizes is None:
        return (*(size for size in SIZES if size < words), words)
    if isinstance(sizes, str) or not hasattr(sizes, "__len__") or not len(sizes):
        raise DTypeError(f"sizes: expected one or more integers, got {sizes!r}")
    checked = [integer("sizes", s, 2, words, of="source words of train") for s in sizes]
    return tuple(sorted(set(checked)))


def _first_rows(
    x: Any, y: Any, pairs: tuple[Any, Any], tests: tuple[Any, Any], max_rows: int
) -> tuple[tuple[Any, Any], tuple[Any, Any], tuple[Any, Any]]:
    """Keep the first rows and those of both dictionaries, which are renumbered."""
    cut = [
        _cut("max_rows", side, np.concatenate([pairs[i], tests[i]]), max_rows)
        for i, side in enumerate((x, y))
    ]
    (x, sources), (y, targets) = cut
    p = len(pairs[0])
    return (x, y), (sources[:p], targets[:p]), (sources[p:], targets[p:])


def _curve(
    listed: list[Candidate],
    sizes: tuple[int, ...],
    counts: NDArray[np.int64],
    hits: NDArray[np.bool_],
    retrieval: str,
    bootstrap: tuple[float, int, int],
) -> LearningCurve:
    by_word = hits.mean(axis=2)
    ends = np.array(
        [[tuple(mean_interval(column, *bootstrap)) for column in row] for row in by_word]
    )
    return LearningCurve(
        tuple(one.label for one in listed),
        sizes,
        counts,
        by_word.mean(axis=-1),
        ends[..., 0],
        ends[..., 1],
        hits.mean(axis=-1).std(axis=-1),
        hits,
        retrieval,
        bootstrap[0],
    )
