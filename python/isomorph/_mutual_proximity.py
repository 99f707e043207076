"""Mutual proximity: distances as probabilities, from all distances of both rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph._certified import Rows, Task, Values, distances
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Neighbors
from isomorph.metrics._host import take_rows, to_numpy

__all__ = ["mutual_proximity"]

#: Distances at which the least probability over all targets is tabulated.
_GRID = np.linspace(0.0, 2.0, 1025)


@served
def mutual_proximity(
    source: Any,
    target: Any,
    k: int = 1,
    *,
    method: str = "empirical",
    queries: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Neighbors:
    r"""Find the `k` best targets by mutual proximity: nearer than most, seen from both sides.

    With :math:`X_i` the distances of source i to all targets and :math:`Y_j` those of target j to
    all sources,

    .. math:: \mathrm{MP}_{ij} = P(X_i > d_{ij}) \, P(Y_j > d_{ij}), \qquad
              s_{ij} = \mathrm{MP}_{ij} - 1

    where the probabilities are

    * ``"empirical"``: shares, :math:`|\{j' : d_{ij'} > d_{ij}\}| / m` and
      :math:`|\{i' : d_{i'j} > d_{ij}\}| / n`;
    * ``"gaussian"``: those of normal distributions with the mean and the standard deviation
      (population form) of the m and of the n distances.

    The product takes the two as independent. (The paper has it so for the Gaussian form; its
    empirical form counts jointly, which needs one set of points.) The score is :math:`-(1 -
    \mathrm{MP})`, computed as such, since float32 would round the best MP to 1.

    Parameters
    ----------
    source : array of shape (n, d)
        See :func:`isomorph.topk` for types.
    target : array of shape (m, d)
        The other side.
    k : int, default 1
        From 1 to m.
    method : {"empirical", "gaussian"}, default "empirical"
        How the probabilities are estimated.
    queries : int array of shape (q,), optional
        Rows of `source` to retrieve for; by default all. Probabilities are over all in any case.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    Neighbors
        ``scores`` :math:`s_{ij}`, from -1 to 0, and ``indices``, (q, k).

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.topk`; `method` or `queries` out of range.

    Notes
    -----
    No search ranks by this, so candidates are the nearest by cosine, and a row is final when its
    k-th best exceeds what any further target could reach; otherwise it gets four times as many. The
    answer is exact. "gaussian" takes one pass over all pairs for the moments, summed in float64,
    and one search. "empirical" takes one search and one pass that counts for each round of
    candidates (and each 8 million of them), over the targets among them: rows that are far from
    everything may need several.
    Such a pass computes every cosine canonically, O(n m d), about three times a search. Peak extra
    memory about 60 bytes a candidate, 64 of them a row at first, 8 million at most at a time; for
    the moments 64 KiB for each 512 targets.

    References
    ----------
    D. Schnitzer, A. Flexer, M. Schedl, G. Widmer, *Local and global scaling reduce hubs in space*,
    JMLR 2012.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.eye(3)
    >>> iso.mutual_proximity(x, x[::-1]).indices.ravel().tolist()
    [2, 1, 0]
    """
    if method not in ("empirical", "gaussian"):
        raise ValueError(f"method: expected 'empirical' or 'gaussian', got {method!r}")
    options: dict[str, Any] = {"check_finite": check_finite, "threads": threads}
    task = Task(source, target, k, queries, progress=progress, **options)
    if method == "gaussian":
        return _gaussian(task)
    return _empirical(task)


def _empirical(task: Task) -> Neighbors:
    n, m = (_finite_rows(task.xp, side) for side in (task.x, task.y))
    pairs = max(1, n * m)

    def score(rows: Rows, indices: NDArray[np.int64], cosines: Values) -> Values:
        del rows
        width = indices.shape[1]
        exists = indices >= 0
        # How many targets are at least as near: up to the last of those equally near.
        ends = np.ones(indices.shape, dtype=np.bool_)
        ends[:, :-1] = cosines[:, :-1] != cosines[:, 1:]
        reach = np.where(ends, np.arange(1, width + 1), width)
        nearer = np.minimum.accumulate(reach[:, ::-1], axis=1)[:, ::-1]
        if width < task.m:
            # Of those as near as the last, more may be among what was not retrieved.
            exists = exists & (cosines != cosines[:, -1:])
        farther = np.zeros(indices.shape, dtype=np.int64)
        farther[exists] = _sources_farther(task, indices[exists], cosines[exists])
        # Integers up to the division: no digit is lost.
        return np.where(exists, -(n * m - (m - nearer) * farther) / pairs, -np.inf)

    def bound(rows: Rows, last: Values, count: int) -> Values:
        del rows
        return np.full(len(last), -(n * m - (m - count) * (n - 1)) / pairs)

    return task.best(task.by_cosine, score, bound, first=64, name="mutual_proximity")


def _sources_farther(task: Task, targets: NDArray[np.int64], cosines: Values) -> NDArray[np.int64]:
    """Count, for each pair, the sources whose cosine with the target is smaller."""
    if len(targets) == 0:
        return np.zeros(0, dtype=np.int64)
    # Only the targets that are asked about need a pass.
    asked, column = np.unique(targets, return_inverse=True)
    order = np.lexsort((cosines, column))
    offsets = np.zeros(len(asked) + 1, dtype=np.int64)
    np.cumsum(np.bincount(column, minlength=len(asked)), out=offsets[1:])
    place = task.arguments.device_of(task.x)
    counts = task.backend.count_below(
        task.x,
        take_rows(task.y, asked),
        task.xp.asarray(offsets, **place),
        task.array(cosines[order]),
        task.run,
    )
    found = np.empty(len(targets), dtype=np.int64)
    found[order] = to_numpy(counts)
    return found


def _gaussian(task: Task) -> Neighbors:
    rows_of, columns_of = task.backend.distance_moments(task.x, task.y, task.run)
    # Distances do not resolve less than this.
    floor = math.sqrt(task.eps)
    mu, nu = (to_numpy(side[0]) for side in (rows_of, columns_of))
    sigma, tau = (np.maximum(to_numpy(side[1]), floor) for side in (rows_of, columns_of))
    least = _least(nu, tau)

    def score(rows: Rows, indices: NDArray[np.int64], cosines: Values) -> Values:
        d = distances(cosines)
        p = _normal_cdf((d - mu[rows][:, None]) / sigma[rows][:, None])
        q = _normal_cdf((d - nu[indices]) / tau[indices])
        return -(p + q - p * q)

    def bound(rows: Rows, last: Values, count: int) -> Values:
        del count
        # What is farther has larger probabilities of something nearer, on both sides.
        d = distances(last)
        p = _normal_cdf((d - mu[rows]) / sigma[rows])
        q = least[np.clip(np.searchsorted(_GRID, d, side="right") - 1, 0, len(_GRID) - 1)]
        return -(p + q - p * q) * (1 - 1e-12)

    return task.best(task.by_cosine, score, bound, first=64, name="mutual_proximity")


def _least(mean: Values, deviation: Values) -> Values:
    """Give, for each distance of the grid, the least probability of a smaller one over targets."""
    least = np.full(len(_GRID), np.inf)
    for start in range(0, len(mean), 4096):
        part = slice(start, start + 4096)
        z = (_GRID[:, None] - mean[None, part]) / deviation[None, part]
        least = np.fmin(least, np.fmin.reduce(z, axis=1))
    return _normal_cdf(least)


def _normal_cdf(z: Values) -> Values:
    """Compute P(N < z), accurate in the lower tail."""
    scaled = (z * -math.sqrt(0.5)).ravel().tolist()
    return 0.5 * np.array([math.erfc(value) for value in scaled]).reshape(z.shape)


def _finite_rows(xp: Any, rows: Any) -> int:
    return int(xp.sum(xp.astype(xp.all(xp.isfinite(rows), axis=1), xp.int64)))
