"""What a plan says: the tokens to keep and why, and what other sizes would cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _text
from isomorph.vocab.corpora import Corpus
from isomorph.vocab.planning._coverage import Coverage, of_text
from isomorph.vocab.planning._trials import merged
from isomorph.vocab.planning._unseen import share

if TYPE_CHECKING:
    from isomorph.vocab.remap import Remap
    from isomorph.vocab.tokenizers import Tokenizer, TrimmedTokenizer, Usage

#: Why a token is kept; the first that holds counts.
REASONS = (
    "special",
    "byte",
    "in the list",
    "single character",
    "used by the corpus",
    "of the scripts",
    "makes others reachable",
    "fills the size up",
)
NO_CORPUS = "no corpus: coverage unknown"
#: Languages that have a column of their own.
_COLUMNS = 6


@dataclass(frozen=True)
class Cost:
    """What the text of a language or script comes to.

    Attributes
    ----------
    tokens_per_word : float
        Words by blanks.
    extra : float
        More tokens than with the whole vocabulary, as a part of those.
    unknown : float
        Unknown tokens beyond those of the whole vocabulary.
    """

    tokens_per_word: float
    extra: float
    unknown: float


@dataclass(frozen=True)
class BudgetRow:
    """One size of the vocabulary, and what it costs.

    Attributes
    ----------
    size : int
        Tokens.
    parameters, bytes : int or None
        Of the embedding tables, where their width is known.
    cost : Cost or None
        Of all text; None without a corpus.
    languages, scripts : dict of str to Cost
        Of each language that has a name, and of each script.
    lossless : bool
        Whether the corpus tokenises as before.
    chosen : bool
        Whether this is the size of the plan.
    """

    size: int
    parameters: int | None
    bytes: int | None
    cost: Cost | None
    languages: dict[str, Cost]
    scripts: dict[str, Cost]
    lossless: bool
    chosen: bool

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "size": self.size,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "lossless": self.lossless,
            "chosen": self.chosen,
            "all": None if self.cost is None else vars(self.cost).copy(),
            "languages": {name: vars(cost).copy() for name, cost in self.languages.items()},
            "scripts": {name: vars(cost).copy() for name, cost in self.scripts.items()},
        }


@dataclass(frozen=True, eq=False)
class TrimPlan:
    """Which tokens of a tokenizer to keep.

    Attributes
    ----------
    tokenizer : Tokenizer
        Before the trim.
    kept : ndarray of int64
        The ids that are kept, ascending: the rows of the new tables, in their order.
    reason : ndarray of int8, as long as `kept`
        Why, as a position in ``REASONS``.
    corpus : Corpus or None
        The text; without it, nothing is known of what the trim does to any text.
    usage : Usage or None
        How often each token came out of the corpus; `usages` is the same by language.
    lossless : bool
        Whether every line of the corpus tokenises as before.
    budget : tuple of BudgetRow
        The budget curve, smallest size first; the last is the whole vocabulary.
    coverage : Coverage or None
        What the trim does to the corpus, by language.
    measured : str
        On what the curve was measured: distinct words, or lines, all of them or a sample.
    options : dict
        What was asked for.
    notes : tuple of str
        What to know about this plan.
    """

    tokenizer: Tokenizer = field(repr=False)
    kept: NDArray[np.int64] = field(repr=False)
    reason: NDArray[np.int8] = field(repr=False)
    corpus: Corpus | None = field(repr=False)
    usages: dict[str, Usage] = field(repr=False)
    lossless: bool
    budget: tuple[BudgetRow, ...] = field(repr=False)
    coverage: Coverage | None = field(repr=False)
    measured: str
    options: dict[str, Any] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many tokens are kept."""
        return len(self.kept)

    @cached_property
    def usage(self) -> Usage | None:
        """How often each token came out of all text."""
        return merged(self.usages)

    @cached_property
    def expected_missing(self) -> dict[str, float]:
        """The part of the tokens of *new* text of each language that will not be there.

        Good and Turing's estimate, from how many tokens came out once, twice, and so on: what the
        corpus cannot show, as all of it was seen. Each such token becomes two or more. For running
        text that is like the corpus; a longer corpus makes it smaller.
        """
        kept = np.zeros(self.tokenizer.size, np.bool_)
        kept[self.kept] = True
        return {name: share(used.counts, kept) for name, used in self.usages.items()}

    @cached_property
    def trimmed(self) -> TrimmedTokenizer:
        """The tokenizer with the kept tokens alone; made when first asked for."""
        return self.tokenizer.keep(self.kept, self.usage)

    @property
    def remap(self) -> Remap:
        """The remap of ids, for tables, biases and data sets.

        A dropped id becomes the unknown token, or -1 where the tokenizer has none.
        """
        return self.trimmed.remap

    @property
    def reasons(self) -> dict[str, int]:
        """How many tokens are kept for which reason."""
        counts = np.bincount(self.reason, minlength=len(REASONS)).tolist()
        return {name: count for name, count in zip(REASONS, counts, strict=True) if count}

    @property
    def why(self) -> tuple[str, ...]:
        """Why each kept token is kept."""
        return tuple(REASONS[number] for number in self.reason.tolist())

    @property
    def unused(self) -> NDArray[np.int64]:
        """The ids that never came out of the corpus, kept or not; all of them without a corpus."""
        used = np.zeros(self.tokenizer.size, np.bool_)
        if self.usage is not None:
            used |= self.usage.counts > 0
        held = np.array([token is not None for token in self.tokenizer.tokens], np.bool_)
        return np.nonzero(held & ~used)[0]

    def as_dict(self, *, ids: bool = False) -> dict[str, Any]:
        """Give everything as plain Python values; with `ids`, the kept ids, too."""
        return {
            "kind": self.tokenizer.kind,
            "old_size": self.tokenizer.size,
            "size": self.size,
            "lossless": self.lossless,
            "reasons": self.reasons,
            "corpus": None if self.corpus is None else self._counted(),
            "coverage": NO_CORPUS if self.coverage is None else self.coverage.as_dict(),
            "expected_missing": {name or "all": v for name, v in self.expected_missing.items()},
            "measured": self.measured,
            "budget": [row.as_dict() for row in self.budget],
            "options": self.options,
            "notes": list(self.notes),
            **({"kept": self.kept.tolist()} if ids else {}),
        }

    def to_json(self, *, ids: bool = False) -> str:
        """Give :meth:`as_dict` as JSON."""
        return json.dumps(self.as_dict(ids=ids), ensure_ascii=False, indent=2)

    def _counted(self) -> dict[str, Any]:
        return {
            name or "all": {
                key: int(getattr(used, key)) for key in ("lines", "words", "characters", "tokens")
            }
            for name, used in self.usages.items()
        }

    def __str__(self) -> str:
        part = 100 * self.size / max(self.tokenizer.size, 1)
        lines = [
            f"{self.tokenizer.kind} tokenizer of {self.tokenizer.size:,} tokens: "
            f"{self.size:,} kept ({part:.1f} %)"
        ]
        if self.usage is not None and self.corpus is not None:
            promise = "all tokenise as before" if self.lossless else "some tokenise otherwise"
            lines.append(
                f"corpus: {int(self.usage.lines):,} lines, {int(self.usage.words):,} words, "
                f"{int(self.usage.tokens):,} tokens{of_text(self.corpus)}; {promise}"
            )
        kept = ", ".join(f"{count:,} {name}" for name, count in self.reasons.items())
        lines += [f"kept: {kept}", *self.notes, ""]
        lines += self._table()
        return "\n".join(lines)

    def _table(self) -> list[str]:
        sized = any(row.bytes is not None for row in self.budget)
        names = list(self.budget[-1].languages)
        shown = names if len(names) <= _COLUMNS else []
        header = ["tokens", "of all", *(["parameters", "MB"] if sized else [])]
        if self.coverage is not None:
            header += ["tokens/word", *shown, "unknown"]
        header.append("")
        rows: list[Sequence[str]] = [header]
        for row in self.budget:
            cells = [f"{row.size:,}", f"{100 * row.size / self.budget[-1].size:.1f} %"]
            if sized:
                cells += [f"{row.parameters or 0:,}", _megabytes(row.bytes or 0)]
            if row.cost is not None:
                costs = [row.cost, *(row.languages[name] for name in shown)]
                cells += [f"{cost.tokens_per_word:.3f} {_more(cost.extra):>7}" for cost in costs]
                cells.append(f"{row.cost.unknown:,.0f}")
            rows.append([*cells, _mark(row, last=row is self.budget[-1])])
        table = _text.table(rows, right=range(len(header) - 1))
        if self.coverage is not None:
            table.append(f"tokens/word, and how many more tokens; {self.measured}")
            table += self._worst() if len(names) > _COLUMNS else []
            table.append(self._new_text())
        return table

    def _new_text(self) -> str:
        """Tell what other text will lack, of the languages that lack most."""
        missing = self.expected_missing
        most = sorted(missing, key=lambda name: -missing[name])[:_COLUMNS]
        told = ", ".join(f"{name} {_part(missing[name])}" for name in missing if name in most)
        return f"other text of this kind, estimated: {told.strip()} of its tokens are not kept"

    def _worst(self) -> list[str]:
        """Name the languages that pay most, where there are too many for columns."""
        row = next(row for row in self.budget if row.chosen)
        worst = sorted(row.languages.items(), key=lambda entry: -entry[1].extra)[:_COLUMNS]
        told = ", ".join(f"{name} {_more(cost.extra)}" for name, cost in worst)
        return [f"{len(row.languages)} languages, those that pay most: {told}"]


def _part(share: float) -> str:
    return f"{100 * share:.1f} %"


def _megabytes(size: int) -> str:
    value = size / 1e6
    return f"{value:,.1f}" if value >= 10 else f"{value:.3g}"


def _more(extra: float) -> str:
    return f"{100 * extra:+.1f} %" if extra else "="


def _mark(row: BudgetRow, *, last: bool) -> str:
    marks = [
        *(["<- this plan"] if row.chosen else []),
        *(["as before"] if row.lossless and not last else []),
        *(["all tokens"] if last else []),
    ]
    return ", ".join(marks)
