"""Tokens that both vocabularies have: their rows are copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from isomorph import _checks
from isomorph.errors import UnknownWordError
from isomorph.vocab.initialization._vocabularies import Form, Vocabulary, vocabulary
from isomorph.vocab.mixing import TokenMixing

__all__ = ["overlap"]

_Key = Callable[[str, Form | None], Any]


def _symbol(_: str, form: Form | None) -> Any:
    has_letter = form is None or not form[1] or any(map(str.isalpha, form[1]))
    return None if has_letter or form is None else form[1]


def _special(token: str, form: Form | None) -> Any:
    return token if form is None else None


#: The rules, from the strictest; each takes in what those before it take. A key of None: no match.
_RULES: dict[str, _Key] = {
    "exact": lambda token, _: token,
    "marks": lambda _, form: form,
    "symbols": _symbol,
    "case": lambda _, form: None if form is None else (form[0], form[1].casefold()),
    "loose": lambda _, form: None if form is None or not form[1] else form[1].casefold(),
}


def overlap(
    source_tokens: Any,
    target_tokens: Any,
    *,
    rule: str = "marks",
    aliases: Mapping[str, str] | None = None,
    duplicates: str = "first",
    source_marks: str | None = None,
    target_marks: str | None = None,
) -> TokenMixing:
    """Copy the rows of target tokens that the source vocabulary has too.

    Parameters
    ----------
    source_tokens, target_tokens : sequence of (str or None), or Tokenizer
        Tokens by id, n and m of them.
    rule : {"exact", "marks", "symbols", "case", "loose"}, default "marks"
        When two tokens are one; each rule takes in those before it, and a token is matched by the
        strictest that matches it:

        ``"exact"``
            the strings are equal; where the vocabularies mark words differently, the wider rules
            take this for special tokens only, since ``s`` begins a word in one and not in the
            other;
        ``"marks"``
            the text is equal and both begin a word or both do not, however the vocabulary marks
            that: ``▁`` (SentencePiece), ``Ġ`` (byte-level BPE, its alphabet decoded), no ``##``
            (WordPiece), ``</w>`` (there a token that ends a word is taken to begin it too).
            ``<0xE4>`` is the byte-level token of that byte;
        ``"symbols"``
            tokens without a letter (digits, punctuation), wherever they stand in a word;
        ``"case"``
            case-folded;
        ``"loose"``
            case-folded, wherever they stand in a word.
    aliases : mapping of str to str, optional
        Target token to source token, before any rule: ``{"<s>": "[CLS]", "</s>": "[SEP]"}``.
    duplicates : {"first", "mean"}, default "first"
        Of several source tokens that match by one rule take the first, which is the most frequent
        in most vocabularies, or the mean of all.
    source_marks, target_marks : {"▁", "Ġ", "##", "</w>", ""}, optional
        How each vocabulary marks words; by default the mark that most tokens have, none ("": every
        token is a word) if fewer than one in a hundred have any.

    Returns
    -------
    TokenMixing
        A copy (one weight 1) for each match, no entry for the other tokens; origins are
        ``"copied (exact)"`` and so on, and ``"copied (alias)"``.

    Raises
    ------
    UnknownWordError
        An alias that is not in its vocabulary.
    ValueError
        An unknown rule.

    Notes
    -----
    O(n + m) by hash tables. Special tokens of a tokenizer, and whatever stands in brackets from end
    to end (``<s>``, ``[CLS]``), match by ``"exact"`` and `aliases` only.

    References
    ----------
    K. Dobler, G. de Melo, *FOCUS: effective embedding initialization for monolingual specialization
    of multilingual models*, EMNLP 2023, which copies tokens up to case and marks.

    Examples
    --------
    >>> from isomorph.vocab import overlap
    >>> mixing = overlap(["[CLS]", "the", "##s"], ["<s>", "▁the", "s", "▁The"],
    ...                  aliases={"<s>": "[CLS]"}, source_marks="##", target_marks="▁")
    >>> mixing.indices.tolist(), mixing.summary()
    ([0, 1, 2], {'fallback': 1, 'copied (marks)': 2, 'copied (alias)': 1})
    """
    _checks.one_of("rule", rule, tuple(_RULES))
    _checks.one_of("duplicates", duplicates, ("first", "mean"))
    source = vocabulary("source_tokens", source_tokens, source_marks)
    target = vocabulary("target_tokens", target_tokens, target_marks)
    rules = list(_RULES)[: list(_RULES).index(rule) + 1]
    names = ("fallback", *(f"copied ({name})" for name in (*rules, "alias")))
    found: dict[int, tuple[list[int], int]] = {
        row: (sources, len(names) - 1) for row, sources in _aliased(source, target, aliases or {})
    }
    missing = [
        row for row, token in enumerate(target.tokens) if token is not None and row not in found
    ]
    # Equal strings of vocabularies that mark words differently mean different things.
    strings = rule == "exact" or source.marks == target.marks
    for number, name in enumerate(rules, start=1):
        how = _RULES[name] if name != "exact" or strings else _special
        table = _table(source, how)
        for row, key in _keys(target, missing, how):
            if key in table:
                found[row] = (table[key], number)
        missing = [row for row in missing if row not in found]
    rows = sorted(found)
    sources = [found[row][0][:1] if duplicates == "first" else found[row][0] for row in rows]
    counts = np.zeros(len(target), dtype=np.int64)
    counts[rows] = [len(ids) for ids in sources]
    origins = np.zeros(len(target), dtype=np.int16)
    origins[rows] = [found[row][1] for row in rows]
    return TokenMixing(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        np.array([one for ids in sources for one in ids], dtype=np.int64),
        np.array([1 / len(ids) for ids in sources for _ in ids], dtype=np.float32),
        (len(target), len(source)),
        target_tokens=target.tokens,
        source_tokens=source.tokens,
        method="overlap",
        settings={
            "rule": rule,
            "duplicates": duplicates,
            "source_marks": source.marks,
            "target_marks": target.marks,
        },
        origins=origins,
        origin_names=names,
    )


def _keys(side: Vocabulary, rows: Iterable[int], key: _Key) -> Iterable[tuple[int, Any]]:
    for row in rows:
        token = side.tokens[row]
        if token is not None and (value := key(token, side.forms[row])) is not None:
            yield row, value


def _table(source: Vocabulary, key: _Key) -> dict[Any, list[int]]:
    table: dict[Any, list[int]] = {}
    for row, value in _keys(source, range(len(source)), key):
        table.setdefault(value, []).append(row)
    return table


def _aliased(
    source: Vocabulary, target: Vocabulary, aliases: Mapping[str, str]
) -> Iterable[tuple[int, list[int]]]:
    for left, right in aliases.items():
        for name, side, token in (("target", target, left), ("source", source, right)):
            if token not in side.tokens:
                raise UnknownWordError(f"aliases: no {name} token {token!r}")
        yield target.tokens.index(left), [source.tokens.index(right)]
