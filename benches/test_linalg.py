"""Factorisations and maps beside NumPy and SciPy: random and rank-deficient stacks, f32 and f64.

``pytest benches/test_linalg.py --benchmark-only`` measures; ``--benchmark-disable`` runs it small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import isomorph as iso
from isomorph.benchmark.measure import Case, measure

STACKS = ((64, 300), (256, 64), (1024, 16))
DTYPES = ("float32", "float64")


def run(case: Case, benchmark: Any) -> None:
    """Check once; measure interleaved with the peers, or just run everything."""
    if not benchmark.enabled:
        case.check(benchmark(case.ours))
        for peer in case.peers.values():
            peer()
        return
    result = measure(case, rounds=5)
    benchmark.extra_info.update(
        name=case.name, faster_than=result.speedups, extra_bytes=result.extra_bytes
    )
    benchmark.pedantic(case.ours, rounds=3)


def stack_of(count: int, d: int, dtype: str, rank: int) -> Any:
    rng = np.random.default_rng(0)
    if rank == d:
        return rng.standard_normal((count, d, d)).astype(dtype)
    return (rng.standard_normal((count, d, rank)) @ rng.standard_normal((count, rank, d))).astype(
        dtype
    )


def orthonormal(q: Any, eps: float) -> None:
    d = q.shape[-1]
    skew = np.linalg.norm(np.swapaxes(q, 1, 2).astype(np.float64) @ q - np.eye(d), axis=(1, 2))
    assert skew.max() <= 8 * eps * d**0.5


def product(a: Any, found: Any, eps: float) -> None:
    error = np.linalg.norm(a - found, axis=(1, 2)) / np.linalg.norm(a, axis=(1, 2))
    assert error.max() <= 8 * eps * a.shape[-1] ** 0.5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("full_rank", [True, False])
@pytest.mark.parametrize(("count", "d"), STACKS)
def test_svd(count: int, d: int, full_rank: bool, dtype: str, benchmark: Any) -> None:
    count = count if benchmark.enabled else 2
    a = stack_of(count, d, dtype, d if full_rank else d // 2)
    eps = float(np.finfo(dtype).eps)

    def check(factors: Any) -> None:
        u, s, vt = (part.astype(np.float64) for part in factors)
        orthonormal(u, eps)
        orthonormal(np.swapaxes(vt, 1, 2), eps)
        product(a, (u * s[:, None, :]) @ vt, eps)

    peers: dict[str, Callable[[], Any]] = {
        "NumPy": lambda: np.linalg.svd(a, full_matrices=False),
        "SciPy gesdd loop": lambda: [scipy.linalg.svd(m, full_matrices=False) for m in a],
    }
    kind = "" if full_rank else ", half rank"
    name = f"svd {count:,} x {d} x {d}, {dtype}{kind}"
    run(Case(name, lambda: iso.linalg.svd(a), peers, check), benchmark)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "d"), STACKS)
def test_polar(count: int, d: int, dtype: str, benchmark: Any) -> None:
    count = count if benchmark.enabled else 2
    a = stack_of(count, d, dtype, d)
    eps = float(np.finfo(dtype).eps)

    def check(factors: Any) -> None:
        r, h = (part.astype(np.float64) for part in factors)
        orthonormal(r, eps)
        product(a, r @ h, eps)

    peers = {"SciPy polar loop": lambda: [scipy.linalg.polar(m) for m in a]}
    name = f"polar {count:,} x {d} x {d}, {dtype}"
    run(Case(name, lambda: iso.linalg.polar(a), peers, check), benchmark)


@pytest.mark.parametrize("n", [5_000, 200_000])
def test_procrustes(n: int, benchmark: Any) -> None:
    n = n if benchmark.enabled else 100
    x, y = np.random.default_rng(1).standard_normal((2, n, 300)).astype(np.float32)

    def check(fit: iso.LinearMap) -> None:
        expected, _ = scipy.linalg.orthogonal_procrustes(x.astype(float), y.astype(float))
        if n > 300:
            np.testing.assert_allclose(fit.matrix, expected, atol=1e-5)

    def numpy_peer() -> Any:
        u, _, vt = np.linalg.svd(x.T @ y)
        return u @ vt

    peers = {"SciPy": lambda: scipy.linalg.orthogonal_procrustes(x, y), "NumPy": numpy_peer}
    name = f"procrustes {n:,} x 300, float32"
    run(Case(name, lambda: iso.procrustes(x, y), peers, check), benchmark)


@pytest.mark.parametrize("dtype", DTYPES)
def test_apply(dtype: str, benchmark: Any) -> None:
    n = 200_000 if benchmark.enabled else 100
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((n, 300)).astype(dtype), rng.standard_normal((300, 300))
    fit = iso.LinearMap(w.astype(dtype))
    out = np.empty_like(x)

    def check(image: Any) -> None:
        np.testing.assert_allclose(image[:50], x[:50].astype(float) @ w, atol=1e-3)

    peers = {"NumPy matmul": lambda: np.matmul(x, fit.matrix, out=out)}
    name = f"apply {n:,} x 300 to 300, {dtype}"
    run(Case(name, lambda: fit.apply(x, out=out, check_finite=False), peers, check), benchmark)
