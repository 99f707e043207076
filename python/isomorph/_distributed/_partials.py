"""What a worker does: pure functions of blocks of rows, and merging what they give.

They know nothing of Dask and take and give NumPy arrays, so that anything that calls functions
with values can run them. Rows are numbered in the whole: each block comes with its first row.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from isomorph import _streaming, neighbors, runtime
from isomorph._backends.cpu import CpuBackend
from isomorph._streaming import Selection
from isomorph.errors import NonFiniteError

#: The core's threads are the worker's: its tasks take turns.
_alone = threading.Lock()


class How(NamedTuple):
    """How partial results are computed, never what they are."""

    threads: int | None = None
    memory: Any = None
    backend: str | None = None

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Wait until no other task of this process computes; gives the number of threads."""
        with _alone, runtime.use_backend(self.backend):
            yield self.threads or _worker_threads() or runtime.resolve_threads()


def _worker_threads() -> int | None:
    """Return how many threads the Dask worker has that this runs on, if it does."""
    module = sys.modules.get("distributed")
    if module is None:
        return None
    try:
        return int(module.get_worker().state.nthreads)
    except ValueError:
        return None


def renumbered(error: Exception, first: int) -> Exception:
    """Give the error of a block with the number of the row in the whole."""
    text = re.sub(r"(?<=\brow )\d+", lambda row: f"{first + int(row[0])}", str(error), count=1)
    return type(error)(text)


def ready(rows: Any, name: str, first: int, dtype: str, check_finite: bool, how: How) -> Any:
    """Bring a block to the computing type and layout, and refuse what is not finite."""
    rows = np.require(rows, np.dtype(dtype), ["C", "A"])
    if check_finite:
        with how.alone():
            row = CpuBackend().first_nonfinite_row(rows)
        if row is not None:
            raise NonFiniteError(
                f"{name}: row {first + row} has a NaN or an infinity; repair or drop such rows, "
                "or pass check_finite=False"
            )
    return rows


def ready_radii(radii: Any, name: str, first: int, dtype: str) -> Any:
    """Bring radii to the computing type, and refuse what is not finite."""
    radii = np.require(radii, np.dtype(dtype), ["C", "A"])
    bad = np.flatnonzero(~np.isfinite(radii))
    if bad.size:
        raise NonFiniteError(f"{name}: entry {first + bad[0]} is NaN or infinite")
    return radii


def topk(
    x: Any, y: Any, first: tuple[int, int], k: int, metric: str, exclude_self: bool, how: How
) -> Selection:
    """Give the best rows of `y` for each of `x`: `k`, or as many as there are."""
    i, j = first
    meets = exclude_self and i < j + len(y) and j < i + len(x)
    try:
        with how.alone() as threads:
            # One more: if it is the row itself it is taken out, else the last is.
            scores, indices = neighbors.topk(
                x, y, min(k + meets, len(y)),
                metric=metric, check_finite=False, threads=threads, memory=how.memory,
            )  # fmt: skip
    except ValueError as error:
        raise renumbered(error, i) from None
    _streaming.shifted((scores, indices), slice(j, j + len(y)))
    if meets:
        own = indices == np.arange(i, i + len(x))[:, None]
        scores[own], indices[own] = -np.inf, -1
        order = np.argsort(own, axis=1, kind="stable")[:, : min(k, len(y))]
        scores, indices = (np.take_along_axis(part, order, axis=1) for part in (scores, indices))
    return scores, indices


def cosines(x: Any, y: Any, k: int, how: How) -> tuple[Any, Any]:
    """Give twice the `k` largest cosines of each row of both blocks, from the largest down."""
    # CSLS with radii of zero is twice the cosine, exactly.
    zeros = [np.zeros(len(rows), rows.dtype) for rows in (x, y)]
    forward, backward = csls_both(x, y, (0, 0), k, zeros[0], zeros[1], how)
    return forward[0], backward[0]


def csls(
    x: Any, y: Any, first: tuple[int, int], k: int, x_radii: Any, y_radii: Any, how: How
) -> Selection:
    """Give the best rows of `y` by CSLS for each of `x`: `k`, or as many as there are."""
    with how.alone() as threads:
        found = neighbors.csls(
            x, y, min(k, len(y)), source_radii=x_radii, target_radii=y_radii,
            check_finite=False, threads=threads, memory=how.memory,
        )  # fmt: skip
    return _streaming.shifted((found.scores, found.indices), slice(first[1], None))


def csls_both(
    x: Any, y: Any, first: tuple[int, int], k: int, x_radii: Any, y_radii: Any, how: How
) -> tuple[Selection, Selection]:
    """Give the `k` best rows by CSLS of each row of both blocks, which have `k` rows at least."""
    with how.alone() as threads:
        found = neighbors.csls_both(
            x, y, k, source_radii=x_radii, target_radii=y_radii,
            check_finite=False, threads=threads, memory=how.memory,
        )  # fmt: skip
    there, back = found.forward, found.backward
    return (
        _streaming.shifted((there.scores, there.indices), slice(first[1], None)),
        _streaming.shifted((back.scores, back.indices), slice(first[0], None)),
    )


def merged(k: int, *parts: Selection) -> Selection:
    """Merge selections of the same rows: the `k` best, or as many as there are."""
    (scores, _), *_ = parts
    width = min(k, sum(part[0].shape[1] for part in parts))
    best = _streaming.empty(len(scores), width, scores.dtype)
    for part in parts:
        _streaming.merge(*best, *part)
    return best


def merged_values(k: int, *parts: Any) -> Any:
    """Merge values of the same rows: the `k` largest, or as many as there are."""
    width = min(k, sum(part.shape[1] for part in parts))
    best = np.full((len(parts[0]), width), -np.inf, parts[0].dtype)
    for part in parts:
        _streaming.merge_values(best, part)
    return best


def halved(selection: Selection) -> Selection:
    """Give cosines for twice the cosines."""
    return selection[0] / 2, selection[1]


def returning(there: Selection, back: Selection, first: tuple[int, int]) -> Any:
    """Mark the rows whose nearest is in the other block and has them as its own nearest."""
    nearest, others = there[1][:, 0] - first[1], back[1][:, 0]
    inside = (there[1][:, 0] >= 0) & (nearest >= 0) & (nearest < len(others))
    rows = np.arange(first[0], first[0] + len(nearest))
    found: Any = inside & (others[np.where(inside, nearest, 0)] == rows)
    return found


def either(*marks: Any) -> Any:
    """Give the rows that are marked in any block."""
    return np.logical_or.reduce(marks)


def pairs(there: Selection, mutual: Any, first: int) -> tuple[Any, Any, Any]:
    """Give the rows that are marked, their nearest, and the scores."""
    rows = np.flatnonzero(mutual)
    return rows + first, there[1][rows, 0], there[0][rows, 0]


def zeros(rows: int, dtype: str) -> Any:
    """Give radii of zero."""
    return np.zeros(rows, dtype)


def means(doubled: Any) -> Any:
    """Give radii for twice the cosines."""
    return _streaming.means(doubled)
