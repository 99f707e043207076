"""What in an argument or in a result may be an array, and the same with other arrays.

Of a result, a field that is declared an ``NDArray`` stays one: statistics, counted on the host.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

#: Types of which there are many, and no tensors among them.
PLAIN = frozenset({np.ndarray, int, float, str, bool, bytes, type(None), np.float64, np.int64})


@functools.cache
def _fields(kind: Any) -> tuple[str, ...]:
    """Name what may be tensors in objects of a type: of the package's results, what is public."""
    if not (kind.__module__.startswith("isomorph") and dataclasses.is_dataclass(kind)):
        return ()
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if not field.name.startswith("_") and "NDArray" not in str(field.type)
    )


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Go through what a container, or a result of the package, holds that may be a tensor."""
    if isinstance(value, dict):
        if type(next(iter(value.values()), "")) is not str:
            yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        # Words and numbers come by the hundred thousand.
        if value and (value[0] is None or type(value[0]) not in PLAIN - {np.ndarray}):
            yield from ((f"[{place}]", part) for place, part in enumerate(value))
    else:
        kind: Any = type(value)
        yield from ((f".{name}", getattr(value, name, None)) for name in _fields(kind))


def replaced(value: Any, change: Callable[[str, Any], Any]) -> Any:
    """Give a value with its members changed: itself if none was, else a copy."""
    changed = {}
    for place, part in members(value):
        new = change(place, part)
        if new is not part:
            changed[place] = new
    if not changed:
        return value
    if isinstance(value, dict):
        return {key: changed.get(f"[{key!r}]", part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [changed.get(f"[{place}]", part) for place, part in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    made = copy.copy(value)
    for place, new in changed.items():
        object.__setattr__(made, place[1:], new)
    return made
