"""Sums and counts over all pairs by the Rust core."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _core
from isomorph._backends import Run
from isomorph._progress import reporting


class CpuHubness:
    """The hubness operations of :class:`isomorph._backends.Backend`."""

    def log_sums(self, source: Any, target: Any, beta: float, run: Run) -> Any:
        """See the protocol."""
        with reporting(run.progress, "sums") as report:
            return _core.log_sums(source, target, beta, run.threads, report)

    def distance_moments(self, source: Any, target: Any, run: Run) -> Any:
        """See the protocol."""
        with reporting(run.progress, "moments") as report:
            return _core.distance_moments(source, target, run.threads, report)

    def count_below(self, source: Any, target: Any, offsets: Any, values: Any, run: Run) -> Any:
        """See the protocol."""
        with reporting(run.progress, "counts") as report:
            return _core.count_below(source, target, offsets, values, run.threads, report)

    def pair_cosines(self, source: Any, target: Any, indices: Any, run: Run) -> Any:
        """See the protocol."""
        chosen = np.ascontiguousarray(indices)
        return _core.pair_cosines(source, target, chosen, run.threads)
