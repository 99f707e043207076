"""New rows as long as the old ones are on average: means of many rows come out short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.initialization._norms import row_norms
from isomorph.vocab.initialization._vocabularies import Vocabulary
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.transfers._kinds import KINDS, kinds

#: Of which old rows the mean norm is taken: all, or those of the token's kind.
CHOICES = ("all", "kind")
#: A kind with fewer old tokens says nothing.
_FEWEST = 2


@dataclass(frozen=True)
class MatchedNorms:
    """What each row is to be as long as.

    Attributes
    ----------
    sources : ndarray of int64
        The group of each old row; -1 for those that no group has.
    targets : ndarray of int64
        The group of each new row.
    frozen : ndarray of bool
        The new rows that are copies and stay as they are.
    groups : int
        How many groups there are, the first being all old rows.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    frozen: NDArray[np.bool_]
    groups: int

    @classmethod
    def by(cls, choice: str, source: Vocabulary, target: Vocabulary, mixing: TokenMixing) -> Any:
        """Match the rows of a mixing by one of `CHOICES`."""
        copies = mixing.counts == 1
        copies[copies] = mixing.weights[mixing.indptr[:-1][copies]] == 1
        if choice == "all":
            of_sources = np.full(len(source), -1)
            return cls(of_sources, np.zeros(len(target), np.int64), copies, 1)
        of_sources, of_targets = (kinds(one).astype(np.int64) + 1 for one in (source, target))
        of_sources[of_sources == 0] = -1
        known = np.bincount(of_sources[of_sources > 0], minlength=len(KINDS) + 1) >= _FEWEST
        return cls(of_sources, np.where(known[of_targets], of_targets, 0), copies, len(KINDS) + 1)

    def of(self, old: NDArray[Any]) -> NDArray[np.float64]:
        """Give the mean norm of each group; of all rows first."""
        norms = row_norms(old)
        wanted = np.full(self.groups, norms.mean())
        for group in range(1, self.groups):
            if (own := self.sources == group).any():
                wanted[group] = norms[own].mean()
        return wanted

    def scaled(self, made: NDArray[Any], rows: slice, wanted: NDArray[np.float64]) -> NDArray[Any]:
        """Scale the rows that are no copies; a zero row stays."""
        norms = row_norms(made)
        new = ~self.frozen[rows] & (norms > 0)
        factors = wanted[self.targets[rows][new]] / norms[new]
        made[new] = made[new].astype(np.float64) * factors[:, None]
        return made
