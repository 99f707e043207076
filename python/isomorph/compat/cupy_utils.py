"""The four names that alignment scripts import from a ``cupy_utils`` beside them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["asnumpy", "get_array_module", "get_cupy", "supports_cupy"]


def get_cupy() -> ModuleType | None:
    """Return the module ``cupy``, or None if it is not installed.

    Examples
    --------
    >>> from isomorph.compat import cupy_utils
    >>> (cupy_utils.get_cupy() is not None) >= cupy_utils.supports_cupy()
    True
    """
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    found: ModuleType = cupy
    return found


def supports_cupy() -> bool:
    """Say whether CuPy is installed and sees a device."""
    cupy = get_cupy()
    if cupy is None:
        return False
    try:
        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def get_array_module(x: Any) -> ModuleType:
    """Return the module whose functions take `x`: ``cupy`` for its arrays, else ``numpy``."""
    cupy = get_cupy()
    return np if cupy is None else cupy.get_array_module(x)


def asnumpy(x: Any) -> Any:
    """Return `x` as a NumPy array; arrays of a device are copied to the host."""
    cupy = get_cupy()
    return np.asarray(x) if cupy is None else cupy.asnumpy(x)
