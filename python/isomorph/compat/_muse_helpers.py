"""Functions that scripts take from MUSE: radii, candidates and dictionaries of two spaces."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

import isomorph as iso
from isomorph.compat._vecmap_retrieval import log_sums

_Pairs = NDArray[np.int64]


def get_nn_avg_dist(emb: Any, query: Any, knn: int) -> NDArray[np.float32]:
    """Return the mean product of each query with its `knn` nearest rows, as MUSE's ``src.utils``.

    Parameters
    ----------
    emb : array_like of shape (n, d)
        The rows. Tensors on the processor are arrays, too.
    query : array_like of shape (q, d)
        The queries.
    knn : int
        How many neighbours.

    Returns
    -------
    array of float32, shape (q,)
        For rows of unit length the mean cosines.

    Notes
    -----
    Memory grows with n + q.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat.muse import get_nn_avg_dist
    >>> get_nn_avg_dist(np.eye(2), np.array([[1.0, 0.5]]), 2).tolist()
    [0.75]
    """
    scores = iso.topk(_rows(query), _rows(emb), knn, metric="dot").scores
    means: NDArray[np.float32] = scores.mean(axis=1, dtype=np.float64).astype(np.float32)
    return means


def get_candidates(emb1: Any, emb2: Any, params: Any) -> _Pairs:
    """Return the best target of each source, the surest first, as MUSE's ``src.dico_builder``.

    Sure is a pair by how far its score is from that of the second best target.

    Parameters
    ----------
    emb1, emb2 : array_like of shape (n, d), (m, d)
        Sources and targets, of unit length.
    params : object
        With the attributes ``dico_method`` (nn, csls_knn_K or invsm_beta_B), ``dico_threshold``,
        ``dico_max_rank``, ``dico_min_size`` and ``dico_max_size``, 0 for no bound. As in MUSE a
        pair stays whose larger row is at most ``dico_max_rank``.

    Returns
    -------
    array of int64, shape (p, 2)
        Rows of source and target.

    Raises
    ------
    ValueError
        Another method.

    Notes
    -----
    O(n m d) without an n x m matrix.
    """
    from isomorph.compat.muse import retrieval

    x, z = _rows(emb1), _rows(emb2)
    method, most = params.dico_method, params.dico_max_rank
    asked = x[:most] if most > 0 and not method.startswith("invsm_beta_") else x
    if method.startswith("invsm_beta_"):
        beta = float(method.removeprefix("invsm_beta_"))
        scores, targets = _best_two(beta * asked, z, log_sums(x, z, beta))
        scores = np.exp(scores)
    else:
        kind, neighbors = retrieval(method)
        radii = get_nn_avg_dist(x, z, neighbors) if kind == "csls" else np.zeros(len(z))
        # The source's own radius is the same for both of its targets.
        scores, targets = _best_two((2 if kind == "csls" else 1) * asked, z, radii)
    gaps = scores[:, 0] - scores[:, 1]
    order = np.argsort(-gaps, kind="stable")
    pairs, gaps = np.stack([order, targets[order, 0]], axis=1), gaps[order]
    if most > 0:
        kept = pairs.max(axis=1) <= most
        pairs, gaps = pairs[kept], gaps[kept]
    if params.dico_max_size > 0:
        pairs, gaps = pairs[: params.dico_max_size], gaps[: params.dico_max_size]
    if params.dico_threshold > 0:
        kept = gaps > params.dico_threshold
        kept[: max(params.dico_min_size, 0)] = True
        pairs = pairs[kept]
    return pairs


def build_dictionary(
    src_emb: Any,
    tgt_emb: Any,
    params: Any,
    s2t_candidates: Any = None,
    t2s_candidates: Any = None,
) -> _Pairs | None:
    """Return a dictionary of both directions, as MUSE's ``src.dico_builder``.

    Parameters
    ----------
    src_emb, tgt_emb : array_like of shape (n, d), (m, d)
        Both sides, of unit length.
    params : object
        As for :func:`get_candidates`, and ``dico_build``: S2T, T2S, S2T|T2S or S2T&T2S.
    s2t_candidates, t2s_candidates : array of shape (p, 2), optional
        Candidates that there are already.

    Returns
    -------
    array of int64, shape (p, 2), or None
        Rows of source and target; of two directions in ascending order. None, with a warning, if
        there is no pair.

    Raises
    ------
    ValueError
        Another ``dico_build``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from isomorph.compat.muse import build_dictionary
    >>> params = SimpleNamespace(
    ...     dico_method="nn", dico_build="S2T&T2S", dico_threshold=0, dico_max_rank=0,
    ...     dico_min_size=0, dico_max_size=0,
    ... )
    >>> build_dictionary(np.eye(2), np.eye(2)[::-1], params).tolist()
    [[0, 1], [1, 0]]
    """
    build = params.dico_build
    if build not in ("S2T", "T2S", "S2T|T2S", "S2T&T2S"):
        raise ValueError(f"dico_build: expected S2T, T2S, S2T|T2S or S2T&T2S, got {build!r}")
    there = back = None
    if "S2T" in build:
        there = s2t_candidates
        there = get_candidates(src_emb, tgt_emb, params) if there is None else np.asarray(there)
    if "T2S" in build:
        back = t2s_candidates
        back = get_candidates(tgt_emb, src_emb, params) if back is None else np.asarray(back)
        back = back[:, ::-1]
    if there is not None and back is not None:
        left, right = (set(map(tuple, pairs.tolist())) for pairs in (there, back))
        chosen = left | right if "|" in build else left & right
        pairs = np.array(sorted(chosen), dtype=np.int64).reshape(-1, 2)
    else:
        pairs = np.ascontiguousarray(there if back is None else back, dtype=np.int64)
    if not len(pairs):
        warnings.warn("empty intersection: no pair was chosen", stacklevel=2)
        return None
    return pairs


def _rows(values: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _best_two(queries: Any, z: Any, penalties: Any) -> tuple[NDArray[np.float64], _Pairs]:
    """Give the two largest products less the targets' penalties."""
    minus_one = np.full((len(queries), 1), -1, np.float32)
    rows = np.concatenate([z, np.asarray(penalties, np.float32)[:, None]], axis=1)
    found = iso.topk(np.concatenate([queries, minus_one], axis=1), rows, 2, metric="dot")
    return found.scores.astype(np.float64), found.indices
