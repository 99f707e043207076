"""A new token as the mean of the pieces that the old tokenizer makes of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isomorph import _checks
from isomorph.errors import DTypeError, ShapeError
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization._vocabularies import Vocabulary, vocabulary
from isomorph.vocab.mixing import TokenMixing

__all__ = ["subword_mean"]


def subword_mean(
    source: Any,
    target_tokens: Any,
    *,
    pieces: Sequence[Sequence[int] | None] | None = None,
    base: TokenMixing | None = None,
    target_marks: str | None = None,
) -> TokenMixing:
    r"""Mix the pieces into which the old tokenizer cuts the text of a new token.

    .. math:: E'_t = \frac1n \sum_{i=1}^n E_{s_i(t)}

    with :math:`s_1(t), ..., s_n(t)` the old tokens of the text of t; one that comes twice counts
    twice.

    Parameters
    ----------
    source : Tokenizer, or sequence of (str or None)
        The old tokenizer; with `pieces` its tokens do.
    target_tokens : sequence of (str or None), or Tokenizer
        The new tokens by id, m of them.
    pieces : sequence of m sequences of int, optional
        The old ids of each new token's text, where another tokenizer than ours makes them; None or
        an empty one: no source.
    base : TokenMixing, optional
        Rows that are known, copies above all: only those without a source there are made.
    target_marks : {"▁", "Ġ", "##", "</w>", ""}, optional
        How the new vocabulary marks words, as in :func:`isomorph.vocab.overlap`.

    Returns
    -------
    TokenMixing
        Convex rows. Tokens without a text (special ones, bytes that are no text) and those that
        the old tokenizer makes special tokens of, such as the unknown one, have none.

    Raises
    ------
    DTypeError
        A `source` that cannot encode, and no `pieces`.
    ShapeError
        Not one sequence of pieces a token.
    ValueError
        Pieces out of range.

    Notes
    -----
    A token that begins a word is encoded with a space before it and without, one within a word
    without; of the two that encoding is taken whose pieces give the text back with its beginning,
    else the shorter one.

    References
    ----------
    The ``subword`` method of mergekit-tokensurgeon; the default of the vocabulary expansion
    literature (Yao et al., *Adapt-and-distill*, ACL Findings 2021).

    Examples
    --------
    >>> from isomorph.vocab import subword_mean
    >>> mixing = subword_mean(["▁play", "ing"], ["▁playing"], pieces=[[0, 1]])
    >>> mixing.weights.tolist()
    [0.5, 0.5]
    """
    old = vocabulary("source", source)
    new = vocabulary("target_tokens", target_tokens, target_marks)
    shape = (len(new), len(old))
    rows = building.missing_rows(base, *shape)
    if pieces is None:
        found = _encoded(source, old, new, rows.tolist())
    elif len(pieces) != shape[0]:
        raise ShapeError(f"pieces: expected {shape[0]}, one sequence a token, got {len(pieces)}")
    else:
        found = [list(pieces[row] or ()) for row in rows.tolist()]
    counts = np.array([len(ids) for ids in found], dtype=np.int64)
    flat = checks.integers("pieces", [one for ids in found for one in ids])
    made = TokenMixing.from_entries(
        np.repeat(rows, counts),
        flat,
        np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32),
        shape,
        target_tokens=new.tokens,
        source_tokens=old.tokens,
        method="subword mean",
    )
    return building.joined(base, made)


def _encoded(source: Any, old: Vocabulary, new: Vocabulary, rows: list[int]) -> list[list[int]]:
    """Cut the text of each row's token with the old tokenizer."""
    encode = getattr(source, "encode", None)
    if encode is None:
        raise DTypeError(
            f"source: expected a tokenizer that encodes, or pieces=, got {type(source).__name__}"
        )
    forms = [new.forms[row] for row in rows]
    # A lone byte is no text; a token of spaces alone is none that tokenizers agree on.
    texts = [form[1] if form is not None and _is_text(form[1]) else "" for form in forms]
    plain = [ids.tolist() for ids in encode(texts)]
    begun = [form is not None and form[0] for form in forms]
    after = [
        f" {text}" if begins and text else "" for text, begins in zip(texts, begun, strict=True)
    ]
    spaced = [ids.tolist() for ids in encode(after)]
    found = list[list[int]]()
    for form, text, *cuts in zip(forms, texts, plain, spaced, strict=True):
        if form is None or not text:
            found.append([])
            continue
        wanted = f" {text}" if form[0] else text
        tries = [ids for ids in cuts if ids and not old.special.intersection(ids)]
        # The first that gives the text back, else the shortest.
        key = lambda ids, wanted=wanted: (_text(old, ids) != wanted, len(ids))  # noqa: E731
        found.append(min(tries, key=key, default=[]))
    return found


def _is_text(text: str) -> bool:
    return bool(text.strip()) and not any("\ud800" <= character <= "\udfff" for character in text)


def _text(old: Vocabulary, ids: list[int]) -> str:
    """Put pieces together, a space before each that begins a word."""
    parts = [old.forms[_checks.integer("pieces", one, 0, len(old) - 1)] for one in ids]
    return "".join("" if part is None else " " * part[0] + part[1] for part in parts)
