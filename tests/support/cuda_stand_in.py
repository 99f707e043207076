"""A device without a GPU: models in NumPy of the kernels, and memory that ends where it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import array_api_compat.numpy
import numpy as np

import isomorph as iso
from isomorph._backends import cuda_search
from isomorph._backends.cuda import CudaBackend

#: Bits of a float32 that a precision leaves out.
CUT = {"float32": 0, "tf32": 13, "bf16": 16}


class StandIn:
    """See `isomorph._backends.cuda_device.Device`; `most` is the entries of the largest product."""

    out_of_memory = MemoryError

    def __init__(self, most: int | None = None, free: int = 1 << 30) -> None:
        self.most, self.free, self.released, self.products = most, free, 0, []

    def free_bytes(self):
        return self.free

    def release(self):
        self.released += 1

    def matmul(self, x, y, precision):
        if self.most is not None and len(x) * len(y) > self.most:
            raise MemoryError("the device of the tests has no more")
        self.products.append((len(x), len(y), precision))
        if precision != "float64":
            x, y = (cut(side, CUT[precision]) for side in (x, y))
        return np.ascontiguousarray(x @ y.T)

    def collect(self, tile, across, factor, bias, floor, room):
        keys = (tile.T if across else tile) * tile.dtype.type(factor) + bias
        passed = keys > floor[:, None]
        counts = passed.sum(axis=1, dtype=np.int32)
        rows, columns = np.nonzero(passed)
        places = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
        held = places < room
        rows, columns, places = rows[held], columns[held], places[held]
        found = np.full((len(keys), room), -np.inf, tile.dtype)
        where = np.full((len(keys), room), -1, np.int32)
        found[rows, places], where[rows, places] = keys[rows, columns], columns
        return found, where, counts

    def pair_sums(self, x, rows, y, columns, squared):
        d = x.shape[1]
        left, right = x[rows].astype(float)[:, None, :], y[np.maximum(columns, 0)].astype(float)
        if squared:
            left = right = left - right
        lanes = np.zeros((*columns.shape, 8))
        for p in range(d):
            lanes[..., p % 8] += left[..., p] * right[..., p]
        four = lanes[..., :4] + lanes[..., 4:]
        sums = (four[..., 0] + four[..., 2]) + (four[..., 1] + four[..., 3])
        return np.where(columns >= 0, sums, 0.0)


def cut(rows, bits):
    """Round float32 towards zero to fewer bits: the worst that a tensor core may do."""
    return (rows.view(np.uint32) & np.uint32(0xFFFFFFFF << bits & 0xFFFFFFFF)).view(np.float32)


@contextmanager
def on_cuda(
    device: StandIn | None = None,
    *,
    extra: int | None = None,
    most: int | None = None,
    one_pass_from: int = 1280,
    tile: tuple[int, int] | None = None,
) -> Iterator[StandIn]:
    """Serve NumPy's arrays as CuPy's are on a GPU."""
    device = StandIn() if device is None else device

    def backend(xp):
        assert xp is array_api_compat.numpy
        made = CudaBackend(xp, device)
        made.extra, made.one_pass_from = extra, one_pass_from
        made.most = made.most if most is None else most
        return made

    with (
        mock.patch("isomorph._backends.array.ArrayBackend", backend),
        mock.patch.object(cuda_search, "LARGEST_TILE", tile or cuda_search.LARGEST_TILE),
        iso.runtime.use_backend("array"),
    ):
        yield device
