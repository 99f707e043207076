"""From stores of hundreds of rows to the store that a map will face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from isomorph._bridge._retention import Point, Values
from isomorph.metrics.intervals import Interval

#: The terms of log odds, as powers of: the reciprocal of the pairs fitted, log(store / k), log k.
Form = tuple[tuple[int, int, int], ...]

_LINEAR: Form = ((0, 0, 0), (1, 0, 0), (0, 1, 0))
_QUADRATIC: Form = (*_LINEAR, (0, 2, 0))


@dataclass(frozen=True, slots=True)
class Curve:
    """A form, and others that might do as well; how much more large stores count.

    Attributes
    ----------
    form : Form
        What is read.
    others : tuple of Form
        A plainer one, a more flexible one: half of what they say otherwise is a standard error.
    power : float
        A mean over stores of S rows has the weight S to this power.
    floor : float
        Log odds that a curve is never nearer to the truth than: its form is a guess.
    """

    form: Form
    others: tuple[Form, ...]
    power: float
    floor: float


#: Short lists in small stores are long lists in large ones: all count alike.
_RECALL = Curve(
    (*_QUADRATIC, (0, 0, 1), (0, 0, 2)),
    ((*_LINEAR, (0, 0, 1)), (*_QUADRATIC, (0, 3, 0), (0, 0, 1), (0, 0, 2))),
    0.0,
    0.02,
)
#: In small stores a row has no rivals: they say little of large ones.
_RANK = Curve(_LINEAR, (_QUADRATIC,), 1.5, 0.1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A share and the interval that a measurement of it is expected in."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class _Observed:
    """One mean of the surface: where it stands, and what each query says."""

    store: float
    trained: float
    k: int
    values: Values

    def at(self, form: Form) -> list[float]:
        terms = 1 / self.trained, math.log(self.store / self.k), math.log(self.k)
        return [
            math.prod(term**power for term, power in zip(terms, powers, strict=True))
            for powers in form
        ]


def predict_recall(
    points: Sequence[Point], k: int, store: int, pairs: int, confidence: float
) -> Prediction:
    """Predict the overlap at k, of a map fitted on all pairs, in a store of another size."""
    observed = [
        _Observed(point.store, point.trained, length, values)
        for point in points
        for length, values in point.overlap.items()
    ]
    return _predict(observed, _RECALL, k, store, pairs, confidence)


def predict_rank(points: Sequence[Point], store: int, pairs: int, confidence: float) -> Prediction:
    """Predict the mean reciprocal rank, relative to the new model's own."""
    own = [_Observed(p.store, p.trained, 1, p.own_reciprocal) for p in points]
    mapped = [_Observed(p.store, p.trained, 1, p.reciprocal) for p in points]
    found = _predict(mapped, _RANK, 1, store, pairs, confidence)
    if all(np.nanmin(one.values) == 1 for one in own):
        return found
    whole = _predict(own, _RANK, 1, store, pairs, confidence).value
    low, high = found.interval
    ends = low / whole, high / whole
    return Prediction(found.value / whole, Interval(*ends, confidence, "extrapolation"))


def _predict(
    observed: Sequence[_Observed],
    curve: Curve,
    k: int,
    store: int,
    pairs: int,
    confidence: float,
) -> Prediction:
    means, slopes = _logits(observed)
    # The variance of log odds: what is nearly certain says little of them.
    roots = np.array([one.store**curve.power for one in observed] / slopes) ** 0.5
    target = _Observed(store, pairs, k, np.empty(0))
    logit, weights = _fitted(observed, roots, curve.form, means, target)
    value = _share(logit)
    # What each query moves the prediction by. Rows are queries and candidates: twice the variance.
    influence = np.zeros(len(observed[0].values))
    # And what the half queries move it by that stand for what was not seen: one in vain, one not.
    unseen = np.zeros(2)
    nearest = min({one.k for one in observed}, key=lambda length: abs(math.log(length / k)))
    spread = 0.0
    for one, weight, slope in zip(observed, weights, slopes, strict=True):
        seen = np.isfinite(one.values)
        count = max(1, int(seen.sum()))
        distance = np.where(seen, one.values, 0.0)
        distance[seen] -= distance[seen].mean()
        influence += weight * slope * distance / count
        mean = _mean(one.values[seen])
        unseen += weight * slope * np.array([mean, 1 - mean]) / (count + 1)
        if one.k == nearest:
            spread = max(spread, float((distance**2).sum()) / count)
    drawn = 2 * float((influence**2).sum()) + float((unseen**2).sum()) / 2
    others = (_fitted(observed, roots, form, means, target)[0] for form in curve.others)
    form = max(abs(other - logit) for other in others) / 2
    # A measurement asks as many queries as there are rows, at most: it varies by itself, too.
    slope = max(value * (1 - value), 1e-9)
    measured = 2 * spread / min(store, 100_000) / slope**2
    error = math.sqrt(drawn + form**2 + curve.floor**2 + measured)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    ends = _share(logit - reach), _share(logit + reach)
    return Prediction(value, Interval(*ends, confidence, "extrapolation"))


def _logits(observed: Sequence[_Observed]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the log odds of each mean, and their derivatives."""
    logits, slopes = [], []
    for one in observed:
        mean = _mean(one.values[np.isfinite(one.values)])
        logits.append(math.log(mean / (1 - mean)))
        slopes.append(1 / (mean * (1 - mean)))
    return np.array(logits), np.array(slopes)


def _mean(seen: NDArray[np.float64]) -> float:
    """Give the mean of values and of two half ones, 0 and 1: nothing was measured exactly."""
    mean = (float(seen.sum()) + 0.5) / (len(seen) + 1)
    return min(mean, 1 - 0.5 / (len(seen) + 1))


def _fitted(
    observed: Sequence[_Observed],
    roots: NDArray[np.float64],
    form: Form,
    logits: NDArray[np.float64],
    target: _Observed,
) -> tuple[float, NDArray[np.float64]]:
    """Give the value of a fitted form at the target, and the weight of each mean in it."""
    rows = np.array([one.at(form) for one in observed]) * roots[:, None]
    # Columns of one size, so that the cut-off of the pseudo-inverse means the same for all.
    scale = np.maximum(np.abs(rows).max(axis=0), 1e-300)
    weights = np.array(target.at(form)) / scale @ np.linalg.pinv(rows / scale, rcond=1e-9) * roots
    return float(weights @ logits), weights


def _share(logit: float) -> float:
    """Give the share of log odds."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1 + odds)
