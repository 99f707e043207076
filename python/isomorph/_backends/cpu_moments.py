"""Joint moments by the Rust core, kept in NumPy arrays that it writes to."""

from __future__ import annotations

from typing import Any

from isomorph import _core
from isomorph._backends import Fitted, MomentParts, Run


class CpuMoments:
    """The moments of :class:`isomorph._backends.Backend`."""

    def accumulate_moments(
        self,
        parts: MomentParts,
        split: int,
        x: Any,
        y: Any,
        weights: Any,
        order: Any,
        exponents: tuple[int, int],
        run: Run,
    ) -> MomentParts:
        """See the protocol."""
        report = run.progress if callable(run.progress) else None
        _core.accumulate_moments(parts, split, x, y, weights, order, exponents, run.threads, report)
        return parts

    def merge_moments(
        self, parts: MomentParts, other: MomentParts, split: int, times: float, run: Run
    ) -> MomentParts:
        """See the protocol."""
        # The core borrows them to write to: it brings norm-weighted sums to the common mean where
        # they stand. They may belong to several Moments, which other threads read meanwhile.
        own = tuple(part.copy() for part in other)
        _core.merge_moments(parts, own, split, times, run.threads)
        return parts

    def procrustes_from_moments(
        self,
        cross: Any,
        second: Any,
        totals: tuple[float, float],
        exponents: tuple[int, int],
        *,
        scale: bool,
        allow_reflection: bool,
        run: Run,
    ) -> Fitted:
        """See the protocol."""
        return Fitted(
            **_core.procrustes_from_moments(
                cross,
                second,
                totals,
                exponents,
                scale=scale,
                rotation_only=not allow_reflection,
                threads=run.threads,
            )
        )

    def multiply(self, left: Any, right: Any, run: Run) -> Any:
        """See the protocol."""
        return _core.multiply(left, right, run.threads)
