"""Rows of a memory-mapped file that travel between processes as the name of the file."""

from __future__ import annotations

import os
import sys
from typing import Any, SupportsIndex

import dask
import dask.array
import numpy as np

from isomorph import _checks
from isomorph._streaming import open_rows


class MappedRows(np.memmap[Any, Any]):
    """Consecutive rows of a ``.npy`` file; pickled, they are a path and two numbers.

    What is cut or computed from them is an ordinary array.
    """

    _rows: tuple[str, int, int] | None

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self._rows = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self._rows is None:
            return np.asarray(self).__reduce_ex__(protocol)
        return mapped, self._rows


def mapped(path: str, start: int, stop: int) -> Any:
    """Map some rows of a file."""
    rows = np.load(path, mmap_mode="r", allow_pickle=False)[start:stop].view(MappedRows)
    rows._rows = path, start, stop
    return rows


def dask_array(path: str | os.PathLike[str], rows: int) -> Any:
    """See :func:`isomorph.io.dask_array`."""
    rows = _checks.integer("rows", rows, 1)
    name = os.path.abspath(os.fspath(path))  # noqa: PTH100 - workers have other folders
    (whole,) = open_rows(path=name)
    told = os.stat(name)  # noqa: PTH116
    token = dask.base.tokenize(name, told.st_mtime_ns, told.st_size, rows)
    n, *columns = whole.shape
    blocks = []
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        block = dask.delayed(mapped)(name, start, stop, dask_key_name=f"npy-{token}-{start}")
        blocks.append(dask.array.from_delayed(block, (stop - start, *columns), dtype=whole.dtype))
    if not blocks:
        return dask.array.zeros(whole.shape, dtype=whole.dtype)
    return dask.array.concatenate(blocks)


@dask.sizeof.sizeof.register(MappedRows)  # type: ignore[untyped-decorator]
def _size(rows: MappedRows) -> int:
    # Pages of a mapped file are the system's to take back.
    return 1000 if rows._rows else rows.nbytes


if "distributed" in sys.modules:
    # On workers always: what they send each other does not go through pickle.
    from distributed.protocol import dask_deserialize, dask_serialize
    from distributed.protocol.numpy import deserialize_numpy_ndarray, serialize_numpy_ndarray

    @dask_serialize.register(MappedRows)  # type: ignore[untyped-decorator]
    def _send(rows: MappedRows) -> tuple[dict[str, Any], list[Any]]:
        if rows._rows is None:
            return serialize_numpy_ndarray(np.asarray(rows))  # type: ignore[no-any-return]
        return {"rows": list(rows._rows)}, []

    @dask_deserialize.register(MappedRows)  # type: ignore[untyped-decorator]
    def _receive(header: dict[str, Any], frames: list[Any]) -> Any:
        if "rows" in header:
            return mapped(*header["rows"])
        return deserialize_numpy_ndarray(header, frames)
