"""Arrays of Dask: public functions as partial results of blocks, merged in one fixed order.

A public function that is :func:`distributed` sees no Dask array. Where it is given one, the
function of the same name in this package builds tasks instead: pure functions of blocks, whose
partial results are merged by trees. Selections have the bytes of one machine for any chunking;
sums have those of a tree over the global blocks of 4,096 rows, which depends on their number alone.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def is_dask(value: Any) -> bool:
    """Return whether this is a Dask array; Dask is not imported for that."""
    return type(value).__module__.startswith("dask.array")


def distributed(place: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a public function or method take Dask arrays.

    Parameters
    ----------
    place : str
        ``"module.function"`` of this package that serves them, with all arguments by name.
    """
    module, name = place.split(".")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if "dask" in sys.modules and any(map(is_dask, (*args, *kwargs.values()))):
                bound = inspect.signature(function).bind(*args, **kwargs)
                bound.apply_defaults()
                given = bound.arguments
                serve = getattr(importlib.import_module(f"{__name__}.{module}"), name)
                return cast("R", serve(*(given.pop("self"),) if "self" in given else (), **given))
            return function(*args, **kwargs)

        return call

    return decorate
