"""Ranking measures and hard negatives beside the ways that people write them with NumPy.

``pytest benches/test_ranking.py --benchmark-only`` measures; ``--benchmark-disable`` runs it small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run

DIMENSION = 300


def unit(rows: int, seed: int) -> Any:
    x = np.random.default_rng(seed).standard_normal((rows, DIMENSION)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def one_pass(n: int, m: int, models: int = 1) -> Any:
    """Seconds of float32 passes over all pairs at the FMA peak, measured for about 0.1 s."""
    threads = iso.runtime.resolve_threads()
    return lambda: 2.0 * models * n * m * DIMENSION / _core.fma_peak(threads, 30_000_000)


def test_rank_metrics(benchmark: Any) -> None:
    n, m = (1000, 50_000) if benchmark.enabled else (20, 100)
    rng = np.random.default_rng(0)
    scores, relevant = rng.standard_normal((n, m)).astype(np.float32), rng.integers(m, size=n)

    def by_sorting() -> float:
        order = np.argsort(-scores, axis=1)
        ranks = np.argmax(order == relevant[:, None], axis=1) + 1
        return float((1 / ranks).mean())

    def check(found: Any) -> None:
        np.testing.assert_allclose(found.mrr, by_sorting(), rtol=1e-3)

    name = f"rank_metrics {n:,} x {m:,}, one relevant each"
    ours = lambda: iso.metrics.rank_metrics(scores, relevant)  # noqa: E731
    run(Case(name, ours, {"NumPy argsort": by_sorting}, check), benchmark)


def test_retrieval_metrics(benchmark: Any) -> None:
    n, m = (5000, 50_000) if benchmark.enabled else (20, 100)
    x, y = unit(n, 0), unit(m, 1)
    relevant = np.random.default_rng(2).integers(m, size=n)

    def by_block(count: Any) -> float:
        ranks = np.empty(n)
        for start in range(0, n, 256):
            scores = x[start : start + 256] @ y.T
            ranks[start : start + 256] = count(scores, relevant[start : start + 256])
        return float((1 / ranks).mean())

    def counted(scores: Any, items: Any) -> Any:
        own = np.take_along_axis(scores, items[:, None], axis=1)
        return (scores > own).sum(axis=1) + 1

    def sorted_(scores: Any, items: Any) -> Any:
        return np.argmax(np.argsort(-scores, axis=1) == items[:, None], axis=1) + 1

    def check(found: Any) -> None:
        np.testing.assert_allclose(found.mrr, by_block(counted), rtol=1e-3)

    peers = {
        "NumPy matmul + count": lambda: by_block(counted),
        "NumPy matmul + argsort": lambda: by_block(sorted_),
    }
    case = Case(
        f"retrieval_metrics {n:,} x {m:,} x {DIMENSION}, one relevant each",
        lambda: iso.metrics.retrieval_metrics(x, y, relevant),
        peers,
        check,
        one_pass(n, m),
        "one float32 pass at the FMA peak",
    )
    run(case, benchmark)


def test_hard_negatives(benchmark: Any) -> None:
    n, m, k = (2000, 50_000, 20) if benchmark.enabled else (20, 100, 5)
    models = [(unit(n, seed), unit(m, seed + 1)) for seed in (0, 2)]
    positives = np.random.default_rng(4).integers(m, size=n)

    def with_numpy() -> Any:
        pools: list[set[int]] = [set() for _ in range(n)]
        for x, y in models:
            for start in range(0, n, 256):
                scores = x[start : start + 256] @ y.T
                for i, row in enumerate(scores, start=start):
                    row[positives[i]] = -np.inf
                    pools[i].update(np.argpartition(-row, k)[:k].tolist())
        return pools

    def check(found: Any) -> None:
        same = [set(rows.tolist()) == pool for rows, pool in zip(found, with_numpy(), strict=True)]
        if np.mean(same) < 0.99:
            raise AssertionError(f"hard_negatives: {np.mean(same)} of the pools agree")

    case = Case(
        f"hard_negatives {n:,} x {m:,} x {DIMENSION}, two models, k = {k}",
        lambda: iso.hard_negatives(*models[0], positives, k, models=models[1:]),
        {"NumPy matmul + argpartition": with_numpy},
        check,
        one_pass(n, m, 2),
        "two float32 passes at the FMA peak",
    )
    run(case, benchmark)
