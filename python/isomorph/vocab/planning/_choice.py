"""Which tokens a vocabulary of a given size keeps: the order of tokens, and cuts of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer, Usage

Ids = NDArray[np.int64]

#: Tokens that are tried, one by one, for the last places of a size.
_TRIED = 512


@dataclass
class Choice:
    """An order of tokens, what is kept whatever the size, and what the corpus needs in full.

    Attributes
    ----------
    tokenizer : Tokenizer
        Whose tokens.
    usage : Usage or None
        What the corpus uses: it says which tokens need not be merged.
    fixed : ndarray of int64
        Kept at every size, with what makes them reachable.
    wanted : ndarray of int64
        The other tokens that were asked for, the most wanted first.
    spare : ndarray of int64
        What fills the last places of a rounded size, in this order.
    full : ndarray of int64, or None
        With these, ascending, the corpus tokenises as before; None if nothing promises that.
    """

    tokenizer: Tokenizer
    usage: Usage | None
    fixed: Ids
    wanted: Ids
    spare: Ids
    full: Ids | None
    _cuts: dict[int, Ids] = field(default_factory=dict)

    def all(self) -> Ids:
        """Give every token that was asked for, ascending."""
        if self.full is not None:
            return self.full
        return self._closed(self.wanted)

    def cut(self, size: int) -> Ids:
        """Give the ids, ascending, of at most `size` tokens: all of them, or the most wanted."""
        if size not in self._cuts:
            self._cuts[size] = self._cut(size)
        return self._cuts[size]

    def _cut(self, size: int) -> Ids:
        if len(everything := self.all()) <= size:
            return everything
        taken = min(len(self.wanted), size - len(self.fixed))
        # What makes tokens reachable comes on top: take as many fewer, until they fit.
        while len(kept := self._closed(self.wanted[: max(taken, 0)])) > size and taken > 0:
            taken -= len(kept) - size
        return self._filled(kept, self.wanted[max(taken, 0) :], size)

    def filled(self, kept: Ids, size: int) -> Ids:
        """Use the places that are left up to a size: the next tokens rather than empty rows."""
        return self._filled(kept, np.concatenate([self.wanted, self.spare]), size)

    def _filled(self, kept: Ids, more: Ids, size: int) -> Ids:
        more = more[np.isin(more, kept, invert=True)]
        # As many of the next as fit, first together, then by halves, at last one by one.
        step = size - len(kept)
        tried = 0
        while step >= 1 and tried < len(more) and len(kept) < size and tried < _TRIED + size:
            larger = closed(
                self.tokenizer, np.concatenate([kept, more[tried : tried + step]]), self.usage
            )
            if len(larger) <= size:
                kept = larger
            elif step > 1:
                step //= 2
                continue
            tried += step
            step = max(1, min(step, size - len(kept)))
        return kept

    def _closed(self, ids: Ids) -> Ids:
        return closed(self.tokenizer, np.concatenate([self.fixed, ids]), self.usage)


def closed(tokenizer: Tokenizer, ids: Ids, usage: Usage | None) -> Ids:
    """Give the ids and what makes them reachable, ascending."""
    return tokenizer.closure(ids, usage, characters=False)


def scores(
    usage: Mapping[str, Usage], weights: Mapping[str, float], size: int
) -> NDArray[np.float64]:
    """Give how much each token is wanted.

    Of a language: the part of its tokens that come out no more often than this one, which is what
    the language loses when it is cut there. Of several, the largest, by weight: so each language
    loses the same part, however much text it has.
    """
    wanted = np.zeros(size, np.float64)
    for language, used in usage.items():
        order = ordered(np.nonzero(used.counts)[0], used.counts.astype(np.float64))
        counts = used.counts[order]
        rest = int(counts.sum()) - (np.cumsum(counts) - counts)
        part = weights[language] * rest / max(int(counts.sum()), 1)
        wanted[order] = np.maximum(wanted[order], part)
    return wanted


def ordered(ids: Ids, score: NDArray[np.float64]) -> Ids:
    """Order ids by score, the highest first, then by id."""
    return ids[np.lexsort((ids, -score[ids]))]


def rounded(size: int, multiple: int) -> int:
    """Round a size up."""
    return -(-size // multiple) * multiple


def smallest(low: int, high: int, step: int, holds: Callable[[int], bool]) -> int:
    """Give the smallest size, in steps, for which something holds that holds at `high`."""
    steps = -(-(high - low) // step)
    least, most = 0, steps
    while least < most:
        middle = (least + most) // 2
        if holds(low + middle * step):
            most = middle
        else:
            least = middle + 1
    return min(low + least * step, high) if least == steps else low + least * step
