"""Fit a bridge, and predict what it keeps before anything is moved."""

from __future__ import annotations

from typing import Any

from isomorph._bridge import _request
from isomorph._bridge._result import Bridge
from isomorph._bridge._work import Work
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting


@served
def bridge(
    old: Any,
    new: Any,
    *,
    queries: Any = None,
    relevant: Any = None,
    k: int = 10,
    min_retention: float = 0.9,
    judge_by: str = "recall",
    store_size: int | None = None,
    direction: str = "store",
    method: str = "auto",
    metric: str = "cosine",
    normalize: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Bridge:
    r"""Fit a map between two embedding models, and predict what it keeps of retrieval.

    A store of vectors of an old model is moved to a new model without computing all its vectors
    anew: a few thousand texts are embedded by both, a map is fitted on those pairs, and applied to
    the rest. What is lost is predicted from the pairs alone, for the size of the store.

    .. math:: \mathrm{recall@}k = \frac1{kq} \sum_i |N_k(q_i; \mathrm{new}) \cap
              N_k(q_i; \mathrm{mapped})|

    is the share of the k nearest rows, by the new model's own vectors, that the mapped vectors
    give, and

    .. math:: \mathrm{MRR\ retention} = \frac{\sum_i 1 / r_i(\mathrm{mapped})}{\sum_i 1 /
              r_i(\mathrm{new})}

    compares the ranks of the row that a query looks for: the one in `relevant`; without that the
    first that the new model finds; without `queries` the row of the same text.

    Parameters
    ----------
    old : array of shape (n, d)
        Vectors of the old model: row i and row i of `new` are of one text. Texts drawn from the
        store at random; n at least 20 k + 2 and at least 100, better some thousand.
    new : array of shape (n, e)
        Vectors of the new model.
    queries : array of shape (q, e), optional
        Vectors of queries by the new model, such as the store will be asked. Default: each row of
        `new` that the map of a fold has not seen, in turn, not finding itself.
    relevant : integers of shape (q,), optional
        The row of the pairs that answers each query.
    k : int, default 10
        Length of the lists.
    min_retention : float, default 0.9
        From 0 to 1: less than this is refused. 0 refuses nothing but pairs that do not belong
        together.
    judge_by : {"recall", "mrr"}, default "recall"
        Which of the two must be at least `min_retention`.
    store_size : int, optional
        Rows of the store that will be moved; default: n. Lists change with the size of a store:
        the more rows, the nearer each other they are.
    direction : {"store", "query"}, default "store"
        Map old vectors into the new model's space, or leave the store as it is and map each query
        of the new model into the old space.
    method : {"auto", "ridge", "procrustes"}, default "auto"
        :func:`fit_map` with means subtracted: least squares with a penalty that folds choose; or
        orthonormal with a scale. "auto" takes what does best in folds.
    metric : {"cosine", "dot"}, default "cosine"
        What nearest means.
    normalize : bool, default False
        Scale mapped vectors to length 1; by cosine that changes no list.
    confidence : float, default 0.95
        Of the intervals.
    seed : int, default 0
        Of all that is drawn.
    check_finite : bool, default True
        Refuse NaN and infinities with a scan before the work.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    Bridge
        ``map, retention, interval, verdict``, and what they rest on.

    Raises
    ------
    RetentionError
        The prediction is below `min_retention`; the error has the ``bridge``.
    PairingError
        Partners stand no nearer to each other than other rows do, or most do not: the two sides
        are in different orders, or of different texts.
    ShapeError, DTypeError, NonFiniteError
        As in :func:`fit_map`.
    ValueError
        A parameter out of range; too few pairs.

    Warns
    -----
    PairingWarning
        Some pairs seem to be wrong; ``suspects`` of the result lists rows.

    Notes
    -----
    **What is measured.** The pairs are dealt to 2 folds (three times), 5 and 10. Each fold is
    mapped by the map of the others, and its rows are both store and queries: a map has seen
    neither side of anything that it is judged by. (Were rows of different folds in one store, then
    a row's neighbours would be mapped by maps that know the row.) Each fold is halved again and
    again, for stores of n / 2 rows down to 20, and lists of k / 8 to 4 k rows are compared.

    **How it is carried over.** A list of k rows in a store of S is what a list of k / 2 rows is in
    a sample of S / 2: mostly the share k / S counts. So short lists in small stores tell of k in a
    large one. The log odds of recall are fitted by

    .. math:: a + b_1 u + b_2 u^2 + c_1 v + c_2 v^2 + g / m, \quad u = \log(S / k),\ v = \log k

    with m the pairs that the map was fitted on, and read at S of the store and m = n; the odds of
    1 / rank by :math:`a + b \log S + g / m`.

    **The interval** is for what a measurement on a store of that size would give. On the scale of
    log odds it has the variance of the queries, twice, as they are rows of the store, too; that of
    the measurement itself; half of what a plainer or a more flexible curve says otherwise; and 0.02
    (0.1 for ranks), as the form is a guess. It assumes that what is near a text thins out as the
    sample does: chunks of one document do not, and then it may miss what is measured. Over six
    random splits of 5,835 sentences between three encoders, six ordered pairs each, 2,000 sentences
    being given, the 95 % interval held 35 of 36 recalls that were then measured on the other 3,835,
    and all 36 mean reciprocal ranks. The root mean square error of recall was 0.008.

    O(n (d + e)^2 + (d + e)^3) for each of some 30 fits, and O(n^2 (d + e)) of searches, of at most
    4,096 rows of a fold. Memory: a copy of the pairs, and some hundred bytes for each pair and
    size of store.

    References
    ----------
    J. D. Storey, "A direct approach to false discovery rates", J. R. Stat. Soc. B 64 (2002), for
    the share of wrong pairs.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> texts = rng.standard_normal((400, 8))
    >>> old, new = texts @ rng.standard_normal((8, 12)), texts @ rng.standard_normal((8, 10))
    >>> map, retention, interval, verdict = iso.bridge(old, new)
    >>> verdict, retention > 0.95, map(old).shape
    ('keeps', True, (400, 10))
    """
    task, asked = _request.checked(
        old,
        new,
        queries,
        check_finite=check_finite,
        relevant=relevant,
        k=k,
        min_retention=min_retention,
        judge_by=judge_by,
        store_size=store_size,
        direction=direction,
        method=method,
        metric=metric,
        normalize=normalize,
        confidence=confidence,
        seed=seed,
        threads=threads,
    )
    with reporting(progress, "bridge") as report:
        return Work(task, asked, report).bridge()
