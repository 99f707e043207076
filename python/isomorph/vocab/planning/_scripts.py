"""Scripts of words and tokens: which a corpus is written in, which characters are kept for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from isomorph import _core
from isomorph.errors import DTypeError

#: Scripts that are written together count as one where they occur together.
_TOGETHER = {"Jpan": {"Hiragana", "Katakana"}, "Kore": {"Hangul"}}
#: Of the words of a language, the part that must be in a script for it to be one of the language.
SHARE = 0.01
#: Scripts rarer than this among distinct words are not looked at.
_RARE = 0.001

OTHER, NONE = "other or mixed", "no script"


def parse(scripts: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Check names of scripts; None where none were given."""
    if scripts is None:
        return None
    names = (scripts,) if isinstance(scripts, str) else tuple(scripts)
    for name in names:
        if not isinstance(name, str):
            raise DTypeError(f"scripts: expected names as str, got {name!r}")
    try:
        _core.script_mask([], list(names), False, 1)
    except ValueError as error:
        raise ValueError(
            f"{error}; a script is no language: languages={{'fr': ['fr.txt']}} names one with its "
            "text"
        ) from None
    return names


def groups(words: Sequence[str], threads: int) -> dict[str, NDArray[np.bool_]]:
    """Give the words of each script; those of several, or of rare ones, and of none, are last."""
    listed = list(words)
    found: dict[str, int] = {}
    for joined, count in _core.script_counts(listed):
        for name in joined.split("+") if joined else ():
            found[name] = found.get(name, 0) + count
    names = [name for name, count in found.items() if count >= _RARE * len(listed)]
    for code, members in _TOGETHER.items():
        if members & set(names):
            # Han alone may be the Han of Japanese: then all of it is.
            names = [n for n in names if n not in members and n != "Han"] + [code]
    parts: dict[str, NDArray[np.bool_]] = {}
    left = np.ones(len(listed), np.bool_)
    for name in names:
        mask = np.asarray(_core.script_mask(listed, [name], False, threads), np.bool_) & left
        if mask.any():
            parts[name] = mask
            left &= ~mask
    # Without a character of a script, a word passes every filter or none.
    scriptless = left & np.asarray(_core.script_mask(listed, ["Latin"], True, threads), np.bool_)
    for name, mask in ((OTHER, left & ~scriptless), (NONE, scriptless)):
        if mask.any():
            parts[name] = mask
    return parts


def written_in(
    parts: Mapping[str, NDArray[np.bool_]], counts: NDArray[np.int64]
) -> tuple[str, ...]:
    """Name the scripts in which at least one in a hundred words of a language are written."""
    totals = {
        name: int(counts[mask].sum()) for name, mask in parts.items() if name not in (OTHER, NONE)
    }
    whole = sum(totals.values())
    return tuple(name for name, count in totals.items() if count >= SHARE * whole and count)


def in_scripts(
    texts: Sequence[str], scripts: Sequence[str], threads: int, *, without: bool
) -> NDArray[np.bool_]:
    """Tell which texts are written in these scripts alone; `without`: those of no script."""
    if not scripts:
        mask = np.asarray(_core.script_mask(list(texts), ["Latin"], True, threads), np.bool_)
        latin = np.asarray(_core.script_mask(list(texts), ["Latin"], False, threads), np.bool_)
        return mask & ~latin if without else np.zeros(len(texts), np.bool_)
    return np.asarray(_core.script_mask(list(texts), list(scripts), without, threads), np.bool_)


def characters(
    texts: Sequence[str | None], scripts: Sequence[str], seen: set[str], threads: int
) -> NDArray[np.int64]:
    """Give the ids of single characters to keep.

    Those of the scripts, their digits and marks among them, those of ASCII, and any other that
    occurs in the text.
    """
    ids = [token for token, text in enumerate(texts) if text is not None and len(text) == 1]
    letters = [texts[token] or "" for token in ids]
    mask = in_scripts(letters, scripts, threads, without=False)
    kept = [
        token
        for token, letter, written in zip(ids, letters, mask.tolist(), strict=True)
        if written or letter.isascii() or letter in seen or _is_mark(letter)
    ]
    return np.array(kept, dtype=np.int64)


def _is_mark(letter: str) -> bool:
    # Marks of a script are the script's own; these stand on letters of any.
    return unicodedata.category(letter) == "Mn" and unicodedata.name(letter, "").startswith(
        "COMBINING"
    )
