"""Factorisations and maps beside NumPy and SciPy: random and rank-deficient stacks, f32 and f64.

``pytest benches/test_linalg.py --benchmark-only`` measures; ``--benchmark-disable`` runs it small.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import isomorph as iso
from isomorph.benchmark.inputs import installed
from isomorph.benchmark.linalg import STACKS, svd_case
from isomorph.benchmark.measure import Call, Case
from support.benchmarks import run

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DTYPES = ("float32", "float64")


def size_of(count: int, d: int, benchmark: Any) -> tuple[int, int]:
    """All of it, or enough to see that everything runs."""
    return (count, d) if benchmark.enabled else (2, min(d, 64))


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
    count, d = size_of(count, d, benchmark)
    a = stack_of(count, d, dtype, d if full_rank else max(1, d // 2))
    kind = "" if full_rank else ", half rank"
    run(svd_case(a, f"svd {count:,} x {d} x {d}, {dtype}{kind}"), benchmark, rounds=5)


def torch_linalg(a: Any) -> tuple[Any, Any] | None:
    """PyTorch's linear algebra and the stack as its tensor, if it is installed."""
    if not installed("torch"):
        return None
    torch: Any = importlib.import_module("torch")
    return torch.linalg, torch.from_numpy(a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "d"), STACKS)
def test_svdvals(count: int, d: int, dtype: str, benchmark: Any) -> None:
    count, d = size_of(count, d, benchmark)
    a = stack_of(count, d, dtype, d)
    eps = float(np.finfo(dtype).eps)

    def check(s: Any) -> None:
        expected = np.linalg.svd(a.astype(np.float64), compute_uv=False)
        bound = 16 * eps * d**0.5 * np.linalg.norm(a, axis=(1, 2))
        assert np.all(np.abs(s - expected).max(axis=1) <= bound)

    peers: dict[str, Call] = {"NumPy": lambda: np.linalg.svd(a, compute_uv=False)}
    if torch := torch_linalg(a):
        peers["PyTorch"] = lambda: torch[0].svdvals(torch[1])
    name = f"svdvals {count:,} x {d} x {d}, {dtype}"
    run(Case(name, lambda: iso.linalg.svdvals(a), peers, check), benchmark, rounds=5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "d"), STACKS)
def test_eigh(count: int, d: int, dtype: str, benchmark: Any) -> None:
    count, d = size_of(count, d, benchmark)
    a = stack_of(count, d, dtype, d)
    a = a + np.swapaxes(a, 1, 2)
    eps = float(np.finfo(dtype).eps)

    def check(factors: Any) -> None:
        w, v = (part.astype(np.float64) for part in factors)
        orthonormal(v, eps)
        product(a, (v * w[:, None, :]) @ np.swapaxes(v, 1, 2), eps)

    peers: dict[str, Call] = {"NumPy": lambda: np.linalg.eigh(a)}
    if torch := torch_linalg(a):
        peers["PyTorch"] = lambda: torch[0].eigh(torch[1])
    name = f"eigh {count:,} x {d} x {d}, {dtype}"
    run(Case(name, lambda: iso.linalg.eigh(a), peers, check), benchmark, rounds=5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "d"), STACKS)
def test_polar(count: int, d: int, dtype: str, benchmark: Any) -> None:
    count, d = size_of(count, d, benchmark)
    a = stack_of(count, d, dtype, d)
    eps = float(np.finfo(dtype).eps)

    def check(factors: Any) -> None:
        r, h = (part.astype(np.float64) for part in factors)
        orthonormal(r, eps)
        product(a, r @ h, eps)

    peers: dict[str, Call] = {
        "SciPy polar loop": lambda: [scipy.linalg.polar(m) for m in a],
        "our svd": lambda: iso.linalg.svd(a),
    }
    name = f"polar {count:,} x {d} x {d}, {dtype}"
    run(Case(name, lambda: iso.linalg.polar(a), peers, check), benchmark, rounds=5)


def cross_covariances(pairs: int, dtype: str) -> Any:
    """English with each language whose dictionary has as many pairs, (b, 300, 300)."""
    stack = []
    for language in ("fr", "fi", "ru"):
        sides = [iso.io.load(DATA / "vectors" / f"{x}.float16.npy") for x in ("en", language)]
        path = DATA / "dictionaries" / f"muse.en-{language}.train.tsv"
        known = iso.io.load_dictionary(path, *sides)
        if len(known.source) < pairs:
            continue
        chain = iso.transforms.Chain.parse("unit center unit")
        x, y = (chain.fit(side.vectors).apply(side.vectors) for side in sides)
        stack.append(x[known.source[:pairs]].T @ y[known.target[:pairs]])
    return np.stack(stack).astype(dtype)


@pytest.mark.skipif(not DATA.exists(), reason="development data not there")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pairs", [500, 2_000, 8_000])
def test_polar_of_real_cross_covariances(pairs: int, dtype: str, benchmark: Any) -> None:
    a = cross_covariances(pairs, dtype)
    eps = float(np.finfo(dtype).eps)

    def check(factors: Any) -> None:
        r, h = (part.astype(np.float64) for part in factors)
        orthonormal(r, eps)
        product(a, r @ h, eps)

    peers: dict[str, Call] = {"our svd": lambda: iso.linalg.svd(a)}
    name = f"polar of {len(a)} cross-covariances of {pairs:,} pairs, {dtype}"
    run(Case(name, lambda: iso.linalg.polar(a), peers, check), benchmark, rounds=5)


def test_procrustes_of_all_pairs_of_thirteen_languages(benchmark: Any) -> None:
    """A stack of 78; what it must cost at least is its Gram products and their polar factors."""
    n, d = (2_000, 300) if benchmark.enabled else (50, 20)
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((n, d))
    languages = []
    for _ in range(13):
        turned = shared @ np.linalg.qr(rng.standard_normal((d, d)))[0]
        languages.append((turned + 0.5 * rng.standard_normal((n, d))).astype(np.float32))
    one, other = np.triu_indices(13, 1)
    x, y = np.stack(languages)[one], np.stack(languages)[other]
    transposed = np.swapaxes(x, 1, 2)

    def check(fit: iso.LinearMap) -> None:
        u, _, vt = np.linalg.svd(transposed[:3].astype(np.float64) @ y[:3].astype(np.float64))
        np.testing.assert_allclose(fit.matrix[:3], u @ vt, atol=1e-5)

    grams = transposed @ y
    peers: dict[str, Call] = {
        "NumPy Gram products": lambda: transposed @ y,
        "our polar factors": lambda: iso.linalg.polar(grams),
        "both": lambda: iso.linalg.polar(transposed @ y),
    }
    name = f"procrustes {len(x)} x {n:,} x {d}, float32"
    run(Case(name, lambda: iso.procrustes(x, y), peers, check), benchmark, rounds=5)


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
    run(Case(name, lambda: iso.procrustes(x, y), peers, check), benchmark, rounds=5)


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
    run(
        Case(name, lambda: fit.apply(x, out=out, check_finite=False), peers, check),
        benchmark,
        rounds=5,
    )
