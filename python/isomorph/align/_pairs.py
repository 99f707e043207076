"""Pairs of rows, as every fit takes them: row i of one side belongs to row i of the other."""

from __future__ import annotations

from typing import Any

from isomorph import _arrays, _weights
from isomorph.errors import ShapeError


def paired(source: Any, target: Any, *, stacks: bool = True) -> _arrays.Arguments:
    """Check what can be checked before a value is touched."""
    ndim = (2, 3) if stacks else 2
    arguments = _arrays.Arguments(ndim=ndim, source=source, target=target)
    arguments.require_not_empty()
    shapes = arguments.shapes
    wanted = shapes["source"][:-1]
    if shapes["target"][:-1] != wanted:
        rows = " matrices of ".join(str(length) for length in wanted) + " rows"
        raise ShapeError(
            f"target: expected {rows} as in source, row i belonging to row i, got shape "
            f"{shapes['target']}"
        )
    return arguments


def weights_of(arguments: _arrays.Arguments, weights: Any) -> Any:
    """Check weights of pairs, (n,) or (b, n), and give them in float64; None stays None."""
    found = _weights.beside(arguments, weights)
    if found is not None:
        xp = arguments.array_namespace()
        if not bool(xp.all(xp.any(found > 0, axis=-1))):
            raise ValueError("weights: expected a positive one, got zeros only")
    return found
