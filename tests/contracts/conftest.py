"""The contracts hold on every backend: that for GPUs, too, with NumPy in CuPy's place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import isomorph as iso
from support.cuda_stand_in import on_cuda


@pytest.fixture(params=["cpu", "array", "cuda"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on the Rust core, on the array-namespace code, and on that for GPUs."""
    if request.param == "cuda":
        # All is cut so small that rows are searched again.
        with on_cuda(extra=1, most=6, tile=(7, 9)):
            yield request.param
        return
    with iso.runtime.use_backend(request.param):
        yield request.param
