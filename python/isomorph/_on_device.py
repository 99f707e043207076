"""NumPy arrays computed with on a GPU, where :func:`isomorph.runtime.device` asks for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isomorph import runtime
from isomorph._members import PLAIN, replaced

#: Arguments of what only the core does, from and to the memory of the host.
_HOST = ("memory", "out")


def stays(arguments: Mapping[str, Any]) -> bool:
    """Return whether a call is the core's on any device: streamed, coded, accumulated."""
    return any(arguments.get(name) is not None for name in _HOST) or any(
        hasattr(value, "_for_core") or hasattr(value, "_home") for value in arguments.values()
    )


def compute(cupy: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a function with copies on the GPU, and bring the arrays of its answer back."""
    # What it calls in turn has them where they should be.
    token = runtime.gpu.set(None)
    try:
        answer = function(
            *(_moved(cupy, value) for value in args),
            **{name: _moved(cupy, value) for name, value in kwargs.items()},
        )
        return _brought_back(cupy, answer)
    finally:
        runtime.gpu.reset(token)


def _moved(cupy: Any, value: Any) -> Any:
    """Give a value with its floating point arrays on the GPU; row numbers stay on the host."""
    if isinstance(value, np.ndarray):
        floats = value.dtype.kind == "f" and value.dtype.itemsize <= 8
        if not floats or isinstance(value, np.ma.MaskedArray):
            return value
        return cupy.asarray(value.astype(value.dtype.newbyteorder("="), copy=False))
    if type(value) in PLAIN:
        return value
    return replaced(value, lambda _, part: _moved(cupy, part))


def _brought_back(cupy: Any, answer: Any) -> Any:
    if isinstance(answer, cupy.ndarray):
        return cupy.asnumpy(answer)
    if isinstance(answer, np.ndarray) or type(answer) in PLAIN:
        return answer
    return replaced(answer, lambda _, part: _brought_back(cupy, part))
