"""Factorisations of stacks of matrices, one problem a core, every answer tested before it is given.

LAPACK behind NumPy and SciPy solves a stack one matrix after the other. Here the matrices are
spread over the cores, and each factorisation is certified: its residual and the orthogonality of
its vectors are measured, repaired where one step repairs them, and recomputed by a slower method
where not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from isomorph import _arrays, runtime
from isomorph._backends import Run
from isomorph._progress import Progress
from isomorph._results import Unpackable
from isomorph._stacks import as_stack, reshape
from isomorph.errors import DTypeError, ShapeError

__all__ = ["SVD", "Polar", "polar", "svd"]


@dataclass(frozen=True, slots=True, eq=False)
class SVD(Unpackable):
    """A thin singular value decomposition ``a = u @ diag(s) @ vt``; k = min(n, d).

    Attributes
    ----------
    u : array of shape (..., n, k)
        Left singular vectors, in columns.
    s : array of shape (..., k)
        Singular values, descending.
    vt : array of shape (..., k, d)
        Right singular vectors, in rows.
    """

    u: Any
    s: Any
    vt: Any
    _unpacks: ClassVar[tuple[str, ...]] = ("u", "s", "vt")


@dataclass(frozen=True, slots=True, eq=False)
class Polar(Unpackable):
    """A polar decomposition ``a = r @ h``.

    Attributes
    ----------
    r : array of shape (..., n, d)
        The nearest matrix with orthonormal columns (n >= d) or rows (n < d).
    h : array of shape (..., d, d)
        Symmetric positive semi-definite.
    """

    r: Any
    h: Any
    _unpacks: ClassVar[tuple[str, ...]] = ("r", "h")


def svd(
    a: Any,
    *,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> SVD:
    r"""Factorise each matrix of a stack as :math:`A = U \operatorname{diag}(s) V^T`.

    Parameters
    ----------
    a : array of shape (..., n, d)
        One matrix or a stack; n and d at least 1, leading axes may be 0. float32 and float64 keep
        their type, float16 and bfloat16 give float32. Complex values are refused.
    check_finite : bool, default True
        Refuse NaN and infinities with a scan before the work. The core refuses them in any case.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    SVD
        ``u`` (..., n, k), ``s`` (..., k) descending and ``vt`` (..., k, d), k = min(n, d): what
        ``numpy.linalg.svd(a, full_matrices=False)`` gives. A zero matrix has s = 0 and orthonormal
        vectors. Signs are left as they are computed: the same on every run and for every number of
        threads, but not normalised.

    Raises
    ------
    ShapeError
        Fewer than two dimensions, no row or no column.
    DTypeError
        Not an array of real floating point values.
    NonFiniteError
        NaN or infinity.
    ValueError
        A singular value that overflows the type.

    Notes
    -----
    Everything is computed in float64, on the matrix scaled by a power of two (so that 1e-300 and
    1e300 are as good as 1), and rounded once. With eps of the input's type, in the Frobenius norm,

    .. math:: |U^TU - I|,\ |V^TV - I|,\ |A - U S V^T|/|A| \le 8\, \mathrm{eps} \sqrt{\max(n, d)}

    also for rank-deficient, repeated, clustered and graded spectra. The fast method
    (bidiagonalisation, divide and conquer) is followed by a step of Cholesky QR where its vectors
    are less orthogonal; then A V gives the singular values once more, as Rayleigh quotients, and
    the residual, which sends wrong answers to the QR iteration and, at last, to one-sided Jacobi.

    O(n d k) operations a matrix, each on one core; memory beyond the result, per core: some
    4 n d + 6 k^2 numbers. Ctrl-C is looked at between two matrices: for one of 2,000 columns that
    can take some seconds.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> u, s, vt = iso.linalg.svd(np.diag([1.0, 3.0, 2.0]))
    >>> s.tolist()
    [3.0, 2.0, 1.0]
    """
    run = Run(runtime.resolve_threads(threads), progress)
    ready, shape = _ready(a, check_finite)
    u, s, vt = ready.backend.svd(as_stack(ready, *ready.arrays), run)
    *leading, n, d = shape
    k = min(n, d)
    return SVD(
        reshape(ready, u, (*leading, n, k)),
        reshape(ready, s, (*leading, k)),
        reshape(ready, vt, (*leading, k, d)),
    )


def polar(
    a: Any,
    *,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Polar:
    r"""Factorise each matrix of a stack as :math:`A = R H`, R orthonormal, H symmetric, H >= 0.

    R solves :math:`\min |A - R|_F` over the matrices with :math:`R^TR = I` (n >= d) or
    :math:`RR^T = I` (n < d); for a cross-covariance it is the answer of the orthogonal Procrustes
    problem.

    Parameters
    ----------
    a : array of shape (..., n, d)
        As for :func:`svd`.
    check_finite, threads, progress
        As for :func:`svd`.

    Returns
    -------
    Polar
        ``r`` (..., n, d) and ``h`` (..., d, d), in the type of the input. ``h`` is exactly
        symmetric. Where `a` is rank-deficient, ``r`` is one of several answers, orthonormal all the
        same.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As for :func:`svd`.

    Notes
    -----
    :math:`R = UV^T`, :math:`H = V S V^T` from the thin singular value decomposition, in float64,
    rounded once; bounds as for :func:`svd`. h needs d^2 numbers a matrix: for n much smaller than d
    use :func:`svd`.

    References
    ----------
    N. J. Higham, "Computing the polar decomposition, with applications", SIAM J. Sci. Stat.
    Comput. 7 (1986).

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> r, h = iso.linalg.polar(np.array([[0.0, -2.0], [3.0, 0.0]]))
    >>> np.allclose(r, [[0, -1], [1, 0]]), np.allclose(h, [[3, 0], [0, 2]])
    (True, True)
    """
    run = Run(runtime.resolve_threads(threads), progress)
    ready, shape = _ready(a, check_finite)
    r, h = ready.backend.polar(as_stack(ready, *ready.arrays), run)
    *leading, n, d = shape
    return Polar(reshape(ready, r, (*leading, n, d)), reshape(ready, h, (*leading, d, d)))


def _ready(a: Any, check_finite: bool) -> tuple[_arrays.Prepared, tuple[int, ...]]:
    """Check `a` and make it ready; its shape beside it."""
    if "complex" in str(getattr(a, "dtype", "")):
        raise DTypeError(f"a: expected real values, got {a.dtype}; complex matrices are not served")
    arguments = _arrays.Arguments(ndim=max(2, getattr(a, "ndim", 2)), a=a)
    shape = arguments.shapes["a"]
    if 0 in shape[-2:]:
        raise ShapeError(f"a: expected at least one row and one column, got shape {shape}")
    return arguments.ready(check_finite=check_finite), shape
