"""Sums of weighted rows by the Rust core."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy

from isomorph._backends import Run
from isomorph._backends.array_mixing import ArrayMixing


class CpuMixing:
    """The mixing of rows of :class:`isomorph._backends.Backend`."""

    def mix_rows(
        self, indptr: Any, indices: Any, weights: Any, rows: Any, out: Any, run: Run
    ) -> Any:
        """See the protocol."""
        plain = ArrayMixing()
        plain.xp = array_api_compat.numpy
        result = plain.mix_rows(indptr, indices, weights, rows, out, run)
        return result if out is None else out
