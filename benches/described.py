"""For benchmarks of self-learning: vectors, and the loop that VecMap's description amounts to.

Our own NumPy code for the procedure that VecMap describes, not VecMap's: four matrix products in
blocks, means of the k largest by k passes, a mask drawn for every pair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
K = 10


def unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def clusters(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, 301) ** -0.5
    centres = rng.standard_normal((n // 20, 300)) * spectrum
    sides = (
        centres[rng.integers(len(centres), size=n)] + rng.standard_normal((n, 300)) * spectrum / 2
        for _ in range(2)
    )
    source, target = (unit(side).astype(np.float32) for side in sides)
    return source, target


def words(language: str, n: int) -> tuple[Any, dict[str, int]]:
    folder = SHARED / "vectors"
    vectors = np.load(folder / f"{language}.float16.npy")[:n].astype(np.float32)
    listed = (folder / f"{language}.words.txt").read_text(encoding="utf8").split("\n")
    return vectors, {word: row for row, word in enumerate(listed[: len(vectors)])}


def mapped(language: str, n: int) -> tuple[Any, Any]:
    """English mapped to the other language by Procrustes on the training dictionary."""
    (x, english), (y, other) = words("en", n), words(language, n)
    chain = iso.transforms.Chain.parse("unit center unit")
    (_, x), (_, y) = chain.fit_apply(x), chain.fit_apply(y)
    text = (SHARED / "dictionaries" / f"muse.en-{language}.train.tsv").read_text(encoding="utf8")
    pairs = [line.split("\t") for line in text.splitlines()]
    known = [(english[s], other[t]) for s, t in pairs if s in english and t in other]
    source, target = np.array(known).T
    return iso.procrustes(x[source], y[target])(x), y


def mean_of_largest(similarity: Any, k: int) -> Any:
    """By k passes: take the largest, put the least of the block in its place."""
    least, rows = similarity.min(), np.arange(len(similarity))
    total = np.zeros(len(similarity), similarity.dtype)
    for _ in range(k):
        at = similarity.argmax(axis=1)
        total += similarity[rows, at]
        similarity[rows, at] = least
    return total / k


def described_loop(x: Any, y: Any, *, keep: float, block: int, seed: int = 0) -> tuple[Any, Any]:
    """What VecMap is described to do in one iteration, union, CSLS; float32 throughout."""
    rng = np.random.RandomState(seed)

    def direction(own: Any, other: Any) -> Any:
        radii = np.empty(len(other), np.float32)
        for start in range(0, len(other), block):
            stop = min(start + block, len(other))
            radii[start:stop] = mean_of_largest(other[start:stop] @ own.T, K)
        chosen = np.empty(len(own), np.int64)
        for start in range(0, len(own), block):
            stop = min(start + block, len(own))
            similarity = own[start:stop] @ other.T
            similarity.max(axis=1)  # the objective
            similarity -= radii / 2
            if keep < 1:
                similarity = similarity * (rng.rand(*similarity.shape) < keep)
            chosen[start:stop] = similarity.argmax(axis=1)
        return chosen

    there, back = direction(x, y), direction(y, x)
    source = np.concatenate([np.arange(len(x)), back])
    return source, np.concatenate([there, np.arange(len(y))])
