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
from isomorph._dlpack import served
from isomorph._moments import Moments
from isomorph._progress import Progress
from isomorph._results import Unpackable
from isomorph._stacks import as_stack, reshape
from isomorph.errors import ShapeError

__all__ = ["SVD", "Eigh", "Moments", "Polar", "eigh", "polar", "svd", "svdvals"]


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


@dataclass(frozen=True, slots=True, eq=False)
class Eigh(Unpackable):
    """An eigendecomposition ``a = vectors @ diag(values) @ vectors.T`` of a symmetric matrix.

    Attributes
    ----------
    values : array of shape (..., d)
        Eigenvalues, ascending.
    vectors : array of shape (..., d, d)
        Orthonormal eigenvectors, in columns: that of ``values[i]`` is ``vectors[:, i]``.
    """

    values: Any
    vectors: Any
    _unpacks: ClassVar[tuple[str, ...]] = ("values", "vectors")


@served
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
    Each matrix is first scaled by a power of two, so that 1e-300 and 1e300 are as good as 1. With
    eps of the input's type, in the Frobenius norm,

    .. math:: |U^TU - I|,\ |V^TV - I|,\ |A - U S V^T|/|A| \le 8\, \mathrm{eps} \sqrt{\max(n, d)}

    also for rank-deficient, repeated, clustered and graded spectra. Up to 32 columns and 128 rows,
    or the other way round, it is one-sided Jacobi, a matrix in each lane of the registers, in the
    type of the input. Larger matrices go by way of the eigenvectors V of A'A, in the type of the
    input, too: the columns of A V are the left vectors times the singular values, orthogonal where
    they are long. Those that are short are turned once more, by the eigenvectors of their own
    products, and so on until what is left is rounding: so nothing is lost that A'A has lost. The
    eigenvectors are found by inverse iteration and straightened. A matrix for which the residual
    that this costs, which is added up, or the orthogonality would come near the bound is
    bidiagonalised in float64, and the vectors, the singular values and the residual tested and
    repaired, down to one-sided Jacobi. A singular value that is subnormal is rounded as such: half
    the type's smallest number comes to the bound.

    O(n d k) operations a matrix, each on one core, but for the products of large ones; memory
    beyond the result, per core: some 4 n d + 7 k^2 numbers. Ctrl-C is looked at between two
    matrices: for one of 2,000 columns that can take some seconds.

    References
    ----------
    B. N. Parlett, The Symmetric Eigenvalue Problem (SIAM, 1998): inverse iteration, sections 4.2 to
    4.4; eigenvalues without square roots, section 8.15. G. H. Golub and C. F. Van Loan, Matrix
    Computations (4th ed., 2013), section 8.6.3: one-sided Jacobi.

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


@served
def svdvals(
    a: Any,
    *,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Any:
    r"""Compute the singular values of each matrix of a stack, without vectors.

    These are the square roots of the eigenvalues of :math:`A^TA`, computed from A itself, so that
    small ones do not drown in the rounding of the squares.

    Parameters
    ----------
    a : array of shape (..., n, d)
        As for :func:`svd`.
    check_finite, threads, progress
        As for :func:`svd`.

    Returns
    -------
    array of shape (..., k)
        Descending, in the type of the input; k = min(n, d). What
        ``numpy.linalg.svd(a, compute_uv=False)`` gives.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As for :func:`svd`.

    Notes
    -----
    Up to 32 columns (and 128 rows, or the other way round) these are the values of :func:`svd`,
    with its relative accuracy. Larger matrices are bidiagonalised in float64, scaled as there, and
    the implicit QR iteration gives the values; there are no vectors to prove them with, so the
    eigenvalues below and above each are counted (Sturm sequences of the bidiagonal matrix B), and
    :math:`|B|_F = |A|_F` and :math:`|B^TB|_F = |A^TA|_F` must hold within rounding. What fails is
    given to :func:`svd`. With eps of the input's type,

    .. math:: \max_i |s_i - \sigma_i(A)| \le 8\, \mathrm{eps} \sqrt{\max(n, d)}\, |A|_F.

    O(n d k) operations a matrix; memory beyond the result, per core: some n d + k^2 numbers; for
    small matrices the vectors of the stack.

    References
    ----------
    G. H. Golub and W. Kahan, "Calculating the singular values and pseudo-inverse of a matrix",
    SIAM J. Numer. Anal. B 2 (1965); J. Demmel and W. Kahan, "Accurate singular values of bidiagonal
    matrices", SIAM J. Sci. Stat. Comput. 11 (1990).

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> stack = np.array([[[3.0, 0.0], [0.0, -4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    >>> iso.linalg.svdvals(stack).round(12)
    array([[4., 3.],
           [2., 0.]])
    """
    run = Run(runtime.resolve_threads(threads), progress)
    ready, shape = _ready(a, check_finite)
    s = ready.backend.svdvals(as_stack(ready, *ready.arrays), run)
    return reshape(ready, s, (*shape[:-2], min(shape[-2:])))


@served
def eigh(
    a: Any,
    *,
    check_symmetric: bool = True,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Eigh:
    r"""Factorise each symmetric matrix of a stack as :math:`A = V \operatorname{diag}(w) V^T`.

    Parameters
    ----------
    a : array of shape (..., d, d)
        One symmetric matrix or a stack; types as for :func:`svd`. Only the lower triangle is
        factorised, as by ``numpy.linalg.eigh(a)``.
    check_symmetric : bool, default True
        Refuse a matrix with :math:`|A - A^T|_F > \sqrt{\mathrm{eps}}\, |A|_F`, eps being that of
        the type: far more than rounding leaves in a Gram or covariance matrix. False reads the
        lower triangle whatever stands above it.
    check_finite, threads, progress
        As for :func:`svd`.

    Returns
    -------
    Eigh
        ``values`` (..., d), ascending, and ``vectors`` (..., d, d), in columns. Signs are left as
        they are computed: the same on every run and for every number of threads.

    Raises
    ------
    ShapeError
        Fewer than two dimensions, no row, or matrices that are not square.
    DTypeError, NonFiniteError
        As for :func:`svd`.
    ValueError
        A matrix that is not symmetric, or an eigenvalue that overflows the type.

    Notes
    -----
    In float64 on the scaled matrix, as :func:`svd`: tridiagonalisation and divide and conquer (the
    QR iteration below 128 columns), a step of Cholesky QR where the vectors are less orthogonal
    than promised, and A V for the eigenvalues once more, as Rayleigh quotients, and the residual.
    An answer that fails is computed again by the QR iteration and, at last, by Jacobi's method.
    With eps of the input's type, in the Frobenius norm,

    .. math:: |V^TV - I|,\ |A - V W V^T|/|A| \le 8\, \mathrm{eps} \sqrt{d}.

    Eigenvalues are accurate relative to the largest of them, not each to itself; the vectors of
    equal or nearly equal ones are some basis of their space.

    O(d^3) operations a matrix, each on one core; memory beyond the result, per core: some 6 d^2
    numbers.

    References
    ----------
    G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition (2013), chapter 8.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> values, vectors = iso.linalg.eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> values.round(12).tolist()
    [1.0, 3.0]
    >>> np.allclose(vectors @ np.diag(values) @ vectors.T, [[2, 1], [1, 2]])
    True
    """
    run = Run(runtime.resolve_threads(threads), progress)
    ready, shape = _ready(a, check_finite, square=True)
    values, vectors = ready.backend.eigh(as_stack(ready, *ready.arrays), check_symmetric, run)
    return Eigh(reshape(ready, values, shape[:-1]), reshape(ready, vectors, shape))


@served
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
    :math:`R = UV^T`, :math:`H = V S V^T` from the thin singular value decomposition, computed as
    there; bounds as for :func:`svd`. h needs d^2 numbers a matrix: for n much smaller than d
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


def _ready(
    a: Any, check_finite: bool, square: bool = False
) -> tuple[_arrays.Prepared, tuple[int, ...]]:
    """Check `a` and make it ready; its shape beside it."""
    arguments = _arrays.Arguments(ndim=max(2, getattr(a, "ndim", 2)), a=a)
    shape = arguments.shapes["a"]
    if 0 in shape[-2:]:
        raise ShapeError(f"a: expected at least one row and one column, got shape {shape}")
    if square and shape[-1] != shape[-2]:
        raise ShapeError(f"a: expected square matrices, got shape {shape}")
    return arguments.ready(check_finite=check_finite), shape
