"""VecMap's four ways to retrieve a translation, by cosines or by products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import isomorph as iso
from isomorph import transforms

RETRIEVALS = ("nn", "invnn", "invsoftmax", "csls")
#: Targets of which all products with the sources are there at once.
_BLOCK = 256
Rows = NDArray[np.int64]


def translations(
    x: Any,
    z: Any,
    queries: Rows,
    *,
    retrieval: str = "nn",
    neighborhood: int = 10,
    inv_temperature: float = 1.0,
    inv_sample: int | None = None,
    dot: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> Rows:
    r"""Give the target row that each query, a row of `x`, is translated to.

    With :math:`s_{ij}` the cosine, or with `dot` the product, of source i and target j: the largest
    :math:`s_{ij}` (``"nn"``), :math:`2 s_{ij} - r_j` with the mean r of a target's largest over all
    sources (``"csls"``), :math:`T s_{ij} - \log \sum_{i'} \exp(T s_{i'j})` over all sources or
    over `inv_sample` drawn with replacement (``"invsoftmax"``); ``"invnn"``: the target among whose
    sources the query ranks highest, of several the one with the largest :math:`s_{ij}`.
    """
    if not dot:
        x, z = transforms.unit(x, threads=threads), transforms.unit(z, threads=threads)
    asked = np.ascontiguousarray(x[queries])
    if retrieval == "nn":
        return _best(asked, z, None, threads, dot)
    if retrieval == "invnn":
        return _by_rank(x, z, queries)
    if retrieval == "csls":
        k = min(neighborhood, len(x))
        radii = iso.topk(z, x, k, metric="dot" if dot else "cosine", threads=threads).scores
        return _best(2 * asked, z, radii.mean(axis=1, dtype=np.float64), threads, dot)
    drawn = x
    if inv_sample is not None:
        if inv_sample < 1:
            raise ValueError(f"inv_sample: expected at least 1 source to draw, got {inv_sample}")
        # The generator that the original draws from.
        drawn = x[np.random.RandomState(seed).randint(0, len(x), inv_sample)]
    sums = log_sums(drawn, z, inv_temperature)
    return _best(asked, z, sums / inv_temperature, threads, dot)


def _best(asked: Any, z: Any, penalties: Any, threads: int | None, dot: bool) -> Rows:
    """Give for each query the target with the largest product less its penalty."""
    if penalties is None:
        found = iso.topk(asked, z, 1, metric="dot" if dot else "cosine", threads=threads)
    else:
        # One more column: the penalty is part of the product.
        minus_one = np.full((len(asked), 1), -1, asked.dtype)
        rows = np.concatenate([z, penalties.astype(z.dtype)[:, None]], axis=1)
        asked = np.concatenate([asked, minus_one], axis=1)
        found = iso.topk(asked, rows, 1, metric="dot", threads=threads)
    indices: Rows = found.indices[:, 0]
    return indices


def log_sums(sources: Any, z: Any, beta: float) -> NDArray[np.float64]:
    """Give for each target the logarithm of the sum of exp(beta x.z) over the sources."""
    sums = np.empty(len(z))
    for start in range(0, len(z), _BLOCK):
        part = slice(start, start + _BLOCK)
        scores = beta * (z[part] @ sources.T)
        top = scores.max(axis=1, keepdims=True)
        total = np.exp(scores - top).sum(axis=1, dtype=np.float64)
        sums[part] = top[:, 0] + np.log(total)
    return sums


def _by_rank(x: Any, z: Any, queries: Rows) -> Rows:
    """Give the target for which the query is the best of the sources, or the next to it, ..."""
    count = len(queries)
    rank, score = np.full(count, len(x), np.int64), np.full(count, -np.inf)
    best = np.zeros(count, np.int64)
    for start in range(0, len(z), _BLOCK):
        scores = z[start : start + _BLOCK] @ x.T
        asked = scores[:, queries]
        scores.sort(axis=1)
        for place, (row, own) in enumerate(zip(scores, asked, strict=True), start=start):
            above = len(row) - np.searchsorted(row, own, side="right")
            better = (above < rank) | ((above == rank) & (own > score))
            rank[better], score[better], best[better] = above[better], own[better], place
    return best
