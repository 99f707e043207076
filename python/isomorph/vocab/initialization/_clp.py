"""CLP-Transfer: rows as means of all shared tokens, by similarity in a small target model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isomorph import _checks, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph.errors import ShapeError
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.mixing import TokenMixing

__all__ = ["clp"]

#: Rows of similarities at a time.
_BLOCK = 1024


@served
def clp(
    helper_vectors: Any,
    base: TokenMixing,
    *,
    k: int | None = None,
    negative: str = "keep",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> TokenMixing:
    r"""Mix shared tokens by their cosine in the embeddings of a helper model.

    With O the target tokens that have a source (`base`) and h the helper's rows, for the others

    .. math:: E'_t = \frac{\sum_{o \in O} \cos(h_t, h_o)\, E'_o}{\sum_{o \in O} \cos(h_t, h_o)} .

    Parameters
    ----------
    helper_vectors : array of shape (m, d)
        The input embeddings of a small model that has the target tokenizer: a row a target token.
    base : TokenMixing
        The shared tokens, as :func:`isomorph.vocab.overlap` gives them.
    k : int, optional
        Take the `k` shared tokens of the largest cosine only; by default all, as published: 8 bytes
        for each pair of a missing and a shared token.
    negative : {"keep", "zero"}, default "keep"
        What becomes of negative cosines; as published they count, and rows need not be convex.
        "zero" makes them so.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    TokenMixing
        The rows of `base`, and the others by the formula: rows sum to one. A helper's row that is
        zero, or whose cosines add up to nothing (at most :math:`\sqrt\varepsilon` times the sum of
        their absolute values, :math:`\varepsilon` being that of the type of `helper_vectors`), has
        no source.

    Raises
    ------
    ShapeError
        Not as many helper's rows as target tokens; no shared token.
    DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.topk`.

    Notes
    -----
    O(m |O| d), in float64, in blocks of 1,024 rows; with `k` by :func:`isomorph.topk`.

    References
    ----------
    M. Ostendorff, G. Rehm, *Efficient language model training through cross-lingual and progressive
    transfer learning*, 2023 (CLP-Transfer).

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import clp, overlap
    >>> shared = overlap(["a", "b"], ["a", "b", "c"])
    >>> clp(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]), shared).row(2)[1].round(6).tolist()
    [0.428571, 0.571429]
    """
    _checks.one_of("negative", negative, ("keep", "zero"))
    arguments = building.embedding_arguments(helper_vectors=helper_vectors)
    if arguments.shapes["helper_vectors"][0] != base.shape[0]:
        raise ShapeError(
            f"helper_vectors: expected {base.shape[0]} rows, one a target token, got shape "
            f"{arguments.shapes['helper_vectors']}"
        )
    shared, missing = np.flatnonzero(base.counts > 0), base.fallback_rows
    if not len(shared):
        raise ShapeError("base: expected at least one token with a source, got none")
    if k is not None:
        k = _checks.integer("k", k, 1, len(shared), of="shared tokens")
    workers = runtime.resolve_threads(threads)
    ready = arguments.ready(check_finite=check_finite)
    xp = arguments.array_namespace()
    (vectors,) = ready.arrays
    zero = building.zero_rows(xp, vectors)
    shape = (base.shape[0], base.shape[0])
    options = {"threads": workers, "progress": progress}
    if k is None:
        made = _all(ready, xp, vectors, missing, shared, options, negative, shape)
    else:
        made = _nearest(ready, xp, vectors, missing, shared, k, options, negative, shape)
    made = _without(made, zero)
    composed = made.compose(base)
    return base.fill(
        TokenMixing(
            composed.indptr,
            composed.indices,
            composed.weights,
            composed.shape,
            target_tokens=base.target_tokens,
            source_tokens=base.source_tokens,
            method="clp",
            settings={"k": k, "negative": negative},
        )
    )


def _all(
    ready: Any,
    xp: Any,
    vectors: Any,
    missing: Any,
    shared: Any,
    options: dict[str, Any],
    negative: str,
    shape: tuple[int, int],
) -> TokenMixing:
    """Make rows of every shared token."""
    other = _unit(xp, building.take(xp, vectors, shared))
    other = building.doubles(xp, xp.matrix_transpose(other))
    parts = []
    run = Run(options["threads"])
    with reporting(options["progress"], "similarities") as report:
        for start in range(0, len(missing), _BLOCK):
            some = missing[start : start + _BLOCK]
            own = _unit(xp, building.take(xp, vectors, some))
            similarities = building.host(ready.backend.multiply(own, other, run))
            parts.append(_shares(similarities, negative, ready.dtype))
            if report is not None:
                report(min(start + _BLOCK, len(missing)), len(missing))
    weights = np.concatenate([np.zeros((0, len(shared)), ready.dtype), *parts])
    return building.from_neighbors(missing, np.broadcast_to(shared, weights.shape), weights, shape)


def _nearest(
    ready: Any,
    xp: Any,
    vectors: Any,
    missing: Any,
    shared: Any,
    k: int,
    options: dict[str, Any],
    negative: str,
    shape: tuple[int, int],
) -> TokenMixing:
    """Make rows of the nearest shared tokens."""
    from isomorph.neighbors import topk

    if not len(missing):
        return TokenMixing.from_entries([], [], [], shape)
    queries, corpus = (building.take(xp, vectors, rows) for rows in (missing, shared))
    found = topk(queries, corpus, k, check_finite=False, **options)
    scores = building.host(found.scores).astype(np.float64)
    weights = _shares(scores, negative, ready.dtype)
    indices = shared[building.host(found.indices)]
    return building.from_neighbors(missing, indices, weights, shape)


def _shares(similarities: Any, negative: str, dtype: Any) -> Any:
    """Give similarities as shares of their sum; rows whose sum is none become zero."""
    if negative == "zero":
        similarities = np.maximum(similarities, 0)
    similarities = np.where(np.isfinite(similarities), similarities, 0)
    total = similarities.sum(axis=1, keepdims=True)
    size = np.abs(similarities).sum(axis=1, keepdims=True)
    # A sum that is rounding alone would blow the shares up; so large, they sum to one no more.
    sound = np.abs(total) > math.sqrt(np.finfo(dtype).eps) * size
    return np.where(sound, similarities / np.where(sound, total, 1), 0).astype(dtype)


def _unit(xp: Any, rows: Any) -> Any:
    rows = building.doubles(xp, rows)
    largest = xp.max(xp.abs(rows), axis=1, keepdims=True)
    rows = rows / xp.where(largest > 0, largest, xp.ones_like(largest))
    norms = xp.sqrt(xp.sum(rows * rows, axis=1, keepdims=True))
    return rows / xp.where(norms > 0, norms, xp.ones_like(norms))


def _without(made: TokenMixing, zero: Any) -> TokenMixing:
    """Take out the rows, and nothing else, of helper's rows that say nothing."""
    if not zero.any():
        return made
    rows = np.repeat(np.arange(made.shape[0]), made.counts)
    kept = ~zero[rows]
    return TokenMixing.from_entries(rows[kept], made.indices[kept], made.weights[kept], made.shape)
