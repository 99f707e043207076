"""What the cases are made of: rows, peers that are there, the machine's limit."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from isomorph import _core

DIMENSION = 300


def installed(module: str) -> bool:
    """Tell whether a peer is there."""
    return importlib.util.find_spec(module) is not None


def random(rows: int, columns: int, seed: int, dtype: Any = np.float32) -> Any:
    """Give normal rows."""
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)


def unit(x: Any) -> Any:
    """Give rows of norm 1."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def fma_limit(operations: float, threads: int) -> Callable[[], float]:
    """Seconds for that many float32 operations at the peak rate, measured for about 0.1 s."""
    return lambda: operations / _core.fma_peak(threads, 30_000_000)


def clustered(rows: int, columns: int, seed: int, clusters: int = 500) -> Any:
    """Give rows around centres, all with a decaying spectrum, as embeddings have it."""
    weights = (1 / np.sqrt(1 + np.arange(columns))).astype(np.float32)
    shared = np.random.default_rng(99)
    centres = shared.standard_normal((clusters, columns), dtype=np.float32)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, columns), dtype=np.float32)
    return (centres[rng.integers(0, clusters, rows)] + np.float32(0.7) * noise) * weights
