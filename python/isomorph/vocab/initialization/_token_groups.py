"""Labels of tokens by which rows are drawn: the script, and whether a word begins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isomorph import _checks, _core, runtime
from isomorph.vocab.initialization._vocabularies import vocabulary

__all__ = ["token_groups"]

_KINDS = ("script", "word_start")


def token_groups(
    tokens: Any,
    *,
    by: str | Iterable[str] = _KINDS,
    marks: str | None = None,
    threads: int | None = None,
) -> list[tuple[str, ...]]:
    """Label tokens by script and by whether they begin a word.

    Parameters
    ----------
    tokens : sequence of (str or None), or Tokenizer
        By id.
    by : str or iterable of str, default ("script", "word_start")
        What the labels say: ``"script"`` is the Unicode script of the token's characters (``""``
        for digits, punctuation and single bytes, ``"mixed"`` for several), ``"word_start"`` is
        ``"start"`` or ``"inside"``.
    marks : {"▁", "Ġ", "##", "</w>", ""}, optional
        How the vocabulary marks words, as in :func:`isomorph.vocab.overlap`.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    list of tuple of str
        One a token; ``("special",)`` for special tokens of a tokenizer and ids without a token.

    Examples
    --------
    >>> from isomorph.vocab import token_groups
    >>> token_groups(["▁кот", "s", "▁2"])
    [('Cyrillic', 'start'), ('Latin', 'inside'), ('', 'start')]
    """
    kinds = [by] if isinstance(by, str) else list(by)
    for kind in kinds:
        _checks.one_of("by", kind, _KINDS)
    forms = vocabulary("tokens", tokens, marks).forms
    texts = ["" if form is None else form[1] for form in forms]
    scripts = _scripts(texts, runtime.resolve_threads(threads)) if "script" in kinds else texts
    labels = list[tuple[str, ...]]()
    for form, script in zip(forms, scripts, strict=True):
        if form is None:
            labels.append(("special",))
            continue
        said = {"script": script, "word_start": "start" if form[0] else "inside"}
        labels.append(tuple(said[kind] for kind in kinds))
    return labels


def _scripts(texts: list[str], threads: int) -> list[str]:
    found = np.full(len(texts), "mixed", dtype=object)
    names = [name for name, _ in _core.script_counts(texts) if name and "+" not in name]
    # Without a character of any script: what every single one leaves alone.
    some = np.zeros(len(texts), dtype=np.bool_)
    for name in names:
        mask = _core.script_mask(texts, [name], False, threads)
        found[mask] = name
        some |= mask
    without = _core.script_mask(texts, names or ["Latin"], True, threads) & ~some
    alone = ~_core.script_mask(texts, names or ["Latin"], False, threads)
    found[without & alone] = ""
    return [str(name) for name in found]
