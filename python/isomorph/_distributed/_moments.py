"""Moments of Dask arrays: sums of blocks of 4,096 rows, merged by one tree.

Its nodes are numbered by level and place: the children of (l, i) are (l - 1, 2 i) and
(l - 1, 2 i + 1), a node without a right child is its left one. So the tree depends on the number
of rows alone, whoever sums which rows and whenever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np

from isomorph import _arrays
from isomorph._distributed import is_dask
from isomorph._distributed._graph import (
    call,
    computed,
    firsts,
    how_of,
    require_known,
    tree,
)  # fmt: skip
from isomorph._distributed._partials import How, renumbered
from isomorph._moments import _inputs
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    from isomorph.linalg import Moments

#: Rows of a leaf, counted from the first row of all.
GRID = 4096

#: Sums of some rows, by level and place in the tree.
Nodes = dict[tuple[int, int], "Moments"]


def update(
    self: Moments, x: Any, y: Any, weights: Any, group: Any,
    check_finite: bool, threads: int | None, progress: Any,
) -> None:  # fmt: skip
    """See :meth:`isomorph.linalg.Moments.update`; computed at once."""
    require_known(x=x, y=y, weights=weights, group=group)
    arguments = _arrays.Arguments(x=x, y=y)
    self._check_shapes(arguments)
    n = arguments.shapes["x"][0]
    _check_beside(weights, group, n)
    how = how_of(threads)
    if n == 0:
        return
    sizes = aligned(x.chunks[0])

    def blocks(array: Any) -> Any:
        if array is None or np.ndim(array) == 0:
            return [array] * len(sizes)
        given = array if is_dask(array) else dask.array.from_array(np.asarray(array), sizes)
        made = given.rechunk((sizes, *(-1 for _ in given.shape[1:]))).to_delayed()
        return made.ravel()

    kind = self.x_dim, self.y_dim, self.norms
    parts = [
        call(summed, *rows, first, -(-n // GRID), kind, bool(check_finite), how)
        for *rows, first in zip(*map(blocks, (x, y, weights, group)), firsts(sizes), strict=True)
    ]
    nodes = computed(tree(joined, parts, -(-n // GRID)), parts, progress, "moments")
    (total,) = nodes.values()
    self.merge(total)


def aligned(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Move the ends of blocks up to multiples of the grid."""
    n, ends = sum(sizes), np.cumsum(sizes)
    cuts = sorted({min(n, -(-int(end) // GRID) * GRID) for end in ends} - {0})
    return tuple(np.diff([0, *cuts]).tolist())


def summed(
    x: Any, y: Any, weights: Any, group: Any,
    first: int, leaves: int, kind: tuple[int, int, bool], check_finite: bool, how: How,
) -> Nodes:  # fmt: skip
    """Sum a block of rows that starts on the grid."""
    from isomorph.linalg import Moments

    nodes: Nodes = {}
    for start in range(0, len(x), GRID):
        rows = slice(start, start + GRID)
        made = Moments(kind[0], kind[1], norms=kind[2])
        try:
            with how.alone() as threads:
                made.update(
                    x[rows],
                    y[rows],
                    weights=None if weights is None else weights[rows],
                    group=group[rows] if np.ndim(group) else group,
                    check_finite=check_finite,
                    threads=threads,
                )
        except NonFiniteError as error:
            raise renumbered(error, first + start) from None
        nodes = joined(leaves, nodes, {(0, (first + start) // GRID): made})
    return nodes


def joined(leaves: int, *parts: Nodes) -> Nodes:
    """Merge every two nodes that are the children of one, of a tree of so many leaves."""
    open_nodes = {place: node for part in parts for place, node in part.items()}
    done: Nodes = {}
    while open_nodes:
        level, place = min(open_nodes)
        node = open_nodes.pop((level, place))
        if place == 0 and 1 << level >= leaves:
            done[level, place] = node
        elif place % 2 == 0 and (place + 1) << level >= leaves:
            open_nodes[level + 1, place // 2] = node
        elif place % 2 == 0 and (level, place + 1) in open_nodes:
            # A copy: a task must not change what it was given.
            both = node.copy().merge(open_nodes.pop((level, place + 1)))
            open_nodes[level + 1, place // 2] = both
        else:
            done[level, place] = node
    return done


def _check_beside(weights: Any, group: Any, n: int) -> None:
    for name, array in (("weights", weights), ("group", group)):
        if is_dask(array):
            if array.shape != (n,):
                raise ShapeError(f"{name}: expected shape ({n},), got {array.shape}")
            if name == "group" and array.dtype.kind not in "iu":
                raise DTypeError(f"group: expected integers, got {array.dtype}")
    if not is_dask(group):
        _inputs.labels_of(group, n)
    if weights is not None and not is_dask(weights) and np.shape(weights) != (n,):
        raise ShapeError(f"weights: expected shape ({n},), one a row, got {np.shape(weights)}")
