"""RCSLS beside the arithmetic of the published program, in NumPy.

``pytest benches/test_rcsls.py --benchmark-only -s`` measures; ``--benchmark-disable`` runs it
small. ``ISOMORPH_BENCH_ROWS=200000`` are the negatives of a side in the promise: under 2 GB in all,
and at least five times faster. ``ISOMORPH_BENCH_PAIRS`` (2,000) pairs cost the peer 16 bytes each
for every negative of a side.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run

D, K, STEPS = 300, 10, 3


def languages(rows: int, pairs: int) -> tuple[Any, ...]:
    """Unit rows whose variance is spread over the columns as unevenly as that of word vectors."""
    rng = np.random.default_rng(0)
    sides = []
    shared = rng.standard_normal((pairs, D), dtype=np.float32)
    for _ in range(2):
        side = rng.standard_normal((rows, D), dtype=np.float32)
        side[:pairs] = shared + 0.7 * side[:pairs]
        side *= np.arange(1, D + 1, dtype=np.float32) ** -0.3
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        sides.append(side)
    return sides[0][:pairs], sides[1][:pairs], *sides


def half(queries: Any, others: Any, scores: Any) -> tuple[float, Any]:
    """Give the sum of the K largest scores of each row, and the gradient of that."""
    best = np.argpartition(scores, -K, axis=1)[:, -K:]
    near = others[best.ravel()].reshape(*best.shape, -1).sum(axis=1)
    return float(np.take_along_axis(scores, best, axis=1).sum()), near.T @ queries


def in_numpy(x: Any, y: Any, source_space: Any, target_space: Any) -> tuple[Any, list[float]]:
    """Take the published steps: float64, all scores, all negatives mapped each time."""
    x, y, source_space, target_space = (
        rows.astype(np.float64) for rows in (x, y, source_space, target_space)
    )
    u, _, vt = np.linalg.svd(y.T @ x)
    r, objectives = u @ vt, []
    for _ in range(STEPS):
        mapped = x @ r.T
        f, slope = 2 * float(np.sum(mapped * y)), 2 * y.T @ x
        there, towards = half(x, target_space, mapped @ target_space.T)
        back, away = half(y, source_space, y @ (source_space @ r.T).T)
        objectives.append(-(f - (there + back) / K) / len(x))
        r = r + (slope - (towards + away.T) / K) / len(x)
    return r.T, objectives


def resident() -> int:
    """Give the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_published_steps(dtype: str, benchmark: Any) -> None:
    rows, pairs = 900, 400
    if benchmark.enabled:
        rows = int(os.environ.get("ISOMORPH_BENCH_ROWS", "20000"))
        pairs = int(os.environ.get("ISOMORPH_BENCH_PAIRS", "2000"))
    x, y, *spaces = (side.astype(dtype) for side in languages(rows, pairs))

    def ours() -> Any:
        return iso.fit_map(
            x,
            y,
            method="rcsls",
            source_space=spaces[0],
            target_space=spaces[1],
            parity=True,
            iterations=STEPS - 1,
        )

    def check(made: Any) -> None:
        matrix, objectives = in_numpy(x, y, *spaces)
        tolerance = 1e-5 if dtype == "float32" else 1e-9
        np.testing.assert_allclose(made.metrics["objectives"], objectives, atol=tolerance)
        np.testing.assert_allclose(made.matrix, matrix, atol=10 * tolerance)

    def limit() -> float:
        threads = iso.runtime.resolve_threads()
        lanes = 1 if dtype == "float32" else 2
        operations = STEPS * 2 * 2 * pairs * rows * D
        return operations / (_core.fma_peak(threads, 20_000_000) / lanes)

    run(
        Case(
            f"RCSLS, {STEPS} steps, {pairs:,} pairs, {rows:,} negatives a side, {dtype}",
            ours,
            {"the published arithmetic in NumPy": lambda: in_numpy(x, y, *spaces)},
            check,
            limit,
            "the products at the peak",
        ),
        benchmark,
        rounds=int(os.environ.get("ISOMORPH_BENCH_ROUNDS", "3")),
    )
    if benchmark.enabled:
        print(f"  {resident() / 1e6:.0f} MB of inputs and libraries in the process")
