"""What a report of an alignment shows beside its figures: some pairs, and both spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph._results import Pairs
from isomorph.errors import DictionaryError

if TYPE_CHECKING:
    from isomorph._embeddings import Embeddings
    from isomorph.metrics import Isometry

#: Words in the picture of pairs, and in the graphs of neighbours, whose cost grows by the cube.
_PAIRS, _ROWS = 40, 500


@dataclass(frozen=True, slots=True, eq=False)
class PicturedPairs:
    """Pairs spread evenly over a dictionary, row by row.

    Attributes
    ----------
    words : tuple of (str, str)
        Source and target word.
    source, target, mapped : array of shape (p, d), (p, e) and (p, e)
        Their vectors after the chain, those of the source before and after mapping.
    """

    words: tuple[tuple[str, str], ...]
    source: Any
    target: Any
    mapped: Any


def pictured(
    pairs: Pairs,
    embeddings: tuple[Embeddings, Embeddings],
    source: Any,
    target: Any,
    mapped: Any,
) -> PicturedPairs | None:
    """Take some source words, frequent to rare, each with its first translation."""
    known, first = np.unique(pairs.source, return_index=True)
    if len(known) < 2:
        return None
    chosen = np.unique(np.linspace(0, len(known) - 1, min(_PAIRS, len(known))).astype(int))
    left, right = known[chosen], np.asarray(pairs.target)[first[chosen]]
    words = [side.words for side in embeddings]
    return PicturedPairs(
        tuple((words[0][int(a)], words[1][int(b)]) for a, b in zip(left, right, strict=True)),
        source[left],
        target[right],
        mapped[left],
    )


def isometry_or_none(
    x: Any, y: Any, train: Pairs, confidence: float, seed: int, threads: int | None
) -> Isometry | None:
    """Measure how alike two spaces are; None where there are too few words or pairs to tell."""
    from isomorph import metrics

    if min(len(x), len(y)) < 2:
        return None
    try:
        return metrics.isometry(
            x,
            y,
            train,
            rows=_ROWS,
            chain="none",
            confidence=confidence,
            seed=seed,
            threads=threads,
        )
    except DictionaryError:
        return None
