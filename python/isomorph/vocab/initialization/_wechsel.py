"""WECHSEL: rows as means of the rows of similar tokens, in a space that both languages share."""

from __future__ import annotations

from typing import Any

import numpy as np

from isomorph import _checks
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph.vocab.initialization import _building as building
from isomorph.vocab.mixing import TokenMixing

__all__ = ["wechsel"]


@served
def wechsel(
    source_vectors: Any,
    target_vectors: Any,
    *,
    k: int = 10,
    temperature: float = 0.1,
    base: TokenMixing | None = None,
    source_tokens: Any = None,
    target_tokens: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> TokenMixing:
    r"""Mix the `k` source tokens that are nearest by cosine, weighted by a softmax.

    With u the vectors of tokens in one space of both languages and N(t) the `k` source tokens of
    the largest cosine (WECHSEL, equation 3; OFA has the same),

    .. math:: E'_t = \sum_{s \in N(t)}
        \frac{\exp(\cos(u_t, u_s) / \tau)}{\sum_{r \in N(t)} \exp(\cos(u_t, u_r) / \tau)} E_s .

    Parameters
    ----------
    source_vectors : array of shape (n, d)
        A vector for each source token; a zero row is a token without one and never a source. See
        :func:`isomorph.vocab.from_words` and :func:`isomorph.vocab.from_ngrams` for tokens as sums
        of word vectors, :func:`isomorph.fit_map` to bring two languages to one space.
    target_vectors : array of shape (m, d)
        The same for target tokens; a zero row gets no source.
    k : int, default 10
        As in the reference package.
    temperature : float, default 0.1
        :math:`\tau`, as in the reference package.
    base : TokenMixing, optional
        Rows that are known, copies above all: only those without a source there are made.
    source_tokens, target_tokens : sequence of (str or None), optional
        The tokens by id, for :meth:`TokenMixing.explain`.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    TokenMixing
        Convex rows: weights are positive and sum to one. They have the computing type.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.topk`; `base` of another shape.

    Notes
    -----
    The neighbours are those of :func:`isomorph.topk`: exact, O(n m d) in a fused pass, and no
    m x n similarities. Peak memory beside the input: what it says there, and 28 k bytes a target
    token. The weights are computed in float64 and rounded once.

    References
    ----------
    B. Minixhofer, F. Paischer, N. Rekabsaz, *WECHSEL: effective initialization of subword
    embeddings for cross-lingual transfer of monolingual language models*, NAACL 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.vocab import wechsel
    >>> english = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> print(wechsel(english, english[:1], k=2, source_tokens=["dog", "puppy", "cat"]).explain(0))
    (0, mixed)
      0.8808  dog    0
      0.1192  puppy  1
    """
    arguments = building.embedding_arguments(
        source_vectors=source_vectors, target_vectors=target_vectors
    )
    arguments.require_same_columns("source_vectors", "target_vectors")
    shape = (arguments.shapes["target_vectors"][0], arguments.shapes["source_vectors"][0])
    k = _checks.integer("k", k, 1, shape[1], of="source tokens")
    temperature = _checks.number("temperature", temperature, above=0)
    rows = building.missing_rows(base, *shape)
    made = neighbors_mixing(
        arguments,
        rows,
        shape,
        k,
        temperature,
        {"check_finite": check_finite, "threads": threads, "progress": progress},
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        method="wechsel",
        settings={"k": k, "temperature": temperature},
    )
    return building.joined(base, made)


def neighbors_mixing(
    arguments: Any,
    rows: Any,
    shape: tuple[int, int],
    k: int,
    temperature: float,
    options: dict[str, Any],
    **about: Any,
) -> TokenMixing:
    """Make rows of the nearest tokens, from checked vectors."""
    from isomorph.neighbors import topk

    ready = arguments.ready(check_finite=options["check_finite"])
    sources, targets = ready.arrays
    xp = arguments.array_namespace()
    if len(rows):
        found = topk(
            building.take(xp, targets, rows),
            sources,
            k,
            check_finite=False,
            threads=options["threads"],
            progress=options["progress"],
        )
        scores, indices = building.host(found.scores), building.host(found.indices)
    else:
        scores, indices = np.zeros((0, k)), np.zeros((0, k), np.int64)
    # Without the check a row may have found nothing: -1.
    kept = ~building.zero_rows(xp, sources)[indices] & (indices >= 0)
    kept &= ~building.zero_rows(xp, targets)[rows][:, None]
    weights = building.softmax(scores, temperature, kept).astype(ready.dtype)
    return building.from_neighbors(rows, indices, weights, shape, **about)
