"""Where self-learning starts from: a dictionary, words spelt alike, or nothing but the vectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, transforms
from isomorph._backends import Run
from isomorph._results import Pairs
from isomorph.align._double import Double
from isomorph.errors import DictionaryError, DTypeError, ShapeError
from isomorph.induction import induce_dictionary
from isomorph.metrics._host import to_numpy

if TYPE_CHECKING:
    from isomorph.io import Embeddings

Rows = NDArray[np.int64]
BY_WORDS = ("identical", "numerals")
#: What names the start without a dictionary.
UNSUPERVISED = "unsupervised"
#: What it may start from.
INITS = ("gromov", "wasserstein", "spectra")
_NUMERAL = re.compile("[0-9]+")


def _length(values: Any) -> str:
    return f" of {len(values)}" if hasattr(values, "__len__") else ""


def given_pairs(pairs: Any, n_source: int, n_target: int) -> tuple[Rows, Rows]:
    """Check a dictionary of rows."""
    try:
        source, target = (pairs.source, pairs.target) if isinstance(pairs, Pairs) else pairs
    except (TypeError, ValueError):
        raise DTypeError(
            f"seed_pairs: expected Pairs, two arrays of rows, 'identical', 'numerals', "
            f"'{UNSUPERVISED}' or None, got {type(pairs).__name__}{_length(pairs)}"
        ) from None
    if getattr(pairs, "ndim", 1) == 2 or (isinstance(pairs, list) and isinstance(source, tuple)):
        # Two pairs would pass for two sides.
        raise DTypeError(
            "seed_pairs: expected two arrays of rows, sources and targets, got one of pairs; give "
            "(pairs[:, 0], pairs[:, 1])"
        )
    rows = []
    for name, values, n in (("source", source, n_source), ("target", target, n_target)):
        array = to_numpy(values)
        if array.ndim != 1:
            raise ShapeError(f"seed_pairs.{name}: expected one dimension, got {array.shape}")
        if array.size and array.dtype.kind not in "iu":
            raise DTypeError(f"seed_pairs.{name}: expected integer rows, got {array.dtype}")
        if array.size and (int(array.min()) < 0 or int(array.max()) >= n):
            raise ValueError(
                f"seed_pairs.{name}: expected rows from 0 to {n - 1}, got {array.min()} to "
                f"{array.max()}"
            )
        rows.append(array.astype(np.int64))
    if len(rows[0]) != len(rows[1]):
        raise ShapeError(f"seed_pairs: {len(rows[0])} sources but {len(rows[1])} targets")
    if not len(rows[0]):
        raise DictionaryError(
            "seed_pairs: expected at least one pair, got none; none of the dictionary's words may "
            "be in the vocabularies (look at case, and at the order of the two languages)"
        )
    return rows[0], rows[1]


def words_alike(source: Embeddings, target: Embeddings, which: str) -> tuple[Rows, Rows]:
    """Pair the words that both vocabularies have, or of these the numerals, by source row."""
    words = [
        word
        for word in source.index
        if word in target.index and (which == "identical" or _NUMERAL.fullmatch(word))
    ]
    if not words:
        kind = "word" if which == "identical" else "numeral"
        raise DictionaryError(
            f"seed_pairs: expected a {kind} that both vocabularies have, found none; give a "
            f"dictionary, or '{UNSUPERVISED}'"
        )
    rows = sorted((source.index[word], target.index[word]) for word in words)
    pairs = np.array(rows, dtype=np.int64)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def from_spectra(
    x: Any,
    z: Any,
    *,
    vocabulary: int,
    chain: transforms.Chain,
    direction: str,
    method: str,
    neighborhood: int,
    threads: int,
) -> Pairs:
    """Pair rows whose similarities to their own side, sorted, are alike.

    With the first m rows, :math:`(XX^T)^{1/2}` has one row a word; sorted, it does not depend on
    the language's order of words. The sorted rows go through the chain and are searched as any
    vectors. O(m^2 d + m^3); memory: three m x m matrices.
    """
    count = min(x.shape[0], z.shape[0], vocabulary)
    sides = []
    for rows in (x, z):
        spectra = sorted_similarities(rows[:count, ...], threads)
        sides.append(chain.fit_apply(spectra, check_finite=False, threads=threads)[1])
    return induce_dictionary(
        *sides,
        direction=direction,
        method=method,
        neighborhood=min(neighborhood, count),
        check_finite=False,
        threads=threads,
    )


def sorted_similarities(rows: Any, threads: int) -> Any:
    """Give :math:`(XX^T)^{1/2} = X (X^TX)^{-1/2} X^T` with each row sorted, ascending."""
    run = Run(threads)
    arguments = _arrays.Arguments(rows=rows)
    ready = arguments.ready(check_finite=False)
    double = Double(arguments, ready, run)
    xp, x = double.xp, ready.arrays[0]
    scale = double.scale(x)
    if scale == 0:
        raise DictionaryError("seed_pairs: vectors of zeros are all alike; give a dictionary")
    values, vectors = double.eigh(double.moments(x, scale, x, scale))
    eps = max(float(xp.finfo(x.dtype).eps) ** 2, 8 * float(xp.finfo(values.dtype).eps))
    there = values > float(values[-1]) * eps * x.shape[1]
    root = xp.where(there, xp.where(there, values, xp.ones_like(values)) ** -0.25, 0 * values)
    # X Q L^(-1/4), twice: symmetric to the bit.
    half = double.contiguous(xp.astype(x, xp.float64) * scale)
    half = ready.convert(double.product(half, double.contiguous(vectors * root)))
    ones = xp.ones((1,), dtype=xp.float64, **double.device)
    flipped = double.contiguous(xp.matrix_transpose(half))
    similarities = ready.backend.apply_affine(
        half[None, ...], flipped[None, ...], None, None, ones, None, run
    )
    return xp.sort(similarities[0, ...], axis=1)
