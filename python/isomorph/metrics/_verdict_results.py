"""What a verdict says, fold by fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from isomorph._results import Unpackable
from isomorph.metrics.intervals import Interval, PairedDifference


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold gave.

    Attributes
    ----------
    words : int
        Held-out source words.
    train_pairs : int
        Pairs that its map was fitted on.
    set_aside : int
        Pairs of other words left out of the fit because their target is gold for a held-out word
        (``shared_targets="set-aside"``).
    known_targets : int
        Held-out words with a gold translation that the map was fitted on, as that of another word.
    nn, csls : float
        P@1 on the held-out words.
    """

    words: int
    train_pairs: int
    set_aside: int
    known_targets: int
    nn: float
    csls: float


@dataclass(frozen=True, slots=True)
class Verdict(Unpackable):
    """Whether CSLS beats nearest neighbour; unpacks as ``decision, difference, interval``.

    Attributes
    ----------
    decision : {"helps", "hurts", "undetermined"}
        What the interval and the exact test together say.
    difference : float
        P@1 of CSLS minus P@1 of nearest neighbour, over all held-out words.
    interval : Interval
        Paired percentile bootstrap of the difference over words.
    p_value : float
        Exact two-sided sign test on the words that one gets right and the other wrong.
    nn, csls : float
        P@1 over all held-out words.
    gained, lost : int
        Words that CSLS alone gets right, and wrong.
    words : int
        Held-out words in all: every source word of the dictionary once.
    new_targets : PairedDifference or None
        CSLS minus nearest neighbour on those held-out words alone none of whose gold translations
        the map was fitted on; None if there is no such word.
    folds : tuple of Fold
        Each fold's own figures.
    """

    decision: str
    difference: float
    interval: Interval
    p_value: float
    nn: float
    csls: float
    gained: int
    lost: int
    words: int
    new_targets: PairedDifference | None
    folds: tuple[Fold, ...]
    _unpacks: ClassVar[tuple[str, ...]] = ("decision", "difference", "interval")

    @property
    def method(self) -> str | None:
        """The retrieval that it speaks for: ``"csls"``, ``"nn"``, or None if undetermined."""
        return {"helps": "csls", "hurts": "nn"}.get(self.decision)

    @property
    def explanation(self) -> str:
        """The verdict and its grounds in a sentence or two."""
        low, high = self.interval
        advice = {
            "helps": "retrieve by CSLS",
            "hurts": "retrieve by nearest neighbour",
            "undetermined": "the training dictionary does not tell which is better",
        }[self.decision]
        verb = "makes no sure difference" if self.decision == "undetermined" else self.decision
        text = (
            f"CSLS {verb} here: on {len(self.folds)} folds of the training dictionary "
            f"({self.words:,} words), P@1 is {100 * self.csls:.1f} % by CSLS and "
            f"{100 * self.nn:.1f} % by nearest neighbour, a difference of "
            f"{100 * self.difference:+.1f} points ({100 * self.interval.confidence:g} % interval "
            f"{100 * low:+.1f} to {100 * high:+.1f}): {advice}."
        )
        new = self.new_targets
        if new is None or new.words == self.words:
            return text
        low, high = new.interval
        return (
            f"{text} On the {new.words:,} words none of whose translations the map was fitted on, "
            f"the difference is {100 * new.difference:+.1f} points ({100 * low:+.1f} to "
            f"{100 * high:+.1f})."
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "decision": self.decision,
            "difference": self.difference,
            "interval": list(self.interval),
            "confidence": self.interval.confidence,
            "p_value": self.p_value,
            "nn": self.nn,
            "csls": self.csls,
            "gained": self.gained,
            "lost": self.lost,
            "words": self.words,
            "new_targets": None
            if self.new_targets is None
            else {
                "difference": self.new_targets.difference,
                "interval": list(self.new_targets.interval),
                "words": self.new_targets.words,
            },
            "folds": [
                {name: getattr(fold, name) for name in Fold.__dataclass_fields__}
                for fold in self.folds
            ],
            "explanation": self.explanation,
        }

    def __str__(self) -> str:
        return self.explanation
