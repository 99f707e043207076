"""What a bridge is: the map, and what to expect of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph import transforms
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Unpackable
from isomorph.align import LinearMap
from isomorph.metrics.intervals import Interval


@dataclass(frozen=True, slots=True, eq=False)
class Bridge(Unpackable):
    """A map between two embedding models; unpacks as ``map, retention, interval, verdict``.

    Attributes
    ----------
    map : LinearMap
        From old vectors to the new model's space, or with ``direction="query"`` from the new
        model's queries to the old space.
    retention : float
        What is predicted to be kept: `recall` or `mrr`, as `judged_by` says.
    interval : Interval
        Where a measurement is expected.
    verdict : {"keeps", "uncertain", "loses"}
        Whether the whole interval is above `min_retention`, or the prediction only, or neither.
    recall : float
        Predicted share of the new model's own k nearest rows among the k that the mapped store
        gives.
    recall_interval : Interval
        Of it.
    mrr : float
        Predicted mean reciprocal rank of what a query looks for, relative to the new model's own.
    mrr_interval : Interval
        Of it.
    judged_by : {"recall", "mrr"}
        Which of the two `retention` is.
    min_retention : float
        What was asked for.
    k : int
        Length of the lists.
    store_size : int
        Rows of the store that the prediction is for.
    pairs, queries : int
        How many there were.
    direction : {"store", "query"}
        What is mapped.
    method : str
        Of the fit.
    candidates : mapping of str to float
        Recall at k of each method that was tried, in folds, in stores of a fifth of the pairs.
    control : float
        The same of the chosen method with the pairs shuffled.
    wrong_pairs : float
        Estimated share of pairs that do not belong together.
    wrong_pairs_interval : Interval
        Of it.
    suspects : ndarray of int64
        Rows that nine times in ten are such, by estimate.
    measured : tuple of (int, int, float)
        What was seen: rows of the store, pairs that the map was fitted on, recall at k. Empty for
        k above 409, as the largest stores measured have 4,096 rows.
    metric : {"cosine", "dot"}
        What neighbours are.
    normalize : bool
        Whether :meth:`apply` scales what it gives to length 1.
    """

    map: LinearMap
    retention: float
    interval: Interval
    verdict: str
    recall: float
    recall_interval: Interval
    mrr: float
    mrr_interval: Interval
    judged_by: str
    min_retention: float
    k: int
    store_size: int
    pairs: int
    queries: int
    direction: str
    method: str
    candidates: Mapping[str, float]
    control: float
    wrong_pairs: float
    wrong_pairs_interval: Interval
    suspects: NDArray[np.int64]
    measured: tuple[tuple[int, int, float], ...]
    metric: str = "cosine"
    normalize: bool = False
    _unpacks: ClassVar[tuple[str, ...]] = ("map", "retention", "interval", "verdict")

    @served
    def apply(
        self,
        x: Any,
        *,
        out: Any = None,
        check_finite: bool = True,
        threads: int | None = None,
        progress: Progress = None,
    ) -> Any:
        """Map rows, and scale them to length 1 if the bridge does; see :meth:`LinearMap.apply`."""
        mapped = self.map.apply(
            x, out=out, check_finite=check_finite, threads=threads, progress=progress
        )
        if not self.normalize:
            return mapped
        unit = transforms.unit(mapped, check_finite=False, threads=threads)
        if out is None:
            return unit
        out[...] = unit
        return out

    __call__ = apply

    @property
    def explanation(self) -> str:
        """What was found, in a few sentences."""
        low, high = self.interval
        what = f"{self.k} nearest rows" if self.judged_by == "recall" else "reciprocal rank"
        decided = {
            "keeps": "which is enough",
            "uncertain": "which may or may not be enough",
            "loses": "which is not enough",
        }[self.verdict]
        text = (
            f"a store of {self.store_size:,} rows is predicted to keep "
            f"{100 * self.retention:.1f} % of the new model's own {what} "
            f"({100 * low:.1f} to {100 * high:.1f}), {decided} where "
            f"{100 * self.min_retention:g} % is asked for"
        )
        largest = max((store for store, _, _ in self.measured), default=0)
        if not largest:
            text += "; lists of so many rows were not measured, only shorter ones"
        elif self.store_size > 4 * largest:
            text += (
                f"; the largest store measured has {largest:,} rows, so this is far from what was "
                "seen: more pairs tell more"
            )
        if self.wrong_pairs_interval.low > 0:
            low, high = self.wrong_pairs_interval
            text += f"; {100 * low:.1f} to {100 * high:.1f} % of the pairs may be wrong"
        return text

    def as_dict(self) -> dict[str, Any]:
        """Give all but the map as plain values, as JSON holds them."""
        answer: dict[str, Any] = {}
        for name in (member.name for member in fields(self) if member.name != "map"):
            value = getattr(self, name)
            if isinstance(value, Interval):
                value = {"low": value.low, "high": value.high, "confidence": value.confidence}
            elif isinstance(value, np.ndarray):
                value = value.tolist()
            elif isinstance(value, Mapping):
                value = dict(value)
            elif isinstance(value, tuple):
                value = [list(entry) for entry in value]
            answer[name] = value
        return answer

    @classmethod
    def _from_dict(cls, map: LinearMap, values: Mapping[str, Any]) -> Bridge:  # noqa: A002
        """Undo :meth:`as_dict`."""
        known: dict[str, Any] = {}
        for member in fields(cls):
            if member.name == "map":
                continue
            value = values[member.name]
            if isinstance(value, Mapping) and "confidence" in value:
                ends = float(value["low"]), float(value["high"])
                method = "wilson" if member.name == "wrong_pairs_interval" else "extrapolation"
                value = Interval(*ends, float(value["confidence"]), method)
            known[member.name] = value
        known["suspects"] = np.array(known["suspects"], dtype=np.int64)
        known["measured"] = tuple(
            (int(store), int(trained), float(share)) for store, trained, share in known["measured"]
        )
        return cls(map, **known)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write map and figures to a safetensors file; it appears whole or not at all."""
        from isomorph.align import _files

        _files.save_bridge(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bridge:
        """Read what :meth:`save` wrote, as NumPy arrays.

        Raises
        ------
        FormatError
            The file holds something else, or was written by a newer version.
        """
        from isomorph.align import _files

        return _files.load_bridge(path)

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"Bridge({self.verdict}: {self.judged_by} {self.retention:.3f} [{low:.3f}, "
            f"{high:.3f}] at k = {self.k} of {self.store_size:,} rows; {self.map!r})"
        )
