"""Sentence pairs from two unaligned collections, by the margin of their similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Pairs
from isomorph.metrics._host import mean_of_best, to_numpy
from isomorph.neighbors import both_by_cosine

__all__ = ["mine_bitext"]

_MARGINS = ("ratio", "distance", "absolute")
_RETRIEVALS = ("max", "intersection", "forward", "backward")


@served
def mine_bitext(
    source: Any,
    target: Any,
    *,
    margin: str = "ratio",
    k: int = 4,
    retrieval: str = "max",
    threshold: float | None = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Pairs:
    r"""Mine pairs that translate each other, as LASER does: by how far a pair stands out.

    With :math:`c = \cos(x_i, y_j)` and the mean b of what the two rows have with their k nearest
    rows of the other side,

    .. math:: b_{ij} = \frac12\Bigl(\frac1k\sum_{y \in N_k(x_i)} \cos(x_i, y)
                     + \frac1k\sum_{x \in N_k(y_j)} \cos(x, y_j)\Bigr),

    a pair scores

    * ``margin="ratio"``: :math:`c / b`;
    * ``margin="distance"``: :math:`c - b`, half of CSLS;
    * ``margin="absolute"``: :math:`c`.

    The candidates of a row are its k nearest rows of the other side; the best of them by score is
    its answer. Of all answers are kept, by ``retrieval``,

    * ``"forward"``: that of every source row;
    * ``"backward"``: that of every target row;
    * ``"intersection"``: pairs that are each other's answers;
    * ``"max"``: the answers of both directions together, best first, each row used once.

    Parameters
    ----------
    source : array of shape (n, d)
        See :func:`isomorph.topk` for types. Sentences that occur twice should be there once.
    target : array of shape (m, d)
        The other collection, in the same space.
    margin : {"ratio", "distance", "absolute"}, default "ratio"
        What the score is.
    k : int, default 4
        Candidates of a row, and neighbours in its mean; from 1 to min(n, m).
    retrieval : {"max", "intersection", "forward", "backward"}, default "max"
        Which answers are kept.
    threshold : float, optional
        Keep only pairs that score *more*. For ratios 1.06 is often used; the right value depends
        on the encoder and on what an error costs.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    Pairs
        ``source``, ``target`` and ``scores``, by score descending, then source and target
        ascending. Scores are computed in float64 from cosines and means in the output type, and
        rounded to it.

    Raises
    ------
    ValueError
        An option out of range; a ratio that is not finite, where b is 0 or nearly.
    ShapeError, DTypeError, NonFiniteError
        As in :func:`isomorph.topk`.

    Notes
    -----
    Equal scores: a row's answer is the candidate with the lower index, and "max" takes pairs in
    the order of the result. A ratio means what it should only while b is positive, which it is for
    sentence encoders; "distance" has no such condition.

    One pass over the n x m cosines for both directions, O(n m d). Peak extra memory: that of
    :func:`isomorph.csls_both` and about 60 bytes x k for each row of both sides.

    References
    ----------
    M. Artetxe, H. Schwenk, *Margin-based parallel corpus mining with multilingual sentence
    embeddings*, ACL 2019.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.eye(3, 8) + 0.1
    >>> pairs = iso.mine_bitext(x, x[[2, 0, 1]], k=2)
    >>> pairs.source.tolist(), pairs.target.tolist()
    ([0, 1, 2], [1, 2, 0])
    """
    for name, value, allowed in (
        ("margin", margin, _MARGINS),
        ("retrieval", retrieval, _RETRIEVALS),
    ):
        _checks.one_of(name, value, allowed)
    if threshold is not None:
        threshold = _checks.number("threshold", threshold)
    arguments = _arrays.Arguments(source=source, target=target)
    arguments.require_not_empty()
    arguments.require_same_columns("source", "target")
    n, m = arguments.shapes["source"][0], arguments.shapes["target"][0]
    k = _checks.integer("k", k, 1, min(n, m), of="rows of the smaller side")
    run = Run(runtime.resolve_threads(threads), progress)
    ready = arguments.ready(check_finite=check_finite)
    forward, backward = (
        (to_numpy(scores), to_numpy(indices))
        for scores, indices in both_by_cosine(arguments, ready, k, run)
    )
    # Rounded to the output type, as the radii of CSLS are.
    means = mean_of_best(forward[0]), mean_of_best(backward[0])
    rows, answers, scores = _answers(*forward, *means, margin)
    columns, returns, back_scores = _answers(*backward, *means[::-1], margin)
    if retrieval == "forward":
        found = rows, answers, scores
    elif retrieval == "backward":
        found = returns, columns, back_scores
    elif retrieval == "intersection":
        answer_of = np.full(m, -1, dtype=np.int64)
        answer_of[columns] = returns
        mutual = answer_of[answers] == rows
        found = rows[mutual], answers[mutual], scores[mutual]
    else:
        found = (
            np.concatenate([rows, returns]),
            np.concatenate([answers, columns]),
            np.concatenate([scores, back_scores]),
        )
    if threshold is not None:
        above = found[2].astype(np.float64) > threshold
        found = found[0][above], found[1][above], found[2][above]
    order = np.lexsort((found[1], found[0], -found[2]))
    best = found[0][order], found[1][order], found[2][order]
    if retrieval == "max":
        kept = first_uses(best[0], best[1], n, m)
        best = best[0][kept], best[1][kept], best[2][kept]
    if arguments.namespace is None:
        return Pairs(*best)
    xp, beside = arguments.array_namespace(), arguments.device_of(ready.arrays[0])
    return Pairs(*(xp.asarray(part, **beside) for part in best))


def first_uses(
    source: NDArray[np.int64], target: NDArray[np.int64], n: int, m: int
) -> NDArray[np.int64]:
    """Go through pairs in order and keep those of which neither row was in a pair kept before."""
    used_source, used_target = bytearray(n), bytearray(m)
    kept = []
    for position, (i, j) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        if not (used_source[i] or used_target[j]):
            used_source[i] = used_target[j] = 1
            kept.append(position)
    return np.array(kept, dtype=np.int64)


def _answers(
    cosines: NDArray[Any],
    candidates: NDArray[np.int64],
    own: NDArray[Any],
    other: NDArray[Any],
    margin: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Give the rows that have an answer, their answers and the scores."""
    exists = candidates >= 0
    scores = np.where(exists, cosines, 0).astype(np.float64)
    if margin != "absolute":
        # An index of -1 takes the last mean, which is then left out.
        means = (own.astype(np.float64)[:, None] + other.astype(np.float64)[candidates]) / 2
        with np.errstate(all="ignore"):
            scores = scores / means if margin == "ratio" else scores - means
            # No similarity to anything: no margin either.
            scores = np.where((cosines == 0) & (means == 0), 0.0, scores)
    with np.errstate(over="ignore"):
        rounded = scores.astype(cosines.dtype)
    if not np.isfinite(rounded[exists]).all():
        raise ValueError(
            "margin: a ratio is not finite, since a mean similarity is 0 or nearly; use "
            "margin='distance'"
        )
    rounded[~exists] = -np.inf
    best = rounded.max(axis=1)
    # Of the best, the one with the lowest index.
    among = np.where(exists & (rounded == best[:, None]), candidates, np.iinfo(np.int64).max)
    rows = np.nonzero(exists.any(axis=1))[0]
    return rows, among.min(axis=1)[rows], best[rows]
