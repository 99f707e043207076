"""Spaces by name, and which rows of two of them belong together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph._embeddings import Embeddings
from isomorph.align._methods import renamed
from isomorph.errors import DictionaryError, DTypeError, ShapeError
from isomorph.metrics._host import pair_rows, take_rows, to_numpy

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Rows of two spaces that belong together: row ``first_rows[i]`` and ``second_rows[i]``.

    None are all rows; weights of None are all 1.
    """

    first: int
    second: int
    first_rows: Rows | None
    second_rows: Rows | None
    weights: NDArray[np.float64] | None


def by_name(argument: str, given: Any, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Give a mapping with names in order; a sequence is named by position.

    With `names`, those and no others are expected.
    """
    if isinstance(given, Mapping):
        found = dict(given)
    elif isinstance(given, Sequence) and not isinstance(given, str):
        found = {str(position): each for position, each in enumerate(given)}
        if names is not None and len(found) == len(names):
            found = dict(zip(names, given, strict=True))
    else:
        raise DTypeError(
            f"{argument}: expected a mapping of names to arrays, or a sequence of arrays, got "
            f"{type(given).__name__}"
        )
    for name in found:
        if not isinstance(name, str):
            raise DTypeError(f"{argument}: expected names, got {name!r}")
    if names is not None:
        if set(found) != set(names):
            raise ValueError(
                f"{argument}: expected one for each of {', '.join(names)}, got "
                f"{', '.join(found) or 'none'}"
            )
        found = {name: found[name] for name in names}
    return found


def vectors_of(spaces: Any) -> tuple[list[str], _arrays.Arguments]:
    """Check the arrays of the spaces, without looking at a value."""
    found = by_name("spaces", spaces)
    if len(found) < 2:
        raise ValueError(f"spaces: expected at least two, got {len(found)}")
    vectors = {
        f"spaces.{name}": space.vectors if isinstance(space, Embeddings) else space
        for name, space in found.items()
    }
    arguments = _arrays.Arguments(**vectors)
    arguments.require_not_empty()
    return list(found), arguments


def from_rows(counts: Sequence[int], names: Sequence[str]) -> list[Shared]:
    """Give what spaces share that all have the same rows."""
    for name, count in zip(names, counts, strict=True):
        if count != counts[0]:
            raise ShapeError(
                f"spaces.{name}: expected {counts[0]} rows as in spaces.{names[0]}, row i of all "
                f"being one thing, got {count}; give concepts= or pairs= where that is not so"
            )
    return [Shared(i, j, None, None, None) for i, j in itertools.combinations(range(len(names)), 2)]


def from_pairs(pairs: Any, counts: Sequence[int], names: Sequence[str]) -> list[Shared]:
    """Give what spaces share according to dictionaries between two of them each."""
    if not isinstance(pairs, Mapping):
        raise DTypeError(
            "pairs: expected a mapping of two names to the rows that belong together, as "
            f"{{('{names[0]}', '{names[1]}'): Pairs}}, got {type(pairs).__name__}"
        )
    found: dict[tuple[int, int], list[tuple[Rows, Rows]]] = {}
    for key, rows in pairs.items():
        if not isinstance(key, tuple) or len(key) != 2 or not set(key) <= set(names):
            raise ValueError(f"pairs: expected two of {', '.join(names)} as a key, got {key!r}")
        i, j = (names.index(name) for name in key)
        if i == j:
            raise ValueError(f"pairs: expected two different spaces, got {key!r}")
        said = f"pairs.{key[0]}-{key[1]}"
        sides = {f"pairs.{side}": f"{said}.{side}" for side in ("source", "target")}
        with renamed({"pairs": said, **sides}):
            left, right = pair_rows(rows, counts[i], counts[j])
        found.setdefault((min(i, j), max(i, j)), []).append(
            (left, right) if i < j else (right, left)
        )
    shared = []
    for (i, j), parts in sorted(found.items()):
        left, right = (np.concatenate(side) for side in zip(*parts, strict=True))
        shared.append(Shared(i, j, left, right, None))
    return shared


def from_concepts(held: Sequence[Rows]) -> list[Shared]:
    """Give what spaces share that hold these concepts, each once, row by row.

    The sum over spaces of the squared distance to their mean is that over all pairs of spaces,
    divided by how many there are: so a pair counts one over the number that hold the concept.
    """
    every, counts = np.unique(np.concatenate(held), return_counts=True)
    shared = []
    for i, j in itertools.combinations(range(len(held)), 2):
        common, left, right = np.intersect1d(
            held[i], held[j], assume_unique=True, return_indices=True
        )
        if len(common):
            weights = 1.0 / counts[np.searchsorted(every, common)]
            shared.append(Shared(i, j, left.astype(np.int64), right.astype(np.int64), weights))
    return shared


def concept_labels(
    concepts: Any, counts: Sequence[int], names: Sequence[str]
) -> list[NDArray[np.int64]]:
    """Check the concept of each row; -1 for none."""
    checked = []
    for (name, given), count in zip(
        by_name("concepts", concepts, names).items(), counts, strict=True
    ):
        labels = to_numpy(given)
        if labels.shape != (count,):
            raise ShapeError(
                f"concepts.{name}: expected shape {(count,)}, one a row, got {labels.shape}"
            )
        if labels.dtype.kind not in "iu":
            raise DTypeError(f"concepts.{name}: expected integers, got {labels.dtype}")
        labels = labels.astype(np.int64)
        if int(labels.min()) < -1:
            raise ValueError(f"concepts.{name}: expected -1 (none) or more, got {labels.min()}")
        checked.append(labels)
    return checked


def once_each(rows: Any, labels: NDArray[np.int64]) -> tuple[Any, Rows]:
    """Give each concept that a space holds one row, the mean of its rows; ascending.

    The mean is rounded to the type of the rows.
    """
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    held, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    if len(held) == len(labels) and bool(np.all(order == np.arange(len(labels)))):
        return rows, held
    if not len(held) or int(sizes.max()) == 1:
        return take_rows(rows, order), held
    import array_api_compat

    xp = array_api_compat.array_namespace(rows)
    # Those with the most rows first: what has a further row is always the beginning.
    by_size = np.argsort(-sizes, kind="stable")
    total = xp.astype(take_rows(rows, order[starts[by_size]]), xp.float64)
    for turn in range(1, int(sizes.max())):
        more = by_size[sizes[by_size] > turn]
        added = xp.astype(take_rows(rows, order[starts[more] + turn]), xp.float64)
        total = xp.concat([total[: len(more), :] + added, total[len(more) :, :]])
    back = np.empty_like(by_size)
    back[by_size] = np.arange(len(by_size))
    divisor = xp.asarray(
        sizes[by_size].astype(np.float64)[:, None], device=array_api_compat.device(rows)
    )
    return take_rows(xp.astype(total / divisor, rows.dtype), back), held


def require_connected(shared: Sequence[Shared], names: Sequence[str]) -> None:
    """Refuse spaces of which some cannot be brought near to the others."""
    reached, before = {0}, 0
    while before != len(reached):
        before = len(reached)
        for edge in shared:
            if {edge.first, edge.second} & reached:
                reached |= {edge.first, edge.second}
    if before < len(names):
        inside = ", ".join(name for i, name in enumerate(names) if i in reached)
        outside = ", ".join(name for i, name in enumerate(names) if i not in reached)
        raise DictionaryError(
            f"spaces: expected all to be connected; nothing of {outside} belongs to anything of "
            f"{inside}"
        )
