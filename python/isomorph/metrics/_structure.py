"""The shape of a space: nearest-neighbour graph, connected components by scale, singular values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import runtime
from isomorph._backends import Run
from isomorph._moments._sums import tools_of
from isomorph.linalg import Moments, eigh
from isomorph.metrics._host import to_numpy
from isomorph.metrics.intervals import resampled_counts
from isomorph.neighbors import topk

Floats = NDArray[np.float64]

#: The part of the sum of eigenvalues that the largest k must exceed: Søgaard et al. 2018.
ENERGY = 0.9
#: Singular values below this part of the largest count as it: their logarithm tells nothing.
FLOOR = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What is compared of a space.

    Attributes
    ----------
    laplacian : array of shape (rows, rows)
        Of the graph that joins each row with its nearest ones, either way.
    deaths : array of shape (rows - 1,)
        Lengths of the minimum spanning tree, descending: the scales at which components of the
        space, balls growing around its rows, join.
    singular_values : array of shape (d,)
        Of all rows, divided by the root of their number, descending.
    """

    laplacian: Floats
    deaths: Floats
    singular_values: Floats


def structure(
    rows: Any, first: int, neighbors: int, threads: int, *, spectrum: bool = True
) -> Structure:
    """Measure a space, graph and tree over its first rows."""
    some = rows[:first, ...]
    found = topk(some, some, neighbors, exclude_self=True, check_finite=False, threads=threads)
    values = _singular_values(rows, threads) if spectrum else np.zeros(0)
    return Structure(_laplacian(to_numpy(found.indices)), _deaths(gram(some, threads)), values)


def gram(rows: Any, threads: int) -> Floats:
    """Give the products of all pairs of a few rows, float64."""
    tools = tools_of(rows)
    wide = tools.xp.astype(rows, tools.xp.float64)
    product = tools.multiply(wide, tools.xp.matrix_transpose(wide), Run(threads))
    return np.asarray(to_numpy(product), dtype=np.float64)


def eigenvalues(laplacians: list[Floats], threads: int) -> list[Floats]:
    """Give the eigenvalues of each, descending."""
    values = eigh(np.stack(laplacians), check_finite=False, threads=threads).values
    return [np.ascontiguousarray(each[::-1]) for each in values]


def eigenvalue_distance(first: Floats, second: Floats) -> tuple[float, int]:
    """Give the sum of squared differences of the k largest eigenvalues, and k.

    k is the smaller of the two numbers of eigenvalues that make up ENERGY of their sum.
    """
    k = min(
        int(np.searchsorted(np.cumsum(values), ENERGY * values.sum(), side="right")) + 1
        for values in (first, second)
    )
    k = min(k, len(first))
    return float(np.sum((first[:k] - second[:k]) ** 2)), k


def bottleneck(first: Floats, second: Floats) -> float:
    """Give the bottleneck distance of two sets of components, born at 0, by their deaths.

    Both descending and of one length. The largest i of both are matched in order, the others with
    the diagonal, at half their length; the best i is taken. (Matching a smaller one in place of a
    larger never helps: either the larger is near enough to the partner, or all three are near
    enough to the diagonal.)
    """
    matched = np.concatenate([[0.0], np.maximum.accumulate(np.abs(first - second))])
    rest = np.concatenate([np.maximum(first, second) / 2, [0.0]])
    return float(np.min(np.maximum(matched, rest)))


def singular_value_gap(first: Floats, second: Floats) -> float:
    """Give the sum of squared differences of the logarithms of the largest singular values."""
    k = min(len(first), len(second))
    floor = FLOOR * max(float(first[0]), float(second[0]))
    if floor == 0:
        return 0.0
    logs = [np.log(np.maximum(values[:k], floor)) for values in (first, second)]
    return float(np.sum((logs[0] - logs[1]) ** 2))


def effective_condition(values: Floats) -> float:
    """Give the largest singular value over that at the effective rank.

    The effective rank is the exponential of the entropy of the singular values as shares of their
    sum, rounded down.
    """
    shares = values[values > 0] / values.sum() if values.sum() > 0 else np.ones(1)
    rank = int(np.exp(-np.sum(shares * np.log(shares))) + 1e-9)
    return float(values[0] / values[rank - 1]) if values[0] > 0 else 1.0


def relation(
    first: Floats, second: Floats, resamples: int, seed: int, threads: int
) -> tuple[float, Floats]:
    """Give Pearson's correlation of two Gram matrices over pairs of different rows, and resampled.

    Rows are what is resampled; two copies of one row are no pair of different rows.
    """
    p = len(first)
    both = []
    for cosines in (first, second):
        cosines = cosines - (cosines.sum() - np.trace(cosines)) / (p * (p - 1))
        np.fill_diagonal(cosines, 0.0)
        both.append(cosines)
    counts = resampled_counts(p, resamples, seed)
    weights = np.concatenate([np.ones((1, p)), counts])
    tools, run = tools_of(weights), Run(threads)

    def total(matrix: Floats) -> Floats:
        return np.asarray(np.sum(tools.multiply(weights, matrix, run) * weights, axis=1))

    a, b = both
    size = weights.sum(axis=1) ** 2 - np.sum(weights**2, axis=1)
    size = np.where(size > 0, size, 1.0)
    mean_a, mean_b = total(a) / size, total(b) / size
    covariance = total(a * b) / size - mean_a * mean_b
    spreads = [np.maximum(total(c * c) / size - m * m, 0.0) for c, m in ((a, mean_a), (b, mean_b))]
    scale = np.sqrt(spreads[0] * spreads[1])
    usable = scale > 2.0**-40 * float(np.sqrt(np.max(a * a) * np.max(b * b)))
    found = np.where(usable, covariance / np.where(usable, scale, 1.0), 0.0)
    found = np.clip(found, -1.0, 1.0)
    return float(found[0]), found[1:]


def _laplacian(indices: NDArray[np.int64]) -> Floats:
    count = len(indices)
    joined = np.zeros((count, count), dtype=bool)
    joined[np.arange(count)[:, None], indices] = True
    joined |= joined.T
    return np.diag(joined.sum(axis=1).astype(np.float64)) - joined


def _deaths(products: Floats) -> Floats:
    """Grow a tree from the first row, always by the nearest row that is not in it (Prim)."""
    squares = np.diag(products)
    count = len(squares)
    nearest = np.full(count, np.inf)
    outside = np.ones(count, dtype=bool)
    lengths = np.empty(count - 1)
    row = 0
    for step in range(count - 1):
        outside[row] = False
        distances = squares[row] + squares - 2 * products[row]
        np.minimum(nearest, distances, out=nearest)
        row = int(np.argmin(np.where(outside, nearest, np.inf)))
        lengths[step] = nearest[row]
    # What rounding leaves of equal rows is 0.
    lengths[lengths <= 2.0**-46 * float(squares.max())] = 0.0
    return np.sort(np.sqrt(lengths))[::-1]


def _singular_values(rows: Any, threads: int) -> Floats:
    d = int(rows.shape[1])
    moments = Moments(d, 1)
    moments.update(rows, rows[:, :1], check_finite=False, threads=threads)
    scatter = moments.scatter(translate=False, threads=threads)
    values, _, _ = scatter.eigh("x", Run(runtime.resolve_threads(threads)))
    # Scaled where values are near the ends of the range: a factor that both sides lose.
    squares = np.maximum(np.asarray(to_numpy(values), dtype=np.float64), 0.0)[::-1]
    power = 2.0 ** -scatter.exponents[0]
    return np.ascontiguousarray(np.sqrt(squares / int(rows.shape[0])) * power)
