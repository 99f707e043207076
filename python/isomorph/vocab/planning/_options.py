"""What a plan is asked for: checked before any file is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph.errors import DTypeError
from isomorph.vocab import corpora
from isomorph.vocab.planning import _scripts

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer

#: Bytes of a parameter.
ITEMSIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}


def bound(value: Any) -> float | None:
    """Read "5%", "5 %" or 0.05."""
    if value is None:
        return None
    found = value
    if isinstance(value, str):
        text = value.strip()
        try:
            found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            raise ValueError(
                f"max_extra_tokens: expected a part as 0.05 or '5%', got {value!r}"
            ) from None
    part = _checks.number("max_extra_tokens", found, least=0)
    if part > 1:
        raise ValueError(
            f"max_extra_tokens: expected at most 1, that is 100 %, got {value!r}; 5 % is 0.05 or "
            "'5%'"
        )
    return part


@dataclass(frozen=True)
class Asked:
    """What decides how many tokens are kept, checked."""

    scripts: tuple[str, ...] | None
    size: int | None
    max_extra_tokens: float | None
    min_count: int
    multiple_of: int
    characters: str = "scripts"

    @classmethod
    def of(
        cls,
        scripts: Any,
        size: Any,
        max_extra_tokens: Any,
        min_count: Any,
        multiple_of: Any,
        characters: Any,
    ) -> Asked:
        """Check each by itself."""
        return cls(
            _scripts.parse(scripts),
            None if size is None else _checks.integer("size", size, 1),
            bound(max_extra_tokens),
            _checks.integer("min_count", min_count, 1),
            _checks.integer("multiple_of", multiple_of, 1),
            _checks.one_of("characters", characters, ("scripts", "corpus")),
        )

    def as_dict(self) -> dict[str, Any]:
        """Give what was asked for as plain Python values."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        return found | ({"scripts": list(self.scripts)} if self.scripts else {})


def require_together(asked: Asked, corpus: Any, keep: Any, weights: Any) -> None:
    """Refuse options that contradict each other, or that lack what they need."""
    if corpus is None and asked.scripts is None and keep is None:
        raise ValueError(
            "plan: expected a corpus, languages with their text, scripts or a list of tokens to "
            "keep; a size alone does not say which tokens matter"
        )
    if asked.size is not None and asked.max_extra_tokens is not None:
        raise ValueError(
            "size and max_extra_tokens: expected one of them; the bound finds the smallest size "
            "that keeps it, and the plan's budget shows both"
        )
    if corpus is not None:
        return
    for name, given in (
        ("max_extra_tokens", asked.max_extra_tokens is not None),
        ("min_count", asked.min_count > 1),
        ("weights", weights is not None),
        ("characters", asked.characters == "corpus"),
    ):
        if given:
            raise ValueError(f"{name}: expected a corpus beside it: tokens are counted in text")


def weights(given: Any, languages: Sequence[str]) -> dict[str, float]:
    """Give the weight of each language; 1 unless told."""
    if given is None:
        return dict.fromkeys(languages, 1.0)
    if not isinstance(given, Mapping):
        raise DTypeError(f"weights: expected numbers by language, got {given!r}")
    if unknown := [label for label in given if label not in languages]:
        named = ", ".join(repr(language) for language in languages if language) or "none"
        raise ValueError(f"weights: expected languages of the corpus ({named}), got {unknown[0]!r}")
    found = {
        language: _checks.number(f"weights[{language!r}]", given.get(language, 1), least=0)
        for language in languages
    }
    if not any(found.values()):
        raise ValueError("weights: expected one above 0, got only 0")
    return found


def listed(tokenizer: Tokenizer, keep: Any) -> NDArray[np.int64]:
    """Give the ids of a list of tokens or ids, or of a file with one token a line."""
    if keep is None:
        return np.zeros(0, np.int64)
    origin = "keep"
    if isinstance(keep, str | os.PathLike):
        origin = str(Path(keep))
        keep = [line.rstrip("\r\n") for line in corpora.lines(keep)]
    ids: list[int] = []
    known: dict[str, int] | None = None
    for entry in list(keep):
        if isinstance(entry, str):
            if known is None:
                known = {
                    text: number for number, text in enumerate(tokenizer.tokens) if text is not None
                }
            if entry not in known:
                raise ValueError(f"{origin}: {_unknown_token(known, entry)}")
            ids.append(known[entry])
            continue
        number = _checks.integer(origin, entry)
        if not 0 <= number < tokenizer.size or tokenizer.tokens[number] is None:
            raise ValueError(
                f"{origin}: expected ids of tokens, 0 to {tokenizer.size - 1}, got {number}"
            )
        ids.append(number)
    return np.unique(np.array(ids, dtype=np.int64))


def _unknown_token(known: Mapping[str, int], entry: str) -> str:
    near = [form for form in (f"▁{entry}", f"Ġ{entry}", f"##{entry}") if form in known]
    hint = f"; the vocabulary spells it {near[0]!r}" if near else ""
    return f"expected tokens as the vocabulary spells them, got {entry!r}, which it has not{hint}"
