"""Words in, translations out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isomorph import neighbors
from isomorph._progress import Progress

if TYPE_CHECKING:
    from isomorph.align import Alignment, LinearMap
    from isomorph.io import Embeddings

__all__ = ["translate"]


def translate(
    map: Alignment | LinearMap,  # noqa: A002 - the field's word for it
    source: Embeddings,
    target: Embeddings,
    words: Sequence[str],
    *,
    k: int = 10,
    method: str = "csls",
    neighborhood: int = 10,
    threads: int | None = None,
    progress: Progress = None,
) -> dict[str, list[tuple[str, float]]]:
    """Translate words: the `k` nearest target words of each, with scores.

    Parameters
    ----------
    map : Alignment or LinearMap
        An alignment brings the transforms of both sides along; a bare map is applied as it is.
    source, target : Embeddings
        The two vocabularies; CSLS takes its radii over the whole of both.
    words : sequence of str
        Words of `source`.
    k : int, default 10
        Translations a word, from 1 to the size of `target`.
    method : {"csls", "nn"}, default "csls"
        By CSLS or by cosine; :func:`isomorph.metrics.csls_verdict` says which is better on your
        data.
    neighborhood : int, default 10
        K of the CSLS radii.
    threads, progress
        As everywhere; the answer does not depend on them.

    Returns
    -------
    dict of str to list of (str, float)
        For each word its translations, best first, equal scores in the order of `target`.

    Raises
    ------
    KeyError
        A word that `source` does not have.
    ShapeError
        Vectors that do not have the map's number of columns.
    ValueError
        `k`, `method` or `neighborhood` out of range.

    Notes
    -----
    With ``"nn"`` O(len(words) m d); ``"csls"`` adds one pass over all cosines, O(n m d). Peak
    memory: a transformed copy of each side.
    """
    if method not in ("csls", "nn"):
        raise ValueError(f"method: expected 'csls' or 'nn', got {method!r}")
    asked = list(dict.fromkeys(words))
    if missing := [word for word in asked if word not in source.index]:
        raise KeyError(f"words: {missing[0]!r} is not a word of source")
    if not asked:
        return {}
    alignment = _as_alignment(map)
    rows = np.array([source.index[word] for word in asked], dtype=np.int64)
    candidates = alignment.apply_target(target.vectors, threads=threads)
    if method == "nn":
        queries = alignment.apply_source(source.vectors[rows], threads=threads)
        found = neighbors.topk(queries, candidates, k, threads=threads, progress=progress)
    else:
        mapped = alignment.apply_source(source.vectors, threads=threads)
        radii = neighbors.csls_radii(
            mapped, candidates, neighborhood=neighborhood, threads=threads, progress=progress
        )
        found = neighbors.csls(
            mapped[rows],
            candidates,
            k,
            source_radii=radii[0][rows],
            target_radii=radii[1],
            threads=threads,
        )
    return {
        word: [(target.words[row], score) for row, score in zip(rows_of, scores_of, strict=True)]
        for word, rows_of, scores_of in zip(
            asked, found.indices.tolist(), found.scores.tolist(), strict=True
        )
    }


def _as_alignment(given: Alignment | LinearMap) -> Alignment:
    from isomorph.align import Alignment

    return given if isinstance(given, Alignment) else Alignment(None, given, None)
