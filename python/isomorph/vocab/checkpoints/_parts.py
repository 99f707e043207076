"""What becomes of a tensor, and how its new bytes are written."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks, _core
from isomorph.errors import DTypeError, FormatError, RemapError, ShapeError
from isomorph.vocab.checkpoints._header import BITS, Tensor
from isomorph.vocab.checkpoints._tables import encode, require_shape


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a tensor, along an axis.

    Attributes
    ----------
    index : array of int, shape (n,)
        The old number of each new row; -1 is a row of padding.
    axis : int, default 0
        The axis that is numbered by id; from the end if negative.
    padding : ndarray or bytes, optional
        What a row of padding is: bytes of one row along the axis, as they are stored. Zeros if not
        given.
    """

    index: Any
    axis: int = 0
    padding: Any = None


@dataclass(frozen=True, eq=False)
class Made:
    """A tensor that is made block by block; it may have a name that the source does not have.

    Attributes
    ----------
    shape : tuple of int
        Its shape, of at least one dimension.
    dtype : str
        Its type as the format names it: ``"F16"``, ``"BF16"``, ``"F32"``, ...
    make : callable
        ``make(start, stop)`` gives these rows: shape ``(stop - start, *shape[1:])``, of floating
        point values, which are rounded to `dtype`, or of `dtype` itself (uint16, the bits, for
        ``"BF16"``). Called once for each block, in order, in the calling thread.
    beside : str, optional
        A tensor of the source: a new name comes into its file. The last file if not given.
    """

    shape: tuple[int, ...]
    dtype: str
    make: Callable[[int, int], Any] = field(repr=False)
    beside: str | None = None

    @classmethod
    def of(cls, array: Any, dtype: str, *, beside: str | None = None) -> Made:
        """Give the tensor that has the values of an array."""
        return cls(
            tuple(np.shape(array)), dtype, lambda start, stop: array[start:stop], beside=beside
        )


@dataclass(frozen=True)
class Drop:
    """A tensor that is left out."""


def part_of(tensor: Tensor, wanted: Any) -> Part | None:
    if wanted is None:
        return _Copy(tensor)
    if isinstance(wanted, Rows):
        return _Gather(tensor, wanted)
    if isinstance(wanted, Made):
        return MadePart(tensor.name, wanted)
    if isinstance(wanted, Drop):
        return None
    raise DTypeError(f"plan: {tensor.name!r}: expected Rows, Made or Drop, got {wanted!r}")


@dataclass(frozen=True, slots=True)
class Job:
    """How bytes are moved: a block at a time, on so many threads, reported to somebody."""

    block: int
    threads: int
    #: Told of the bytes that were written.
    advance: Callable[[int], object]
    #: Asked for what the core reports to, while it writes.
    watch: Callable[[], Callable[[int, int], object] | None]


class Part(ABC):
    """A tensor to be written."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int

    @abstractmethod
    def write(self, file: _core.TensorFile, job: Job) -> None:
        """Append its bytes to a file."""


class _Copy(Part):
    """A tensor as it is."""

    def __init__(self, tensor: Tensor) -> None:
        self.dtype, self.shape, self.nbytes = tensor.dtype, tensor.shape, tensor.nbytes
        self._tensor = tensor

    def write(self, file: _core.TensorFile, job: Job) -> None:
        tensor = self._tensor
        file.copy(tensor.path, tensor.start, self.nbytes, job.watch())
        job.advance(self.nbytes)


class _Gather(Part):
    """Rows of a tensor."""

    def __init__(self, tensor: Tensor, rows: Rows) -> None:
        name = f"plan: {tensor.name!r}"
        axis = _axis(name, rows.axis, len(tensor.shape))
        self.outer, self.old = math.prod(tensor.shape[:axis]), tensor.shape[axis]
        self.index = _row_numbers(name, rows.index, self.old)
        self.shape = (*tensor.shape[:axis], len(self.index), *tensor.shape[axis + 1 :])
        self.dtype, self._tensor = tensor.dtype, tensor
        self.row_bytes = _row_bytes(tensor, axis)
        self.nbytes = self.outer * len(self.index) * self.row_bytes
        given = rows.padding
        if given is not None and not isinstance(given, bytes):
            given = np.ascontiguousarray(given).tobytes()
        self.padding = bytes(self.row_bytes) if given is None else given
        if len(self.padding) != self.row_bytes:
            raise ShapeError(
                f"{name}: padding: expected a row of {self.row_bytes} bytes, got "
                f"{len(self.padding)}"
            )

    def write(self, file: _core.TensorFile, job: Job) -> None:
        parts = (self._tensor.start, self.outer, self.old, self.row_bytes)
        file.gather(self._tensor.path, parts, self.index, self.padding, job.threads, job.watch())
        job.advance(self.nbytes)


class MadePart(Part):
    """A tensor that is made."""

    def __init__(self, name: str, made: Made) -> None:
        self.dtype, self.shape = made.dtype, tuple(made.shape)
        self._name, self._make = f"plan: {name!r}", made.make
        bits = BITS.get(made.dtype)
        if bits is None or bits % 8:
            raise DTypeError(f"{self._name}: expected a type of whole bytes, got {made.dtype!r}")
        if not self.shape or any(_checks.integer(self._name, size) < 0 for size in self.shape):
            raise ShapeError(f"{self._name}: expected a shape with rows, got {self.shape}")
        self.nbytes = math.prod(self.shape) * bits // 8

    def write(self, file: _core.TensorFile, job: Job) -> None:
        rows, rest = self.shape[0], self.shape[1:]
        step = max(1, job.block // max(1, self.nbytes // max(1, rows)))
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            block = encode(self._name, self._make(start, stop), self.dtype)
            require_shape(self._name, block, (stop - start, *rest))
            file.write(block.reshape(-1).view(np.uint8))
            job.advance(block.nbytes)


def _axis(name: str, axis: Any, ndim: int) -> int:
    found = _checks.integer(f"{name}: axis", axis)
    if not -ndim <= found < ndim:
        raise ShapeError(f"{name}: axis: expected one of {ndim}, got {found}")
    return found % ndim


def _row_numbers(name: str, index: Any, old: int) -> NDArray[np.int64]:
    found = np.asarray(index)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise DTypeError(
            f"{name}: index: expected a list of row numbers, got {found.dtype} of shape "
            f"{found.shape}"
        )
    wrong = np.flatnonzero((found < -1) | (found >= old))
    if wrong.size:
        raise RemapError(
            f"{name}: index: expected rows below {old}, or -1 for padding, got "
            f"{int(found[wrong[0]])} at entry {int(wrong[0])}"
        )
    return found.astype(np.int64)


def _row_bytes(tensor: Tensor, axis: int) -> int:
    rows = math.prod(tensor.shape[: axis + 1])
    if rows and tensor.nbytes % rows == 0:
        return tensor.nbytes // rows
    bits = (tensor.bits or 0) * math.prod(tensor.shape[axis + 1 :])
    if rows or bits % 8 or (tensor.bits is None):
        raise FormatError(
            f"{tensor.path}: tensor {tensor.name!r}: {tensor.dtype} of shape {tensor.shape}: a row "
            f"of axis {axis} is not a whole number of bytes"
        )
    return bits // 8
