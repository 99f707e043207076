"""What an automatic choice of a method saw: the table, and why it chose as it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from isomorph._results import Unpackable


@dataclass(frozen=True, slots=True)
class Score(Unpackable):
    """How a method did on pairs left out, by one retrieval; unpacks as ``precision, interval``.

    Attributes
    ----------
    precision : float
        P@1 over all held-out sources.
    interval : tuple of float
        Wilson's interval of it.
    folds : tuple of float
        P@1 of each fold.
    difference : float
        P@1 minus that of the method chosen, by the same retrieval.
    difference_interval : tuple of float
        Of the difference, paired by source (Tango's).
    p_value, adjusted : float
        McNemar's exact test of the difference, alone and by Holm's correction for all methods.
    """

    precision: float
    interval: tuple[float, float]
    folds: tuple[float, ...]
    difference: float
    difference_interval: tuple[float, float]
    p_value: float
    adjusted: float
    _unpacks: ClassVar[tuple[str, ...]] = ("precision", "interval")


@dataclass(frozen=True, slots=True)
class Tried:
    """One method that was tried.

    Attributes
    ----------
    label : str
        Its name in the table: the method, and the options that it was given.
    method : str
        As :func:`isomorph.fit_map` knows it.
    options : mapping
        As they were given.
    scores : mapping of str to Score
        By ``"nn"``, and by ``"csls"`` where that was asked for.
    seconds : float
        Fits and searches of all folds, wall time.
    """

    label: str
    method: str
    options: Mapping[str, Any]
    scores: Mapping[str, Score]
    seconds: float


@dataclass(frozen=True, slots=True)
class Selection(Unpackable):
    """How ``fit_map(method="auto")`` chose; unpacks as ``chosen, retrieval, because``.

    ``print`` shows the table. It is :attr:`isomorph.LinearMap.selection` of the map that was
    fitted, and kept when the map is saved.

    Attributes
    ----------
    chosen : str
        Label of the method.
    retrieval : {"nn", "csls"}
        The retrieval that it was chosen for, or with.
    because : str
        Why, in a sentence.
    by_retrieval : mapping of str to str
        The label that would be chosen for each retrieval.
    tried : tuple of Tried
        All methods, in the order of preference.
    left_out : mapping of str to str
        Methods that could not be tried, and why.
    folds, queries, candidates : int
        Parts of the pairs; held-out sources, each looked up once; targets that they were looked
        for among.
    confidence : float
        Level of the intervals.
    seed : int
        Of the dealing.
    """

    chosen: str
    retrieval: str
    because: str
    by_retrieval: Mapping[str, str]
    tried: tuple[Tried, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    folds: int = 0
    queries: int = 0
    candidates: int = 0
    confidence: float = 0.95
    seed: int = 0
    _unpacks: ClassVar[tuple[str, ...]] = ("chosen", "retrieval", "because")

    @property
    def retrievals(self) -> tuple[str, ...]:
        """What was measured: ``"nn"``, and ``"csls"`` where it was asked for."""
        return tuple(name for name in ("nn", "csls") if name in self.tried[0].scores)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values, as ``metrics["auto"]`` of a map holds it."""
        from isomorph.align._files import as_json

        found: dict[str, Any] = json.loads(as_json(asdict(self)))
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Selection:
        """Make one of what :meth:`as_dict` gave, or a file kept of it."""
        tried = []
        for one in values["tried"]:
            scores = {
                name: Score(**{k: tuple(v) if isinstance(v, list) else v for k, v in of.items()})  # type: ignore[arg-type]
                for name, of in one["scores"].items()
            }
            tried.append(Tried(**{**one, "scores": scores}))
        return cls(**{**values, "tried": tuple(tried)})

    def rows(self, *, intervals: bool = True) -> list[list[str]]:
        """Give the table as text, the names of its columns first; figures in per cent.

        Without `intervals` it is narrow: P@1, the difference and its p-value.
        """
        level = f"{100 * self.confidence:g} %"
        header = ["method"]
        for name in self.retrievals:
            header += [name.upper(), level]
        rows = [[*header, "difference", level, "p", "seconds"]]
        for one in self.tried:
            row = [one.label]
            for name in self.retrievals:
                precision, ends = one.scores[name]
                row += [f"{100 * precision:.2f}", _ends(ends, "")]
            score = one.scores[self.retrieval]
            if one.label == self.chosen:
                row += ["chosen", "", ""]
            else:
                ends = score.difference_interval
                row += [f"{100 * score.difference:+.2f}", _ends(ends, "+")]
                row.append(f"{score.adjusted:.2g}")
            rows.append([*row, f"{one.seconds:.1f}"])
        if intervals:
            return rows
        kept = [i for i, name in enumerate(rows[0]) if name not in (level, "seconds")]
        return [[row[i] for i in kept] for row in rows]

    def __str__(self) -> str:
        from isomorph._text import table

        rows = self.rows()
        right = [i for i, name in enumerate(rows[0]) if i > 0 and not name.endswith("%")]
        lines = table(rows, right=right)
        lines.append(
            f"P@1 of {self.queries:,} held-out sources in {self.folds} folds among "
            f"{self.candidates:,} targets; differences by {self.retrieval.upper()}, p by Holm"
        )
        lines += [f"left out: {label}: {why}" for label, why in self.left_out.items()]
        return "\n".join([*lines, self.because])


def _ends(interval: tuple[float, float], sign: str) -> str:
    low, high = interval
    return f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
