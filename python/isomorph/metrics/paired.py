"""Whether methods differ on the same queries: three paired tests, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph._checks import one_of
from isomorph._results import Unpackable
from isomorph._text import table
from isomorph.errors import ShapeError
from isomorph.metrics.intervals import (
    Interval,
    bootstrap_mean,
    check_bootstrap,
    checked_values,
    random_signs,
    resampled_means,
    sign_test,
    wilson,
)
from isomorph.metrics.retrieval import WordTranslation

__all__ = ["Compared", "Comparison", "PairedTest", "compare", "paired_test"]

TESTS = ("mcnemar", "randomization", "bootstrap")
INTERVALS = ("tango", "bootstrap")


@dataclass(frozen=True, slots=True)
class PairedTest(Unpackable):
    """How much two methods differ on the same queries: ``difference, interval, p_value``.

    Attributes
    ----------
    difference : float
        Mean of the first minus mean of the second.
    interval : Interval
        Of the difference.
    p_value : float
        Two-sided.
    test : {"mcnemar", "randomization", "bootstrap"}
        Where the p-value comes from.
    first, second : float
        The two means.
    wins, losses, queries : int
        Queries on which the first is better, on which the second is, and all.
    """

    difference: float
    interval: Interval
    p_value: float
    test: str
    first: float
    second: float
    wins: int
    losses: int
    queries: int
    _unpacks: ClassVar[tuple[str, ...]] = ("difference", "interval", "p_value")


@dataclass(frozen=True, slots=True)
class Compared(Unpackable):
    """One comparison of several; unpacks as ``first, second, result, adjusted``.

    Attributes
    ----------
    first, second : str
        Names of the two methods.
    result : PairedTest
        Of first minus second.
    adjusted : float
        The p-value by Holm's correction for all comparisons that were made together.
    """

    first: str
    second: str
    result: PairedTest
    adjusted: float
    _unpacks: ClassVar[tuple[str, ...]] = ("first", "second", "result", "adjusted")


@dataclass(frozen=True, slots=True)
class Comparison(Unpackable):
    """Several methods on the same queries; unpacks as ``names, values, intervals, pairs``.

    Attributes
    ----------
    names : tuple of str
        The methods, in the order given.
    values : tuple of float
        Their means.
    intervals : tuple of Interval
        Of each mean on its own.
    pairs : tuple of Compared
        The paired tests.
    queries : int
        On which all were measured.
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    intervals: tuple[Interval, ...]
    pairs: tuple[Compared, ...]
    queries: int
    _unpacks: ClassVar[tuple[str, ...]] = ("names", "values", "intervals", "pairs")

    def __str__(self) -> str:
        level = f"{100 * self.intervals[0].confidence:g} % interval"
        rows = [["method", "per cent", level]]
        for name, value, (low, high) in zip(self.names, self.values, self.intervals, strict=True):
            rows.append([name, f"{100 * value:.2f}", f"[{100 * low:.1f}, {100 * high:.1f}]"])
        tests = [["difference", "points", level, "p", "Holm"]]
        for first, second, found, adjusted in self.pairs:
            low, high = found.interval
            tests.append(
                [
                    f"{first} - {second}",
                    f"{100 * found.difference:+.2f}",
                    f"[{100 * low:+.1f}, {100 * high:+.1f}]",
                    f"{found.p_value:.2g}",
                    f"{adjusted:.2g}",
                ]
            )
        lines = [*table(rows, right=(1,)), "", *table(tests, right=(1, 3, 4))]
        return "\n".join([*lines, f"({self.queries:,} queries)"])


def paired_test(
    a: WordTranslation | Any,
    b: WordTranslation | Any,
    *,
    at: int | None = 1,
    test: str = "mcnemar",
    interval: str | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    r"""Test whether two methods differ, query by query.

    Parameters
    ----------
    a, b : WordTranslation, or array of shape (n,)
        Results on the same queries; or one value a query, hits or any other figure.
    at : int or None, default 1
        What a result is judged by: a gold translation among the first `at`, or with None the
        reciprocal rank. Arrays are taken as they are.
    test : {"mcnemar", "randomization", "bootstrap"}, default "mcnemar"
        Which null hypothesis gives the p-value:

        * ``"mcnemar"``: a query on which the two differ is as likely won as lost, exactly
          (binomial); how much it is won by does not count.
        * ``"randomization"``: the sign of each difference is a fair coin; the share of `resamples`
          random signs that give a mean difference as far from 0. For hits the same as the first,
          but for chance.
        * ``"bootstrap"``: the mean difference is 0; the share of resamples of the queries whose
          mean is as far from the observed one as that is from 0.
    interval : {"tango", "bootstrap"}, optional
        Of the difference. The first is for hits, and their default: the score interval, all
        differences that the outcomes do not reject; right for few differences, too, and never of
        zero width. The other, the percentile bootstrap, is the default for other values.
    confidence : float, default 0.95
        Its level.
    resamples : int, default 10,000
        Of the bootstrap and of random signs. No p-value is below 1 / (resamples + 1).
    seed : int, default 0
        Of both.

    Returns
    -------
    PairedTest
        Of a minus b. Two methods that never differ have difference 0 and p-value 1.

    Raises
    ------
    ShapeError
        Different numbers of queries.
    ValueError
        Results on other queries; an option out of range; ``"tango"`` for values other than
        hits.
    NonFiniteError, DTypeError
        Values that are no numbers.

    Notes
    -----
    Far sharper than two separate intervals, since what is hard for both methods cancels. The tests
    are about queries: another dictionary of the same kind, not other vectors. O(n resamples) time
    for all but McNemar's with its interval, which are O(n); 64 MiB at most beside the input.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947); T. Tango, "Equivalence test and confidence interval for
    the difference in proportions for the paired-sample design", Statistics in Medicine 17 (1998);
    E. W. Noreen, *Computer-Intensive Methods for Testing Hypotheses*, 1989.

    Examples
    --------
    >>> from isomorph.metrics import paired_test
    >>> result = paired_test([1, 1, 1, 0, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0, 1, 0])
    >>> result.difference, result.wins, result.losses, result.p_value
    (0.625, 5, 0, 0.0625)
    """
    _check_options(test, interval, confidence, resamples, seed)
    x, y = values_of({"a": a, "b": b}, at)
    return _tested(x, y, test, interval, confidence, resamples, seed)


def compare(
    results: Mapping[str, Any],
    *,
    at: int | None = 1,
    against: str | None = None,
    test: str = "mcnemar",
    interval: str | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare several methods on the same queries, with Holm's correction of the p-values.

    Parameters
    ----------
    results : mapping of str to WordTranslation or array of shape (n,)
        Two methods or more, as :func:`paired_test` takes them.
    against : str, optional
        Compare all others with this one, or with ``"best"``, that of the largest mean (the first
        of equal ones); default: every two.
    at, test, interval, confidence, resamples, seed
        As for :func:`paired_test`.

    Returns
    -------
    Comparison
        ``print`` shows both tables.

    Raises
    ------
    ValueError
        Fewer than two methods, or `against` is none of them; and as :func:`paired_test`.

    Notes
    -----
    Holm's correction keeps the probability of any false difference among all comparisons at the
    level of each. It does not undo having picked the best: the mean of the winner of many is
    larger than it would be on new queries.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979).

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> easy = np.random.default_rng(0).random((3, 1000))
    >>> hits = {"a": easy[0] < 0.6, "b": easy[0] < 0.5, "c": easy[1] < 0.6}
    >>> [(x, y, p < 0.01) for x, y, _, p in iso.metrics.compare(hits, against="a").pairs]
    [('b', 'a', True), ('c', 'a', False)]
    """
    names = tuple(results)
    if len(names) < 2:
        raise ValueError(f"results: expected at least two methods, got {len(names)}")
    _check_options(test, interval, confidence, resamples, seed)
    columns = values_of({f"results[{name!r}]": result for name, result in results.items()}, at)
    means = [float(column.mean()) for column in columns]
    if against is None:
        wanted = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    else:
        if against == "best" and against not in names:
            against = names[int(np.argmax(means))]
        if against not in names:
            raise ValueError(
                f"against: expected 'best' or one of {', '.join(names)}, got {against!r}"
            )
        other = names.index(against)
        wanted = [(i, other) for i in range(len(names)) if i != other]
    found = [
        _tested(columns[i], columns[j], test, interval, confidence, resamples, seed)
        for i, j in wanted
    ]
    adjusted = holm([one.p_value for one in found])
    return Comparison(
        names,
        tuple(means),
        tuple(mean_interval(column, confidence, resamples, seed) for column in columns),
        tuple(
            Compared(names[i], names[j], one, p)
            for (i, j), one, p in zip(wanted, found, adjusted, strict=True)
        ),
        len(columns[0]),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being several, in their order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _check_options(
    test: str, interval: str | None, confidence: float, resamples: int, seed: int
) -> None:
    one_of("test", test, TESTS)
    if interval is not None:
        one_of("interval", interval, INTERVALS)
    check_bootstrap(confidence, resamples, seed)


def tango(wins: int, losses: int, queries: int, confidence: float) -> Interval:
    """Give the score interval of (wins - losses) / queries: all differences not rejected."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n, b, c = queries, wins, losses

    def statistic(difference: float) -> float:
        # The probability of a loss that is likeliest with this difference.
        linear = (2 * n - b + c) * difference - b - c
        # Not negative but for rounding.
        root = math.sqrt(max(0.0, linear * linear + 8 * n * c * difference * (1 - difference)))
        lost = (root - linear) / (4 * n)
        variance = n * (2 * lost + difference * (1 - difference))
        gap = b - c - n * difference
        return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap)

    def end(bound: float) -> float:
        inside, outside = (b - c) / n, bound
        while abs(outside - inside) > 1e-12:
            middle = (inside + outside) / 2
            if abs(statistic(middle)) <= z:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2 if abs(outside) < 1 else outside

    return Interval(end(-1.0), end(1.0), confidence, "tango")


def mean_interval(
    values: NDArray[np.float64], confidence: float, resamples: int, seed: int
) -> Interval:
    """Give the interval of one mean: Wilson's for hits, the bootstrap for other values."""
    if is_hits(values):
        return wilson(int(values.sum()), len(values), confidence=confidence)
    return bootstrap_mean(values, confidence=confidence, resamples=resamples, seed=seed)


def is_hits(values: NDArray[np.float64]) -> bool:
    """Whether there are only zeros and ones."""
    return bool(((values == 0) | (values == 1)).all())


def values_of(results: Mapping[str, Any], at: int | None) -> list[NDArray[np.float64]]:
    """Give one value a query, the same queries for all."""
    columns: list[NDArray[np.float64]] = []
    first: tuple[str, WordTranslation] | None = None
    for name, result in results.items():
        if not isinstance(result, WordTranslation):
            columns.append(checked_values(name, result))
            continue
        if first is None:
            first = name, result
        elif not np.array_equal(first[1].queries, result.queries):
            raise ValueError(f"{name}: expected the queries of {first[0]}, in their order")
        columns.append(_judged(result, at))
    (name, *others), n = results, len(columns[0])
    for other, column in zip(others, columns[1:], strict=True):
        if len(column) != n:
            raise ShapeError(f"{other}: expected {n} queries as in {name}, got {len(column)}")
    return columns


def _judged(result: WordTranslation, at: int | None) -> NDArray[np.float64]:
    """Values of the queries that were found, and 0 for those that count as errors."""
    if at is None:
        ranks = result.ranks.astype(np.float64)
        values = np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0.0)
    else:
        values = result.hits(at).astype(np.float64)
    return np.concatenate([values, np.zeros(result.total - len(values))])


def _tested(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    test: str,
    interval: str | None,
    confidence: float,
    resamples: int,
    seed: int,
) -> PairedTest:
    hits = is_hits(x) and is_hits(y)
    if interval == "tango" and not hits:
        raise ValueError("interval: 'tango' is for hits, 0 or 1; expected 'bootstrap'")
    differences = x - y
    difference = float(differences.mean())
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    bootstrap = {"resamples": resamples, "seed": seed}
    if interval == "tango" or (interval is None and hits):
        ends = tango(wins, losses, len(x), confidence)
    else:
        ends = bootstrap_mean(differences, confidence=confidence, **bootstrap)
    if test == "mcnemar":
        p_value = sign_test(wins, losses)
    else:
        if test == "randomization":
            # The sign of a query that does not differ means nothing.
            drawn = random_signs(differences[differences != 0], **bootstrap) / len(x)
        else:
            drawn = resampled_means(differences[:, None], **bootstrap)[:, 0] - difference
        # Sums of the same terms in another order are as far from 0, whatever their rounding.
        far = np.abs(drawn) >= abs(difference) * (1 - 1e-9)
        p_value = (1 + int(far.sum())) / (1 + resamples)
    return PairedTest(
        difference,
        ends,
        p_value,
        test,
        float(x.mean()),
        float(y.mean()),
        wins,
        losses,
        len(x),
    )
