"""Searches within a budget of memory: pairs of blocks, whose partial answers are merged.

Each pair of blocks is one search of the backend on some rows of both sides. Scores are canonical,
so that the merged answer has the bytes of a search at once, whatever the blocks and their order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph import _arrays, _core, _planning
from isomorph._backends import FromRows, Run
from isomorph._memory import Needs
from isomorph._progress import Progress, reporting
from isomorph.errors import DTypeError, NonFiniteError

#: Entries of both lists that are merged at once, some 60 bytes each.
MERGED = 1 << 16
#: Values that are converted at once to be looked through.
CHECKED = 1 << 20

Selection = tuple[Any, Any]
#: Searches some rows of the left side among some of the right.
Search = Callable[[Any, Any, slice, slice, Run], Any]


def merge(scores: Any, indices: Any, more_scores: Any, more_indices: Any) -> None:
    """Merge further selections into `scores` and `indices`, in place.

    The best of both by score descending, then index ascending, index -1 (nothing there) last.
    Merging parts in any order gives the same.
    """
    k = scores.shape[1]
    step = max(1, MERGED // (k + more_scores.shape[1]))
    for start in range(0, scores.shape[0], step):
        rows = slice(start, start + step)
        score = np.concatenate([scores[rows], more_scores[rows]], axis=1)
        index = np.concatenate([indices[rows], more_indices[rows]], axis=1)
        # As unsigned numbers -1 is the largest.
        order = np.lexsort((index.view(np.uint64), -score), axis=-1)[:, :k]
        scores[rows] = np.take_along_axis(score, order, axis=1)
        indices[rows] = np.take_along_axis(index, order, axis=1)


def merge_values(best: Any, more: Any) -> None:
    """Merge further values, each row's from the largest down, into `best`, in place."""
    k = best.shape[1]
    step = max(1, MERGED // (k + more.shape[1]))
    for start in range(0, best.shape[0], step):
        rows = slice(start, start + step)
        values = np.concatenate([best[rows], more[rows]], axis=1)
        values.sort(axis=1)
        best[rows] = values[:, : -k - 1 : -1]


def empty(rows: int, k: int, dtype: str) -> Selection:
    """Give selections of nothing."""
    return np.full((rows, k), -np.inf, dtype), np.full((rows, k), -1, np.int64)


def means(doubled: Any) -> Any:
    """Mean of half the values of each row from the largest down, in float64; -inf is none."""
    total, count = np.zeros(len(doubled)), np.zeros(len(doubled))
    for column in doubled.T:
        exists = column > -np.inf
        total[exists] += column[exists] / 2
        count += exists
    return (total / np.maximum(count, 1)).astype(doubled.dtype)


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a search is cut."""

    left: tuple[slice, ...]
    right: tuple[slice, ...]

    @property
    def pairs(self) -> int:
        """How many pairs of blocks there are."""
        return len(self.left) * len(self.right)


def cut(rows: int, largest: int) -> tuple[slice, ...]:
    """Cut rows evenly in blocks of at most `largest`."""
    count = -(-rows // largest)
    ends = [rows * number // count for number in range(count + 1)]
    return tuple(map(slice, ends[:-1], ends[1:]))


class Stream:
    """One call, cut in pairs of blocks.

    Parameters
    ----------
    arguments : Arguments
        The two sides.
    blocks : Blocks
        The cut.
    sweeps : int
        How often all pairs are visited.
    run : Run
        How the call wants to be run.
    check_finite : bool
        Whether both sides are looked through first.
    """

    def __init__(
        self,
        arguments: _arrays.Arguments,
        blocks: Blocks,
        sweeps: int,
        run: Run,
        *,
        check_finite: bool,
    ) -> None:
        self.arguments, self.blocks, self.sweeps = arguments, blocks, sweeps
        self.names = tuple(arguments.arrays)
        self.n, self.m = (arguments.shapes[name][0] for name in self.names)
        self.dtype = arguments.dtype()
        self.backend = arguments.backend()[0]
        self.run = run
        self.done = self.finished = 0
        self.total = sweeps * self.n * self.m
        self.report: Callable[[int, int], object] | None = None
        if check_finite:
            for name in self.names:
                self._check(name)

    def _check(self, name: str) -> None:
        """Refuse rows that are not finite, block by block."""
        if name in self.arguments.indexes:
            return
        rows, columns = self.arguments.shapes[name]
        step = max(1, CHECKED // columns) if self.arguments.copies(name) else rows
        for start in range(0, rows, step):
            block = self.arguments.rows(name, start, min(start + step, rows))
            if (row := self.backend.first_nonfinite_row(block)) is not None:
                raise NonFiniteError(
                    f"{name}: row {start + row} has a NaN or an infinity; repair or drop such "
                    "rows, or pass check_finite=False"
                )

    def load(self, side: int, rows: slice) -> Any:
        """Give the rows of one side, ready for the backend."""
        return self.arguments.rows(self.names[side], rows.start, rows.stop)

    @contextmanager
    def running(self, title: str, search: Search) -> Iterator[None]:
        """Announce the work, report progress over all sweeps, say how far it was interrupted."""
        try:
            self._announce(search)
            with reporting(self.run.progress, title) as self.report:
                yield
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted at {self.done / self.total:.0%} of the search ({self.finished:,} of "
                f"{self.sweeps * self.blocks.pairs:,} pairs of blocks done); nothing was written"
            ) from None

    def _announce(self, search: Search) -> None:
        def part(i: int, j: int) -> Callable[[], object]:
            left, right = slice(0, i), slice(0, j)
            x, y = self.load(0, left), self.load(1, right)
            return lambda: search(x, y, left, right, Run(self.run.threads))

        columns = self.arguments.shapes[self.names[0]][1]
        largest = (self.blocks.left[0].stop, self.blocks.right[0].stop)
        pairs = self.sweeps * self.blocks.pairs
        _planning.announce(self.run, part, (self.n, self.m, columns), largest, pairs, self.sweeps)

    def sweep(
        self,
        search: Search,
        merged: Callable[[Any, slice, slice], None],
        after: Callable[[slice], None] = lambda _: None,
    ) -> None:
        """Visit all pairs of blocks.

        `search` answers for one pair, `merged` takes the answer in, `after` is told of rows of the
        left side that have met all of the right.
        """
        y, held = None, None
        for i in self.blocks.left:
            x = self.load(0, i)
            for j in self.blocks.right:
                if held != j:
                    y = None  # Not two blocks at once.
                    y, held = self.load(1, j), j
                pairs = (i.stop - i.start) * (j.stop - j.start)
                run = Run(self.run.threads, self._reporter(pairs))
                merged(search(x, y, i, j, run), i, j)
                self.finished += 1
                self._reached(self.sweep_base + pairs)
                self.sweep_base += pairs
            after(i)
            x = None

    #: Pairs of rows of the blocks that are done.
    sweep_base = 0

    def _reached(self, done: int) -> None:
        self.done = max(self.done, done)
        if self.report is not None:
            self.report(self.done, self.total)

    def _reporter(self, pairs: int) -> Progress:
        """Give what a search of one pair of blocks reports to."""
        base = self.sweep_base

        def report(done: int, total: int) -> None:
            self._reached(base + pairs * min(done, total) // total)

        return report


def topk(stream: Stream, k: int, metric: str, exclude_self: bool) -> Selection:
    """Give what the backend's `topk` gives on all rows."""
    scores, indices = empty(stream.n, k, stream.dtype)

    def search(x: Any, y: Any, i: slice, j: slice, run: Run) -> Any:
        # Both sides are cut alike: a row meets itself in a pair of equal blocks only.
        same = exclude_self and i == j
        count = min(k, y.shape[0] - same)
        if not count:
            return None
        try:
            return stream.backend.topk(x, y, count, metric, same, run)
        except ValueError as error:
            # A score that overflows: its row is counted from the block's first.
            text = re.sub(r"(?<=of row )\d+", lambda row: f"{i.start + int(row[0])}", str(error))
            raise ValueError(text) from None

    def merged(found: Any, i: slice, j: slice) -> None:
        if found is not None:
            merge(scores[i], indices[i], *shifted(found, j))

    with stream.running("neighbours", search):
        stream.sweep(search, merged)
    return scores, indices


def csls_radii(stream: Stream, neighborhood: int) -> tuple[Any, Any]:
    """Give what the backend's `csls_radii` gives on all rows."""
    with stream.running("radii", _twice_cosines(stream, neighborhood)):
        return _radii(stream, neighborhood)


def csls(stream: Stream, k: int, neighborhood: int, both: bool, given: tuple[Any, Any]) -> FromRows:
    """Give what the backend's `csls_from_rows` gives, with the radii that are `given`."""
    radii = given
    forward = empty(stream.n, k, stream.dtype)
    backward = empty(stream.m if both else 0, k, stream.dtype)

    def search(x: Any, y: Any, i: slice, j: slice, run: Run) -> Any:
        own = radii[0][i], radii[1][j]
        if both:
            return stream.backend.csls_both(x, y, k, *own, run)
        return stream.backend.csls(x, y, min(k, len(y)), *own, run), None

    def merged(found: Any, i: slice, j: slice) -> None:
        merge(forward[0][i], forward[1][i], *shifted(found[0], j))
        if both:
            merge(backward[0][j], backward[1][j], *shifted(found[1], i))

    missing = given[0] is None or given[1] is None
    with stream.running("CSLS", _twice_cosines(stream, neighborhood) if missing else search):
        if missing:
            computed = _radii(stream, neighborhood)
            radii = tuple(
                own if radius is None else radius
                for own, radius in zip(computed, given, strict=True)
            )
        stream.sweep(search, merged)
    return FromRows(forward, backward if both else None, radii, None)


def csls_within(
    arguments: _arrays.Arguments,
    k: int,
    neighborhood: int,
    both: bool,
    given: tuple[Any, Any],
    budget: int,
    run: Run,
    *,
    check_finite: bool,
) -> FromRows | None:
    """Answer by CSLS in blocks; None where all fits the budget at once."""
    n, m = (arguments.shapes[side][0] for side in ("source", "target"))
    missing = given[0] is None or given[1] is None
    longest = max(k, neighborhood) if missing else k
    kept = n + m + (m * neighborhood if missing else 0)
    needs = needs_of(arguments, longest, both=both or missing, kept=kept)
    whole = needs.one_pass(k) if given[0] is given[1] is None else needs.whole()
    if whole <= budget:
        return None
    radii = tuple(
        None if array is None else checked_radii(f"{side}_radii", array, arguments.dtype())
        for side, array in zip(("source", "target"), given, strict=True)
    )
    stream = open_stream(arguments, needs, budget, 1 + missing, run, check_finite=check_finite)
    return csls(stream, k, neighborhood, both, (radii[0], radii[1]))


def checked_radii(name: str, radii: Any, dtype: str) -> Any:
    """Bring radii of NumPy to the computing type, and refuse what is not finite."""
    array = np.require(radii, np.dtype(dtype), ["C", "A"])
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise NonFiniteError(f"{name}: entry {bad[0]} is NaN or infinite")
    return array


def _twice_cosines(stream: Stream, neighborhood: int) -> Search:
    def search(x: Any, y: Any, _i: slice, _j: slice, run: Run) -> Any:
        # CSLS with radii of zero is twice the cosine, exactly.
        zeros = [np.zeros(len(rows), stream.dtype) for rows in (x, y)]
        return stream.backend.csls_both(x, y, neighborhood, zeros[0], zeros[1], run)

    return search


def _radii(stream: Stream, neighborhood: int) -> tuple[Any, Any]:
    """Give the radii of both sides from one sweep."""
    nearest = np.full((stream.m, neighborhood), -np.inf, stream.dtype)
    radii = np.empty(stream.n, stream.dtype)
    own: Any = None

    def merged(found: Any, _: slice, j: slice) -> None:
        nonlocal own
        (forward, _), (backward, _) = found
        if own is None:
            own = forward
        else:
            merge_values(own, forward)
        merge_values(nearest[j], backward)

    def after(i: slice) -> None:
        nonlocal own
        radii[i] = means(own)
        own = None

    stream.sweep(_twice_cosines(stream, neighborhood), merged, after)
    return radii, means(nearest)


def shifted(found: Selection, rows: slice) -> Selection:
    """Turn row numbers of a block into those of the whole, in place."""
    scores, indices = found
    np.add(indices, rows.start, out=indices, where=indices >= 0)
    return scores, indices


def require_numpy(arguments: _arrays.Arguments) -> None:
    """Raise unless the arrays are NumPy's, whose memory can be told."""
    if arguments.namespace is not None:
        raise DTypeError(
            "memory: expected None with arrays of other libraries than NumPy; cut the rows, and "
            "merge by score"
        )


def open_stream(
    arguments: _arrays.Arguments,
    needs: Needs,
    budget: int,
    sweeps: int,
    run: Run,
    *,
    check_finite: bool,
) -> Stream:
    """Cut the work for a budget."""
    largest = needs.largest_block(budget)
    blocks = Blocks(cut(needs.n, largest), cut(needs.m, largest))
    return Stream(arguments, blocks, sweeps, run, check_finite=check_finite)


def needs_of(arguments: _arrays.Arguments, k: int, *, both: bool = False, kept: int = 0) -> Needs:
    """Give what a search of the two sides with lists of `k` needs; `kept` is in values."""
    left, right = arguments.arrays
    (n, d), (m, _) = arguments.shapes[left], arguments.shapes[right]
    itemsize = np.dtype(arguments.dtype()).itemsize
    copied = arguments.copies(left), arguments.copies(right)
    return Needs(n, m, d, itemsize, copied, k, both, kept * itemsize)


def open_rows(**sides: Any) -> tuple[Any, ...]:
    """Map the sides that are paths of npy files."""
    return tuple(_opened(name, side) for name, side in sides.items())


def _opened(name: str, side: Any) -> Any:
    if not isinstance(side, str | os.PathLike):
        return side
    path = os.fspath(side)
    if not isinstance(path, str) or not path.endswith(".npy"):
        raise DTypeError(
            f"{name}: expected an array, got {side!r}, not the path of a .npy file either; "
            "isomorph.io.load reads other formats"
        )
    _core.npy_header(path)  # Checked against the length of the file.
    return np.load(path, mmap_mode="r", allow_pickle=False)
