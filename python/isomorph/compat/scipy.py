"""Drop-ins for the two Procrustes functions of SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import linalg
from isomorph.compat._covered import NotCoveredError, drop_in

__all__ = ["orthogonal_procrustes", "procrustes"]


@drop_in("scipy.linalg")
def orthogonal_procrustes(
    A: Any,
    B: Any,
    check_finite: bool = True,
) -> tuple[Any, Any]:
    r"""Find the orthogonal matrix that brings the rows of `A` nearest to those of `B`.

    The drop-in for ``scipy.linalg.orthogonal_procrustes``. With the singular value decomposition
    :math:`A^T B = U S V^T`,

    .. math:: R = U V^T = \arg\min_{R^T R = I} |A R - B|_F, \qquad \mathrm{scale} = \sum_i S_{ii}

    Parameters
    ----------
    A, B : array_like of shape (..., n, d)
        Pairs of rows; a stack of problems has more axes.
    check_finite : bool, default True
        Refuse NaN and infinities. Without it such a call goes to SciPy.

    Returns
    -------
    R : array of shape (..., d, d)
        Float32 if both inputs are, else float64.
    scale : float, or array of shape (...)
        The sum of the singular values.

    Raises
    ------
    ValueError
        Other than two dimensions, two shapes, or numbers that are not finite.

    Notes
    -----
    O(n d^2 + d^3), d^2 numbers of memory. Where :math:`A^T B` has no full rank, as with fewer rows
    than columns, many R are as good; then SciPy is asked, so that it is the same one. It is also
    asked for complex numbers, masked arrays and arrays of other libraries.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.scipy import orthogonal_procrustes
    >>> R, scale = orthogonal_procrustes([[2.0, 1.0], [0.0, 1.0]], [[1.0, 2.0], [1.0, 0.0]])
    >>> np.abs(R.round(6)).tolist(), round(float(scale), 6)
    ([[0.0, 1.0], [1.0, 0.0]], 6.0)
    """
    a, b = _numbers("A", A), _numbers("B", B)
    for array in (a, b):
        if array.ndim < 2:
            raise ValueError(f"expected ndim to be 2, but observed {array.ndim}")
    if a.shape[-2:] != b.shape[-2:]:
        raise ValueError(f"the shapes of A and B differ ({a.shape} vs {b.shape})")
    if a.shape != b.shape or a.size == 0:
        raise NotCoveredError("stacks of two shapes" if a.size else "no numbers")
    finite = bool(np.isfinite(a).all() and np.isfinite(b).all())
    if not finite:
        if check_finite:
            raise ValueError("array must not contain infs or NaNs")
        raise NotCoveredError("numbers that are not finite")
    moment = np.matmul(np.swapaxes(a, -1, -2), b)
    found = linalg.svd(moment, check_finite=False)
    floor = moment.shape[-1] * float(np.finfo(moment.dtype).eps)
    if not bool(np.all(found.s[..., -1] > floor * found.s[..., 0])):
        raise NotCoveredError("the solution is not unique: A.T @ B has no full rank")
    return found.u @ found.vt, np.sum(found.s, axis=-1)


@drop_in("scipy.spatial")
def procrustes(data1: Any, data2: Any) -> tuple[Any, Any, Any]:
    r"""Compare two sets of points, what place, scale, turn and mirroring do to them taken off.

    The drop-in for ``scipy.spatial.procrustes``. Both sets are centred and divided by their
    Frobenius norm; then the second is turned and scaled to fit the first.

    Parameters
    ----------
    data1, data2 : array_like of shape (n, d)
        Points in rows, partners in the same row.

    Returns
    -------
    mtx1, mtx2 : array of float64, shape (n, d)
        The first set standardised, and the second fitted to it.
    disparity : float
        The sum of the squares of their difference.

    Raises
    ------
    ValueError
        Other than two dimensions, two shapes, nothing in them, or points that are all the same.

    Notes
    -----
    O(n d^2 + d^3). Where the solution is not unique SciPy is asked, as in
    :func:`orthogonal_procrustes`.

    Examples
    --------
    >>> from isomorph.compat.scipy import procrustes
    >>> square = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]
    >>> turned = [[0.0, 3.0], [0.0, 5.0], [-4.0, 3.0]]
    >>> round(float(procrustes(square, turned)[2]), 9)
    0.0
    """
    first = np.array(data1, dtype=np.float64)
    second = np.array(data2, dtype=np.float64)
    for points in (first, second):
        if points.ndim != 2:
            raise ValueError("Input matrices must be two-dimensional")
    if first.shape != second.shape:
        raise ValueError("Input matrices must be of same shape")
    if first.size == 0:
        raise ValueError("Input matrices must be >0 rows and >0 cols")
    for points in (first, second):
        points -= points.mean(axis=0)
        length = np.linalg.norm(points)
        if length == 0:
            raise ValueError("Input matrices must contain >1 unique points")
        points /= length
    turn, scale = orthogonal_procrustes.serve(second, first)  # type: ignore[attr-defined]
    second = (second @ turn) * scale
    return first, second, np.sum(np.square(first - second))


def _numbers(name: str, values: Any) -> NDArray[Any]:
    """Give the matrix in the type that the computation has, or say why SciPy is asked."""
    if type(values) is not np.ndarray and not isinstance(values, list | tuple):
        raise NotCoveredError(f"{name} is a {type(values).__name__}, not a NumPy array")
    try:
        array = np.asarray(values)
    except ValueError:
        raise NotCoveredError(f"{name} is no matrix") from None
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype not in (np.float32, np.float64):
        raise NotCoveredError(f"{name} is of {array.dtype}")
    return array
