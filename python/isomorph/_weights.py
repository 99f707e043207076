"""Weights of rows: checked, and given in float64 beside the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _arrays
from isomorph.errors import DTypeError, NonFiniteError, ShapeError


def beside(arguments: _arrays.Arguments, weights: Any) -> Any:
    """Give finite weights that are not negative, one a row of the first of `arguments`.

    A stack of problems takes one vector for all, or one each. None stays None.
    """
    if weights is None:
        return None
    xp = arguments.array_namespace()
    (name, rows), *_ = arguments.arrays.items()
    stack = arguments.shapes[name][:-1]
    try:
        given = weights if hasattr(weights, "shape") else np.asarray(weights, dtype=np.float64)
        found = xp.astype(xp.asarray(given, **arguments.device_of(rows)), xp.float64)
    except (TypeError, ValueError):
        raise DTypeError(f"weights: expected numbers, got {type(weights).__name__}") from None
    if tuple(found.shape) not in (stack, stack[-1:]):
        several = f", or {stack}" if len(stack) > 1 else ""
        raise ShapeError(
            f"weights: expected shape {stack[-1:]}, one a row{several}, got {tuple(found.shape)}"
        )
    if not bool(xp.all(xp.isfinite(found))):
        raise NonFiniteError("weights: a NaN or an infinity; give 0 to what should not count")
    if bool(xp.any(found < 0)):
        raise ValueError("weights: expected none negative")
    return np.ascontiguousarray(found) if arguments.namespace is None else found
