"""Force the filter of a search: the answers must not differ."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FILTERS = ("float", "integer")


@contextmanager
def use_filter(name: str) -> Iterator[None]:
    before = os.environ.get("ISOMORPH_FILTER")
    os.environ["ISOMORPH_FILTER"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["ISOMORPH_FILTER"]
        else:
            os.environ["ISOMORPH_FILTER"] = before


def same(left: Any, right: Any) -> bool:
    """Whether two arrays have the same type and bytes."""
    return bool(left.dtype == right.dtype and left.tobytes() == right.tobytes())


def same_neighbors(left: Any, right: Any) -> bool:
    return same(left.scores, right.scores) and same(left.indices, right.indices)
