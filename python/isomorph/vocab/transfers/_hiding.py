"""Shared tokens as if the old vocabulary did not have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.initialization._vocabularies import Form, Vocabulary
from isomorph.vocab.mixing import TokenMixing
from isomorph.vocab.transfers._recipes import Materials, Recipe


def without_rows(base: TokenMixing, hidden: NDArray[np.int64]) -> TokenMixing:
    """Give the mixing without the sources of some rows."""
    kept = np.ones(base.shape[0], dtype=np.bool_)
    kept[hidden] = False
    rows = np.repeat(np.arange(base.shape[0]), base.counts)
    entries = kept[rows]
    return TokenMixing.from_entries(
        rows[entries], base.indices[entries], base.weights[entries], base.shape
    )


def hidden_rows(
    recipe: Recipe, materials: Materials, base: TokenMixing, hidden: NDArray[np.int64]
) -> TokenMixing:
    """Make the hidden rows of what is left, their own sources included in nothing.

    Parameters
    ----------
    base : TokenMixing
        Shared tokens only: every row has one source.
    hidden : ndarray of int64
        Rows. Others with the same source would tell it: they are taken out of `base`, too.
    """
    if recipe.name == "subword_mean":
        cut = _Cutter(materials.source)
        pieces: list[list[int] | None] = [None] * base.shape[0]
        for row in hidden.tolist():
            form = materials.target.forms[row]
            own = set(base.row(row)[0].tolist())
            pieces[row] = None if form is None else cut(form, own)
        materials = replace(materials, tokenizer=None, pieces=pieces)
    siblings = np.flatnonzero(np.isin(base.indices, base.indices[hidden]))
    left = without_rows(base, siblings)
    if recipe.name == "wechsel":
        # One more, for a token is its own nearest neighbour.
        k = recipe.settings.get("k", 10)
        recipe = Recipe("wechsel", {**recipe.settings, "k": k + 1})
        made = recipe.mixing(materials, left).take(hidden)
        return _largest(_without_own(made, base.take(hidden)), k)
    # The others make rows of the sources of `left`, or of pieces that are none of their own.
    return recipe.mixing(materials, left).take(hidden)


def _largest(made: TokenMixing, k: int) -> TokenMixing:
    """Leave out the smallest weight of each row with more than `k`; the sum stays."""
    smallest = np.zeros(len(made.weights), dtype=np.bool_)
    full = np.flatnonzero(made.counts > k)
    for row in full.tolist():
        start = int(made.indptr[row])
        smallest[start + int(np.argmin(made.row(row)[1]))] = True
    return _scaled(made, ~smallest)


def _without_own(made: TokenMixing, own: TokenMixing) -> TokenMixing:
    """Take a token's own source out of its row."""
    rows = np.repeat(np.arange(made.shape[0]), made.counts)
    owned = np.repeat(np.arange(own.shape[0]), own.counts)
    width = np.int64(made.shape[1])
    kept = ~np.isin(rows * width + made.indices, owned * width + own.indices)
    return _scaled(made, kept)


def _scaled(made: TokenMixing, kept: NDArray[np.bool_]) -> TokenMixing:
    """Keep some entries of convex rows; those of a row are scaled to the sum that it had."""
    if kept.all():
        return made
    rows = np.repeat(np.arange(made.shape[0]), made.counts)
    before = made.row_sums()
    weights = made.weights.astype(np.float64)
    after = np.bincount(rows[kept], weights[kept], minlength=made.shape[0])
    # Where nothing but the token itself was found, nothing is left.
    scale = np.divide(before, after, out=np.zeros_like(after), where=np.abs(after) > 1e-12)
    kept = kept & (scale[rows] != 0)
    return TokenMixing.from_entries(
        rows[kept],
        made.indices[kept],
        (weights[kept] * scale[rows[kept]]).astype(made.weights.dtype),
        made.shape,
    )


class _Cutter:
    """Cuts texts into the longest tokens, from the left, but into more than the text itself."""

    def __init__(self, source: Vocabulary) -> None:
        self._ids: dict[Form, int] = {}
        for number, form in enumerate(source.forms):
            if form is not None and form[1]:
                self._ids.setdefault(form, number)
        self._longest = max((len(text) for _, text in self._ids), default=0)

    def __call__(self, form: Form, own: set[int]) -> list[int] | None:
        starts, text = form
        found: list[int] = []
        place = 0
        while place < len(text):
            for end in range(min(len(text), place + self._longest), place, -1):
                number = self._ids.get((starts, text[place:end]))
                if number is not None and number not in own:
                    found.append(number)
                    break
            else:
                return None
            place, starts = end, False
        return found
