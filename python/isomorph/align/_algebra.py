"""Inverting and composing maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isomorph import _arrays, runtime
from isomorph._backends import Run
from isomorph._stacks import as_stack, reshape
from isomorph.errors import ShapeError

if TYPE_CHECKING:
    from isomorph.align._maps import LinearMap


def inverse(map: LinearMap) -> LinearMap:  # noqa: A002 - the field's word for it
    """See :meth:`LinearMap.inverse`."""
    from isomorph.align._maps import LinearMap

    arguments = _arrays.Arguments(ndim=(2, 3), matrix=map.matrix)
    xp = arguments.array_namespace()
    ready = arguments.ready(check_finite=False)
    scale = map.scale
    if not bool(xp.all(xp.asarray(scale) != 0)):
        raise ValueError("scale: a map with scale 0 sends everything to one point; no way back")
    matrix = as_stack(ready, ready.arrays[0])
    if map.orthogonal:
        back = _contiguous(ready, xp.matrix_transpose(matrix))
    else:
        eps = float(xp.finfo(matrix.dtype).eps)
        back = _pseudo_inverse(arguments, ready, matrix, eps)
    product = _product(arguments, ready, matrix, back)
    lost = xp.eye(map.source_dim, dtype=product.dtype, **arguments.device_of(matrix)) - product
    squares = xp.sum(xp.astype(lost, xp.float64) ** 2, axis=(1, 2)) / map.source_dim
    residuals = [float(squares[i]) ** 0.5 for i in range(squares.shape[0])]
    single = map.stack is None
    return LinearMap(
        reshape(ready, back, tuple(back.shape[1:])) if single else back,
        map.target_mean,
        map.source_mean,
        1.0 / scale,
        orthogonal=map.orthogonal,
        method=f"inverse of {map.method}",
        metrics={"inverse_residual": residuals[0] if single else residuals},
        provenance={"inverse_of": dict(map.provenance)},
    )


def then(first: LinearMap, second: LinearMap) -> LinearMap:
    """See :meth:`LinearMap.then`."""
    from isomorph.align._maps import LinearMap

    if not isinstance(second, LinearMap):
        raise TypeError(f"other: expected a LinearMap, got {type(second).__name__}")
    if first.target_dim != second.source_dim:
        raise ShapeError(
            f"other: expected a map from {first.target_dim} columns, which is what this one gives, "
            f"got {second.source_dim} -> {second.target_dim}"
        )
    stacks = {m.stack for m in (first, second)} - {None}
    if len(stacks) > 1:
        raise ShapeError(f"other: expected {first.stack} maps, got {second.stack}")
    arguments = _arrays.Arguments(ndim=(2, 3), matrix=first.matrix, other=second.matrix)
    xp = arguments.array_namespace()
    ready = arguments.ready(check_finite=False)
    count = stacks.pop() if stacks else 1
    assert count is not None
    left, right = (_repeated(ready, xp, as_stack(ready, m), count) for m in ready.arrays)
    product = _product(arguments, ready, left, right)
    m1, t1, s1 = (_repeated(ready, xp, part, count) for part in first._parts(arguments))
    m2, t2, s2 = (_repeated(ready, xp, part, count) for part in second._parts(arguments))
    target_mean = t2
    if t1 is not None or m2 is not None:
        device = arguments.device_of(ready.arrays[0])
        zero = xp.zeros((count, first.target_dim), dtype=xp.float64, **device)
        point = zero if t1 is None else t1
        wide = xp.astype(right, xp.float64)
        run = Run(runtime.resolve_threads())
        image = ready.backend.apply_affine(
            _contiguous(ready, point[:, None, :]), wide, m2, t2, s2, None, run
        )
        target_mean = reshape(ready, image, (count, second.target_dim))
    single = first.stack is None and second.stack is None
    d, e, f = first.source_dim, first.target_dim, second.target_dim

    def shaped(array: Any) -> Any:
        return reshape(ready, array, tuple(array.shape[1:])) if single else array

    return LinearMap(
        shaped(product),
        None if m1 is None else shaped(m1),
        None if target_mean is None else shaped(target_mean),
        float((s1 * s2)[0]) if single else s1 * s2,
        # Orthonormal rows times orthonormal rows are orthonormal rows; columns likewise.
        orthogonal=first.orthogonal and second.orthogonal and (d <= e <= f or d >= e >= f),
        method=f"{first.method}, then {second.method}",
        provenance={"first": dict(first.provenance), "second": dict(second.provenance)},
    )


def _pseudo_inverse(
    arguments: _arrays.Arguments, ready: _arrays.Prepared, matrix: Any, eps: float
) -> Any:
    xp = arguments.array_namespace()
    run = Run(runtime.resolve_threads())
    u, s, vt = ready.backend.svd(xp.astype(matrix, xp.float64), run)
    cutoff = s[:, :1] * eps * max(matrix.shape[1:])
    kept = s > cutoff
    reciprocal = xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    left = _contiguous(ready, xp.matrix_transpose(vt) * reciprocal[:, None, :])
    right = _contiguous(ready, xp.matrix_transpose(u))
    return ready.convert(_product(arguments, ready, left, right))


def _product(arguments: _arrays.Arguments, ready: _arrays.Prepared, left: Any, right: Any) -> Any:
    """Multiply two stacks on the backend, whose bytes depend on no thread count."""
    xp = arguments.array_namespace()
    ones = xp.ones((left.shape[0],), dtype=xp.float64, **arguments.device_of(left))
    run = Run(runtime.resolve_threads())
    return ready.backend.apply_affine(left, right, None, None, ones, None, run)


def _repeated(ready: _arrays.Prepared, xp: Any, array: Any, count: int) -> Any:
    """Give a stack of one as a stack of `count`."""
    if array is None or array.shape[0] == count:
        return array
    return _contiguous(ready, xp.broadcast_to(array, (count, *array.shape[1:])))


def _contiguous(ready: _arrays.Prepared, array: Any) -> Any:
    if ready.namespace is not None:
        return array
    import numpy as np

    return np.ascontiguousarray(array)
