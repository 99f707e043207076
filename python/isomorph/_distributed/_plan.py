"""What a search of Dask arrays will take: told before it starts, from what is measured here."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from isomorph import _arrays, neighbors, runtime
from isomorph._distributed._graph import Side, client_of_dask
from isomorph._distributed._partials import How
from isomorph._planning import MEASURED, _timed, duration
from isomorph.errors import DTypeError


def announce(
    progress: Any, arguments: _arrays.Arguments, x: Side, y: Side, sweeps: int, how: How
) -> None:
    """Print tasks, time and traffic on standard error where `progress` is true.

    The time is that of workers as fast as this machine with as many threads; the traffic that of
    chunks which are never where they are needed. Rows of mapped files do not travel.
    """
    if progress is None or progress is False:
        return
    if progress is not True:
        raise DTypeError(
            f"progress: expected None or a bool with Dask arrays, got {progress!r}; Dask shows how "
            "far what it computes is"
        )
    (n, d), (m, _) = arguments.shapes.values()
    workers, threads = _workers(how)
    seconds = sweeps * n * m * d / (_rate(n, m, d, arguments.dtype(), threads) * workers)
    moved = 0
    if workers > 1:
        itemsize = np.dtype(arguments.dtype()).itemsize
        moved = sweeps * (len(y) * n + len(x) * m) * d * itemsize
    pairs = sweeps * len(x) * len(y)
    between = f", at most {moved / 1e9:,.1f} GB between them" if workers > 1 else ""
    print(
        f"{n:,} x {m:,} x {d:,}: {pairs:,} searches of two chunks, about {duration(seconds)} on "
        f"{workers:,} worker{'s' * (workers > 1)} of {threads:,} thread{'s' * (threads > 1)}"
        f"{between}",
        file=sys.stderr,
    )


def _workers(how: How) -> tuple[int, int]:
    """Return how many workers there are, and the threads of one."""
    client = client_of_dask()
    counts = list(client.nthreads().values()) if client is not None else []
    if not counts:
        return 1, how.threads or runtime.resolve_threads()
    return len(counts), how.threads or min(counts)


def _rate(n: int, m: int, d: int, dtype: str, threads: int) -> float:
    """Measure multiplications and additions a second, on random rows of the same size."""
    i, j = (min(pair) for pair in zip(MEASURED, (n, m), strict=True))
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((rows, d), np.float32).astype(dtype) for rows in (i, j))
    # The better of two: the first may start threads.
    best = min(_timed(lambda: neighbors.topk(x, y, 1, threads=threads)) for _ in range(2))
    return i * j * d / best
