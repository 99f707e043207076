"""What must stay with tokens that are kept, so that text which they came from gives them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.tokenizers._merging import Merging
from isomorph.vocab.tokenizers._symbols import Symbols
from isomorph.vocab.tokenizers._usage import Usage
from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["Closing"]


@dataclass(frozen=True, eq=False)
class Closing:
    """The closures of sets of tokens.

    Attributes
    ----------
    vocabulary, symbols
        Of the tokenizer.
    always : sequence of ndarray of int64
        Ids that stay in any case.
    spoken : ndarray of int64
        Those of them that a text has which is not counted: it may have them beside others.
    looks_up : bool
        Whether ``ignore_merges`` will be in force, if it is set.
    """

    vocabulary: Vocabulary
    symbols: Symbols
    always: Sequence[NDArray[np.int64]]
    spoken: NDArray[np.int64]
    _: KW_ONLY
    looks_up: bool

    @cached_property
    def merging(self) -> Merging:
        """How merges make a token."""
        return Merging(self.vocabulary)

    def closure(
        self, kept: NDArray[np.int64], usage: Usage | None, *, characters: bool
    ) -> NDArray[np.int64]:
        """Give ids with all that must stay with them."""
        kept = self.required(self._held(kept), usage)
        if characters:
            kept = self.required(np.union1d(kept, self._characters(kept)), usage)
        return kept

    def _held(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.unique(np.concatenate([kept, *self.always]))

    def required(self, kept: NDArray[np.int64], usage: Usage | None) -> NDArray[np.int64]:
        """Give what makes the kept tokens come out of their texts; the tokens themselves too."""
        if self.vocabulary.kind == "unigram":
            return self._pinned(kept)
        if self.vocabulary.kind != "bpe":
            return kept
        merged = kept
        if usage is not None and self._may_skip(self._held(kept)):
            inside = usage.inside.copy()
            inside[self.spoken] = True
            merged = kept[inside[kept]]
        return np.union1d(kept, self.merging.parts(merged.tolist()))

    def _pinned(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        scores = self.vocabulary.scores
        if scores is None or (
            len(kept) and scores[kept[kept < len(scores)]].min(initial=0.0) <= (scores.min())
        ):
            return kept
        return np.union1d(kept, [int(scores.argmin())])

    def _may_skip(self, kept: NDArray[np.int64]) -> bool:
        """Whether looking up whole pre-tokens gives what merging them does, for the kept tokens."""
        vocabulary = self.vocabulary
        if vocabulary.prefix or vocabulary.suffix or self.symbols.drops:
            # A word is looked up without its marks, and with the characters that merging leaves
            # out: it may be one token all the same, and is not found.
            return False
        if not self.looks_up:
            return False
        if vocabulary.ignore_merges:
            return True
        if not self.symbols.splits:
            return False  # A line is one word.
        apart = {token.id for token in vocabulary.added if token.always_cut}
        return all(self.merging.makes(n) for n in kept.tolist() if n not in apart)

    def skips(self, kept: NDArray[np.int64]) -> bool:
        """Whether the kept tokens need ``ignore_merges`` to come out as before."""
        if self.vocabulary.kind != "bpe" or self.vocabulary.ignore_merges:
            return False
        whole = self.merging.parts(kept.tolist())
        return len(np.setdiff1d(whole, kept)) > 0

    def _characters(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        ids, prefix = self.vocabulary.ids, self.vocabulary.prefix
        apart = {number for ids in self.always[:2] for number in ids.tolist()}
        letters = {
            letter
            for number in kept.tolist()
            if number not in apart
            for letter in self.vocabulary.tokens[number] or ""
        }
        spelled = (form for letter in letters for form in (letter, prefix + letter, "▁" + letter))
        found = (ids.get(form) for form in spelled)
        return np.array(sorted({n for n in found if n is not None}), dtype=np.int64)
