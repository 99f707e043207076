"""Stacks of singular value decompositions beside NumPy, a SciPy loop and, if installed, PyTorch."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.benchmark.inputs import installed, random
from isomorph.benchmark.measure import Builder, Call, Case

#: How many, and of how many rows and columns.
STACKS = ((64, 300), (256, 64), (1024, 16), (100_000, 3), (33, 1024))


def svd_peers(a: Any) -> dict[str, Call]:
    """Give the thin decomposition of the same stack by other libraries, those installed."""
    peers: dict[str, Call] = {"NumPy": lambda: np.linalg.svd(a, full_matrices=False)}
    if installed("scipy"):
        linalg: Any = importlib.import_module("scipy.linalg")
        peers["SciPy gesdd loop"] = lambda: [linalg.svd(m, full_matrices=False) for m in a]
    if installed("torch"):
        torch: Any = importlib.import_module("torch")
        tensor = torch.from_numpy(a)
        peers["PyTorch"] = lambda: torch.linalg.svd(tensor, full_matrices=False)
    return peers


def svd_case(a: Any, name: str, threads: int | None = None) -> Case:
    """Factorise a stack (b, n, d); residual and orthogonality are checked against the promise."""

    def check(factors: Any) -> None:
        u, s, vt = (part.astype(np.float64) for part in factors)
        longest = max(a.shape[1:])
        bound = 8 * float(np.finfo(a.dtype).eps) * longest**0.5
        error = np.linalg.norm((u * s[:, None, :]) @ vt - a, axis=(1, 2))
        figures = [
            error / np.linalg.norm(a, axis=(1, 2)),
            _skew(u),
            _skew(np.swapaxes(vt, 1, 2)),
        ]
        worst = [float(figure.max()) for figure in figures]
        if not max(worst) <= bound:
            raise AssertionError(f"svd: residual and skews {worst} over the bound {bound}")

    return Case(name, lambda: iso.linalg.svd(a, threads=threads), svd_peers(a), check)


def _skew(q: Any) -> Any:
    """Give |Q'Q - I| of each matrix of a stack."""
    error = np.swapaxes(q, 1, 2) @ q - np.eye(q.shape[2])
    return np.linalg.norm(error, axis=(1, 2))


def _builder(count: int, d: int, dtype: str) -> Builder:
    def build(size: str, threads: int, _: Path) -> Case:
        full = size == "full"
        stack, side = (count, d) if full else (3, min(d, 300))
        a = random(stack * side, side, 2, dtype).reshape(stack, side, side)
        return svd_case(a, f"svd {stack:,} x {side} x {side}, {dtype}", threads)

    return build


SVDS: dict[str, Builder] = {
    f"svd {count} x {d}^2 {dtype}": _builder(count, d, dtype)
    for dtype in ("float32", "float64")
    for count, d in STACKS
}
