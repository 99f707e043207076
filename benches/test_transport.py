"""Entropic transport: what an iteration costs, beside reading the matrix once and beside POT.

``pytest benches/test_transport.py --benchmark-only -s`` measures on one thread;
``--benchmark-disable`` runs it small. An iteration is what a hundred take more than ten, so that
neither the checks of the input nor the sums at the end count. The floor is the sum of the matrix
by a kernel of ours, which waits for memory and nothing else.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run

FEW, MANY = 10, 110
#: How many iterations a peer gets: its slow forms take a second each.
PEER = {"sinkhorn": (5, 25), "sinkhorn_log": (1, 3)}


def best(work: Callable[[], Any], rounds: int = 3) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def an_iteration(solve: Callable[[int], Any], few: int, many: int) -> float:
    """Give the seconds that an iteration takes."""
    return (best(lambda: solve(many)) - best(lambda: solve(few))) / (many - few)


def costs(n: int, dtype: str) -> np.ndarray:
    """Squared distances of points: of a small reg, so that no iteration is the last."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, n, 20))
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)
    return np.ascontiguousarray(squares - 2 * x @ y.T, dtype=dtype) / np.median(squares)


def plain(cost: np.ndarray, method: str) -> Callable[[int], iso.transport.Transport]:
    def solve(iterations: int) -> iso.transport.Transport:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return iso.sinkhorn(
                None,
                None,
                cost,
                0.01,
                method=method,
                acceleration="none",
                max_iter=iterations,
                threads=1,
            )

    return solve


def peer(name: str, cost: Any) -> Callable[[int], Any]:
    """POT's function of that name; its masses are of the library of the cost."""
    ot = pytest.importorskip("ot")
    mass = cost[0] * 0 + 1 / len(cost)

    def solve(iterations: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(ot.bregman, name)(
                mass, mass, cost, 0.01, numItermax=iterations, stopThr=0.0
            )

    return solve


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["stabilized", "log"])
def test_an_iteration(method: str, dtype: str, benchmark: Any) -> None:
    n = 5000 if benchmark.enabled else 40
    cost = costs(n, dtype)
    solve = plain(cost, method)
    assert solve(FEW).iterations == FEW
    ours = an_iteration(solve, FEW, MANY)
    floor = best(lambda: _core.sum_values(cost, 1), 9)
    if benchmark.enabled:
        print(f"\n{method}, {n:,} x {n:,}, {dtype}: {1e3 * ours:.2f} ms an iteration,", end=" ")
        print(f"{ours / floor:.2f} x the sum of the matrix ({1e3 * floor:.2f} ms)")
        benchmark.extra_info.update(seconds=ours, over_floor=ours / floor)
    benchmark.pedantic(lambda: solve(FEW), rounds=1)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", ["sinkhorn", "sinkhorn_log"])
def test_an_iteration_beside_pot(name: str, library: str, benchmark: Any) -> None:
    n = 5000 if benchmark.enabled else 40
    cost = costs(n, "float32")
    solve = plain(cost, "stabilized" if name == "sinkhorn" else "log")
    theirs: Any = cost
    if library == "torch":
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)
        theirs = torch.from_numpy(cost)
    other = peer(name, theirs)
    ours, pot = an_iteration(solve, FEW, MANY), an_iteration(other, *PEER[name])
    if benchmark.enabled:
        print(f"\n{name}, {library}, {n:,} x {n:,}, float32: {pot / ours:.1f} times as fast")
        benchmark.extra_info.update(seconds=ours, pot=pot, faster=pot / ours)
    benchmark.pedantic(lambda: solve(FEW), rounds=1)


@pytest.mark.parametrize("n", [1000, 5000])
def test_to_the_end(n: int, benchmark: Any) -> None:
    """The whole call, checks and sums included, to an error of 1e-6."""
    n = n if benchmark.enabled else 40
    cost = costs(n, "float32")

    def check(found: iso.transport.Transport) -> None:
        plan = found.plan().astype(np.float64)
        missed = np.abs(plan.sum(0) - 1 / n).sum() + np.abs(plan.sum(1) - 1 / n).sum()
        # The plan is rounded to float32.
        assert missed < found.tol + 2e-7
        assert found.converged

    case = Case(
        f"sinkhorn, {n:,} x {n:,}, float32",
        lambda: iso.sinkhorn(None, None, cost, 0.05, threads=1),
        {},
        check,
    )
    run(case, benchmark)
