"""Transport between points: what an iteration costs beside its arithmetic, and the memory it takes.

``pytest benches/test_transport_points.py --benchmark-only -s`` measures on one thread;
``--benchmark-disable`` runs it small. An iteration is the difference of calls of some passes more.
The floor is its products at the peak of float32 multiplications, and as many exponentials as it
has entries, in the time of a pass over a matrix that stays in a cache.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core, runtime

D = 300
#: So small that no pass of those measured is the last.
REG = 0.005
_MEMORY = """
import sys, warnings
import numpy as np, isomorph as iso
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x, y = (rng.standard_normal((int(sys.argv[1]), 300), dtype="float32") for _ in range(2))
iso.sinkhorn_points(x[:50], y[:50], 1.0, threads=1)
from isomorph.pipeline import peak_memory
before = peak_memory()
iso.sinkhorn_points(x, y, 0.05, max_iter=2, acceleration="none", epsilon_scaling=False, threads=1)
print((peak_memory() - before) / 1e6)
"""


def clouds(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((n, D), dtype=np.float32) for _ in range(2))
    return x, y


def seconds(x: Any, y: Any, passes: int, rounds: int) -> float:
    """Give the time of a call of so many passes."""
    best = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(rounds):
            start = time.perf_counter()
            found = iso.sinkhorn_points(
                x, y, REG, max_iter=passes, acceleration="none", epsilon_scaling=False,
                tol=1e-5, threads=1,
            )  # fmt: skip
            best = min(best, time.perf_counter() - start)
            assert found.iterations == passes
    return best


def exponentials(count: int) -> float:
    """Give the time that so many exponentials take in a pass over a matrix that a cache holds."""
    cost, few, many = np.zeros((64, 2048), np.float32), 100, 1100
    cost[0, 0] = 1.0

    def passes(number: int) -> float:
        best = np.inf
        for _ in range(5):
            start = time.perf_counter()
            _core.sinkhorn(
                cost, np.full(64, 1 / 64), np.full(2048, 1 / 2048), 1e-3, np.zeros(2048), "log",
                "none", False, number, 1e-300, 1, None,
            )  # fmt: skip
            best = min(best, time.perf_counter() - start)
        return best

    return (passes(many) - passes(few)) / (many - few) / cost.size * count


@pytest.mark.parametrize("n", [5000, 20_000])
def test_an_iteration(n: int, benchmark: Any) -> None:
    n = n if benchmark.enabled else 40
    x, y = clouds(n)
    few, many, rounds = 1, 5, 3 if n < 20_000 else 1
    once = seconds(x, y, few, rounds)
    ours = (seconds(x, y, many, rounds) - once) / (many - few)
    if benchmark.enabled:
        floor = 2.0 * n * n * D / _core.fma_peak(1, 30_000_000)
        whole = floor + exponentials(n * n)
        print(f"\n{n:,} x {n:,} x {D}, float32: {ours:.3f} s an iteration,", end=" ")
        print(f"{ours / floor:.2f} x the products, {ours / whole:.2f} x those and exponentials;")
        print(f"a call of one pass {once:.2f} s, {once / ours:.1f} iterations")
        benchmark.extra_info.update(seconds=ours, over_floor=ours / whole, once=once)
    benchmark.pedantic(lambda: None, rounds=1)


def test_memory(benchmark: Any) -> None:
    n = 20_000 if benchmark.enabled else 200
    command = [sys.executable, "-c", _MEMORY, str(n)]
    extra = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert extra < 400
    if benchmark.enabled:
        print(f"\n{n:,} x {n:,} x {D}, float32: {extra:.0f} MB beyond the points")
        benchmark.extra_info.update(megabytes=extra)
    benchmark.pedantic(lambda: None, rounds=1)


def test_beside_the_array_code(benchmark: Any) -> None:
    n = 3000 if benchmark.enabled else 40
    x, y = clouds(n)
    ours = (seconds(x, y, 5, 2) - seconds(x, y, 1, 2)) / 4
    with runtime.use_backend("array"):
        theirs = seconds(x, y, 3, 1) - seconds(x, y, 2, 1)
    if benchmark.enabled:
        print(f"\n{n:,} x {n:,} x {D}: {theirs / ours:.1f} times as fast as the array code")
        benchmark.extra_info.update(seconds=ours, array=theirs)
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("library", ["pot", "dense"])
def test_beside_what_holds_the_costs(library: str, benchmark: Any) -> None:
    """An iteration of the logarithmic form on the matrix, which has to be made first."""
    n = 5000 if benchmark.enabled else 40
    x, y = clouds(n)
    unit = [points / np.linalg.norm(points, axis=1, keepdims=True) for points in (x, y)]
    cost = 1 - unit[0] @ unit[1].T
    mass = np.full(n, 1 / n, np.float32)

    def passes(number: int) -> float:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if library == "pot":
                ot = pytest.importorskip("ot")
                ot.bregman.sinkhorn_log(mass, mass, cost, REG, numItermax=number, stopThr=0.0)
            else:
                iso.sinkhorn(
                    None, None, cost, REG, method="log", acceleration="none", max_iter=number,
                    epsilon_scaling=False, threads=1,
                )  # fmt: skip
        return time.perf_counter() - start

    theirs = (min(passes(5) for _ in range(2)) - min(passes(1) for _ in range(2))) / 4
    ours = (seconds(x, y, 5, 2) - seconds(x, y, 1, 2)) / 4
    if benchmark.enabled:
        print(f"\n{n:,} x {n:,} x {D}: {library} {theirs / ours:.2f} of our time an iteration")
        benchmark.extra_info.update(seconds=ours, other=theirs)
    benchmark.pedantic(lambda: None, rounds=1)
