"""Neighbour searches beside their peers and one ideal float32 pass."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.benchmark.inputs import DIMENSION, clustered, fma_limit, installed, unit
from isomorph.benchmark.measure import Builder, Call, Case


def _numpy_topk(x: Any, y: Any, k: int, block: int = 1024) -> Call:
    def run() -> None:
        for start in range(0, len(x), block):
            scores = x[start : start + block] @ y.T
            best = np.argpartition(-scores, k, axis=1)[:, :k]
            np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

    return run


def _peers(x: Any, y: Any, k: int, threads: int) -> dict[str, Call]:
    peers: dict[str, Call] = {"NumPy matmul + argpartition": _numpy_topk(x, y, k)}
    if installed("faiss"):
        faiss: Any = importlib.import_module("faiss")

        def search() -> Any:
            faiss.omp_set_num_threads(threads)
            index = faiss.IndexFlatIP(y.shape[1])
            index.add(y)
            return index.search(x, k)

        peers["faiss IndexFlatIP"] = search
    if installed("sklearn"):
        neighbors: Any = importlib.import_module("sklearn.neighbors")
        fitted = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(y)
        peers["scikit-learn brute"] = lambda: fitted.kneighbors(x)
    return peers


def topk_case(name: str, x: Any, y: Any, threads: int, *, prepared: bool, k: int = 10) -> Case:
    """Search unit rows; with `prepared`, the corpus is an index made beforehand."""
    n, m = len(x), len(y)
    corpus = iso.Index(y, threads=threads) if prepared else y

    def check(found: iso.Neighbors) -> None:
        rows = np.arange(0, n, max(1, n // 50))
        exact = x[rows].astype(np.float64) @ y.astype(np.float64).T
        expected = np.argsort(-exact, axis=1, kind="stable")[:, :k]
        agree = (expected == found.indices[rows]).mean()
        if agree < 0.999:
            raise AssertionError(f"topk: {agree:.4f} of the neighbours agree with float64")

    what = "corpus an Index" if prepared else "nothing prepared"
    return Case(
        f"topk {n:,} x {m:,} x {x.shape[1]}, k = {k}, {name}, {what}",
        lambda: iso.topk(x, corpus, k, threads=threads),
        _peers(x, y, k, threads),
        check,
        fma_limit(2.0 * n * m * x.shape[1], threads),
        "float32 FMA peak",
    )


def csls_both_case(name: str, x: Any, y: Any, threads: int) -> Case:
    """Both directions of CSLS from nothing but rows."""
    n, m = len(x), len(y)

    def check(found: iso.CSLS) -> None:
        rows = np.arange(0, n, max(1, n // 50))
        exact = unit(x[rows].astype(np.float64)) @ unit(y.astype(np.float64)).T
        radii = -np.sort(-exact, axis=1)[:, :10].mean(axis=1)
        np.testing.assert_allclose(found.source_radii[rows], radii, atol=2e-7)
        best = (2 * exact - found.target_radii).argmax(axis=1)
        agree = (best == found.forward.indices[rows, 0]).mean()
        if agree < 0.98:
            raise AssertionError(f"csls_both: {agree:.3f} of the answers agree with float64")

    return Case(
        f"csls_both {n:,} x {m:,} x {x.shape[1]}, k = 1, {name}",
        lambda: iso.csls_both(x, y, threads=threads),
        {},
        check,
        fma_limit(2.0 * n * m * x.shape[1], threads),
        "one float32 pass at the FMA peak",
    )


def _topk(prepared: bool) -> Builder:
    def build(size: str, threads: int, _: Path) -> Case:
        n, m = (10_000, 50_000) if size == "full" else (200, 500)
        x, y = unit(clustered(n, DIMENSION, 1)), unit(clustered(m, DIMENSION, 2))
        return topk_case("clustered", x, y, threads, prepared=prepared)

    return build


def _csls_both(size: str, threads: int, _: Path) -> Case:
    n = 50_000 if size == "full" else 1_300
    x, y = unit(clustered(n, DIMENSION, 1)), unit(clustered(n, DIMENSION, 2))
    return csls_both_case("clustered", x, y, threads)


#: By name, from the size, the number of threads and a folder.
NEIGHBORS: dict[str, Builder] = {
    "topk rows": _topk(prepared=False),
    "topk Index": _topk(prepared=True),
    "csls_both": _csls_both,
}
