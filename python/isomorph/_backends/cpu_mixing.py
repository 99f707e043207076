"""Sums of weighted rows by the Rust core."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _core
from isomorph._backends import Run
from isomorph._progress import reporting


class CpuMixing:
    """The mixing of rows of :class:`isomorph._backends.Backend`.

    Here rows may be float16 or bfloat16, too; they are widened to float32 one by one.
    """

    def mix_rows(
        self, indptr: Any, indices: Any, weights: Any, rows: Any, out: Any, run: Run
    ) -> Any:
        """See the protocol."""
        kind = rows.dtype.name
        if out is None:
            dtype = "float64" if kind == "float64" else "float32"
            out = np.empty((len(indptr) - 1, rows.shape[1]), dtype=dtype)
        if kind not in ("float32", "float64"):
            rows = rows.view(np.uint16)
        with reporting(run.progress, "rows") as report:
            _core.mix_rows(indptr, indices, weights, rows, kind, out, run.threads, report)
        return out
