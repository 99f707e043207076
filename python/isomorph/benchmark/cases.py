"""The cases, each beside its peers; late interaction and the reading of text are made here."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.benchmark.inputs import DIMENSION, fma_limit, installed, random, unit
from isomorph.benchmark.linalg import SVDS
from isomorph.benchmark.measure import Builder, Call, Case
from isomorph.benchmark.neighbors import NEIGHBORS
from isomorph.benchmark.transport import TRANSPORT
from isomorph.benchmark.vocabularies import VOCABULARIES

#: "full" is what the project reports; "smoke" only shows that everything runs and is right.
SIZES = ("full", "smoke")


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
        **NEIGHBORS,
        "maxsim": _maxsim,
        **SVDS,
        **TRANSPORT,
        **VOCABULARIES,
        "read .vec": _read_text,
    }
    for name, build in builders.items():
        if only in name:
            with tempfile.TemporaryDirectory(prefix="isomorph-bench-") as folder:
                yield build(size, number, Path(folder))


def _maxsim(size: str, threads: int, _: Path) -> Case:
    count, tokens, length, d = (10_000, 32, 180, 128) if size == "full" else (20, 5, 7, 128)
    query, rows = unit(random(tokens, d, 0)), unit(random(count * length, d, 1))
    documents = rows.reshape(count, length, d)

    def gemm_and_max(block: int = 256) -> Any:
        scores = np.empty(count, np.float32)
        for start in range(0, count, block):
            part = documents[start : start + block]
            products = (part.reshape(-1, d) @ query.T).reshape(len(part), length, tokens)
            scores[start : start + block] = products.max(axis=1).sum(axis=1)
        return scores

    peers: dict[str, Call] = {"NumPy matmul + max": gemm_and_max}
    if installed("maxsim_cpu"):
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
        fma_limit(2.0 * tokens * count * length * d, threads),
        "float32 FMA peak",
    )


def _read_text(size: str, threads: int, folder: Path) -> Case:
    rows = 20_000 if size == "full" else 100
    path = folder / "words.vec"
    x = random(rows, DIMENSION, 3)
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
    if installed("gensim"):
        models: Any = importlib.import_module("gensim.models")
        peers["gensim"] = lambda: models.KeyedVectors.load_word2vec_format(str(path))

    def check(loaded: Any) -> None:
        words, vectors = python_loop()
        if list(loaded.words) != words or loaded.vectors.tobytes() != vectors.tobytes():
            raise AssertionError("read .vec: words or values differ from Python's")

    name = f"read .vec, {rows:,} x {DIMENSION}"
    return Case(name, lambda: iso.io.load(path, threads=threads), peers, check)
