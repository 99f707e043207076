"""The work of a bridge: compare methods, measure in folds, predict, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph._bridge import _pairing, _surface
from isomorph._bridge._result import Bridge
from isomorph._bridge._retention import Measurement, Point, Task, folds_of
from isomorph._warning import warn
from isomorph.align import LinearMap, fit_map
from isomorph.align._methods import renamed
from isomorph.errors import PairingError, PairingWarning, RetentionError
from isomorph.metrics._host import take_rows
from isomorph.metrics.intervals import permutation

if TYPE_CHECKING:
    from isomorph._bridge._request import Asked

#: What is fitted, by name; "auto" tries them all.
METHODS: dict[str, dict[str, Any]] = {
    "ridge": {"method": "ridge", "translate": True},
    "procrustes": {"method": "procrustes", "translate": True, "scale": True},
}
#: Folds in which methods are compared, and in which retention is measured besides.
_COMPARED = 5
_MEASURED = (2, 2, 2, 10)
#: How often a store is halved, at most.
_LEVELS = 8


class Work:
    """One call.

    Parameters
    ----------
    task : Task
        The pairs.
    asked : Asked
        What is asked.
    report : callable or None
        Told of folds that are done, and of how many.
    """

    def __init__(
        self, task: Task, asked: Asked, report: Callable[[int, int], object] | None
    ) -> None:
        self._task, self._asked, self._report = task, asked, report
        self._ks = sorted({1, 2, *(max(1, round(asked.k * 2.0**i)) for i in range(-3, 3))})
        self._done = 0
        self._total = _COMPARED * (len(asked.methods) + 1) + sum(_MEASURED)

    def bridge(self) -> Bridge:
        """Do it."""
        task, asked = self._task, self._asked
        maps = {name: _fit(task, METHODS[name]) for name in asked.methods}
        # A penalty is chosen once: folds use it.
        how = {name: METHODS[name] | _chosen(maps[name]) for name in maps}
        compared = {name: self._points(task, how[name], _COMPARED, 0) for name in maps}
        scores = {name: self._scores(points) for name, points in compared.items()}
        name = max(scores, key=lambda one: scores[one][asked.judge_by])
        points, recall_in_folds = compared[name], scores[name]["recall"]
        control = self._control(how[name])
        pairing = _pairing.judge(points[0].standing, asked.confidence)
        self._require_pairs(pairing, recall_in_folds, control)
        for number, folds in enumerate(_MEASURED, start=1):
            points = points + self._points(task, how[name], folds, number)
        recall = _surface.predict_recall(
            points, asked.k, asked.store_size, task.pairs, asked.confidence
        )
        mrr = _surface.predict_rank(points, asked.store_size, task.pairs, asked.confidence)
        judged = recall if asked.judge_by == "recall" else mrr
        result = Bridge(
            maps[name],
            judged.value,
            judged.interval,
            _verdict(judged, asked.min_retention),
            recall.value,
            recall.interval,
            mrr.value,
            mrr.interval,
            asked.judge_by,
            asked.min_retention,
            asked.k,
            asked.store_size,
            task.pairs,
            task.asked,
            task.direction,
            name,
            {one: score["recall"] for one, score in scores.items()},
            control,
            pairing.wrong,
            pairing.interval,
            pairing.suspects,
            _measured(points, asked.k),
            task.metric,
            task.normalize,
        )
        if pairing.interval.low > _pairing.WARNED:
            warn(_doubt(pairing), PairingWarning)
        if result.verdict == "loses":
            raise RetentionError(
                f"min_retention: {result.explanation}. Embed more pairs, ask for less "
                "(min_retention=), or embed the store anew; the error has the bridge all the same",
                result,
            )
        return result

    def _points(self, task: Task, how: dict[str, Any], folds: int, number: int) -> list[Point]:
        """Measure a method in folds."""
        measurement = Measurement(task, self._ks, _LEVELS)
        seed = self._asked.seed * 1000 + number
        for place, (trained, rows) in enumerate(folds_of(task.pairs, folds, seed)):
            map = _fit(task, how, trained)  # noqa: A001 - the field's word for it
            measurement.add(map, len(trained), rows, seed + 100 * (place + 1))
            self._done += 1
            if self._report is not None:
                self._report(self._done, self._total)
        return measurement.points()

    def _scores(self, points: Sequence[Point]) -> dict[str, float]:
        """Give what methods are compared by, in the largest stores of their folds."""
        overlap = points[0].overlap
        length = max(k for k in overlap if k <= self._asked.k)
        return {
            "recall": float(np.nanmean(overlap[length])),
            "mrr": float(np.nanmean(points[0].reciprocal)),
        }

    def _control(self, how: dict[str, Any]) -> float:
        """Give the recall of the method with the pairs shuffled."""
        task = self._task
        order = permutation(task.pairs, self._asked.seed * 1000 + 999)
        shuffled = replace(task, old=take_rows(task.old, order))
        return self._scores(self._points(shuffled, how, _COMPARED, 0))["recall"]

    def _require_pairs(self, pairing: _pairing.Pairing, recall: float, control: float) -> None:
        """Refuse pairs that do not belong together."""
        if not pairing.related:
            raise PairingError(
                "old, new: the rows do not belong together: a map fitted on four fifths of the "
                f"pairs puts the partners of the others nowhere near (recall {recall:.3f}; with "
                f"the pairs shuffled {control:.3f}). Row i of both must be of the same text; see "
                "whether one side is in another order"
            )
        low, high = pairing.interval
        if low >= 0.5:
            raise PairingError(
                f"old, new: {100 * low:.0f} to {100 * high:.0f} % of the rows do not belong "
                "together: to a map that has not seen them, their partners stand anywhere. Row i "
                "of both must be of the same text; see from where on they are not"
            )


def _fit(task: Task, how: dict[str, Any], rows: Any = None) -> LinearMap:
    """Fit a map on some pairs, or all."""
    source, target = task.sides
    if rows is not None:
        source, target = take_rows(source, rows), take_rows(target, rows)
    names = ("old", "new") if task.direction == "store" else ("new", "old")
    with renamed({"source": names[0], "target": names[1]}):
        return fit_map(source, target, check_finite=False, threads=task.threads, **how)


def _chosen(fitted: LinearMap) -> dict[str, Any]:
    """Give the options that a fit has chosen."""
    return {"alpha": fitted.metrics["alpha"]} if "alpha" in fitted.metrics else {}


def _verdict(judged: _surface.Prediction, least: float) -> str:
    if judged.value < least:
        return "loses"
    return "keeps" if judged.interval.low >= least else "uncertain"


def _measured(points: Sequence[Point], k: int) -> tuple[tuple[int, int, float], ...]:
    """Give recall at k as it was seen, largest stores first."""
    seen = [
        (round(point.store), round(point.trained), float(np.nanmean(point.overlap[k])))
        for point in points
        if k in point.overlap
    ]
    return tuple(sorted(seen, reverse=True))


def _doubt(pairing: _pairing.Pairing) -> str:
    low, high = pairing.interval
    rows = ", ".join(str(row) for row in pairing.suspects[:5])
    listed = f", among them row {rows}" if len(pairing.suspects) else ""
    return (
        f"{100 * low:.1f} to {100 * high:.1f} % of the pairs seem not to belong together{listed}; "
        "look at the rows in suspects, and fit without them"
    )
