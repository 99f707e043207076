"""Two functions that scripts take from VecMap's ``map_embeddings.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import linalg


def topk_mean(m: Any, k: int, inplace: bool = False) -> NDArray[Any]:
    """Return the mean of the `k` largest numbers of each row.

    Parameters
    ----------
    m : array of shape (n, c)
        Floating point.
    k : int
        How many; with 0 or less the means are 0.
    inplace : bool
        Allows that `m` is changed, which this function does not need.

    Returns
    -------
    array of shape (n,)
        In the type of `m`.

    Raises
    ------
    ValueError
        More than c.

    Notes
    -----
    O(n c), a copy of `m`.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.vecmap import topk_mean
    >>> topk_mean(np.array([[1.0, 4.0, 2.0]]), 2).tolist()
    [3.0]
    """
    del inplace
    rows, columns = m.shape
    if k <= 0:
        return np.zeros(rows, m.dtype)
    if k > columns:
        raise ValueError(f"k: expected at most {columns}, the number of columns, got {k}")
    largest: NDArray[Any] = np.partition(m, columns - k, axis=1)[:, columns - k :]
    means: NDArray[Any] = largest.mean(axis=1, dtype=np.float64).astype(m.dtype)
    return means


def whitening_transformation(m: Any) -> NDArray[Any]:
    r"""Return the symmetric matrix that makes the columns of `m` orthonormal.

    With the singular value decomposition :math:`m = U S V^T` it is :math:`V S^{-1} V^T`.

    Parameters
    ----------
    m : array of shape (n, d)
        Rows.

    Returns
    -------
    array of shape (d, d)
        Directions with a singular value of zero, by which VecMap divides, go to zero.

    Notes
    -----
    O(n d^2).

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.vecmap import whitening_transformation
    >>> whitening_transformation(np.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    found = linalg.svd(m)
    floor = max(np.shape(m)) * np.finfo(found.s.dtype).eps * found.s[0]
    inverse = np.divide(1.0, found.s, out=np.zeros_like(found.s), where=found.s > floor)
    whitening: NDArray[Any] = (found.vt.T * inverse) @ found.vt
    return whitening
