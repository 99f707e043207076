"""The cases: neighbours, CSLS, stacks of SVDs, reading text, each beside its peers."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Call, Case

#: "full" is what the project reports; "smoke" only shows that everything runs and is right.
SIZES = ("full", "smoke")

DIMENSION = 300

#: From the size, the number of threads and a folder for files.
Builder = Callable[[str, int, Path], Case]


def all_cases(size: str = "full", *, threads: int | None = None, only: str = "") -> Iterator[Case]:
    """Give the cases whose name contains `only`, each built, with its files, when its turn comes.

    Parameters
    ----------
    size : {"full", "smoke"}, default "full"
        How much work.
    threads : int, optional
        For isomorph and for the limit; peers use what they use.
    only : str, default ""
        Part of the names wanted.
    """
    if size not in SIZES:
        raise ValueError(f"size: expected one of {', '.join(SIZES)}, got {size!r}")
    number = iso.runtime.resolve_threads(threads)
    builders: dict[str, Builder] = {
        "topk": _topk,
        "csls_radii": _csls_radii,
        "maxsim": _maxsim,
        **{
            f"svd {count} x {d}^2 {dtype}": _svd_builder(count, d, dtype)
            for dtype in ("float32", "float64")
            for count, d in ((64, 300), (256, 64), (1024, 16))
        },
        "read .vec": _read_text,
    }
    for name, build in builders.items():
        if only in name:
            with tempfile.TemporaryDirectory(prefix="isomorph-bench-") as folder:
                yield build(size, number, Path(folder))


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _random(rows: int, columns: int, seed: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)


def _unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _fma_limit(operations: float, threads: int) -> Callable[[], float]:
    """Seconds for that many float32 operations at the peak rate, measured for about 0.1 s."""
    return lambda: operations / _core.fma_peak(threads, 30_000_000)


def _numpy_topk(x: Any, y: Any, k: int, block: int = 1024) -> Call:
    def run() -> None:
        for start in range(0, len(x), block):
            scores = x[start : start + block] @ y.T
            best = np.argpartition(-scores, k, axis=1)[:, :k]
            np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)

    return run


def _topk(size: str, threads: int, _: Path) -> Case:
    n, m, k = (10_000, 50_000, 10) if size == "full" else (200, 500, 10)
    x, y = _unit(_random(n, DIMENSION, 0)), _unit(_random(m, DIMENSION, 1))
    peers: dict[str, Call] = {"NumPy matmul + argpartition": _numpy_topk(x, y, k)}
    if _installed("faiss"):
        faiss: Any = importlib.import_module("faiss")

        def search() -> Any:
            faiss.omp_set_num_threads(threads)
            index = faiss.IndexFlatIP(DIMENSION)
            index.add(y)
            return index.search(x, k)

        peers["faiss IndexFlatIP"] = search
    if _installed("sklearn"):
        neighbors: Any = importlib.import_module("sklearn.neighbors")
        fitted = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(y)
        peers["scikit-learn brute"] = lambda: fitted.kneighbors(x)

    def check(found: iso.Neighbors) -> None:
        rows = np.arange(0, n, max(1, n // 50))
        exact = x[rows].astype(np.float64) @ y.astype(np.float64).T
        expected = np.argsort(-exact, axis=1, kind="stable")[:, :k]
        agree = (expected == found.indices[rows]).mean()
        if agree < 0.999:
            raise AssertionError(f"topk: {agree:.4f} of the neighbours agree with float64")

    return Case(
        f"topk {n:,} x {m:,} x {DIMENSION}, k = {k}, float32",
        lambda: iso.topk(x, y, k, threads=threads),
        peers,
        check,
        _fma_limit(2.0 * n * m * DIMENSION, threads),
        "float32 FMA peak",
    )


def _csls_radii(size: str, threads: int, _: Path) -> Case:
    n = 50_000 if size == "full" else 400
    x, y = _unit(_random(n, DIMENSION, 0)), _unit(_random(n, DIMENSION, 1))

    def check(radii: tuple[Any, Any]) -> None:
        for own, other, found in ((x, y, radii[0]), (y, x, radii[1])):
            exact = own[:50].astype(np.float64) @ other.astype(np.float64).T
            expected = -np.sort(-exact, axis=1)[:, :10].mean(axis=1)
            np.testing.assert_allclose(found[:50], expected, atol=2e-7)

    return Case(
        f"csls_radii {n:,} x {n:,} x {DIMENSION}, both sides, float32",
        lambda: iso.csls_radii(x, y, threads=threads),
        {},
        check,
        _fma_limit(2.0 * n * n * DIMENSION, threads),
        "one float32 pass at the FMA peak",
    )


def _maxsim(size: str, threads: int, _: Path) -> Case:
    count, tokens, length, d = (10_000, 32, 180, 128) if size == "full" else (20, 5, 7, 128)
    query, rows = _unit(_random(tokens, d, 0)), _unit(_random(count * length, d, 1))
    documents = rows.reshape(count, length, d)

    def gemm_and_max(block: int = 256) -> Any:
        scores = np.empty(count, np.float32)
        for start in range(0, count, block):
            part = documents[start : start + block]
            products = (part.reshape(-1, d) @ query.T).reshape(len(part), length, tokens)
            scores[start : start + block] = products.max(axis=1).sum(axis=1)
        return scores

    peers: dict[str, Call] = {"NumPy matmul + max": gemm_and_max}
    if _installed("maxsim_cpu"):
        maxsim_cpu: Any = importlib.import_module("maxsim_cpu")

        def maxsim_scores() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # It uses NumPy by an old name.
                return maxsim_cpu.maxsim_scores(query, documents)

        peers["maxsim-cpu"] = maxsim_scores

    def check(scores: Any) -> None:
        some = documents[:50].astype(np.float64)
        exact = np.einsum("id,mjd->mij", query.astype(np.float64), some).max(axis=2).sum(axis=1)
        np.testing.assert_allclose(scores[0, :50], exact, rtol=2.0**-24 * 1.001)

    return Case(
        f"maxsim {tokens} x {d} against {count:,} documents x {length}, float32",
        lambda: iso.maxsim(query, documents, threads=threads),
        peers,
        check,
        _fma_limit(2.0 * tokens * count * length * d, threads),
        "float32 FMA peak",
    )


def _svd_builder(count: int, d: int, dtype: str) -> Builder:
    def build(size: str, threads: int, _: Path) -> Case:
        stack = count if size == "full" else 3
        a = _random(stack * d, d, 2, dtype).reshape(stack, d, d)
        peers: dict[str, Call] = {"NumPy": lambda: np.linalg.svd(a, full_matrices=False)}
        if _installed("scipy"):
            linalg: Any = importlib.import_module("scipy.linalg")
            peers["SciPy gesdd loop"] = lambda: [linalg.svd(m, full_matrices=False) for m in a]

        def check(factors: Any) -> None:
            u, s, vt = factors
            bound = 8 * np.finfo(a.dtype).eps * np.sqrt(d)
            error = np.linalg.norm((u * s[:, None, :]) @ vt - a, axis=(1, 2))
            if not (error <= bound * np.linalg.norm(a, axis=(1, 2))).all():
                raise AssertionError(f"svd: residual {error.max()} over the bound")

        return Case(
            f"svd {stack:,} x {d} x {d}, {dtype}",
            lambda: iso.linalg.svd(a, threads=threads),
            peers,
            check,
        )

    return build


def _read_text(size: str, threads: int, folder: Path) -> Case:
    rows = 20_000 if size == "full" else 100
    path = folder / "words.vec"
    x = _random(rows, DIMENSION, 3)
    with path.open("w", encoding="utf8") as file:
        file.write(f"{rows} {DIMENSION}\n")
        for i, row in enumerate(x):
            file.write(f"word{i} " + " ".join(f"{value:.6g}" for value in row) + "\n")

    def python_loop() -> Any:
        words, vectors = [], []
        with path.open(encoding="utf8") as file:
            next(file)
            for line in file:
                word, values = line.rstrip().split(" ", 1)
                words.append(word)
                vectors.append(np.array(values.split(), dtype=np.float32))
        return words, np.stack(vectors)

    peers: dict[str, Call] = {"Python line loop": python_loop}
    if _installed("gensim"):
        models: Any = importlib.import_module("gensim.models")
        peers["gensim"] = lambda: models.KeyedVectors.load_word2vec_format(str(path))

    def check(loaded: Any) -> None:
        words, vectors = python_loop()
        if list(loaded.words) != words or loaded.vectors.tobytes() != vectors.tobytes():
            raise AssertionError("read .vec: words or values differ from Python's")

    name = f"read .vec, {rows:,} x {DIMENSION}"
    return Case(name, lambda: iso.io.load(path, threads=threads), peers, check)
