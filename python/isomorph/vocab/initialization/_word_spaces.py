"""Vectors of tokens as mixings of vectors of words: by use, and by character n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph.errors import ShapeError
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization._vocabularies import vocabulary
from isomorph.vocab.mixing import TokenMixing

__all__ = ["from_ngrams", "from_words"]


def from_words(
    encodings: Iterable[Sequence[int] | NDArray[Any]],
    tokens: Any,
    *,
    frequencies: Any = None,
    words: Any = None,
) -> TokenMixing:
    r"""Mix the words that contain a token: its vector in the space of word vectors.

    .. math:: u_t = \frac{\sum_{w \ni t} f_w\, v_w}{\sum_{w \ni t} f_w}

    over the words w whose encoding contains the token t: WECHSEL's second way, and, with equal
    frequencies, OFA's.

    Parameters
    ----------
    encodings : iterable of sequences of int
        The token ids of each word, as ``tokenizer.encode(words)`` gives them; WECHSEL takes those
        of the word and of the word after a space together.
    tokens : sequence of (str or None), or Tokenizer
        The tokens by id.
    frequencies : array of shape (w,), optional
        :math:`f_w \ge 0`, how often each word occurs; by default all are equal.
    words : sequence of str, optional
        The words, for :meth:`TokenMixing.explain`.

    Returns
    -------
    TokenMixing
        Tokens by words, float32, convex rows; ``.apply(vectors, fallback=zeros)`` gives the vectors
        of the tokens, zero for those that no word contains.

    Raises
    ------
    ShapeError
        Not as many frequencies as encodings.
    ValueError
        Ids out of range, negative frequencies.

    References
    ----------
    B. Minixhofer, F. Paischer, N. Rekabsaz, *WECHSEL*, NAACL 2022; Y. Liu, P. Lin, M. Wang,
    H. Schütze, *OFA: a framework of initializing unseen subword embeddings for efficient
    large-scale multilingual continued pretraining*, NAACL Findings 2024.

    Examples
    --------
    >>> from isomorph.vocab import from_words
    >>> mixing = from_words([[0, 1], [0]], ["play", "##s"], frequencies=[1, 3])
    >>> mixing.row(0)[1].tolist(), mixing.row(1)[1].tolist()
    ([0.25, 0.75], [1.0])
    """
    known = vocabulary("tokens", tokens)
    # A word counts once for a token, however often that comes in it.
    each = [np.unique(checks.integers("encodings", ids)) for ids in encodings]
    count = len(each)
    weights = np.ones(count) if frequencies is None else np.asarray(frequencies, np.float64)
    if weights.shape != (count,):
        raise ShapeError(f"frequencies: expected {count}, one a word, got shape {weights.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("frequencies: expected finite numbers, none below 0")
    lengths = np.array([len(ids) for ids in each], dtype=np.int64)
    rows: NDArray[Any] = np.concatenate([np.zeros(0, np.int64), *each])
    columns: NDArray[Any] = np.repeat(np.arange(count, dtype=np.int64), lengths)
    checks.require_ids("encodings", rows, len(known), "tokens")
    values: NDArray[Any] = weights[columns]
    some = values > 0
    rows, columns, values = rows[some], columns[some], values[some]
    totals = np.bincount(rows, values, minlength=len(known))
    return TokenMixing.from_entries(
        rows,
        columns,
        (values / totals[rows]).astype(np.float32),
        (len(known), count),
        target_tokens=known.tokens,
        source_tokens=None if words is None else list(words),
        method="words that contain the token",
        settings={"frequencies": frequencies is not None},
    )


def from_ngrams(
    tokens: Any,
    words: Sequence[str] = (),
    *,
    buckets: int = 2_000_000,
    min_n: int = 3,
    max_n: int = 6,
    marks: str | None = None,
) -> TokenMixing:
    """Mix the rows of a fastText model's input matrix that make the vector of a token's text.

    fastText's vector of a text is the mean of its own row, if it is a word of the vocabulary, and
    of the rows of its character n-grams, ``<`` and ``>`` being put around it: WECHSEL's first way.

    Parameters
    ----------
    tokens : sequence of (str or None), or Tokenizer
        The tokens by id; their marks are removed, as WECHSEL does.
    words : sequence of str, default ()
        The model's vocabulary: the first rows of its input matrix.
    buckets : int, default 2,000,000
        How many rows of n-grams follow them.
    min_n, max_n : int, default 3 and 6
        Characters of an n-gram; fastText's own pre-trained vectors have 5 and 5.
    marks : {"▁", "Ġ", "##", "</w>", ""}, optional
        How the vocabulary marks words, as in :func:`isomorph.vocab.overlap`.

    Returns
    -------
    TokenMixing
        Tokens by ``len(words) + buckets``, float32, convex rows; ``.apply(input_matrix,
        fallback=zeros)`` gives the vectors of the tokens.

    Raises
    ------
    ValueError
        Numbers out of range.

    Notes
    -----
    The hash is fastText's: 32-bit FNV-1a over UTF-8 bytes, each taken as a signed one; n-grams of
    one character that are ``<`` or ``>`` alone are left out.

    References
    ----------
    P. Bojanowski, E. Grave, A. Joulin, T. Mikolov, *Enriching word vectors with subword
    information*, TACL 2017.

    Examples
    --------
    >>> from isomorph.vocab import from_ngrams
    >>> from_ngrams(["cat"], ["cat"], buckets=100, min_n=3, max_n=3).counts.tolist()
    [4]
    """
    buckets = _checks.integer("buckets", buckets, 1, 2**31)
    min_n = _checks.integer("min_n", min_n, 1)
    max_n = _checks.integer("max_n", max_n, min_n)
    known = vocabulary("tokens", tokens, marks)
    index: dict[str, int] = {}
    for row, word in enumerate(words):
        index.setdefault(word, row)
    rows, columns, shares = list[int](), list[int](), list[float]()
    for row, form in enumerate(known.forms):
        text = "" if form is None else form[1].strip()
        if not text:
            continue
        found = [index[text]] if text in index else []
        found += [
            len(words) + _fnv(gram.encode("utf-8", "surrogateescape")) % buckets
            for gram in _grams(f"<{text}>", min_n, max_n)
        ]
        rows += [row] * len(found)
        columns += found
        shares += [1 / len(found)] * len(found)
    return TokenMixing.from_entries(
        np.array(rows, np.int64),
        np.array(columns, np.int64),
        np.array(shares, np.float32),
        (len(known), len(words) + buckets),
        target_tokens=known.tokens,
        method="character n-grams",
        settings={"buckets": buckets, "min_n": min_n, "max_n": max_n},
    )


def _grams(text: str, least: int, most: int) -> Iterable[str]:
    for start in range(len(text)):
        for n in range(least, most + 1):
            end = start + n
            if end > len(text):
                break
            if n > 1 or 0 < start < len(text) - 1:
                yield text[start:end]


def _fnv(data: bytes) -> int:
    value = 2166136261
    for byte in data:
        value ^= byte if byte < 128 else byte | 0xFFFFFF00
        value = value * 16777619 & 0xFFFFFFFF
    return value
