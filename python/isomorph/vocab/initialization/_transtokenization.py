"""Trans-tokenization: rows as means over the translations that a word alignment counted."""

from __future__ import annotations

import math
import numbers
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from isomorph import _checks
from isomorph.errors import DTypeError, ShapeError
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.initialization._vocabularies import Vocabulary, vocabulary
from isomorph.vocab.mixing import TokenMixing

__all__ = ["transtokenization"]

#: A word as the ids of its tokens.
Word: TypeAlias = Sequence[int]
_Counts: TypeAlias = dict[int, Any]

#: What the translations of one token add up to for a longer or shorter one, and where the source
#: token begins a word.
_SHARE, _WORD_SHARE = 1000, 2000


def transtokenization(
    counts: Mapping[tuple[Any, Any], float] | TokenMixing,
    source: Any,
    target: Any,
    *,
    min_count: float = 10,
    same_tokens: bool = True,
    smooth: bool = True,
    base: TokenMixing | None = None,
    source_marks: str | None = None,
    target_marks: str | None = None,
) -> TokenMixing:
    r"""Mix the source tokens that a target token was aligned with in parallel text.

    .. math:: E'_t = \sum_s p(s | t) E_s, \quad p(s | t) = \frac{c_{ts}}{\sum_r c_{tr}}

    Parameters
    ----------
    counts : mapping of (source word, target word) to a number, or TokenMixing
        How often words were aligned with each other, as fast_align counts them. A word is a string,
        cut by its tokenizer's ``encode``, or the sequence (tuple) of its token ids. Or counts of
        tokens: a matrix of target by source tokens. Counts may be fractions (and then want a
        smaller `min_count`).
    source, target : Tokenizer, or sequence of (str or None)
        The two vocabularies.
    min_count : float, default 10
        Pairs of words, or tokens, that occur less often are noise, and left out.
    same_tokens : bool, default True
        Count 1 for the source token that is the target token itself, marks apart, and 1 more where
        both are digits; digits without such a token get their longest beginning.
    smooth : bool, default True
        Make tokens without a count from those whose text they begin, and from those that they
        contain (not from those within another of these): the translations of each add up to 1,000,
        2,000 for those that begin a word.
    base : TokenMixing, optional
        Rows that are known, special tokens above all (the published code counts them a thousand
        million times): only those without a source there are made.
    source_marks, target_marks : {"▁", "Ġ", "##", "</w>", ""}, optional
        How the vocabularies mark words, as in :func:`isomorph.vocab.overlap`.

    Returns
    -------
    TokenMixing
        Convex rows. Tokens without any count have none; the published code gives them the row of
        the unknown token, ``fallback=E[unknown]``.

    Raises
    ------
    DTypeError
        Words as strings where the vocabulary is a list; counts that are no mapping, that are no
        numbers, or whose keys are no pairs.
    ShapeError
        Counts of tokens of another shape.
    ValueError
        Ids out of range, counts that are negative or not finite.

    Notes
    -----
    Counts of words become counts of tokens as published: a pair of single tokens counts as it is;
    otherwise half counts for every pair of their tokens and half for tokens in order, both words
    being stretched to the least common multiple of their lengths, divided (rounding down, at least
    1) by how often a source token then stands there; where any count is a fraction, nothing is
    rounded, not even to 1. Smoothing looks only at counts, not at rows
    that were smoothed before, so that the order of the vocabulary does not matter.

    O(V l^2) for V tokens of l characters: substrings are looked up, and words with a beginning are
    neighbours in a sorted list.

    References
    ----------
    F. Remy, P. Delobelle, H. Avetisyan, A. Khabibullina, M. de Lhoneux, T. Demeester,
    *Trans-tokenization and cross-lingual vocabulary transfers*, COLM 2024.

    Examples
    --------
    >>> from isomorph.vocab import transtokenization
    >>> counts = {((0,), (0,)): 30, ((1,), (0,)): 10, ((1,), (1,)): 3}
    >>> print(transtokenization(counts, ["▁dog", "▁cat"], ["▁chien", "▁chiens"]).explain("▁chiens"))
    ▁chiens (1, smoothed)
      0.7500  ▁dog  0
      0.2500  ▁cat  1
    """
    old = vocabulary("source", source, source_marks)
    new = vocabulary("target", target, target_marks)
    shape = (len(new), len(old))
    min_count = _checks.number("min_count", min_count, least=0)
    missing = building.missing_rows(base, *shape)
    if isinstance(counts, TokenMixing):
        found = _of_tokens(counts, shape, min_count)
    elif isinstance(counts, Mapping):
        found = _of_words(counts, source, target, shape, min_count)
    else:
        raise DTypeError(f"counts: expected a mapping, got {type(counts).__name__}")
    if same_tokens:
        _count_same(found, old, new)
    origins = np.zeros(shape[0], dtype=np.int16)
    origins[[row for row, counter in found.items() if counter]] = 1
    if smooth:
        smoothed = _smoothed(found, old, new, missing.tolist())
        origins[list(smoothed)] = 2
        found |= smoothed
    wanted = np.zeros(shape[0], dtype=np.bool_)
    wanted[missing] = True
    entries = [
        (row, one, count)
        for row in sorted(found)
        if wanted[row]
        for one, count in sorted(found[row].items())
    ]
    rows = np.array([row for row, _, _ in entries], dtype=np.int64)
    values = np.array([count for _, _, count in entries], dtype=np.float64)
    totals = np.bincount(rows, values, minlength=shape[0])
    origins[totals == 0] = 0
    made = TokenMixing.from_entries(
        rows,
        np.array([one for _, one, _ in entries], dtype=np.int64),
        (values / totals[rows]).astype(np.float32),
        shape,
        target_tokens=new.tokens,
        source_tokens=old.tokens,
        method="trans-tokenization",
        settings={"min_count": min_count, "same_tokens": same_tokens, "smooth": smooth},
        origins=origins,
        origin_names=("fallback", "aligned", "smoothed"),
    )
    return building.joined(base, made)


def _of_tokens(counts: TokenMixing, shape: tuple[int, int], least: float) -> _Counts:
    if counts.shape != shape:
        raise ShapeError(f"counts: expected shape {shape}, got {counts.shape}")
    found: _Counts = defaultdict(Counter)
    rows = np.repeat(np.arange(shape[0]), counts.counts)
    for row, one, count in zip(
        rows.tolist(), counts.indices.tolist(), counts.weights.tolist(), strict=True
    ):
        if _checked(count) >= max(least, math.ulp(0)):
            found[row][one] += count
    return found


def _of_words(
    counts: Mapping[tuple[Any, Any], float],
    source: Any,
    target: Any,
    shape: tuple[int, int],
    least: float,
) -> _Counts:
    for pair in counts:
        if not isinstance(pair, tuple) or len(pair) != 2 or not all(map(_is_word, pair)):
            raise DTypeError(
                "counts: expected pairs (source word, target word), each a string or a tuple of "
                f"ids, got {pair!r}"
            )
    kept = [(pair, count) for pair, count in counts.items() if _checked(count) >= least]
    # Whole numbers are divided as published; others, probabilities say, as they are.
    whole = all(float(count).is_integer() for _, count in kept)
    left = _pieces("source", source, [pair[0] for pair, _ in kept], shape[1])
    right = _pieces("target", target, [pair[1] for pair, _ in kept], shape[0])
    found: _Counts = defaultdict(Counter)
    for (_, count), old, new in zip(kept, left, right, strict=True):
        if not old or not new or not count:
            continue
        if len(old) == len(new) == 1:
            found[new[0]][old[0]] += count
            continue
        half = _part(count, 2, whole)
        every = _part(half, len(old), whole)
        for other in new:
            for one in old:
                found[other][one] += every
        common = math.gcd(len(old), len(new))
        stretch = len(old) // common
        each = _part(half, stretch, whole)
        for place in range(len(old) * len(new) // common):
            found[new[place // stretch]][old[place // (len(new) // common)]] += each
    return found


def _is_word(word: Any) -> bool:
    return isinstance(word, Sequence | np.ndarray)


def _part(count: float, parts: int, whole: bool) -> float:
    return max(1, int(count) // parts) if whole else count / parts


def _checked(count: Any) -> float:
    if isinstance(count, bool) or not isinstance(count, numbers.Real):
        raise DTypeError(f"counts: expected numbers, got {count!r}")
    value = float(count)
    if not 0 <= value < math.inf:
        raise ValueError(f"counts: expected finite numbers, none below 0, got {count!r}")
    return value


def _pieces(name: str, given: Any, words: list[Any], size: int) -> list[Word]:
    """Give the token ids of each word, each different string being encoded once."""
    texts = list(dict.fromkeys(word for word in words if isinstance(word, str)))
    known: dict[str, Word] = {}
    if texts:
        if (encode := getattr(given, "encode", None)) is None:
            raise DTypeError(
                f"{name}: words as strings need a tokenizer that encodes them, got "
                f"{type(given).__name__}"
            )
        known = {text: ids.tolist() for text, ids in zip(texts, encode(texts), strict=True)}
    found = [known[word] if isinstance(word, str) else word for word in words]
    flat = [one for word in found for one in word]
    checks.require_ids("counts", checks.integers("counts", flat), size, f"{name} tokens")
    return [tuple(int(one) for one in word) for word in found]


def _count_same(found: _Counts, old: Vocabulary, new: Vocabulary) -> None:
    """Count tokens that are the same, and digits."""
    sources: dict[Any, int] = {}
    for one, (form, token) in enumerate(zip(old.forms, old.tokens, strict=True)):
        # Special tokens stand for themselves.
        sources.setdefault(token if form is None else form, one)
    for row, (form, token) in enumerate(zip(new.forms, new.tokens, strict=True)):
        if form is None:
            if token is not None and token in sources:
                found[row][sources[token]] += 1
            continue
        begins, text = form
        digits = text.isascii() and text.isdigit()
        if form in sources:
            found[row][sources[form]] += 2 if digits else 1
        elif digits:
            beginnings = (text[:end] for end in range(len(text), 0, -1))
            # Many vocabularies have digits without the mark of a word only.
            tries = ((start, part) for part in beginnings for start in (begins, not begins))
            if (key := next((one for one in tries if one in sources), None)) is not None:
                found[row][sources[key]] += 1


def _smoothed(found: _Counts, old: Vocabulary, new: Vocabulary, rows: Iterable[int]) -> _Counts:
    """Make rows without a count from those with a text that contains theirs, or that is in it."""
    known: dict[str, int] = {}
    for row in sorted(found):
        if found[row] and (text := _text(new, row)):
            known.setdefault(text, row)
    texts = sorted(known)
    shares = {row: _normalised(found[row], old) for row in known.values()}
    made: _Counts = {}
    for row in rows:
        if found.get(row) or not (text := _text(new, row)):
            continue
        begun = bisect_left(texts, text)
        similar = list[int]()
        while begun < len(texts) and texts[begun].startswith(text):
            similar.append(known[texts[begun]])
            begun += 1
        similar += [known[part] for part in _parts(text, known)]
        total: Counter[int] = Counter()
        for other in similar:
            total.update(shares[other])
        if total:
            made[row] = total
    return made


def _normalised(counter: Counter[int], old: Vocabulary) -> Counter[int]:
    total = sum(counter.values())
    shares: Counter[int] = Counter()
    for one, count in counter.items():
        form = old.forms[one]
        share = _WORD_SHARE if form is not None and form[0] else _SHARE
        shares[one] = max(1, int(share * count // total))
    return shares


def _parts(text: str, known: Mapping[str, int]) -> list[str]:
    """Give the known texts within a text that are in no longer one of them."""
    inside = {
        text[start:end]
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
        if text[start:end] in known
    }
    # The text itself, of another token: found among those that it begins.
    inside.discard(text)
    kept = list[str]()
    for part in sorted(inside, key=lambda one: (-len(one), one)):
        if not any(part in longer for longer in kept):
            kept.append(part)
    return kept


def _text(new: Vocabulary, row: int) -> str:
    """Give the text of a token, with the mark of a word."""
    form = new.forms[row]
    return "" if form is None or not form[1] else "▁" * form[0] + form[1]
