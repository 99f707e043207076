"""New tokens from shared ones, in a space in which both have vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import runtime
from isomorph._progress import Progress, reporting
from isomorph.errors import NonFiniteError, ShapeError
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.mixing import TokenMixing

#: Offsets, indices among the atoms, weights of each target row.
Sparse = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
Solve = Callable[[NDArray[Any], NDArray[Any], int, Any], Sparse]


def from_shared(
    vectors: Any,
    base: TokenMixing,
    solve: Solve,
    *,
    method: str,
    settings: Mapping[str, Any],
    check_finite: bool,
    threads: int | None,
    progress: Progress,
) -> TokenMixing:
    """Make the rows that `base` lacks of those that it has, as `solve` says from their vectors.

    Tokens whose vector is zero are neither made nor made of.
    """
    arguments = building.embedding_arguments(helper_vectors=vectors)
    targets, _ = base.shape
    if arguments.shapes["helper_vectors"][0] != targets:
        raise ShapeError(
            f"helper_vectors: expected {targets} rows, one a target token, got shape "
            f"{arguments.shapes['helper_vectors']}"
        )
    ready = arguments.ready(check_finite=check_finite)
    rows = np.ascontiguousarray(building.host(ready.arrays[0]))
    known: NDArray[np.bool_] = np.any(rows, axis=1)
    shared = np.flatnonzero((base.counts > 0) & known)
    if not len(shared):
        raise ShapeError(
            "base: expected at least one token with a source and a vector that is not zero, got "
            "none: do the vectors belong to the target tokens?"
        )
    missing = base.fallback_rows[known[base.fallback_rows]]
    workers = runtime.resolve_threads(threads)
    with reporting(progress, method) as report:
        offsets, indices, weights = solve(rows[missing], rows[shared], workers, report)
    with np.errstate(over="ignore"):
        weights = weights.astype(rows.dtype)
    if not np.isfinite(weights).all():
        first = int(np.searchsorted(offsets, np.argmin(np.isfinite(weights)), side="right")) - 1
        raise NonFiniteError(
            f"helper_vectors: row {int(missing[first])} is so much longer than those of the shared "
            f"tokens that its weights are beyond the range of {rows.dtype}; scale it down"
        )
    counts = np.zeros(targets, dtype=np.int64)
    counts[missing] = np.diff(offsets)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    made = TokenMixing(starts, shared[indices], weights, (targets, targets)).compose(base)
    about = TokenMixing(
        made.indptr,
        made.indices,
        made.weights,
        made.shape,
        target_tokens=base.target_tokens,
        source_tokens=base.source_tokens,
        method=method,
        settings=settings,
    )
    return building.joined(base, about)
