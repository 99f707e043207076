"""The operations that a backend implements: the Rust core on NumPy, plain array code elsewhere.

A backend gets arrays that :mod:`isomorph._arrays` has checked: one namespace, one device, one of
float32 and float64, shapes and parameters that fit. Both backends give the same bytes for
selections and agree within stated bounds for sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from isomorph._progress import Progress


@dataclass(frozen=True, slots=True)
class Run:
    """How a call wants to be run."""

    threads: int
    progress: Progress = None


class Backend(Protocol):
    """What the public functions need."""

    def first_nonfinite_row(self, array: Any) -> int | None:
        """Find the first row with a NaN or an infinity, leading axes flattened."""
        ...

    def topk(
        self, queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool, run: Run
    ) -> tuple[Any, Any]:
        """Give scores and int64 indices, each (n, k)."""
        ...

    def csls_radii(self, source: Any, target: Any, neighborhood: int, run: Run) -> tuple[Any, Any]:
        """Give the mean of the `neighborhood` largest cosines of each row, for both sides."""
        ...

    def csls(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[Any, Any]:
        """Give scores and indices of the forward direction."""
        ...

    def csls_both(
        self, source: Any, target: Any, k: int, source_radii: Any, target_radii: Any, run: Run
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Give scores and indices of both directions, from one pass."""
        ...
