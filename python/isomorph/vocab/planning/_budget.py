"""The budget curve: sizes of a vocabulary against tokens a word, parameters and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph.vocab.planning._choice import Choice, rounded
from isomorph.vocab.planning._coverage import Coverage, LanguageCoverage
from isomorph.vocab.planning._options import ITEMSIZES
from isomorph.vocab.planning._result import BudgetRow, Cost
from isomorph.vocab.planning._trials import Measured, Trials
from isomorph.vocab.planning._units import Units

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Usage

Ids = NDArray[np.int64]
#: The smallest step of the curve, as a part of the way from what must be kept to all.
_FIRST = 1 / 32


@dataclass(frozen=True)
class Tables:
    """What a token costs: parameters in all tables, and bytes of each."""

    parameters: int | None
    itemsize: int

    @classmethod
    def of(cls, width: int | None, dtype: str, tables: int) -> Tables:
        """Check the shape of the tables."""
        itemsize = ITEMSIZES[_checks.one_of("dtype", dtype, tuple(ITEMSIZES))]
        number = _checks.integer("tables", tables, 1)
        return cls(None if width is None else _checks.integer("width", width, 1) * number, itemsize)


def curve(
    choice: Choice, trials: Trials, kept: Ids, tables: Tables, points: int, multiple: int
) -> tuple[BudgetRow, ...]:
    """Try sizes from what must be kept to all that is wanted, those of `kept` and the whole."""
    everything = np.sort(choice.spare)
    sets = {len(kept): kept, len(everything): everything}
    if trials.trials and points:
        every = choice.all()
        low, high = len(choice.fixed), len(every)
        if len(kept) < high or not np.isin(every, kept).all():
            sets.setdefault(high, every)
        parts = np.concatenate([[0.0], np.geomspace(_FIRST, 1, points - 1)]) if points > 1 else [1]
        for part in parts:
            size = rounded(low + round(float(part) * (high - low)), multiple)
            if size < high:
                ids = choice.cut(size)
                sets.setdefault(len(ids), ids)
    before = trials.before()
    rows = []
    for size, ids in sorted(sets.items()):
        after = before if size == len(everything) else trials.at(ids)
        costs = _costs(before, after)
        scripts = _costs(_by_script(before), _by_script(after))
        parameters = None if tables.parameters is None else tables.parameters * size
        rows.append(
            BudgetRow(
                size,
                parameters,
                None if parameters is None else parameters * tables.itemsize,
                _cost(_total(before), _total(after)) if before else None,
                {name: cost for name, cost in costs.items() if name},
                scripts,
                bool(choice.full is not None and np.isin(choice.full, ids).all()),
                ids is kept,
            )
        )
    return tuple(rows)


def worst(
    before: Mapping[str, Mapping[str, Measured]],
    after: Mapping[str, Mapping[str, Measured]],
    part: float,
) -> str | None:
    """Say which language breaks a bound and by what; None if none does."""
    for language, parts in before.items():
        old, new = parts[""], after[language][""]
        named = f"{language} has" if language else "there are"
        if new.tokens > (1 + part) * old.tokens * (1 + 1e-12):
            return f"{named} {100 * (new.tokens / old.tokens - 1):.2f} % more tokens"
        if new.unknown > old.unknown:
            return f"{named} {new.unknown - old.unknown:,.0f} more unknown tokens"
    return None


def covered(trials: Trials, usages: Mapping[str, Usage], kept: Ids, lossless: bool) -> Coverage:
    """Say what the plan does to the corpus, by language."""
    before, after = trials.before(), trials.at(kept)
    return Coverage(
        {
            language: LanguageCoverage(
                int(used.lines),
                int(used.words),
                0 if lossless else None,
                int(used.tokens),
                int(used.tokens) if lossless else round(after[language][""].tokens),
                round(before[language][""].unknown),
                round(after[language][""].unknown),
            )
            for language, used in usages.items()
        }
    )


def how(units: Mapping[str, Units], trials: Trials) -> str:
    """Say on what the curve is measured."""
    if not units:
        return ""
    kinds = {"lines" if table.kind == "lines" else "words" for table in units.values()}
    number = sum(len(table.counts) for table in units.values())
    what = f"measured on {number:,} distinct {' and '.join(sorted(kinds))}"
    if "lines" in kinds:
        what += " (this tokenizer does not take words one by one)"
    if any(table.rounds for table in units.values()):
        return f"{what}; rare ones are a sample, without bias"
    # Blanks at the ends of lines, and what the few lines that were tried did not have.
    off = max(abs(trial.scale[1] - 1) for trial in trials.trials)
    return what if off == 0 else f"{what}; within {100 * off:.2g} % of the tokens of all lines"


def _costs(
    before: Mapping[str, Mapping[str, Measured]] | Mapping[str, Measured],
    after: Mapping[str, Mapping[str, Measured]] | Mapping[str, Measured],
) -> dict[str, Cost]:
    return {name: _cost(_whole(old), _whole(after[name])) for name, old in before.items()}


def _whole(entry: Mapping[str, Measured] | Measured) -> Measured:
    return entry if isinstance(entry, Measured) else entry[""]


def _cost(old: Measured, new: Measured) -> Cost:
    return Cost(
        new.tokens / max(new.words, 1),
        new.tokens / max(old.tokens, 1) - 1,
        new.unknown - old.unknown,
    )


def _total(measured: Mapping[str, Mapping[str, Measured]]) -> Measured:
    return _sum([parts[""] for parts in measured.values()])


def _by_script(measured: Mapping[str, Mapping[str, Measured]]) -> dict[str, Measured]:
    found: dict[str, list[Measured]] = {}
    for parts in measured.values():
        for name, one in parts.items():
            if name:
                found.setdefault(name, []).append(one)
    return {name: _sum(ones) for name, ones in found.items()}


def _sum(ones: list[Measured]) -> Measured:
    return Measured(
        sum(one.words for one in ones),
        sum(one.tokens for one in ones),
        sum(one.unknown for one in ones),
    )
