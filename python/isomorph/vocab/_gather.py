"""Rows of arrays, taken by number: any type, by the core where memory is laid out simply."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core
from isomorph.errors import DTypeError, ShapeError

#: Rows that are copied at once where the core does not serve the layout.
_BLOCK = 4096


def gather(
    rows: NDArray[Any], index: NDArray[np.int64], out: NDArray[Any] | None, threads: int
) -> NDArray[Any]:
    """Give ``rows[index]``, or put it into `out`; the result has the memory order of `rows`."""
    if isinstance(rows, np.ma.MaskedArray):
        raise DTypeError("rows: a masked array; fill or drop the masked values first")
    rows = np.asarray(rows)
    shape = (len(index), *rows.shape[1:])
    if out is not None:
        require_out(out, shape, rows.dtype, rows)
    transposed = rows.T if _is_fortran(rows) else None
    if transposed is not None and (out is None or _is_fortran(out)):
        # Axes the other way round: many tables, whose rows are single values.
        made = np.empty(shape[::-1], rows.dtype) if out is None else out.T
        parts = (math.prod(rows.shape[1:]), len(rows), rows.itemsize, rows.itemsize)
        _core.gather_rows(_as_bytes(transposed), parts, index, _as_bytes(made), threads)
        return made.T if out is None else out
    stride = _row_stride(rows)
    if stride is not None and (out is None or out.flags.c_contiguous):
        made = np.empty(shape, rows.dtype) if out is None else out
        width = math.prod(rows.shape[1:]) * rows.itemsize
        _core.gather_rows(
            _covered(rows, stride, width),
            (1, len(rows), stride, width),
            index,
            _as_bytes(made),
            threads,
        )
        return made
    made = np.empty(shape, rows.dtype) if out is None else out
    for start in range(0, len(index), _BLOCK):
        made[start : start + _BLOCK] = rows[index[start : start + _BLOCK]]
    return made


def require_out(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], given: NDArray[Any] | None
) -> None:
    """Refuse an `out` that cannot hold the result, or whose memory is that of what is read."""
    if not isinstance(out, np.ndarray) or out.dtype != dtype:
        got = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise DTypeError(f"out: expected an array of {dtype}, got {got}")
    if out.shape != shape:
        raise ShapeError(f"out: expected shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out: expected an array that can be written, got a read-only one")
    if given is not None and np.may_share_memory(out, given):
        raise ValueError("out: expected memory of its own, it overlaps that of rows")


def _is_fortran(array: NDArray[Any]) -> bool:
    flags = array.flags
    return array.ndim > 1 and flags.f_contiguous and not flags.c_contiguous and _is_plain(array)


def _is_plain(array: NDArray[Any]) -> bool:
    """Whether the values are bytes and nothing else."""
    return not array.dtype.hasobject and array.itemsize > 0


def _row_stride(rows: NDArray[Any]) -> int | None:
    """Bytes from one row to the next, if each row is in one piece and they follow each other."""
    if not _is_plain(rows) or rows.size == 0:
        return None
    width = math.prod(rows.shape[1:]) * rows.itemsize
    stride = rows.strides[0] if len(rows) > 1 else width
    return stride if rows[0].flags.c_contiguous and stride >= width else None


def _covered(rows: NDArray[Any], stride: int, width: int) -> NDArray[np.uint8]:
    """All bytes from the first row's first to the last row's last."""
    if rows.flags.c_contiguous:
        return _as_bytes(rows)
    first = rows[:1].reshape(-1)[:1].view(np.uint8)
    length = (len(rows) - 1) * stride + width
    return np.lib.stride_tricks.as_strided(first, (length,), (1,), writeable=False)


def _as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Give the bytes of a C-contiguous array, in place."""
    return array.reshape(-1).view(np.uint8)
