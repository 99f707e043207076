"""Distinct words of a corpus with their counts: what a smaller vocabulary is tried on.

A tokenizer that splits text at blanks gives each word the same tokens wherever it stands, so that
distinct words stand for the whole text. Whether it does so is not believed but tried, line by line;
where it does not, whole lines take the place of words.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer

Kind = Literal["words", "ended words", "bare words", "lines"]

#: What distinct words may hold in memory, over all languages; each takes so much beside its text.
LIMIT, OVERHEAD = 48 << 20, 120
#: Lines that are tried for whether they are the sum of their words.
_PROBED = 256
_WORD = re.compile(r"\s*\S+")
#: Of documents also what is at the end; line feeds belong to the next word, or to the one before.
_BEGUN = re.compile(r"\s*\S+|\s+\Z")
_ENDED = re.compile(r"[^\S\r\n]*\S+(?:\s*[\r\n]+)?|\s*[\r\n]+|\s+\Z")


@dataclass
class Units:
    """The distinct words, or lines, of one language.

    Counts are exact while they fit the limit. Past it, of the rarer half of the words every second
    one, by its hash, is dropped and the others count twice: sums over words stay unbiased, frequent
    words stay exact, and the choice is the same on every run.

    Attributes
    ----------
    kind : str
        What a unit is: a word with the blanks before it, the same but with the line feeds after it,
        a word without them, a line.
    counts : Counter of str
        How often each was seen, or an unbiased estimate.
    rounds : int
        How often words were dropped; 0 is exact.
    words : int
        Words of all lines, by blanks.
    """

    kind: Kind
    limit: int = LIMIT
    counts: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    words: int = 0

    @classmethod
    def of(cls, tokenizer: Tokenizer, lines: Sequence[str], *, limit: int = LIMIT) -> Units:
        """Choose the smallest units of which lines of a language are the sum."""
        probed = [lines[i] for i in np.linspace(0, len(lines) - 1, _PROBED).astype(int).tolist()]
        probed = list(dict.fromkeys(probed))
        whole = tokenizer.encode(probed)
        kinds: tuple[Kind, ...] = ("words", "ended words", "bare words")
        for kind in kinds:
            parts = [_units(line, kind) for line in probed]
            ids = tokenizer.encode([unit for line in parts for unit in line])
            found = iter(ids)
            if all(
                np.array_equal(np.concatenate([next(found) for _ in line]), expected)
                for line, expected in zip(parts, whole, strict=True)
            ):
                return cls(kind, limit)
        return cls("lines", limit)

    def add(self, lines: Sequence[str]) -> None:
        """Count the units of more lines."""
        if self.kind == "lines":
            self.words += sum(len(line.split()) for line in lines)
            self.counts.update(lines)
        else:
            for document in (line for line in lines if "\n" in line):
                self.counts.update(_units(document, self.kind))
                self.words += len(document.split())
            # One search for all lines; what stood before the line feed is no part of the word.
            found = _WORD.findall("\n".join(line for line in lines if "\n" not in line))
            self.words += len(found)
            if self.kind == "bare words":
                self.counts.update(map(str.strip, found))
            else:
                seen = Counter(found)
                for unit, count in seen.items():
                    self.counts[unit.rpartition("\n")[2]] += count
        while self._size() > self.limit and len(self.counts) > 1:
            self._thin()

    def _size(self) -> int:
        if len(self.counts) * OVERHEAD > self.limit:
            return len(self.counts) * OVERHEAD
        return sum(map(len, self.counts)) + len(self.counts) * OVERHEAD

    def _thin(self) -> None:
        """Drop every second one of the rarer half; those that stay stand for them."""
        values = np.fromiter(self.counts.values(), np.int64, len(self.counts))
        rare = int(np.median(values))
        kept: Counter[str] = Counter()
        for unit, count in self.counts.items():
            if count > rare:
                kept[unit] = count
            elif _bit(unit, self.rounds):
                kept[unit] = 2 * count
        self.counts = kept
        self.rounds += 1

    def arrays(self) -> tuple[list[str], NDArray[np.int64]]:
        """Give the units in the order of their text, and their counts."""
        units = sorted(self.counts)
        return units, np.array([self.counts[unit] for unit in units], dtype=np.int64)


def _units(line: str, kind: Kind) -> list[str]:
    if kind == "bare words":
        return line.split()
    if "\n" not in line:
        return _WORD.findall(line)
    return (_BEGUN if kind == "words" else _ENDED).findall(line)


def _bit(unit: str, number: int) -> int:
    # Further bits of one hash: those of a CRC of a longer text would not be independent.
    return zlib.crc32(unit.encode("utf-8", "surrogatepass")) >> (number % 32) & 1
