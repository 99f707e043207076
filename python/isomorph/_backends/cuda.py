"""CuPy's arrays on a GPU: array code, tuned searches and polar factors. No GPU has run it yet."""

from __future__ import annotations

from typing import Any

from isomorph._backends.array import ArrayBackend
from isomorph._backends.cuda_device import CupyDevice, Device
from isomorph._backends.cuda_linalg import CudaLinalg
from isomorph._backends.cuda_neighbors import CudaNeighbors


class CudaBackend(CudaNeighbors, CudaLinalg, ArrayBackend):
    """See :class:`isomorph._backends.Backend`; `device` is what is not arrays: kernels, memory."""

    def __init__(self, xp: Any, device: Device | None = None) -> None:
        super().__init__(xp)
        self.device = CupyDevice(xp) if device is None else device
