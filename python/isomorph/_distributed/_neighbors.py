"""Searches of Dask arrays: each pair of blocks is one task, whose lists of candidates are merged.

n x m x d work in blocks of a x b rows; between workers go the blocks, and k candidates of each row
for each block that it has met.
"""

from __future__ import annotations

import operator
from typing import Any

import dask.array
from dask.delayed import Delayed

from isomorph import _arrays, _memory, neighbors
from isomorph._distributed import _partials
from isomorph._distributed._graph import (
    Side,
    call,
    how_of,
    require_known,
    tree,
)  # fmt: skip
from isomorph._distributed._partials import How
from isomorph._distributed._plan import announce
from isomorph._results import CSLS, Neighbors, Pairs

Radii = tuple[list[Any], list[Any]]


def topk(
    queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool,
    check_finite: bool, threads: int | None, memory: Any, progress: Any,
) -> Neighbors:  # fmt: skip
    """See :func:`isomorph.topk`."""
    require_known(queries=queries, corpus=corpus)
    arguments, k = neighbors.topk_arguments(queries, corpus, k, metric, exclude_self)
    how = _how(threads, memory)
    x, y = (Side.of(arguments, name, check_finite, how) for name in ("queries", "corpus"))
    announce(progress, arguments, x, y, 1, how)

    def search(i: int, j: int) -> Delayed:
        first = x.firsts[i], y.firsts[j]
        return call(
            _partials.topk, x.blocks[i], y.blocks[j], first, k, metric, bool(exclude_self), how
        )

    found = [
        tree(_partials.merged, [search(i, j) for j in range(len(y))], k) for i in range(len(x))
    ]
    return _selected(x, found, k, arguments, metric)


def csls_radii(
    source: Any, target: Any, neighborhood: int,
    check_finite: bool, threads: int | None, memory: Any, progress: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """See :func:`isomorph.csls_radii`."""
    require_known(source=source, target=target)
    arguments, neighborhood = neighbors.csls_arguments(source, target, neighborhood)
    how = _how(threads, memory)
    x, y = _sides(arguments, check_finite, how, neighborhood)
    announce(progress, arguments, x, y, 1, how)
    own, others = _stacked(arguments, (x, y), _radii(x, y, neighborhood, how))
    return own, others


def csls(
    source: Any, target: Any, k: int, neighborhood: int, source_radii: Any, target_radii: Any,
    check_finite: bool, threads: int | None, memory: Any, progress: Any,
) -> Neighbors:  # fmt: skip
    """See :func:`isomorph.csls`."""
    given = {"source_radii": source_radii, "target_radii": target_radii}
    missing = source_radii is None or target_radii is None
    arguments, neighborhood = _arguments(source, target, neighborhood, given)
    k = neighbors.csls_count(arguments, k)
    how = _how(threads, memory)
    x, y = _sides(arguments, check_finite, how, neighborhood if missing else 1)
    announce(progress, arguments, x, y, 1 + missing, how)
    r_x, r_y = _given_or_computed(arguments, (x, y), given, neighborhood, how)

    def search(i: int, j: int) -> Delayed:
        first = x.firsts[i], y.firsts[j]
        return call(_partials.csls, x.blocks[i], y.blocks[j], first, k, r_x[i], r_y[j], how)

    found = [
        tree(_partials.merged, [search(i, j) for j in range(len(y))], k) for i in range(len(x))
    ]
    return _selected(x, found, k, arguments, "csls")


def csls_both(
    source: Any, target: Any, k: int, neighborhood: int, source_radii: Any, target_radii: Any,
    check_finite: bool, threads: int | None, memory: Any, progress: Any,
) -> CSLS:  # fmt: skip
    """See :func:`isomorph.csls_both`."""
    given = {"source_radii": source_radii, "target_radii": target_radii}
    missing = source_radii is None or target_radii is None
    arguments, neighborhood = _arguments(source, target, neighborhood, given)
    k = neighbors.csls_count(arguments, k, both=True)
    how = _how(threads, memory)
    x, y = _sides(arguments, check_finite, how, max(k, neighborhood if missing else 1))
    announce(progress, arguments, x, y, 1 + missing, how)
    radii = _given_or_computed(arguments, (x, y), given, neighborhood, how)
    there, back = _both(x, y, k, radii, how)
    return CSLS(
        _selected(x, there, k, arguments, "csls"),
        _selected(y, back, k, arguments, "csls"),
        *_stacked(arguments, (x, y), radii),
    )


def mutual_nearest(
    source: Any, target: Any, method: str, neighborhood: int,
    check_finite: bool, threads: int | None, progress: Any,
) -> Pairs:  # fmt: skip
    """See :func:`isomorph.mutual_nearest`; how many pairs there are is not known before."""
    require_known(source=source, target=target)
    arguments, neighborhood = neighbors.mutual_arguments(source, target, method, neighborhood)
    how = _how(threads)
    by_csls = method == "csls"
    x, y = _sides(arguments, check_finite, how, neighborhood if by_csls else 1)
    announce(progress, arguments, x, y, 1 + by_csls, how)
    if by_csls:
        there, back = _both(x, y, 1, _radii(x, y, neighborhood, how), how)
    else:
        zeros = [
            [call(_partials.zeros, size, arguments.dtype()) for size in side.sizes]
            for side in (x, y)
        ]
        there, back = _both(x, y, 1, (zeros[0], zeros[1]), how)
        there = [call(_partials.halved, part) for part in there]
    parts = []
    for i, forward in enumerate(there):
        marks = [
            call(_partials.returning, forward, back[j], (x.firsts[i], y.firsts[j]))
            for j in range(len(y))
        ]
        mutual = tree(_partials.either, marks)
        parts.append(call(_partials.pairs, forward, mutual, x.firsts[i]))
    rows, nearest, scores = (
        dask.array.concatenate(
            [
                dask.array.from_delayed(
                    call(operator.getitem, part, place), (float("nan"),), dtype=dtype
                )
                for part in parts
            ],
            allow_unknown_chunksizes=True,
        )
        for place, dtype in enumerate(("int64", "int64", arguments.dtype()))
    )
    return Pairs(rows, nearest, scores)


def _how(threads: int | None, memory: Any = None) -> How:
    _memory.parse(memory)
    return how_of(threads, memory)


def _arguments(
    source: Any, target: Any, neighborhood: int, given: dict[str, Any]
) -> tuple[_arrays.Arguments, int]:
    require_known(source=source, target=target, **given)
    both_given = all(radii is not None for radii in given.values())
    arguments, neighborhood = neighbors.csls_arguments(
        source, target, neighborhood, both_given=both_given
    )
    neighbors.check_radii(arguments, given["source_radii"], given["target_radii"])
    return arguments, neighborhood


def _sides(
    arguments: _arrays.Arguments, check_finite: bool, how: How, least: int
) -> tuple[Side, Side]:
    x, y = (Side.of(arguments, name, check_finite, how, least) for name in ("source", "target"))
    return x, y


def _radii(x: Side, y: Side, neighborhood: int, how: How) -> Radii:
    """Give the radii of each block of both sides: one sweep over all pairs of blocks."""
    found = [
        [call(_partials.cosines, left, right, neighborhood, how) for right in y.blocks]
        for left in x.blocks
    ]

    def mean(parts: list[Delayed], place: int) -> Delayed:
        lists = [call(operator.getitem, part, place) for part in parts]
        return call(_partials.means, tree(_partials.merged_values, lists, neighborhood))

    return [mean(row, 0) for row in found], [mean(list(c), 1) for c in zip(*found, strict=True)]


def _both(x: Side, y: Side, k: int, radii: Radii, how: How) -> tuple[list[Delayed], list[Delayed]]:
    """Give the selections of each block of both sides."""
    found = [
        [
            call(
                _partials.csls_both, x.blocks[i], y.blocks[j], (x.firsts[i], y.firsts[j]), k,
                radii[0][i], radii[1][j], how,
            )
            for j in range(len(y))
        ]
        for i in range(len(x))
    ]  # fmt: skip

    def best(parts: list[Delayed], place: int) -> Delayed:
        return tree(_partials.merged, [call(operator.getitem, part, place) for part in parts], k)

    return [best(row, 0) for row in found], [best(list(c), 1) for c in zip(*found, strict=True)]


def _given_or_computed(
    arguments: _arrays.Arguments,
    sides: tuple[Side, Side],
    given: dict[str, Any],
    neighborhood: int,
    how: How,
) -> Radii:
    radii: list[Any] = [None, None]
    for place, ((name, array), side) in enumerate(zip(given.items(), sides, strict=True)):
        if array is not None:
            blocks = array.rechunk((side.sizes,)).to_delayed()
            radii[place] = [
                call(_partials.ready_radii, block, name, first, arguments.dtype())
                for block, first in zip(blocks, side.firsts, strict=True)
            ]
    if radii[0] is None or radii[1] is None:
        own = _radii(*sides, neighborhood, how)
        radii = [a if b is None else b for a, b in zip(own, radii, strict=True)]
    return radii[0], radii[1]


def _stacked(arguments: _arrays.Arguments, sides: tuple[Side, Side], radii: Radii) -> Any:
    return tuple(
        side.stacked(parts, (), arguments.dtype()) for side, parts in zip(sides, radii, strict=True)
    )


def _selected(
    side: Side, found: list[Delayed], k: int, arguments: _arrays.Arguments, metric: str
) -> Neighbors:
    scores, indices = (
        side.stacked([call(operator.getitem, part, place) for part in found], (k,), dtype)
        for place, dtype in enumerate((arguments.dtype(), "int64"))
    )
    return Neighbors(scores, indices, metric)
