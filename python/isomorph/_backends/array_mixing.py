"""Sums of weighted rows in plain array-namespace code: one entry of every row at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph._backends import Run
from isomorph._backends.array_neighbors import _device

#: Rows of the result that are added up together.
BLOCK = 4096


class ArrayMixing:
    """The mixing of rows of :class:`isomorph._backends.Backend`."""

    xp: Any

    def mix_rows(
        self, indptr: Any, indices: Any, weights: Any, rows: Any, out: Any, run: Run
    ) -> Any:
        """See the protocol."""
        xp, count = self.xp, len(indptr) - 1
        parts = []
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            parts.append(self._block(indptr[start : stop + 1], indices, weights, rows))
            if callable(run.progress):
                run.progress(stop, count)
        if not parts:
            parts.append(xp.zeros((0, rows.shape[1]), dtype=rows.dtype, device=_device(rows)))
        result = parts[0] if len(parts) == 1 else xp.concat(parts)
        if out is not None:
            out[...] = result
        return result

    def _block(self, indptr: Any, indices: Any, weights: Any, rows: Any) -> Any:
        xp = self.xp
        own: dict[str, Any] = {"device": _device(rows)}
        starts, counts = indptr[:-1], np.diff(indptr)
        total = xp.zeros((len(starts), rows.shape[1]), dtype=rows.dtype, **own)
        for place in range(int(counts.max(initial=0))):
            has = counts > place
            entries = np.where(has, starts + place, 0)
            picked = xp.take(rows, xp.asarray(indices[entries].astype(np.int64), **own), axis=0)
            factor = xp.astype(xp.asarray(weights[entries], **own), rows.dtype)
            product = factor[:, None] * picked
            # What is not there adds nothing; nor does 0 take the sign of the first product.
            added = product if place == 0 else total + product
            total = xp.where(xp.asarray(has, **own)[:, None], added, total)
        return total
