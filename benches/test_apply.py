"""Applying a map, beside what binds it: the copy of its rows, or NumPy's matrix product.

``pytest benches/test_apply.py --benchmark-only -s`` measures; ``--benchmark-disable`` runs it
small. ``ISOMORPH_BENCH_ROWS=1000000`` is the size of the promise: no less than 60 % of the copy
speed or the GEMM rate, whichever binds, so at most 1.67 times the limit.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph.benchmark.measure import Case
from support.benchmarks import run

SIZES = [(384, 384), (384, 256), (1024, 1024)]


def rows_of(benchmark: Any, d: int, e: int) -> tuple[int, int, int]:
    if not benchmark.enabled:
        return 500, 24, 16
    return int(os.environ.get("ISOMORPH_BENCH_ROWS", "200000")), d, e


def inputs(n: int, d: int, e: int) -> tuple[Any, iso.LinearMap]:
    """Give rows and a map with all of its parts."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    matrix = rng.standard_normal((d, e), dtype=np.float32) / np.float32(d**0.5)
    return x, iso.LinearMap(matrix, rng.standard_normal(d), rng.standard_normal(e), 1.5)


def numpy_rows(x: Any, fitted: iso.LinearMap, out: Any) -> Any:
    """The same map as NumPy users write it, in float32."""
    source, target = (mean.astype(np.float32) for mean in (fitted.source_mean, fitted.target_mean))
    np.matmul((x - source) * np.float32(fitted.scale), fitted.matrix, out=out)
    out += target
    return out


@pytest.mark.parametrize(("d", "e"), SIZES)
def test_rows_in_memory(d: int, e: int, benchmark: Any) -> None:
    n, d, e = rows_of(benchmark, d, e)
    x, fitted = inputs(n, d, e)
    ours, copy = np.empty((n, e), np.float32), np.empty_like(x)
    other, product = np.empty_like(ours), np.empty_like(ours)

    def limit() -> float:
        """What takes longer: a copy of the rows, or their bare product."""
        seconds = []
        for work in (lambda: np.copyto(copy, x), lambda: np.matmul(x, fitted.matrix, out=product)):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return max(seconds)

    def check(found: Any) -> None:
        expected = numpy_rows(x[:1000].astype(np.float64), fitted, np.empty((min(n, 1000), e)))
        bound = (d + 2) * np.finfo(np.float32).eps * np.abs(expected).max() * 4
        np.testing.assert_allclose(found[:1000], expected, atol=bound, rtol=0)

    run(
        Case(
            f"LinearMap.apply, {n:,} x {d} to {e}, float32",
            lambda: fitted.apply(x, out=ours, check_finite=False),
            {"NumPy, three passes more": lambda: numpy_rows(x, fitted, other)},
            check,
            limit,
            "the copy of the rows or NumPy's product",
        ),
        benchmark,
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_file(dtype: str, benchmark: Any, tmp_path: Path) -> None:
    n, d, e = rows_of(benchmark, 384, 384)
    x, fitted = inputs(n, d, e)
    source, moved, copied = (tmp_path / name for name in ("in.npy", "out.npy", "copy.npy"))
    np.save(source, x.astype(dtype))

    def numpy_file() -> None:
        """All in memory, as a script does it."""
        rows = np.load(source).astype(np.float32)
        np.save(copied, numpy_rows(rows, fitted, np.empty((n, e), np.float32)).astype(dtype))

    def check(_: Any) -> None:
        expected = fitted(np.load(source)).astype(dtype)
        np.testing.assert_array_equal(np.load(moved), expected)

    run(
        Case(
            f"apply_file, {n:,} x {d} to {e}, .npy, {dtype}",
            lambda: iso.apply_file(fitted, source, moved),
            {"NumPy in memory": numpy_file},
            check,
        ),
        benchmark,
    )
