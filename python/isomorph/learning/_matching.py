"""Matching words by transport: the steps that the starts without a dictionary share."""

from __future__ import annotations

import warnings
from typing import Any

from isomorph import _arrays
from isomorph.align import LinearMap
from isomorph.errors import ConvergenceWarning
from isomorph.transport import Transport, sinkhorn

#: Of a plan that the next step replaces.
_TOLERANCE, _PASSES = 1e-3, 200


def matched(cost: Any, reg: float, before: Transport | None, threads: int) -> Transport:
    """Transport equal masses, from where the step before ended, well enough for a step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return sinkhorn(
            None,
            None,
            cost,
            reg,
            tol=_TOLERANCE,
            max_iter=_PASSES,
            initial=before,
            check_finite=False,
            threads=threads,
        )


def products(x: Any, matrix: Any, threads: int) -> Any:
    """Give x times a matrix, with the same bytes on any number of threads."""
    return LinearMap(matrix, method="products").apply(x, check_finite=False, threads=threads)


def minus_products(x: Any, y: Any, threads: int) -> Any:
    """Give -x y', every row of x with every row of y."""
    xp = _arrays.Arguments(x=x).array_namespace()
    return products(x, -xp.matrix_transpose(y), threads)
