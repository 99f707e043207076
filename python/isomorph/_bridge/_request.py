"""What is asked of a bridge: checked before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isomorph import _arrays
from isomorph._bridge._retention import Rows, Task
from isomorph._bridge._work import METHODS
from isomorph._checks import integer, number, one_of
from isomorph.errors import DTypeError, ShapeError
from isomorph.metrics._host import to_numpy

#: Pairs that are needed at all, and for each row of a list: it is measured in halves of the pairs
#: of which it is a tenth, the row that asks not counted.
_FEWEST, _PAIRS_PER_ROW = 100, 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a bridge, checked."""

    k: int
    min_retention: float
    judge_by: str
    store_size: int
    methods: tuple[str, ...]
    confidence: float
    seed: int


def checked(
    old: Any,
    new: Any,
    queries: Any,
    *,
    check_finite: bool,
    relevant: Any,
    k: Any,
    min_retention: Any,
    judge_by: Any,
    store_size: Any,
    direction: Any,
    method: Any,
    metric: Any,
    normalize: Any,
    confidence: Any,
    seed: Any,
    threads: int | None,
) -> tuple[Task, Asked]:
    """Look through everything before anything is computed."""
    sides = {"old": old, "new": new} | ({} if queries is None else {"queries": queries})
    for name, array in sides.items():
        if "complex" in str(getattr(array, "dtype", "")):
            raise DTypeError(f"{name}: expected real values, got {array.dtype}")
    arguments = _arrays.Arguments(**sides)
    arguments.require_not_empty()
    n = arguments.shapes["old"][0]
    if arguments.shapes["new"][0] != n:
        raise ShapeError(
            f"new: expected {n} rows as in old, row i of the text of row i, got shape "
            f"{arguments.shapes['new']}"
        )
    if queries is not None:
        arguments.require_same_columns("new", "queries")
    k = integer("k", k, 1)
    needed = max(_FEWEST, _PAIRS_PER_ROW * k + 2)
    if n < needed:
        raise ValueError(
            f"old: expected at least {needed} pairs to predict lists of {k} rows, got {n}; embed "
            "more texts with both models"
        )
    options = Asked(
        k,
        number("min_retention", min_retention, least=0, most=1),
        one_of("judge_by", judge_by, ("recall", "mrr")),
        n if store_size is None else integer("store_size", store_size, k + 1, 2**63 - 1),
        tuple(METHODS) if one_of("method", method, ("auto", *METHODS)) == "auto" else (method,),
        number("confidence", confidence, above=0, below=1),
        integer("seed", seed, 0, 2**63 - 1),
    )
    ready = arguments.ready(check_finite=check_finite)
    rows = dict(zip(sides, ready.arrays, strict=True))
    task = Task(
        rows["old"],
        rows["new"],
        rows.get("queries"),
        _relevant(relevant, queries, rows, n),
        one_of("direction", direction, ("store", "query")),
        bool(normalize),
        one_of("metric", metric, ("cosine", "dot")),
        threads,
    )
    return task, options


def _relevant(relevant: Any, queries: Any, rows: dict[str, Any], n: int) -> Rows | None:
    if relevant is None:
        return None
    if queries is None:
        raise ValueError("relevant: expected None without queries")
    found = to_numpy(relevant)
    if found.dtype.kind not in "iu":
        raise DTypeError(f"relevant: expected integers, got {found.dtype}")
    asked = rows["queries"].shape[0]
    if found.shape != (asked,):
        raise ShapeError(
            f"relevant: expected a row for each of {asked} queries, got shape {found.shape}"
        )
    if int(found.min()) < 0 or int(found.max()) >= n:
        raise ValueError(f"relevant: expected rows from 0 to {n - 1}")
    return found.astype(np.int64)
