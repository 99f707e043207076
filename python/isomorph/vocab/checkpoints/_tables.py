"""Stored tensors whose rows are read when they are asked for, and how values are stored."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, runtime
from isomorph.errors import DTypeError, FormatError, NonFiniteError, ShapeError
from isomorph.vocab._gather import require_out
from isomorph.vocab._ids import as_ids, require_range
from isomorph.vocab.checkpoints._header import Tensor, read_header

#: What NumPy calls the format's types; bfloat16, which it does not know, comes as its bits.
STORED = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "BF16": "<u2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}
_FLOATS = ("F16", "BF16", "F32", "F64")


class Table:
    """A tensor of a safetensors file, opened and not read: an array by its shape and its rows.

    :meth:`isomorph.vocab.Remap.gather` takes it as it takes an array, and reads the kept rows
    only. Nothing of the file is held in memory.

    Attributes
    ----------
    name : str
        The tensor's name.
    path : str
        The file.
    shape : tuple of int
        Its shape.
    stored : str
        Its type, as the file names it: ``"F16"``, ``"BF16"``, ``"F32"``, ``"I8"``, ...
    dtype : dtype
        The type of the arrays that are given; uint16, the bits, for ``"BF16"``.
    """

    def __init__(self, tensor: Tensor) -> None:
        if tensor.dtype not in STORED:
            raise DTypeError(
                f"{tensor.path}: tensor {tensor.name!r} has type {tensor.dtype}, which NumPy does "
                f"not hold; expected one of {', '.join(STORED)}"
            )
        self.name, self.path, self.shape = tensor.name, tensor.path, tensor.shape
        self.stored, self.dtype = tensor.dtype, np.dtype(STORED[tensor.dtype])
        self._start = tensor.start

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.path}: tensor {self.name!r} is a single value, without rows")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {self.stored}, {self.shape})"

    def mapped(self) -> NDArray[Any]:
        """Map the file: a read-only array whose pages are read when they are looked at."""
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)
        return np.memmap(self.path, self.dtype, "r", self._start, self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of it."""
        if copy is False:
            raise ValueError(f"tensor {self.name!r} is in a file: an array of it is a copy")
        return np.array(self.mapped(), dtype=dtype)

    def __getitem__(self, rows: slice | NDArray[Any]) -> NDArray[Any]:
        """Read some rows, as they are stored: a slice of them, or those of an array of integers."""
        return np.array(self.mapped()[rows])

    def take_rows(
        self, index: Any, *, out: NDArray[Any] | None = None, threads: int | None = None
    ) -> NDArray[Any]:
        """Read the rows of some numbers, along the first axis, as they are stored.

        Parameters
        ----------
        index : array of int, shape (n,)
            Row numbers, in any order, any as often as wanted. Ascending ones are read fastest.
        out : ndarray of shape (n, ...), optional
            Where to put them: of the type `dtype`, writable.
        threads : int, optional
            See :mod:`isomorph.runtime`.

        Returns
        -------
        ndarray of shape (n, ...)
            `out` if it was given.

        Raises
        ------
        RemapError
            A number that is no row.
        FormatError
            A file that has become shorter.

        Notes
        -----
        Nothing else of the file is read, but for what lies between near rows. O(bytes of the
        result) and, beside it, a few hundred kilobytes a thread.
        """
        numbers = as_ids("index", index)
        if numbers.ndim != 1:
            raise ShapeError(f"index: expected one dimension, got shape {numbers.shape}")
        require_range("index", numbers, len(self), f"tensor {self.name!r}")
        numbers = np.ascontiguousarray(numbers, np.int64)
        shape = (len(numbers), *self.shape[1:])
        if out is None:
            out = np.empty(shape, self.dtype)
        else:
            require_out(out, shape, self.dtype, None)
        made = out if out.flags.c_contiguous else np.empty(shape, self.dtype)
        parts = (self._start, 1, len(self), math.prod(self.shape[1:]) * self.dtype.itemsize)
        target = made.reshape(-1).view(np.uint8)
        _core.read_rows(self.path, parts, numbers, target, runtime.resolve_threads(threads))
        if made is not out:
            out[...] = made
        return out

    def floats(self, rows: slice | NDArray[Any] = slice(None)) -> NDArray[Any]:
        """Read some rows as numbers to compute with: float32, or float64 where they are stored so.

        Parameters
        ----------
        rows : slice or array of int, optional
            Which; all if not given.

        Returns
        -------
        ndarray of float32 or float64
            float16 and bfloat16 are widened, which is exact.

        Raises
        ------
        DTypeError
            Not a floating point type.
        """
        if self.stored not in _FLOATS:
            raise DTypeError(
                f"{self.path}: tensor {self.name!r}: expected floating point values, got "
                f"{self.stored}"
            )
        return decode(self[rows], self.stored)


def open_table(path: str | os.PathLike[str], tensor: str | None = None) -> Table:
    """Open a tensor of a safetensors file by its name, which may be left out if there is one.

    Parameters
    ----------
    path : path
        A safetensors file.
    tensor : str, optional
        The tensor's name.

    Returns
    -------
    Table
        Only the header has been read.

    Raises
    ------
    FormatError
        No such file, a damaged one, or no such tensor.
    DTypeError
        A type that NumPy does not hold (8 bits or fewer of floating point).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from isomorph.vocab import Remap, open_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "remap.safetensors"
    >>> Remap.from_kept([4, 0, 2], 5).save(path)
    >>> table = open_table(path)
    >>> table
    Table('new_to_old', I64, (3,))
    >>> Remap.from_kept([2, 1], 3).gather(table)
    array([2, 0])
    """
    header = read_header(path)
    names = list(header.tensors)
    if tensor is None and len(names) == 1:
        tensor = names[0]
    if tensor not in header.tensors:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        wanted = "tensor= to name one tensor" if tensor is None else f"a tensor {tensor!r}"
        raise FormatError(f"{header.path}: expected {wanted}, the file has {shown or 'none'}")
    return Table(header.tensors[tensor])


def decode(values: NDArray[Any], stored: str) -> NDArray[Any]:
    """Give stored floating point values as float32, or float64."""
    if stored == "BF16":
        # The upper half of a float32.
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float64 if stored == "F64" else np.float32)


def encode(name: str, values: Any, stored: str) -> NDArray[Any]:
    """Give values in C order and in the bytes of a type of the format.

    Floating point values are rounded to the nearest, ties to even; bits that are given as such
    (uint16 for ``"BF16"``, uint8 for types of 8 bits or fewer) are taken as they are.

    Raises
    ------
    DTypeError
        Values of a kind that is not this type's.
    NonFiniteError
        A finite value that becomes infinite.
    """
    array = np.asarray(values)
    raw = STORED.get(stored, "u1")
    target = np.dtype(raw)
    if stored == "BF16" and array.dtype.name == "bfloat16":
        array = array.view(np.uint16)
    if array.dtype.newbyteorder("=") == target.newbyteorder("="):
        return np.ascontiguousarray(array, target)
    if array.dtype.kind != "f" or stored not in _FLOATS:
        raise DTypeError(f"{name}: expected values for {stored}, got {array.dtype}")
    with np.errstate(over="ignore", under="ignore"):
        found = np.ascontiguousarray(array, np.float32 if stored == "BF16" else target)
    if stored == "BF16":
        bits = found.view(np.uint32)
        rounded = ((bits + (np.uint32(0x7FFF) + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
        # Of a NaN the addition could make an infinity or a zero.
        quiet = ((bits >> 16) | 0x40).astype(np.uint16)
        found = np.where(np.isnan(found), quiet, rounded).astype("<u2")
        infinite = (found & 0x7FFF) == 0x7F80
    else:
        infinite = np.isinf(found)
    if (infinite & np.isfinite(array)).any():
        row = int(np.flatnonzero((infinite & np.isfinite(array)).reshape(len(array), -1).any(1))[0])
        raise NonFiniteError(f"{name}: row {row} has a value that is infinite as {stored}")
    return found


def require_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse an array of another shape."""
    if array.shape != shape:
        raise ShapeError(f"{name}: expected shape {shape}, got {array.shape}")
