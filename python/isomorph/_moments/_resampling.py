"""Folds, jackknife and bootstrap over groups of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from isomorph import _checks, runtime
from isomorph._backends import Run
from isomorph._moments._sums import Sums
from isomorph._results import Unpackable

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments

#: Something computed from moments: a number or an array.
Statistic = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Resampled(Unpackable):
    """A statistic with what resampling groups says of it; all NumPy, float64.

    Attributes
    ----------
    estimate : array
        The statistic of all groups.
    standard_error : array
        Of the estimate, the groups being independent.
    replicates : array, first axis the samples
        The statistic of each sample.
    interval : tuple of array
        Lower and upper end, 95 % unless said otherwise.
    """

    estimate: Any
    standard_error: Any
    replicates: Any
    interval: tuple[Any, Any]
    _unpacks: ClassVar[tuple[str, ...]] = ("estimate", "standard_error", "replicates")


def folds(self: Moments, *, threads: int | None = None) -> Iterator[tuple[Moments, Moments]]:
    """Go through the groups: the moments of all others, and those of the group.

    The others are merged, never subtracted from the whole, which would cost digits: by halves, so
    that G groups take G log2 G merges and log2 G sums of D x D beside the groups. What comes first
    of a pair has one group, labelled 0.

    Raises
    ------
    ValueError
        Fewer than two groups with rows.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> moments = iso.linalg.Moments(2, 2)
    >>> x = np.random.default_rng(0).standard_normal((60, 2))
    >>> moments.update(x, x, group=np.arange(60) % 3)
    >>> [(train.rows, test.rows) for train, test in moments.folds()]
    [(40, 20), (40, 20), (40, 20)]
    """
    run = Run(runtime.resolve_threads(threads))
    for label, rest in others_of_each(self, run):
        train = self._like({})
        train._groups[0] = rest
        yield train, self.group(label)


def others_of_each(self: Moments, run: Run) -> Iterator[tuple[int, Sums]]:
    """Give each label with the sums of all other groups, which nobody else holds."""
    labels = [label for label in self.groups if self._groups[label].weight > 0]
    if len(labels) < 2:
        raise ValueError(f"group: expected at least two groups with rows, got {len(labels)}")
    yield from _without_each(self, labels, None, run)


def _without_each(
    moments: Moments, labels: list[int], outside: Sums | None, run: Run
) -> Iterator[tuple[int, Sums]]:
    """Give for each label the sums of all others: `outside`, and those of `labels` but for it."""
    if len(labels) == 1:
        assert outside is not None
        yield labels[0], outside
        return
    half = len(labels) // 2
    for inside, others in ((labels[:half], labels[half:]), (labels[half:], labels[:half])):
        joined = (moments._groups[others[0]] if outside is None else outside).copy()
        for label in others[outside is None :]:
            joined.merge(moments._groups[label], moments.x_dim, run)
        yield from _without_each(moments, inside, joined, run)


def jackknife(
    self: Moments, statistic: Statistic, *, confidence: float = 0.95, threads: int | None = None
) -> Resampled:
    r"""Leave each group out in turn: the standard error of any statistic of the moments.

    .. math:: SE^2 = \frac{G - 1}{G} \sum_g (\theta_{(g)} - \bar\theta)^2

    Parameters
    ----------
    statistic : callable
        Of Moments; gives a number or an array, such as ``lambda m: m.cka()``.
    confidence : float, default 0.95
        Of the interval, estimate plus and minus quantiles of the normal distribution.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    Resampled
        ``replicates`` in the order of ``groups``.

    Raises
    ------
    ValueError
        Fewer than two groups with rows; a confidence out of (0, 1).

    References
    ----------
    B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981).

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> moments = iso.linalg.Moments(2, 2)
    >>> x = np.random.default_rng(0).standard_normal((60, 2))
    >>> moments.update(x, x + 1, group=np.arange(60) % 6)
    >>> estimate, error, replicates = moments.jackknife(lambda m: m.cka())
    >>> float(np.round(estimate, 6)), float(np.round(error, 6)), replicates.shape
    (1.0, 0.0, (6,))
    """
    from statistics import NormalDist

    _confidence(confidence)
    estimate = _value(statistic(self))
    replicates = np.stack([_value(statistic(train)) for train, _ in self.folds(threads=threads)])
    count = len(replicates)
    spread = replicates - replicates.mean(axis=0)
    error = np.sqrt((count - 1) / count * np.sum(spread**2, axis=0))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return Resampled(estimate, error, replicates, (estimate - reach, estimate + reach))


def bootstrap(
    self: Moments,
    statistic: Statistic,
    *,
    resamples: int = 200,
    seed: int = 0,
    confidence: float = 0.95,
    threads: int | None = None,
) -> Resampled:
    """Draw groups with replacement: standard error and percentile interval of any statistic.

    Parameters
    ----------
    statistic : callable
        Of Moments; gives a number or an array.
    resamples : int, default 200
        Samples of as many groups as there are.
    seed : int, default 0
        Of NumPy's PCG64: the samples depend on it and the number of groups alone.
    confidence : float, default 0.95
        Of the interval between quantiles of the replicates.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    Resampled

    Raises
    ------
    ValueError
        Fewer than two groups with rows, fewer than two resamples, a confidence out of (0, 1).

    Notes
    -----
    A sample is a merge of groups, each counted as often as it was drawn: O(G D^2), no pass over
    rows. Few groups make coarse samples: 20 or more are advisable.

    References
    ----------
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).
    """
    _confidence(confidence)
    resamples = _checks.integer("resamples", resamples, 2)
    run = Run(runtime.resolve_threads(threads))
    labels = [label for label in self.groups if self._groups[label].weight > 0]
    if len(labels) < 2:
        raise ValueError(f"group: expected at least two groups with rows, got {len(labels)}")
    generator = np.random.default_rng(seed)
    replicates = []
    for _ in range(resamples):
        drawn = np.bincount(
            generator.integers(len(labels), size=len(labels)), minlength=len(labels)
        )
        sample = self._like({})
        sums: Sums | None = None
        for label, times in zip(labels, drawn.tolist(), strict=True):
            if not times:
                continue
            theirs = self._groups[label]
            if sums is None:
                sums = Sums.empty(self.x_dim, self.y_dim, self.norms, theirs.parts[2])
            sums.merge(theirs, self.x_dim, run, times)
        assert sums is not None
        sample._groups[0] = sums
        replicates.append(_value(statistic(sample)))
    values = np.stack(replicates)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail), axis=0)
    return Resampled(_value(statistic(self)), values.std(axis=0, ddof=1), values, (low, high))


def _value(statistic: Any) -> Any:
    from isomorph.align._files import _host

    if hasattr(statistic, "shape"):
        return np.asarray(_host(statistic), dtype=np.float64).reshape(statistic.shape)
    return np.asarray(statistic, dtype=np.float64)


def _confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence!r}")
