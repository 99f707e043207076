"""FOCUS: rows as convex combinations of shared tokens, as many as sparsemax takes."""

from __future__ import annotations

from typing import Any

from isomorph import _core
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.vocab.initialization._helper_space import Sparse, from_shared
from isomorph.vocab.mixing import TokenMixing

__all__ = ["focus"]


@served
def focus(
    helper_vectors: Any,
    base: TokenMixing,
    *,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> TokenMixing:
    r"""Mix shared tokens by the sparsemax of their cosines in an auxiliary space.

    With O the target tokens that have a source (`base`) and h auxiliary vectors of target tokens,
    such as fastText vectors trained on text that the target tokenizer has cut,

    .. math:: E'_t = \sum_{o \in O} w_{to} E'_o, \qquad
        w_t = \arg\min_{w \ge 0,\ \sum w = 1} \| w - c_t \|^2, \qquad c_{to} = \cos(h_t, h_o) :

    the point of the simplex nearest to *all* similarities (Martins and Astudillo), which is zero
    for most of them; no k, no temperature.

    Parameters
    ----------
    helper_vectors : array of shape (m, d)
        A vector for each target token; zero where there is none: such a token is not made, and
        nothing is made of it.
    base : TokenMixing
        The shared tokens, as :func:`isomorph.vocab.overlap` gives them.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    TokenMixing
        The rows of `base`, and the others by the formula: convex where those of `base` are.

    Raises
    ------
    ShapeError
        Not as many vectors as target tokens; no shared token with a vector.
    DTypeError, NonFiniteError
        As in :func:`isomorph.topk`.

    Notes
    -----
    O(m |O| d) in a pass over tiles of products, of integer codes where these pay, whose error is
    bounded. What a row keeps is above the threshold of what it has kept so far, which never exceeds
    that of all, less that error; from some 5,000 shared tokens on it starts where a sample of them
    says, and a row for which that was too high is done again. The few that are left are scored in
    float64: weights are those of sorting all similarities, for any number of threads, however far
    norms are from 1. Peak memory: copies of both sides, and what rows keep; never all similarities.
    Where all are alike the answer itself is dense.

    References
    ----------
    K. Dobler, G. de Melo, *FOCUS: effective embedding initialization for monolingual specialization
    of multilingual models*, EMNLP 2023; A. Martins, R. Astudillo, *From softmax to sparsemax*,
    ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import focus, overlap
    >>> shared = overlap(["dog", "puppy", "cat"], ["dog", "puppy", "cat", "chiot"])
    >>> vectors = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0], [0.8, 0.6]])
    >>> print(focus(vectors, shared).explain("chiot"))
    chiot (3, mixed)
      0.5800  puppy  1
      0.4200  dog    0
    """
    return from_shared(
        helper_vectors,
        base,
        _sparsemax,
        method="focus",
        settings={},
        check_finite=check_finite,
        threads=threads,
        progress=progress,
    )


def _sparsemax(targets: Any, atoms: Any, threads: int, report: Any) -> Sparse:
    found: Sparse = _core.sparsemax(targets, atoms, threads, report)
    return found
