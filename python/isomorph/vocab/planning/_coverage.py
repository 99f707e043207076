"""What a smaller vocabulary does to text: lines that change, tokens a word, unknown tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _text
from isomorph.errors import ShapeError
from isomorph.vocab.corpora import Corpus, as_corpus

if TYPE_CHECKING:
    from isomorph.vocab.remap import Remap
    from isomorph.vocab.tokenizers import Tokenizer


@dataclass(frozen=True)
class LanguageCoverage:
    """The text of one language, before and after.

    Attributes
    ----------
    lines, words : int
        Lines that are not blank, and words by blanks.
    lines_changed : int or None
        Lines with other tokens than before; None where only words were tried, not lines.
    tokens_before, tokens_after : int
        Tokens of all lines, without those that a model adds at the ends.
    unknown_before, unknown_after : int
        Of these, unknown tokens.
    """

    lines: int
    words: int
    lines_changed: int | None
    tokens_before: int
    tokens_after: int
    unknown_before: int
    unknown_after: int

    @property
    def tokens_per_word(self) -> tuple[float, float]:
        """Tokens a word, before and after."""
        words = max(self.words, 1)
        return self.tokens_before / words, self.tokens_after / words

    @property
    def extra(self) -> float:
        """How many more tokens there are, as a part of those before."""
        return self.tokens_after / max(self.tokens_before, 1) - 1

    def __add__(self, other: LanguageCoverage) -> LanguageCoverage:
        changed = (self.lines_changed, other.lines_changed)
        sums = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__dataclass_fields__
            if name != "lines_changed"
        }
        whole = None if None in changed else sum(number or 0 for number in changed)
        return LanguageCoverage(lines_changed=whole, **sums)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            **asdict(self),
            "tokens_per_word": list(self.tokens_per_word),
            "extra_tokens": self.extra,
        }


@dataclass(frozen=True)
class Coverage(Mapping[str, LanguageCoverage]):
    """The coverage of each language, by its name; ``""`` is text without one.

    Attributes
    ----------
    languages : dict of str to LanguageCoverage
        In the order in which they were given.
    """

    languages: dict[str, LanguageCoverage]

    @property
    def total(self) -> LanguageCoverage:
        """All languages together."""
        first, *others = self.languages.values()
        for other in others:
            first += other
        return first

    def __getitem__(self, language: str) -> LanguageCoverage:
        return self.languages[language]

    def __iter__(self) -> Iterator[str]:
        return iter(self.languages)

    def __len__(self) -> int:
        return len(self.languages)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "total": self.total.as_dict(),
            "languages": {name: one.as_dict() for name, one in self.languages.items() if name},
        }

    def __str__(self) -> str:
        rows = [["text", "lines", "changed", "tokens/word", "now", "more", "unknown", "now"]]
        entries = list(self.languages.items())
        if len(entries) > 1:
            entries.append(("all", self.total))
        for name, one in entries:
            before, after = one.tokens_per_word
            rows.append(
                [
                    name or "all",
                    f"{one.lines:,}",
                    "-" if one.lines_changed is None else f"{one.lines_changed:,}",
                    f"{before:.3f}",
                    f"{after:.3f}",
                    f"{100 * one.extra:+.1f} %",
                    f"{one.unknown_before:,}",
                    f"{one.unknown_after:,}",
                ]
            )
        return "\n".join(_text.table(rows, right=range(1, 8)))


def coverage(
    before: Tokenizer, after: Tokenizer, remap: Remap, lines: Any, *, threads: int | None = None
) -> Coverage:
    """Compare what two tokenizers make of text: one, and the same with fewer tokens.

    A line is unchanged if its new ids are its old ids under the remap.

    Parameters
    ----------
    before, after : Tokenizer
        The tokenizer before, and after.
    remap : Remap
        From the ids of `before` to those of `after`.
    lines : files, Corpus, Embeddings, or mapping of str to any of these
        The text: better other text than the corpus of the plan. A mapping names languages. Lines in
        memory are given as ``Corpus.from_lines(lines)``.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    Coverage
        By language.

    Raises
    ------
    ShapeError
        A remap of another number of ids.
    FormatError
        Text that cannot be read, or none.

    Notes
    -----
    Both tokenizers run once over the text, which is read a few megabytes at a time.
    """
    if (remap.old_size, remap.new_size) != (before.size, after.size):
        raise ShapeError(
            f"remap: expected one of {before.size} to {after.size} ids, as the tokenizers have, "
            f"got {remap.old_size} to {remap.new_size}"
        )
    named = isinstance(lines, Mapping)
    text = as_corpus(None if named else lines, lines if named else None)
    if text is None:
        raise ValueError("lines: expected text, got None")
    found: dict[str, LanguageCoverage] = {}
    for language, block in text.blocks():
        one = _block(before, after, remap, block, threads)
        found[language] = found[language] + one if language in found else one
    return Coverage(found)


def _block(
    before: Tokenizer, after: Tokenizer, remap: Remap, lines: list[str], threads: int | None
) -> LanguageCoverage:
    old, new = (side.encode(lines, threads=threads) for side in (before, after))
    # Not `old_to_new`: a dropped token that becomes the unknown one is no unchanged token.
    renumbered = np.full(remap.old_size, -1, np.int64)
    renumbered[remap.new_to_old] = np.arange(remap.new_size)
    unknown = [
        0 if side.unknown is None else sum(int(np.sum(row == side.unknown)) for row in rows)
        for side, rows in ((before, old), (after, new))
    ]
    changed = sum(not np.array_equal(renumbered[a], b) for a, b in zip(old, new, strict=True))
    return LanguageCoverage(
        len(lines),
        sum(len(line.split()) for line in lines),
        changed,
        sum(map(len, old)),
        sum(map(len, new)),
        *unknown,
    )


def of_text(corpus: Corpus) -> str:
    """Name the languages of a corpus, for people."""
    named = [language for language in corpus.languages if language]
    return f" in {', '.join(named)}" if named else ""
