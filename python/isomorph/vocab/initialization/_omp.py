"""Orthogonal matching pursuit: rows as few shared tokens that a helper model can be spelled in."""

from __future__ import annotations

from typing import Any

from isomorph import _checks, _core
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.vocab.initialization._helper_space import Sparse, from_shared
from isomorph.vocab.mixing import TokenMixing

__all__ = ["omp"]


@served
def omp(
    helper_vectors: Any,
    base: TokenMixing,
    *,
    k: int = 64,
    tolerance: float = 1e-6,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> TokenMixing:
    r"""Write each new token as a combination of at most `k` shared ones, greedily.

    With O the target tokens that have a source (`base`) and h the input embeddings of a helper
    model that has the target tokenizer, the support S of a token t begins empty; in each step the
    shared token with the largest :math:`|\langle h_o, r \rangle|` joins it, r being what least
    squares leaves,

    .. math:: r = h_t - \sum_{o \in S} w_{to} h_o, \qquad
        w_t = \arg\min_w \Big\| h_t - \sum_{o \in S} w_o h_o \Big\| ,

    and :math:`E'_t = \sum_{o \in S} w_{to} E'_o`: coefficients of the helper's space, used in the
    model's own.

    Parameters
    ----------
    helper_vectors : array of shape (m, d)
        A row for each target token; zero where there is none: such a token is not made, and
        nothing is made of it. They are taken as they are: a longer one is chosen more easily.
    base : TokenMixing
        The shared tokens, as :func:`isomorph.vocab.overlap` gives them.
    k : int, default 64
        The largest number of tokens in a combination.
    tolerance : float, default 1e-6
        Stop when what is left is within this part of the token's norm.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    TokenMixing
        The rows of `base`, and the others by the formula: signed, their sum is anything. Rows are
        shorter than `k` where the tolerance is met, or no shared token that does not depend on the
        chosen ones is left.

    Raises
    ------
    ShapeError
        Not as many vectors as target tokens; no shared token with a vector.
    ValueError
        `k` below 1, `tolerance` not in [0, 1).
    DTypeError, NonFiniteError
        As in :func:`isomorph.topk`; weights beyond the range of the type.

    Notes
    -----
    O(m k |O| d) in products of 512 residuals at a time with blocks of shared tokens; these filter,
    by integer codes or in the computing type and with their error bounded, and what may be the
    largest is compared in float64. Least squares by a Cholesky factor that grows with the support,
    in float64. Of the Gram matrix only entries between chosen tokens are computed. Equal tokens:
    the first is chosen. Rows whose squares leave the range are scaled by powers of two first.
    Peak memory beside the input: copies of both sides, |O| d bytes of codes, and
    512 (12 d + 4 k^2) bytes.

    References
    ----------
    Y. C. Pati, R. Rezaiifar, P. S. Krishnaprasad, *Orthogonal matching pursuit*, Asilomar 1993;
    R. Rubinstein, M. Zibulevsky, M. Elad, *Efficient implementation of the K-SVD algorithm using
    batch orthogonal matching pursuit*, 2008; C. Goddard, F. Fernandes Neto, *Training-free
    tokenizer transplantation via orthogonal matching pursuit*, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import omp, overlap
    >>> shared = overlap(["king", "man", "woman"], ["king", "man", "woman", "queen"])
    >>> vectors = np.array([[1.0, 0.0, 2.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    >>> omp(vectors, shared, k=3).row(3)[1].round(6).tolist()
    [1.0, -1.0, 1.0]
    """
    k = _checks.integer("k", k, 1)
    tolerance = _checks.number("tolerance", tolerance, least=0, below=1)

    def solve(targets: Any, atoms: Any, threads: int, report: Any) -> Sparse:
        found: tuple[Sparse, Any] = _core.pursue(targets, atoms, k, tolerance, threads, report)
        return found[0]

    return from_shared(
        helper_vectors,
        base,
        solve,
        method="omp",
        settings={"k": k, "tolerance": tolerance},
        check_finite=check_finite,
        threads=threads,
        progress=progress,
    )
