"""FOCUS and orthogonal matching pursuit beside the procedures as they are described.

``pytest benches/test_initialization.py --benchmark-only -s`` measures the sizes of the promise,
15,000 shared and 5,000 new tokens of 300 dimensions (at least 40 times faster) and 30,000 tokens of
2,048 dimensions with 64 in each combination (at least 6 times faster a token);
``--benchmark-disable`` runs it small. ``ISOMORPH_BENCH_PURSUED`` (64) tokens are pursued.

Peers are the packages deepfocus and mergekit, by their own functions, where they are installed
(``initialization_packages``), and our own code for what they compute. FOCUS: a row at a time,
cosines in float64, sparsemax by sorting all of them. Pursuit: in each step the products of the
residual with all tokens, the largest of them, least squares on the support by a further column of
a QR factorisation; one token at a time, and with the products of all tokens as one.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import initialization_packages as packages
from isomorph import _core, runtime, vocab
from isomorph.benchmark.measure import Case
from support.benchmarks import run


def sparsemax_rows(targets: Any, atoms: Any) -> list[tuple[Any, Any]]:
    """A row at a time, by sorting."""
    wide = atoms.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1)
    count = np.arange(1, len(atoms) + 1)
    found = []
    for row in targets.astype(np.float64):
        scores = (wide @ row) / (norms * np.linalg.norm(row))
        ordered = np.sort(scores)[::-1]
        sums = np.cumsum(ordered)
        size = count[1 + count * ordered > sums][-1]
        weights = np.maximum(scores - (sums[size - 1] - 1) / size, 0)
        support = np.flatnonzero(weights)
        found.append((support, weights[support]))
    return found


def test_focus(benchmark: Any) -> None:
    shared, new, columns = (15_000, 5_000, 300) if benchmark.enabled else (900, 200, 24)
    rng = np.random.default_rng(0)
    atoms, targets = (rng.standard_normal((n, columns), np.float32) for n in (shared, new))
    threads = runtime.resolve_threads(None)

    def check(found: Any) -> None:
        offsets, indices, weights = found
        for at, (support, expected) in enumerate(sparsemax_rows(targets[:100], atoms)):
            own = slice(offsets[at], offsets[at + 1])
            np.testing.assert_array_equal(indices[own], support)
            np.testing.assert_allclose(weights[own], expected, rtol=0, atol=1e-12)

    run(
        Case(
            f"FOCUS, {shared:,} shared and {new:,} new tokens, {columns} dimensions",
            lambda: _core.sparsemax(targets, atoms, threads, None),
            {"a row at a time": lambda: sparsemax_rows(targets, atoms)},
            check,
        ),
        benchmark,
        rounds=1,
    )


@pytest.mark.parametrize("kind", ["random", "clusters"])
def test_focus_and_its_package(kind: str, benchmark: Any) -> None:
    packages.package("deepfocus.focus")
    sizes = (15_000, 5_000, 300, 768) if benchmark.enabled else (900, 200, 24, 16)
    shared, new, columns, width = sizes
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((shared + new, columns), np.float32)
    if kind == "clusters":
        spectrum = (np.arange(1, columns + 1) ** -0.5).astype(np.float32)
        centres = rng.standard_normal((shared // 15, columns), np.float32)
        vectors = (centres[rng.integers(len(centres), size=len(vectors))] + vectors / 2) * spectrum
    rows = rng.standard_normal((shared, width), np.float32)
    ids = np.arange(shared)
    base = vocab.TokenMixing.from_entries(
        ids, ids, np.ones(shared, np.float32), (shared + new, shared)
    )
    peer = packages.Focus(vectors, rows)
    # What it compiles, it compiles once.
    packages.Focus(vectors[:60], rows[:50])()

    def check(found: Any) -> None:
        np.testing.assert_allclose(found, peer(), rtol=0, atol=1e-5)

    run(
        Case(
            f"FOCUS, {shared:,} shared and {new:,} new tokens, {width} columns, {kind}",
            lambda: vocab.focus(vectors, base).apply(rows),
            {"deepfocus": peer},
            check,
        ),
        benchmark,
        rounds=1,
    )


def pursue_one(target: Any, atoms: Any, k: int) -> tuple[Any, Any]:
    """One token, in the type of the atoms."""
    basis = np.zeros((k, len(target)), target.dtype)
    support: list[int] = []
    residual = target.copy()
    for step in range(k):
        scores = np.abs(atoms @ residual)
        scores[support] = -1
        support.append(int(np.argmax(scores)))
        column = atoms[support[-1]]
        for _ in range(2):
            column = column - basis[:step].T @ (basis[:step] @ column)
        basis[step] = column / np.linalg.norm(column)
        residual = residual - basis[step] * (basis[step] @ residual)
    coefficients = np.linalg.lstsq(
        atoms[support].astype(np.float64).T, target.astype(np.float64), rcond=None
    )[0]
    return np.array(support), coefficients


def pursue_together(targets: Any, atoms: Any, k: int) -> Any:
    """All tokens, the products of a step as one."""
    rows = np.arange(len(targets))
    basis = np.zeros((len(targets), k, targets.shape[1]), targets.dtype)
    support = np.zeros((len(targets), k), np.int64)
    residual = targets.copy()
    for step in range(k):
        scores = np.abs(residual @ atoms.T)
        scores[rows[:, None], support[:, :step]] = -1
        support[:, step] = scores.argmax(axis=1)
        column = atoms[support[:, step]]
        for _ in range(2):
            known = basis[:, :step]
            shares = known @ column[:, :, None]
            column = column - (known.transpose(0, 2, 1) @ shares)[:, :, 0]
        basis[:, step] = column / np.linalg.norm(column, axis=1, keepdims=True)
        share = (basis[:, step] * residual).sum(axis=1, keepdims=True)
        residual = residual - share * basis[:, step]
    return support


def omp_inputs(benchmark: Any) -> tuple[Any, Any, int]:
    """New and shared tokens, and how many to a combination."""
    shared, columns, k, new = (30_000, 2048, 64, 64) if benchmark.enabled else (900, 48, 8, 20)
    new = int(os.environ.get("ISOMORPH_BENCH_PURSUED", new))
    rng = np.random.default_rng(0)
    atoms, targets = (rng.standard_normal((n, columns), np.float32) for n in (shared, new))
    return targets, atoms, k


def measure_omp(benchmark: Any, targets: Any, atoms: Any, k: int, peers: dict[str, Any]) -> None:
    threads = runtime.resolve_threads(None)

    def check(found: Any) -> None:
        (offsets, indices, weights), _ = found
        for at in range(min(len(targets), 4)):
            wide = targets[at].astype(np.float64), atoms.astype(np.float64)
            support, expected = pursue_one(*wide, k)
            order = np.argsort(support)
            own = slice(offsets[at], offsets[at + 1])
            np.testing.assert_array_equal(indices[own], support[order])
            np.testing.assert_allclose(weights[own], expected[order], rtol=1e-5, atol=1e-8)

    of = f"{len(targets)} tokens by {k} of {len(atoms):,}, {atoms.shape[1]:,} dimensions"
    run(
        Case(
            f"matching pursuit, {of}",
            lambda: _core.pursue(targets, atoms, k, 1e-6, threads, None),
            peers,
            check,
        ),
        benchmark,
        rounds=1,
    )


def test_omp(benchmark: Any) -> None:
    targets, atoms, k = omp_inputs(benchmark)
    peers = {
        "a token at a time": lambda: [pursue_one(t, atoms, k) for t in targets],
        "all tokens at a time": lambda: pursue_together(targets, atoms, k),
    }
    measure_omp(benchmark, targets, atoms, k, peers)


def test_omp_and_its_package(benchmark: Any) -> None:
    packages.package("mergekit.tokensurgeon.omp")
    targets, atoms, k = omp_inputs(benchmark)
    peers = {"mergekit-tokensurgeon": lambda: packages.pursuit(targets, atoms, k)}
    measure_omp(benchmark, targets, atoms, k, peers)


@pytest.mark.parametrize("tokens", [600])
def test_peers_agree(tokens: int) -> None:
    rng = np.random.default_rng(1)
    atoms, targets = rng.standard_normal((tokens, 30)), rng.standard_normal((5, 30))
    both = pursue_together(targets, atoms, 6)
    for target, support in zip(targets, both, strict=True):
        np.testing.assert_array_equal(pursue_one(target, atoms, 6)[0], support)
