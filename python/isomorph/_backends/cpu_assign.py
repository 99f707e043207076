"""Codes by a few Sinkhorn iterations, by the Rust core."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _core
from isomorph._backends import Assigned, Assigner, Run
from isomorph._progress import reporting


class CpuAssign:
    """The operations of assignment of :class:`isomorph._backends.Backend`."""

    def score_maxima(self, scores: Any, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        return _core.score_maxima(scores, run.threads)

    def assign(
        self,
        scores: Any,
        maxima: Any,
        masses: Any,
        reg: float,
        how: Assigner,
        out: Any,
        run: Run,
    ) -> Assigned:
        """See the protocol."""
        n, m = scores.shape
        # What the core can write to at once; it reads scores until the end.
        direct = (
            out is not None
            and out.flags.c_contiguous
            and out.flags.aligned
            and out.dtype.isnative
            and not np.may_share_memory(out, scores)
        )
        codes = out if direct else np.empty((n, how.top or m), scores.dtype)
        columns = None if how.top is None else np.empty((n, how.top), np.int64)
        with reporting(run.progress, "codes") as report:
            error = _core.assign_codes(
                scores,
                maxima,
                masses,
                reg,
                how.iterations,
                how.rule,
                how.tol,
                codes,
                columns,
                run.threads,
                report,
            )
        if columns is not None:
            return Assigned((codes, columns), error)
        if out is not None and not direct:
            out[...] = codes
        return Assigned(codes if out is None else out, error)
