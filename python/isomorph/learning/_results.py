"""What self-learning returns, and what it tells of each iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from isomorph._results import Pairs, Unpackable

if TYPE_CHECKING:
    from isomorph.align import Alignment
    from isomorph.learning._agreement import Agreement


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration.

    Attributes
    ----------
    number : int
        From 1.
    objective : float
        Of the map that the iteration used: see the function that ran.
    pairs : int
        Of the dictionary that the iteration induced.
    keep : float
        Probability with which a pair of rows took part in that.
    improved : bool
        Whether the objective was better than before.
    """

    number: int
    objective: float
    pairs: int
    keep: float
    improved: bool


@dataclass(frozen=True, slots=True)
class ContrastRound:
    """One round of :func:`isomorph.contrast`: the maps at one step, before the next steps.

    Attributes
    ----------
    number : int
        From 1.
    held_out : bool
        Whether part of the seed was held out to choose where to end; if not, the maps that are
        returned were being learned.
    loop, step : int
        From 0: how often pairs were induced, and how many steps were taken since.
    objective : float
        Minus the contrastive loss of the pairs.
    accuracy : float or None
        Share of held-out source words whose nearest target is right, the mean of cosine and CSLS.
    pairs : int
        Of the dictionary that was learned from.
    improved : bool
        Whether the accuracy was the best so far.
    """

    number: int
    held_out: bool
    loop: int
    step: int
    objective: float
    accuracy: float | None
    pairs: int
    improved: bool


@dataclass(frozen=True, slots=True, eq=False)
class SelfLearned(Unpackable):
    """What was learned; unpacks as ``alignment, pairs = self_learn(...)``.

    Attributes
    ----------
    alignment : Alignment
        The transforms and maps of both sides.
    pairs : Pairs
        The dictionary that the alignment was fitted on: rows of source and target.
    agreement : Agreement or None
        Whether there is an alignment in it at all: its ``verdict`` is ``"aligned"`` or
        ``"failed"``, or ``"undetermined"`` where there is too little to tell. None where nothing
        was induced, or where held-out words were measured.
    history : tuple of Iteration, or of ContrastRound
        Every iteration, those before an interruption too.
    converged : bool
        Whether the rule ended the iterations, not `max_iterations`; of contrastive refinement,
        whether held-out words chose a step before the last one allowed.
    settings : mapping
        All that decides the answer.
    """

    alignment: Alignment
    pairs: Pairs
    agreement: Agreement | None
    history: tuple[Iteration, ...] | tuple[ContrastRound, ...]
    converged: bool
    settings: Mapping[str, Any]
    _unpacks: ClassVar[tuple[str, ...]] = ("alignment", "pairs")

    @property
    def iterations(self) -> int:
        """How many iterations there were."""
        return len(self.history)

    @property
    def objective(self) -> float | None:
        """The objective of the last iteration; None if there was none."""
        return self.history[-1].objective if self.history else None

    def __repr__(self) -> str:
        last = "" if self.objective is None else f", objective {self.objective:.4f}"
        accuracy = self.alignment.map.metrics.get("accuracy")
        verdict = "not judged" if accuracy is None else f"held-out accuracy {accuracy:.3f}"
        verdict = verdict if self.agreement is None else self.agreement.verdict
        return (
            f"SelfLearned({verdict}: {self.iterations} iterations{last}, "
            f"{len(self.pairs):,} pairs, {self.alignment.map!r})"
        )
