"""What a corpus uses of a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import ShapeError
from isomorph.vocab.tokenizers import _encoding
from isomorph.vocab.tokenizers._encoding import Encoder
from isomorph.vocab.tokenizers._vocabulary import Vocabulary
from isomorph.vocab.tokenizers._wordpiece import Unmatched

__all__ = ["Usage", "counted"]


@dataclass(frozen=True, eq=False)
class Usage:
    """How often each token of a tokenizer came out of some lines, and what else they need.

    Two of the same tokenizer add up: ``a + b`` is the usage of the lines of both.

    Attributes
    ----------
    counts : ndarray of int64, shape (size,)
        How often each id came out.
    inside : ndarray of bool, shape (size,)
        Ids that came out beside others of the same pre-token (of byte-pair encoding; False for
        other kinds): those must be made by merges, while one that is always a whole pre-token may
        be looked up at once.
    needed : ndarray of bool, shape (size,)
        Ids that did not come out and must stay all the same, for these lines to tokenise as
        before: what merges pass through, the piece that decides the score of the unknown, what
        unknown words take before nothing fits.
    lines, words, characters, tokens, unknown : int
        How many lines, words between blanks, characters, tokens, and unknown tokens among them.
    """

    counts: NDArray[np.int64]
    inside: NDArray[np.bool_]
    needed: NDArray[np.bool_]
    lines: int
    words: int
    characters: int
    tokens: int
    unknown: int

    @property
    def used(self) -> NDArray[np.int64]:
        """The ids that came out, ascending."""
        return np.nonzero(self.counts)[0]

    @property
    def kept(self) -> NDArray[np.int64]:
        """The ids that came out or are needed, ascending."""
        return np.nonzero((self.counts > 0) | self.needed)[0]

    def __add__(self, other: object) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        if len(self.counts) != len(other.counts):
            raise ShapeError(
                f"usage: expected two of one tokenizer, got {len(self.counts)} and "
                f"{len(other.counts)} ids"
            )
        counts = self.counts + other.counts
        return Usage(
            counts,
            self.inside | other.inside,
            (self.needed | other.needed) & (counts == 0),
            self.lines + other.lines,
            self.words + other.words,
            self.characters + other.characters,
            self.tokens + other.tokens,
            self.unknown + other.unknown,
        )

    def __repr__(self) -> str:
        return (
            f"Usage({len(self.used)} of {len(self.counts)} ids used, {int(self.needed.sum())} more "
            f"needed; {self.lines} lines, {self.words} words, {self.tokens} tokens)"
        )


def counted(
    encoder: Encoder,
    lines: Iterable[str],
    vocabulary: Vocabulary,
    unmatched: Unmatched | None,
    threads: int | None,
) -> Usage:
    """Count the tokens of lines; what else they need is not yet in the usage."""
    size = vocabulary.size
    counts = np.zeros(size, dtype=np.int64)
    inside = np.zeros(size, dtype=np.bool_)
    seen = words = characters = 0
    bpe = vocabulary.kind == "bpe"
    for block, encodings in encoder.blocks(lines, special=False, threads=threads, words=bpe):
        found, beside = _encoding.counted(encodings, size, words=bpe)
        counts += found
        inside |= beside
        if unmatched is not None:
            unmatched.look(block, encodings)
        seen += len(block)
        words += sum(len(line.split()) for line in block)
        characters += sum(map(len, block))
    unknown = 0 if vocabulary.unknown is None else int(counts[vocabulary.unknown])
    needed = np.zeros(size, dtype=np.bool_)
    return Usage(counts, inside, needed, seen, words, characters, int(counts.sum()), unknown)
