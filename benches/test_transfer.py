"""A new vocabulary's rows by WECHSEL, beside the reference package's arithmetic.

``pytest benches/test_transfer.py --benchmark-only -s`` measures 50,000 x 6,000 tokens;
``ISOMORPH_BENCH_TOKENS=250000,30000`` is the size of the promise: at least 8 times faster and under
1.2 GB. ``--benchmark-disable`` runs it small.

The peers are our own code for the arithmetic of the published package (similarities in float64, in
blocks of 1,024 target tokens with all source tokens, the nearest of each by a partition, softmax,
weighted sum; that package makes words of ids and ids of words besides, which is left out) and,
where it is installed, the package itself (``initialization_packages``).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import initialization_packages as packages
from isomorph import vocab
from isomorph.benchmark.measure import Case
from support.benchmarks import run

K, TEMPERATURE, BLOCK = 10, 0.1, 1024


def sizes(benchmark: Any) -> tuple[int, int, int, int]:
    """Source and target tokens, columns of the space and of the table."""
    if not benchmark.enabled:
        return 600, 200, 24, 16
    sources, targets = os.environ.get("ISOMORPH_BENCH_TOKENS", "50000,6000").split(",")
    return int(sources), int(targets), 300, 768


def inputs(sources: int, targets: int, columns: int, width: int, kind: str) -> tuple[Any, ...]:
    """Two spaces, and a table: directions without any order, or clusters as words make them."""
    rng = np.random.default_rng(0)
    if kind == "random":
        spaces = [rng.standard_normal((n, columns), np.float32) for n in (sources, targets)]
    else:
        spectrum = (np.arange(1, columns + 1) ** -0.5).astype(np.float32)
        centres = rng.standard_normal((max(sources // 20, 1), columns), np.float32) * spectrum
        spaces = [
            centres[rng.integers(len(centres), size=n)]
            + rng.standard_normal((n, columns), np.float32) * spectrum / 2
            for n in (sources, targets)
        ]
    return *spaces, rng.standard_normal((sources, width), np.float32)


def reference(source: Any, target: Any, table: Any) -> Any:
    """What the published package computes."""
    unit = [side.astype(np.float64) for side in (source, target)]
    source, target = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in unit)
    made = np.zeros((len(target), table.shape[1]), table.dtype)
    for start in range(0, len(target), BLOCK):
        similarities = target[start : start + BLOCK] @ source.T
        for row, own in enumerate(similarities, start=start):
            nearest = np.argpartition(-own, K)[:K]
            shares = np.exp(own[nearest] / TEMPERATURE)
            shares /= shares.sum()
            made[row] = (table[nearest] * shares[:, None]).sum(axis=0)
    return made


@pytest.mark.parametrize("peer", ["arithmetic", "package"])
@pytest.mark.parametrize("kind", ["clusters", "random"])
def test_wechsel(kind: str, peer: str, benchmark: Any) -> None:
    if peer == "package":
        packages.package("wechsel")
    sources, targets, columns, width = sizes(benchmark)
    source, target, table = inputs(sources, targets, columns, width, kind)

    def ours() -> Any:
        return vocab.wechsel(source, target, k=K, temperature=TEMPERATURE).apply(table)

    def check(found: Any) -> None:
        expected = reference(source, target[:100], table)
        np.testing.assert_allclose(found[:100], expected, rtol=0, atol=1e-4)

    run(
        Case(
            f"WECHSEL, {sources:,} x {targets:,} tokens, {kind}",
            ours,
            {
                "the reference package's arithmetic": lambda: reference(source, target, table),
            }
            if peer == "arithmetic"
            else {"wechsel": lambda: packages.wechsel(source, target, table, K, TEMPERATURE)},
            check,
        ),
        benchmark,
        rounds=1,
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_apply(dtype: str, benchmark: Any) -> None:
    sources, targets, _, width = sizes(benchmark)
    rng = np.random.default_rng(0)
    table = rng.standard_normal((sources, width), np.float32).astype(dtype)
    rows = np.repeat(np.arange(targets), K)
    ids = rng.integers(sources, size=len(rows))
    weights = rng.random(len(rows), np.float32)
    mixing = vocab.TokenMixing.from_entries(rows, ids, weights, (targets, sources))
    out = np.empty((targets, width), np.float32)

    def scipy_csr() -> Any:
        sparse = pytest.importorskip("scipy.sparse")
        matrix = sparse.csr_array((mixing.weights, mixing.indices, mixing.indptr), mixing.shape)
        return matrix @ table.astype(np.float32, copy=False)

    def check(found: Any) -> None:
        np.testing.assert_allclose(found, scipy_csr(), rtol=0, atol=1e-4)

    run(
        Case(
            f"TokenMixing.apply, {targets:,} tokens of {K} of {sources:,} x {width}, {dtype}",
            lambda: mixing.apply(table, out=out, check_finite=False),
            {"SciPy's sparse product": scipy_csr},
            check,
        ),
        benchmark,
    )
