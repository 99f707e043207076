"""Bitext mining from the whole matrix of cosines, in plain NumPy and plain loops."""

from __future__ import annotations

import numpy as np


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """All cosines, in float64, rounded to the type of the input; 0 for zero rows."""
    wide = [side.astype(np.float64) for side in (x, y)]
    norms = [np.linalg.norm(side, axis=1, keepdims=True) for side in wide]
    unit = [side / np.where(norm > 0, norm, 1) for side, norm in zip(wide, norms, strict=True)]
    return (unit[0] @ unit[1].T).astype(np.result_type(x, y))


def mine(
    c: np.ndarray, margin: str, k: int, retrieval: str, threshold: float | None
) -> list[tuple[float, int, int]]:
    """Give (score, source, target), in the order that `mine_bitext` promises."""
    n, m = c.shape
    candidates = [np.argsort(-c, axis=1, kind="stable")[:, :k]]
    candidates.append(np.argsort(-c.T, axis=1, kind="stable")[:, :k])
    wide = c.astype(np.float64)
    means = [
        np.array([side[i, order[i]].mean() for i in range(len(side))]).astype(c.dtype)
        for side, order in zip((wide, wide.T), candidates, strict=True)
    ]

    def score(i: int, j: int) -> float:
        b = (float(means[0][i]) + float(means[1][j])) / 2
        a = float(c[i, j])
        value = {"absolute": lambda: a, "distance": lambda: a - b, "ratio": lambda: a / b}[margin]()
        return float(c.dtype.type(value))

    forward = [min((-score(i, j), i, j) for j in candidates[0][i]) for i in range(n)]
    backward = [min((-score(i, j), j, i) for i in candidates[1][j]) for j in range(m)]
    there = {(i, int(j)): -s for s, i, j in forward}
    back = {(int(i), j): -s for s, j, i in backward}
    chosen = {
        "forward": there,
        "backward": back,
        "intersection": {pair: s for pair, s in there.items() if pair in back},
        "max": there | back,
    }[retrieval]
    ordered = sorted((-s, i, j) for (i, j), s in chosen.items())
    if retrieval == "max":
        sources, targets, kept = set(), set(), []
        for s, i, j in ordered:
            if i not in sources and j not in targets:
                sources.add(i)
                targets.add(j)
                kept.append((s, i, j))
        ordered = kept
    return [(-s, i, j) for s, i, j in ordered if threshold is None or -s > threshold]
