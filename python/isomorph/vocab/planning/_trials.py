"""How a cut tokenises the corpus: its distinct words, tokenised again with fewer tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.planning import _scripts
from isomorph.vocab.planning._units import Units

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer, Usage

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """What the text of a language, or of a script, comes to at one size.

    Attributes
    ----------
    words : float
        Words by blanks.
    tokens : float
        Tokens of all of it.
    unknown : float
        Of these, unknown tokens.
    """

    words: float
    tokens: float
    unknown: float


@dataclass
class Trial:
    """The distinct words of one language, and their tokens before any cut."""

    language: str
    units: list[str]
    counts: NDArray[np.int64]
    words: NDArray[np.int64]
    scripts: dict[str, NDArray[np.bool_]]
    lengths: NDArray[np.int64]
    unknowns: NDArray[np.int64]
    #: All tokens in a row; token i belongs to the unit owner[i].
    flat: NDArray[np.int32]
    owner: NDArray[np.int64]
    #: Words and tokens of the whole text, over those of the units.
    scale: tuple[float, float]

    def changed(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give the units whose tokens differ when only some tokens are kept: all are closed.

        The longest match, or the best path, stays what it is while it can be taken. Of byte-pair
        encoding the merges that made a unit's tokens are those that make each token by itself; they
        stay with the tokens, and come as early as before among those that are left. A word that was
        unknown, because its longest beginning had no continuation, may be spelled without that.
        """
        rows = [self.owner[~kept[self.flat]], np.nonzero(self.unknowns)[0]]
        return np.unique(np.concatenate(rows))

    def measured(
        self, lengths: NDArray[np.int64], unknowns: NDArray[np.int64]
    ) -> dict[str, Measured]:
        """Sum over units: under ``""`` all, under each script its own."""
        every = {"": np.ones(len(self.units), np.bool_), **self.scripts}
        words, tokens = self.scale
        return {
            name: Measured(
                words * int(self.counts[mask] @ self.words[mask]),
                tokens * int(self.counts[mask] @ lengths[mask]),
                tokens * int(self.counts[mask] @ unknowns[mask]),
            )
            for name, mask in every.items()
        }


@dataclass
class Trials:
    """All languages; `at` tries a set of tokens on them.

    Attributes
    ----------
    tokenizer : Tokenizer
        Before any cut.
    usage : Usage or None
        Of all languages.
    trials : list of Trial
        One a language.
    """

    tokenizer: Tokenizer
    usage: Usage | None
    trials: list[Trial]
    threads: int
    _seen: dict[bytes, dict[str, dict[str, Measured]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        units: Mapping[str, Units],
        usage: Mapping[str, Usage],
        threads: int,
    ) -> Trials:
        """Tokenise the distinct words of every language once."""
        trials = []
        for language, table in units.items():
            texts, counts = table.arrays()
            flat, lengths, unknowns = _encoded(tokenizer, texts, threads)
            words = np.fromiter((len(text.split()) for text in texts), np.int64, len(texts))
            tokens = max(int(counts @ lengths), 1)
            trials.append(
                Trial(
                    language,
                    texts,
                    counts,
                    words,
                    _scripts.groups(texts, threads),
                    lengths,
                    unknowns,
                    flat,
                    np.repeat(np.arange(len(texts)), lengths),
                    (table.words / max(int(counts @ words), 1), usage[language].tokens / tokens),
                )
            )
        return cls(tokenizer, merged(usage), trials, threads)

    def before(self) -> dict[str, dict[str, Measured]]:
        """Measure each language with all tokens."""
        return {
            trial.language: trial.measured(trial.lengths, trial.unknowns) for trial in self.trials
        }

    def at(self, kept: Ids) -> dict[str, dict[str, Measured]]:
        """Measure each language, and its scripts, with only these tokens."""
        key = kept.tobytes()
        if key not in self._seen:
            self._seen[key] = self._at(kept)
        return self._seen[key]

    def _at(self, kept: Ids) -> dict[str, dict[str, Measured]]:
        mask = np.zeros(self.tokenizer.size, np.bool_)
        mask[kept] = True
        affected = [trial.changed(mask) for trial in self.trials]
        if not any(map(len, affected)):
            return self.before()
        smaller = self.tokenizer.keep(kept, self.usage).tokenizer
        found = {}
        for trial, rows in zip(self.trials, affected, strict=True):
            lengths, unknowns = trial.lengths.copy(), trial.unknowns.copy()
            if len(rows):
                texts = [trial.units[row] for row in rows.tolist()]
                _, lengths[rows], unknowns[rows] = _encoded(smaller, texts, self.threads)
            found[trial.language] = trial.measured(lengths, unknowns)
        return found


def merged(usages: Mapping[str, Usage]) -> Usage | None:
    """Add up the usage of all languages."""
    total: Usage | None = None
    for used in usages.values():
        total = used if total is None else total + used
    return total


def _encoded(
    tokenizer: Tokenizer, texts: list[str], threads: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Give all tokens in a row, how many each text has, and how many of them are unknown."""
    ids = tokenizer.encode(texts, threads=threads)
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    unknown = tokenizer.unknown
    if unknown is None or not len(flat):
        return flat, lengths, np.zeros(len(ids), np.int64)
    owner = np.repeat(np.arange(len(ids)), lengths)
    return flat, lengths, np.bincount(owner[flat == unknown], minlength=len(ids)).astype(np.int64)
