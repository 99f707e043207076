"""How long a search will take: measured on some of its rows, told before it starts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from isomorph._backends import Run

#: Multiplications and additions from which a search is announced: some ten seconds.
LARGE = 3e12
#: Rows of the two sides that are measured.
MEASURED = (4096, 32768)


def announce(
    run: Run,
    part: Callable[[int, int], Callable[[], object]],
    shape: tuple[int, int, int],
    largest: tuple[int, int],
    blocks: int,
    sweeps: int = 1,
) -> None:
    """Print the estimate of a large search that shows its progress on standard error.

    Parameters
    ----------
    run : Run
        How the call wants to be run.
    part : callable
        Loads the first rows of both sides, as many as it is told, and gives their search.
    shape : tuple of int
        Rows of the two sides, and columns.
    largest : tuple of int
        Rows that may be searched at once.
    blocks, sweeps : int
        Pairs of blocks in all, and passes over all rows.
    """
    n, m, d = shape
    work = float(sweeps) * n * m * d
    if run.progress is not True or work < LARGE:
        return
    i, j = (min(pair) for pair in zip(MEASURED, largest, strict=True))
    search = part(i, j)
    # The better of two: the first may start threads.
    seconds = min(_timed(search) for _ in range(2))
    rate = i * j * d / seconds
    cut = f"{blocks:,} pairs of blocks, " if blocks > sweeps else ""
    print(
        f"{n:,} x {m:,} x {d:,}: {cut}about {duration(work / rate)} at {rate / 1e9:.0f} G "
        "multiply-adds/s",
        file=sys.stderr,
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
