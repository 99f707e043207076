"""Means and deviations of the rows of a table, by group; streamed, in float64."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import ShapeError
from isomorph.vocab._mixing import checks
from isomorph.vocab.initialization import _building as building


@dataclass(frozen=True)
class Groups:
    """Which of several distributions each target row is drawn from.

    Attributes
    ----------
    members : list of ndarray
        The source rows of each; those of the first are all of them.
    of_targets : ndarray of shape (n,)
        The number of each target row's.
    """

    members: list[NDArray[np.int64]]
    of_targets: NDArray[np.int64]


def target_ids(targets: Any) -> NDArray[np.int64]:
    """Require ids of target tokens; a number stands for as many, from 0."""
    if isinstance(targets, int | np.integer) and not isinstance(targets, bool | np.bool_):
        targets = np.arange(max(int(targets), -1)) if targets >= 0 else [-1]
    ids = checks.integers("targets", targets)
    checks.require_ids("targets", ids, 2**63, "ids of target tokens")
    return ids.astype(np.int64)


def groups(
    source_groups: Sequence[Hashable] | None,
    target_groups: Sequence[Hashable] | None,
    sources: int,
    targets: int,
    least: int,
) -> Groups:
    """Match the groups of target rows with those of source rows that have `least` members."""
    everything = np.arange(sources, dtype=np.int64)
    if (source_groups is None) != (target_groups is None):
        raise ValueError("source_groups, target_groups: expected both or neither")
    if source_groups is None or target_groups is None:
        return Groups([everything], np.zeros(targets, np.int64))
    for name, labels, count in (
        ("source_groups", source_groups, sources),
        ("target_groups", target_groups, targets),
    ):
        if len(labels) != count:
            raise ShapeError(f"{name}: expected {count} labels, one a row, got {len(labels)}")
    found: dict[Hashable, list[int]] = {}
    for row, label in enumerate(source_groups):
        found.setdefault(label, []).append(row)
    members, numbers = [everything], dict[Hashable, int]()
    for label in dict.fromkeys(target_groups):
        if len(rows := found.get(label, [])) >= least:
            numbers[label] = len(members)
            members.append(np.array(rows, dtype=np.int64))
    return Groups(members, np.array([numbers.get(label, 0) for label in target_groups], np.int64))


def mean_and_deviation(xp: Any, table: Any, rows: NDArray[np.int64]) -> tuple[Any, Any]:
    """Give mean and (population) standard deviation of each column over some rows, float64."""
    mean = _sum(xp, table, rows, None) / len(rows)
    return mean, xp.sqrt(_sum(xp, table, rows, mean) / len(rows))


def _sum(xp: Any, table: Any, rows: NDArray[np.int64], mean: Any) -> Any:
    """Add up rows, or their squared distances from `mean`, block by block."""
    total = xp.zeros((table.shape[1],), dtype=xp.float64, **building.beside(table))
    for part in building.blocks(len(rows)):
        some = rows[part]
        # A stretch of rows is a view.
        whole = int(some[-1]) - int(some[0]) == len(some) - 1
        block = table[int(some[0]) : int(some[-1]) + 1, ...] if whole else None
        if block is None:
            block = building.take(xp, table, some)
        block = building.doubles(xp, block)
        total = total + xp.sum(block if mean is None else (block - mean) ** 2, axis=0)
    return total


def second_moments(
    table: Any, *, centre: bool, check_finite: bool, threads: int | None
) -> tuple[Any, Any]:
    """Give the mean and the d x d sums of products of the columns, about it if asked; float64."""
    from isomorph.linalg import Moments

    d = int(table.shape[1])
    # The two halves of the columns as two sides: one pass, streamed, the same on any threads.
    left = max(1, d // 2)
    moments = Moments(left, max(1, d - left))
    x, y = table[:, :left], table[:, left:] if d > 1 else table
    moments.update(x, y, check_finite=check_finite, threads=threads)
    scatter = moments.scatter(translate=centre)
    scale = 2.0 ** -scatter.exponents[0], 2.0 ** -scatter.exponents[1]
    xp = scatter.tools.xp
    if d == 1:
        return scatter.x_mean * scale[0], scatter.xx * scale[0] ** 2
    xy = scatter.xy * scale[0] * scale[1]
    whole = xp.concat(
        [
            xp.concat([scatter.xx * scale[0] ** 2, xy], axis=1),
            xp.concat([xp.matrix_transpose(xy), scatter.yy * scale[1] ** 2], axis=1),
        ]
    )
    return xp.concat([scatter.x_mean * scale[0], scatter.y_mean * scale[1]]), whole


def normal_rows(ids: NDArray[np.int64], columns: int, seed: int) -> NDArray[np.float64]:
    """Draw standard normal numbers, each row a function of its id and the seed alone."""
    drawn = np.empty((len(ids), columns))
    for row, number in enumerate(ids.tolist()):
        # Philox counts up from its first word: a row has 2**64 blocks for itself.
        bits = np.random.Philox(key=seed, counter=[0, number, 0, 0])
        drawn[row] = np.random.Generator(bits).standard_normal(columns)
    return drawn
