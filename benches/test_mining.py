"""Mining and hubness reduction beside the ways that people write them, and one ideal pass.

``pytest benches/test_mining.py --benchmark-only`` measures; ``--benchmark-disable`` runs it small.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run

DIMENSION = 300


def sides(n: int) -> tuple[Any, Any]:
    """Noisy translations, with hubs: a common part makes some rows near to everything."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((n, DIMENSION)) + 0.3 * rng.standard_normal(DIMENSION)
    x = y[rng.permutation(n)] + rng.standard_normal((n, DIMENSION))
    made = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    x, y = (side.astype(np.float32) for side in made)
    return x, y


def one_pass(n: int) -> Callable[[], float]:
    """Seconds of one float32 pass over all pairs at the FMA peak, measured for about 0.1 s."""
    threads = iso.runtime.resolve_threads()
    return lambda: 2.0 * n * n * DIMENSION / _core.fma_peak(threads, 30_000_000)


def laser(x: Any, y: Any, k: int = 4) -> Callable[[], Any]:
    """Mine as the usual scripts do: a flat index a side, loops over candidates, greedy pairs."""
    faiss: Any = importlib.import_module("faiss")

    def knn(queries: Any, corpus: Any) -> Any:
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(corpus)
        return index.search(queries, k)

    def best(found: Any, own: Any, other: Any) -> Any:
        scores = np.zeros(found[0].shape)
        for i in range(scores.shape[0]):
            for j in range(k):
                scores[i, j] = found[0][i, j] / ((own[i] + other[found[1][i, j]]) / 2)
        top = scores.argmax(axis=1)
        return found[1][np.arange(len(top)), top], scores.max(axis=1)

    def mine() -> Any:
        there, back = knn(x, y), knn(y, x)
        means = there[0].mean(axis=1), back[0].mean(axis=1)
        answers, scores = best(there, *means)
        returns, back_scores = best(back, *means[::-1])
        source = np.concatenate([np.arange(len(x)), returns])
        target = np.concatenate([answers, np.arange(len(y))])
        seen_source: set[int] = set()
        seen_target: set[int] = set()
        pairs = []
        for at in np.argsort(-np.concatenate([scores, back_scores])):
            if source[at] not in seen_source and target[at] not in seen_target:
                seen_source.add(source[at])
                seen_target.add(target[at])
                pairs.append((source[at], target[at]))
        return pairs

    return mine


def test_mine_bitext(benchmark: Any) -> None:
    n = 20_000 if benchmark.enabled else 300
    x, y = sides(n)
    peers = {}
    if importlib.util.find_spec("faiss"):
        peers["faiss and Python loops"] = laser(x, y)

    def check(found: iso.Pairs) -> None:
        if peers:
            theirs = set(peers["faiss and Python loops"]())
            ours = set(zip(found.source.tolist(), found.target.tolist(), strict=True))
            assert len(theirs & ours) >= 0.999 * len(theirs)

    name = f"mine_bitext {n:,} x {n:,} x {DIMENSION}, k = 4, ratio, max"
    case = Case(name, lambda: iso.mine_bitext(x, y), peers, check, one_pass(n), "one float32 pass")
    run(case, benchmark)


def numpy_way(name: str, x: Any, y: Any) -> Callable[[], Any]:
    """Score all pairs as the formula stands, with the whole matrix in float32."""

    def reduce() -> Any:
        c = x @ y.T
        if name == "inverted_softmax":
            return (30 * c - np.log(np.exp(30 * c).sum(axis=0))).argmax(axis=1)
        d = np.sqrt(np.maximum(2 - 2 * c, 0))
        if name == "mutual_proximity":
            special: Any = importlib.import_module("scipy.special")
            p = special.ndtr((d - d.mean(axis=1, keepdims=True)) / d.std(axis=1, keepdims=True))
            q = special.ndtr((d - d.mean(axis=0)) / d.std(axis=0))
            return (p + q - p * q).argmin(axis=1)
        k = 10 if name == "nicdm" else 7
        rows, columns = (np.partition(side, k - 1, axis=1)[:, :k] for side in (d, d.T))
        if name == "nicdm":
            return (d / np.sqrt(rows.mean(1)[:, None] * columns.mean(1))).argmin(axis=1)
        return (d * d / (rows.max(1)[:, None] * columns.max(1))).argmin(axis=1)

    return reduce


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("inverted_softmax", {}),
        ("local_scaling", {}),
        ("nicdm", {}),
        ("mutual_proximity", {"method": "gaussian"}),
    ],
)
def test_hubness_reduction(name: str, options: dict[str, Any], benchmark: Any) -> None:
    n = 10_000 if benchmark.enabled else 300
    x, y = sides(n)
    peer = numpy_way(name, x, y)

    def check(found: iso.Neighbors) -> None:
        assert (peer() == found.indices[:, 0]).mean() > 0.999

    case = Case(
        f"{name} {n:,} x {n:,} x {DIMENSION}",
        lambda: getattr(iso, name)(x, y, **options),
        {"NumPy, whole matrix": peer},
        check,
        one_pass(n),
        "one float32 pass",
    )
    run(case, benchmark)
