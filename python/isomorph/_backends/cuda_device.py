"""What a GPU has besides arrays: kernels of our own, memory that ends, precisions of products.

:class:`CupyDevice` is the only code that knows CuPy. The tests have another :class:`Device`, whose
kernels are models in NumPy.
"""

from __future__ import annotations

import importlib
import threading
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from isomorph._backends import cuda_kernels

#: CuPy's numbers of the types that a float32 product may compute with (`set_compute_type`).
_COMPUTE_TYPES = {"float32": 1, "bf16": 6, "tf32": 7}
#: The compute type is one for all threads: it is set and put back while nobody else does.
_products = threading.Lock()
_THREADS, _MOST_BLOCKS = 256, 65535


class Device(Protocol):
    """What searches need of a device."""

    #: What it raises where memory ends.
    out_of_memory: type[Exception]

    def free_bytes(self) -> int:
        """Give the bytes that arrays may take now."""
        ...

    def release(self) -> None:
        """Give memory that no array holds back to the device."""
        ...

    def matmul(self, x: Any, y: Any, precision: str) -> Any:
        """Give x y', C-contiguous; `precision` says what float32 may be rounded to."""
        ...

    def collect(
        self, tile: Any, across: bool, factor: float, bias: Any, floor: Any, room: int
    ) -> tuple[Any, Any, Any]:
        """Collect, for each row, the keys ``factor * tile + bias`` above `floor`, in any order.

        Rows are those of the C-contiguous `tile` (its columns if `across`); `floor` has one value
        a row, `bias` one a column. Gives keys (-inf where there is none) and columns (int32, -1),
        both (rows, room), and int32 counts, which tell what found no room, too.
        """
        ...

    def pair_sums(self, x: Any, rows: Any, y: Any, columns: Any, squared: bool) -> Any:
        """Give canonical dot products (r, c) of ``x[rows]`` (r,) and ``y[columns]`` (r, c).

        Those of squared distance if `squared`; float64, in the eight lanes of
        :mod:`isomorph._backends.array_neighbors`; 0 where the column is -1.
        """
        ...


class CupyDevice:
    """The device of CuPy's arrays."""

    def __init__(self, xp: Any) -> None:
        cupy = _cupy()
        self.xp, self.cupy = xp, cupy
        self.out_of_memory: type[Exception] = cupy.cuda.memory.OutOfMemoryError

    def free_bytes(self) -> int:
        """See Device."""
        pool = self.cupy.get_default_memory_pool()
        free = int(self.cupy.cuda.Device().mem_info[0]) + int(pool.free_bytes())
        limit = int(pool.get_limit())
        return min(free, limit - int(pool.used_bytes())) if limit else free

    def release(self) -> None:
        """See Device."""
        self.cupy.get_default_memory_pool().free_all_blocks()

    def matmul(self, x: Any, y: Any, precision: str) -> Any:
        """See Device."""
        core = self.cupy._core
        with _products:
            before = core.get_compute_type(np.float32)
            core.set_compute_type(np.float32, _COMPUTE_TYPES[precision])
            try:
                return self.cupy.ascontiguousarray(self.cupy.matmul(x, y.T))
            finally:
                core.set_compute_type(np.float32, before)

    def collect(
        self, tile: Any, across: bool, factor: float, bias: Any, floor: Any, room: int
    ) -> tuple[Any, Any, Any]:
        """See Device."""
        cupy, (height, width) = self.cupy, tile.shape
        rows = width if across else height
        keys = cupy.full((rows, room), -np.inf, dtype=tile.dtype)
        columns = cupy.full((rows, room), -1, dtype=np.int32)
        counts = cupy.zeros(rows, dtype=np.int32)
        self._launch(
            "collect",
            tile.dtype,
            tile.size,
            tile,
            np.int64(height),
            np.int64(width),
            np.int32(across),
            tile.dtype.type(factor),
            cupy.ascontiguousarray(bias),
            cupy.ascontiguousarray(floor),
            np.int32(room),
            keys,
            columns,
            counts,
        )
        return keys, columns, counts

    def pair_sums(self, x: Any, rows: Any, y: Any, columns: Any, squared: bool) -> Any:
        """See Device."""
        cupy = self.cupy
        sums = cupy.empty(columns.shape, dtype=np.float64)
        self._launch(
            "pair_sums",
            x.dtype,
            columns.size,
            cupy.ascontiguousarray(x),
            cupy.ascontiguousarray(rows),
            cupy.ascontiguousarray(y),
            cupy.ascontiguousarray(columns),
            np.int64(columns.size),
            np.int64(columns.shape[1]),
            np.int64(x.shape[1]),
            np.int32(squared),
            sums,
        )
        return sums

    def _launch(self, name: str, dtype: Any, size: int, *arguments: Any) -> None:
        if size:
            blocks = min(-(-size // _THREADS), _MOST_BLOCKS)
            _kernel(name, str(dtype))((blocks,), (_THREADS,), arguments)


def _cupy() -> Any:
    return importlib.import_module("cupy")


@lru_cache
def _kernel(name: str, dtype: str) -> Any:
    return _cupy().RawKernel(cuda_kernels.source(dtype), name)
