"""One matrix or a stack of them: how both become a stack (b, n, d) for a backend, and back."""

from __future__ import annotations

import math
from typing import Any

from isomorph._arrays import Prepared


def reshape(ready: Prepared, array: Any, shape: tuple[int, ...]) -> Any:
    """Give `array` that shape, in its own namespace."""
    if ready.namespace is None:
        return array.reshape(shape)
    return ready.namespace.reshape(array, shape)


def as_stack(ready: Prepared, array: Any) -> Any:
    """Flatten the leading axes: (..., n, d) becomes (b, n, d), a matrix a stack of one."""
    shape = tuple(int(length) for length in array.shape)
    return reshape(ready, array, (math.prod(shape[:-2]), *shape[-2:]))
