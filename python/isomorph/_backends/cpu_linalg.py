"""Factorisations, Procrustes, maps and transforms by the Rust core."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _core
from isomorph._backends import Fitted, Run
from isomorph._progress import reporting


class CpuLinalg:
    """The linear algebra of :class:`isomorph._backends.Backend`."""

    def svd(self, a: Any, run: Run) -> tuple[Any, Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "singular values") as report:
            return _core.svd(a, run.threads, report)

    def svdvals(self, a: Any, run: Run) -> Any:
        """See the protocol."""
        with reporting(run.progress, "singular values") as report:
            return _core.svdvals(a, run.threads, report)

    def eigh(self, a: Any, check_symmetric: bool, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "eigenvalues") as report:
            return _core.eigh(a, check_symmetric, run.threads, report)

    def polar(self, a: Any, run: Run) -> tuple[Any, Any]:
        """See the protocol."""
        with reporting(run.progress, "polar factors") as report:
            return _core.polar(a, run.threads, report)

    def procrustes(
        self,
        source: Any,
        target: Any,
        weights: Any,
        *,
        scale: bool,
        translate: bool,
        allow_reflection: bool,
        run: Run,
    ) -> Fitted:
        """See the protocol."""
        with reporting(run.progress, "Procrustes") as report:
            parts = _core.procrustes(
                source,
                target,
                weights,
                scale=scale,
                translate=translate,
                rotation_only=not allow_reflection,
                threads=run.threads,
                progress=report,
            )
        return Fitted(**parts)

    def procrustes_of_rows(self, x: Any, z: Any, source: Any, target: Any, run: Run) -> Any:
        """See the protocol."""
        return _core.procrustes_of_rows(x, z, source, target, run.threads)

    def apply_affine(
        self,
        x: Any,
        matrix: Any,
        source_mean: Any,
        target_mean: Any,
        scale: Any,
        out: Any,
        run: Run,
    ) -> Any:
        """See the protocol."""
        shape = (*x.shape[:2], matrix.shape[2])
        direct = (
            out is not None
            and out.flags.c_contiguous
            and out.flags.aligned
            and not any(np.may_share_memory(out, array) for array in (x, matrix))
        )
        result = out.reshape(shape) if direct else np.empty(shape, dtype=x.dtype)
        with reporting(run.progress, "rows") as report:
            _core.apply_affine(
                x, matrix, source_mean, target_mean, scale, result, run.threads, report
            )
        if out is not None and not direct:
            out[...] = result.reshape(out.shape)
        return result

    def column_means(self, x: Any, run: Run) -> Any:
        """See the protocol."""
        return _core.column_means(x, run.threads)

    def column_norms(self, x: Any, run: Run) -> Any:
        """See the protocol."""
        return _core.column_norms(x, run.threads)

    def transform_rows(self, x: Any, operation: str, values: Any, run: Run) -> Any:
        """See the protocol."""
        out = np.empty_like(x)
        _core.transform_rows(x, operation, values, out, run.threads)
        return out
