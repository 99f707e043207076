"""Blocks of Dask arrays as tasks, trees of merging, and results as Dask arrays again."""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import dask.array
from dask.delayed import Delayed

from isomorph import _arrays, runtime
from isomorph._distributed import is_dask
from isomorph._distributed._partials import How, ready
from isomorph._progress import Progress, reporting
from isomorph.errors import DTypeError, ShapeError

#: Partial results that are merged at once: no worker has to hold more.
FAN_IN = 8


@functools.cache
def _task(function: Callable[..., Any]) -> Any:
    return dask.delayed(function, pure=True)


def call(function: Callable[..., Any], *args: Any) -> Delayed:
    """Give the task that calls a pure function; what are tasks among `args` is done before."""
    return _task(function)(*args)


def tree(merge: Callable[..., Any], parts: Sequence[Delayed], *options: Any) -> Delayed:
    """Merge partial results in their order, few at a time."""
    parts = list(parts)
    while len(parts) > 1:
        groups = (parts[start : start + FAN_IN] for start in range(0, len(parts), FAN_IN))
        parts = [call(merge, *options, *group) for group in groups]
    return parts[0]


def require_known(**arrays: Any) -> None:
    """Raise unless the lengths of all blocks of the Dask arrays among these are known."""
    for name, array in arrays.items():
        if is_dask(array) and any(math.isnan(length) for length in array.shape):
            raise ShapeError(
                f"{name}: expected blocks of known length, got chunks {array.chunks}; call "
                f"{name}.compute_chunk_sizes() first"
            )


def refuse(**given: Any) -> None:
    """Raise where an option is given that Dask arrays cannot serve."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise DTypeError(f"{name}: expected {name}=None with Dask arrays, got {value!r}")


def how_of(threads: int | None, memory: Any = None) -> How:
    """Take the options of a call, and of the context it is made in, to the workers."""
    if threads is None:
        threads = runtime._threads.get()
    elif threads is not None:
        threads = runtime.resolve_threads(threads)
    return How(threads, memory, runtime.requested_backend())


def firsts(sizes: Sequence[int]) -> list[int]:
    """Give the first row of each block."""
    return list(itertools.accumulate(sizes, initial=0))[:-1]


def coalesced(sizes: Sequence[int], least: int) -> tuple[int, ...]:
    """Join neighbouring blocks until none has fewer rows than `least`, or there is one."""
    made = [0]
    for size in sizes:
        if made[-1] >= least:
            made.append(0)
        made[-1] += size
    if len(made) > 1 and made[-1] < least:
        last = made.pop()
        made[-1] += last
    return tuple(made)


@dataclass(frozen=True)
class Side:
    """The rows of one argument: blocks that are ready for the core, as tasks."""

    blocks: tuple[Delayed, ...]
    sizes: tuple[int, ...]
    firsts: tuple[int, ...]

    @classmethod
    def of(
        cls, arguments: _arrays.Arguments, name: str, check_finite: bool, how: How, least: int = 1
    ) -> Side:
        """Cut a matrix as its Dask array is, in blocks of `least` rows or more."""
        array = arguments.arrays[name]
        sizes = coalesced(array.chunks[0], least)
        blocks = array.rechunk((sizes, -1)).to_delayed()[:, 0]
        starts, dtype = firsts(sizes), arguments.dtype()
        made = (
            call(ready, block, name, start, dtype, bool(check_finite), how)
            for block, start in zip(blocks, starts, strict=True)
        )
        return cls(tuple(made), sizes, tuple(starts))

    def __len__(self) -> int:
        return len(self.blocks)

    def stacked(self, parts: Sequence[Delayed], columns: tuple[int, ...], dtype: Any) -> Any:
        """Give one result for each block as the Dask array of all."""
        arrays = [
            dask.array.from_delayed(part, (size, *columns), dtype=dtype)
            for part, size in zip(parts, self.sizes, strict=True)
        ]
        return dask.array.concatenate(arrays)


def computed(root: Delayed, parts: Sequence[Delayed], progress: Progress, title: str) -> Any:
    """Compute a task now, by the scheduler that Dask would take; report how many `parts` are."""
    with reporting(progress, title) as report:
        if report is None:
            return root.compute()
        client = client_of_dask()
        if client is None:
            with _Counted({part.key for part in parts}, report):
                result = root.compute()
        else:
            from distributed import as_completed

            waited, final = client.compute(list(parts)), client.compute(root)
            for done, _ in enumerate(as_completed(waited), 1):
                report(done, len(parts))
            result = final.result()
        report(len(parts), len(parts))
        return result


def client_of_dask() -> Any:
    """Return the client of the cluster that Dask computes on, if there is one."""
    if "distributed" not in sys.modules:
        return None
    try:
        return sys.modules["distributed"].get_client()
    except ValueError:
        return None


class _Counted(dask.callbacks.Callback):  # type: ignore[misc]
    """Reports the tasks of `keys` that are done."""

    def __init__(self, keys: set[str], report: Callable[[int, int], object]) -> None:
        self.keys, self.total, self.report = keys, len(keys), report

    def _posttask(self, key: Any, *_: Any) -> None:
        if key in self.keys:
            self.keys.discard(key)
            self.report(self.total - len(self.keys), self.total)
