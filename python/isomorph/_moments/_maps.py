"""From scaled float64 answers to maps in the type of the rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from isomorph import _core
from isomorph._backends.array_neighbors import _quiet as quiet
from isomorph._moments._scatter import Scatter

if TYPE_CHECKING:
    from isomorph._moments._streaming import Moments
    from isomorph.align import LinearMap


def map_of(
    moments: Moments,
    scatter: Scatter,
    matrix: Any,
    method: str,
    *,
    powers: tuple[int, int] | None = None,
    means: tuple[Any, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
) -> LinearMap:
    """Give the map of a matrix that was fitted to scaled values.

    `powers` are those of what comes in and what goes out, `means` what is subtracted and added;
    default: those of x and of y.
    """
    from isomorph.align import LinearMap

    tools = scatter.tools
    left, right = scatter.exponents if powers is None else powers
    prepared = tools.prepared(moments.dtype)
    with quiet():
        matrix = times_power(matrix, left - right)
        result = prepared.convert(tools.contiguous(matrix))
    if not bool(tools.xp.all(tools.xp.isfinite(result))):
        raise ValueError(
            f"{method}: the map overflows {moments.dtype}; scale the rows, or give them in float64"
        )
    if means is None:
        means = mean_pair(scatter) if scatter.translated else (None, None)
    return LinearMap(
        result,
        *means,
        method=method,
        metrics=metrics or {},
        provenance=provenance(scatter, **(more or {})),
    )


def provenance(scatter: Scatter, **more: Any) -> dict[str, Any]:
    """Say where a map comes from."""
    return {
        "isomorph": _core.build_info()["version"],
        "rows": scatter.rows,
        "weight": scatter.weight,
        "translate": scatter.translated,
        **more,
    }


def mean_pair(scatter: Scatter) -> tuple[Any, Any]:
    """Give the means of the values as they came."""
    x, y = scatter.exponents
    return times_power(scatter.x_mean, -x), times_power(scatter.y_mean, -y)


def times_power(array: Any, power: int) -> Any:
    """Multiply by 2 to any power, in steps that fit float64."""
    while power:
        step = max(-1000, min(1000, power))
        array = array * math.ldexp(1.0, step)
        power -= step
    return array


def relative_residual(left: float, total: float) -> float:
    """Give the root of a residual sum of squares over the whole one, 0 where both are nothing."""
    if total <= 0:
        return 0.0
    return math.sqrt(max(0.0, left / total))
