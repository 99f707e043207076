"""Intervals for means over words: percentile bootstrap, Wilson, paired differences.

The words of a dictionary are the unit that is resampled: the intervals say how far a figure would
move with another dictionary of the same kind, not with other vectors or another seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph._results import Unpackable
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

__all__ = ["Interval", "PairedDifference", "bootstrap_mean", "paired_difference", "wilson"]

#: Random numbers in one block of resamples: 32 MiB of indices.
_BLOCK = 2**22


@dataclass(frozen=True, slots=True)
class Interval(Unpackable):
    """An interval of a mean; unpacks as ``low, high``.

    Attributes
    ----------
    low, high : float
        Its ends.
    confidence : float
        Its level, 0.95 for instance.
    method : {"bootstrap", "wilson", "tango", "extrapolation"}
        Where it comes from; the last is of what :func:`isomorph.bridge` predicts.
    """

    low: float
    high: float
    confidence: float
    method: str
    _unpacks: ClassVar[tuple[str, ...]] = ("low", "high")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class PairedDifference(Unpackable):
    """How much two methods differ on the same words; unpacks as ``difference, interval``.

    Attributes
    ----------
    difference : float
        Mean of the first minus mean of the second.
    interval : Interval
        Percentile bootstrap over words, both answers of a word drawn together.
    p_value : float
        Two-sided exact sign test over the words on which the two differ (McNemar's, for hits).
    wins, losses, words : int
        Words on which the first is better, on which the second is, and all.
    """

    difference: float
    interval: Interval
    p_value: float
    wins: int
    losses: int
    words: int
    _unpacks: ClassVar[tuple[str, ...]] = ("difference", "interval")


def bootstrap_mean(
    values: Any, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    r"""Percentile bootstrap interval of the mean over words.

    Draws n of the n words with replacement, `resamples` times, and gives the
    :math:`(1 \mp c) / 2` quantiles of the means (linear interpolation).

    Parameters
    ----------
    values : array of shape (n,)
        One value a word: hit or miss, or a reciprocal rank.
    confidence : float, default 0.95
        Level c, between 0 and 1.
    resamples : int, default 2000
        At 2,000 the ends of a 95 % interval are themselves uncertain by some 4 % of its width.
    seed : int, default 0
        Key of a counter-based generator (Philox 4x64): the same seed gives the same interval.

    Returns
    -------
    Interval
        With ``method="bootstrap"``. If all values are the same, so is every resample, and the
        interval has no width: for hits and misses use :func:`wilson` there.

    Notes
    -----
    O(n resamples) time; 64 MiB at most beside the input. B. Efron and R. Tibshirani, *An
    Introduction to the Bootstrap*, 1993, chapter 13. For a proportion p with n p or n (1 - p)
    below about 10 it covers less than it says; :func:`wilson` does not.

    Examples
    --------
    >>> from isomorph.metrics import bootstrap_mean
    >>> low, high = bootstrap_mean([1, 0, 1, 1, 0, 1, 1, 0, 1, 1])
    >>> low < 0.7 < high
    True
    """
    check_bootstrap(confidence, resamples, seed)
    column = checked_values("values", values)
    means = resampled_means(column[:, None], resamples=resamples, seed=seed)[:, 0]
    return percentile_interval(means, confidence)


def wilson(hits: int, words: int, *, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a proportion: right also for few words and near 0 and 1.

    Parameters
    ----------
    hits, words : int
        Successes, of how many.
    confidence : float, default 0.95
        Level.

    Returns
    -------
    Interval
        Within [0, 1], never of zero width.

    Notes
    -----
    E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, 1927.

    Examples
    --------
    >>> from isomorph.metrics import wilson
    >>> [round(end, 3) for end in wilson(0, 20)]
    [0.0, 0.161]
    """
    if words < 1 or not 0 <= hits <= words:
        raise ValueError(f"hits, words: expected 0 <= hits <= words >= 1, got {hits} of {words}")
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + _level(confidence) / 2)
    share = hits / words
    centre = share + z * z / (2 * words)
    spread = z * math.sqrt(share * (1 - share) / words + z * z / (4 * words * words))
    scale = 1 + z * z / words
    # The ends are exact at 0 and 1, where rounding could leave a trace.
    low = 0.0 if hits == 0 else max((centre - spread) / scale, 0.0)
    high = 1.0 if hits == words else min((centre + spread) / scale, 1.0)
    return Interval(low, high, confidence, "wilson")


def paired_difference(
    first: Any, second: Any, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> PairedDifference:
    """Compare two methods word by word: mean difference, bootstrap interval, exact sign test.

    Parameters
    ----------
    first, second : array of shape (n,)
        One value a word, the same words in the same order: hits, or reciprocal ranks.
    confidence, resamples, seed
        As in :func:`bootstrap_mean`.

    Returns
    -------
    PairedDifference
        Of first minus second.

    Notes
    -----
    Far narrower than two separate intervals, since what is hard for both cancels. With few words
    on which the two differ the bootstrap is too sure of itself; the sign test is exact.

    Examples
    --------
    >>> from isomorph.metrics import paired_difference
    >>> result = paired_difference([1, 1, 1, 0, 1, 1], [0, 1, 0, 0, 1, 1])
    >>> round(result.difference, 3), result.wins, result.losses, result.p_value
    (0.333, 2, 0, 0.5)
    """
    a, b = checked_values("first", first), checked_values("second", second)
    if len(a) != len(b):
        raise ShapeError(f"second: expected {len(a)} words as in first, got {len(b)}")
    differences = a - b
    interval = bootstrap_mean(differences, confidence=confidence, resamples=resamples, seed=seed)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return PairedDifference(
        float(differences.mean()), interval, sign_test(wins, losses), wins, losses, len(a)
    )


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact probability of a split at least as uneven, were both sides equally likely."""
    n, fewer = wins + losses, min(wins, losses)
    if n == 0 or 2 * fewer >= n - 1:
        return 1.0
    terms = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(fewer + 1)
    ]
    largest = max(terms)
    tail = math.exp(largest) * math.fsum(math.exp(term - largest) for term in terms)
    return min(1.0, 2 * tail)


def resampled_means(values: NDArray[Any], *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Means of each column of `values` (n, c) over the same resampled rows: (resamples, c)."""
    means = np.empty((resamples, values.shape[1]), dtype=np.float64)
    for start, rows in _resampled_rows(len(values), resamples, seed):
        for column in range(values.shape[1]):
            # Pairwise sums: the same bytes whatever BLAS and thread count.
            means[start : start + len(rows), column] = values[:, column][rows].mean(axis=1)
    return means


def random_signs(values: NDArray[np.float64], *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Give sums of `values` (n,) with random signs, n from 0 up: (resamples,)."""
    n = len(values)
    words = -(-n // 64)
    sums = np.zeros(resamples)
    generator = _generator(seed)
    block = max(1, _BLOCK // max(64 * words, 1))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        raw = generator.random_raw(rows * words).astype("<u8").view(np.uint8)
        bits = np.unpackbits(raw.reshape(rows, 8 * words), axis=1, count=n, bitorder="little")
        sums[start : start + rows] = np.where(bits == 1, values, -values).sum(axis=1)
    return sums


def held_out(n: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw a share of n things, at least one, but never all of them: which ones."""
    count = min(n - 1, max(1, round(share * n)))
    drawn = np.zeros(n, dtype=np.bool_)
    if share and count > 0:
        drawn[permutation(n, seed)[:count]] = True
    return drawn


def resampled_counts(n: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Give how often each of n things is in each resample: (resamples, n), for quadratic forms."""
    counts = np.empty((resamples, n), dtype=np.float64)
    for start, rows in _resampled_rows(n, resamples, seed):
        for i, drawn in enumerate(rows, start):
            counts[i] = np.bincount(drawn, minlength=n)
    return counts


def percentile_interval(means: NDArray[np.float64], confidence: float) -> Interval:
    """Give the central interval of resampled means."""
    tail = (1 - _level(confidence)) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high), confidence, "bootstrap")


def check_bootstrap(confidence: float, resamples: int, seed: int) -> None:
    """Raise unless the three can be used; called before long work, not after it."""
    _level(confidence)
    _generator(seed)
    _checks.integer("resamples", resamples, 1)


def uniform_below(n: int, count: int, seed: int) -> NDArray[np.int64]:
    """Give `count` integers below n from the raw 64-bit stream, which no NumPy release changes."""
    return _below(n, _generator(seed).random_raw(count))


def permutation(n: int, seed: int) -> NDArray[np.int64]:
    """Give a random order of n things, from the same stream."""
    return np.argsort(_generator(seed).random_raw(n), kind="stable")


def _resampled_rows(n: int, resamples: int, seed: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    generator = _generator(seed)
    block = max(1, _BLOCK // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        yield start, _below(n, generator.random_raw(rows * n)).reshape(rows, n)


def _below(n: int, raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    # The upper 32 bits, scaled: the bias is below n / 2^32.
    scaled = (raw >> np.uint64(32)) * np.uint64(n) >> np.uint64(32)
    return scaled.astype(np.int64)


def _generator(seed: int) -> np.random.Philox:
    return np.random.Philox(key=_checks.integer("seed", seed, 0, 2**128 - 1))


def _level(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a level between 0 and 1, got {confidence!r}")
    return confidence


def checked_values(name: str, values: Any) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{name}: expected numbers, got {array.dtype}")
    if array.ndim != 1 or len(array) == 0:
        raise ShapeError(f"{name}: expected one value a word, at least one, got {array.shape}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        bad = int(np.argmin(np.isfinite(array)))
        raise NonFiniteError(f"{name}: entry {bad} is NaN or infinite")
    return array
