"""Entropic transport: what an iteration costs, beside reading the matrix once and beside POT.

``pytest benches/test_transport.py --benchmark-only -s`` measures on one thread;
``--benchmark-disable`` runs it small. An iteration is what sixty take more than ten, so that
neither the checks of the input nor the sums at the end count. The floor is the sum of the matrix
by a kernel of ours, which waits for memory and nothing else. All take turns in one run.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import isomorph as iso
from isomorph import _core
from isomorph.benchmark.measure import Case
from support.benchmarks import run

FEW, MANY, ROUNDS = 10, 60, 3
#: How many iterations a peer gets: few, its slow forms take a second each, but enough that they are
#: more than what fresh memory takes from one call to the next.
PEER = {"sinkhorn": (5, 65), "sinkhorn_log": (2, 12)}


def seconds(work: Callable[[], Any]) -> float:
    """Give the CPU time, which on one thread is that of the clock when nothing else runs."""
    start = time.process_time()
    work()
    return time.process_time() - start


def iterations(solvers: dict[str, tuple[Callable[[int], Any], int, int]]) -> dict[str, float]:
    """Give the seconds that an iteration of each takes, the best of rounds that go through all."""
    took = {name: [float("inf")] * 2 for name in solvers}
    for _ in range(ROUNDS):
        for name, (solve, *counts) in solvers.items():
            for which, count in enumerate(counts):
                once = seconds(partial(solve, count))
                took[name][which] = min(took[name][which], once)
    return {
        name: (took[name][1] - took[name][0]) / (many - few)
        for name, (_, few, many) in solvers.items()
    }


def costs(n: int, dtype: str) -> np.ndarray:
    """Squared distances of points: of a small reg, so that no iteration is the last."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, n, 20))
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)
    scaled = (squares - 2 * x @ y.T) / np.median(squares)
    return np.ascontiguousarray(scaled, dtype=dtype)


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


def peers(name: str, cost: np.ndarray) -> dict[str, tuple[Callable[[int], Any], int, int]]:
    """POT's function of that name, on NumPy's arrays and on torch's: where they are installed."""
    try:
        import ot
    except ImportError:
        return {}
    costs: dict[str, Any] = {"POT, NumPy": cost}
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
        costs["POT, torch"] = torch.from_numpy(cost)

    def of(cost: Any) -> Callable[[int], Any]:
        mass = cost[0] * 0 + 1 / len(cost)

        def solve(iterations: int) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return getattr(ot.bregman, name)(
                    mass, mass, cost, 0.01, numItermax=iterations, stopThr=0.0
                )

        return solve

    return {library: (of(cost), *PEER[name]) for library, cost in costs.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["stabilized", "log"])
def test_an_iteration(method: str, dtype: str, benchmark: Any) -> None:
    n = 5000 if benchmark.enabled else 40
    cost = costs(n, dtype)
    solve = plain(cost, method)
    assert solve(FEW).iterations == FEW
    solvers = {
        "ours": (solve, FEW, MANY),
        "reading": (lambda times: [_core.sum_values(cost, 1) for _ in range(times)], FEW, MANY),
        **peers("sinkhorn_log" if method == "log" else "sinkhorn", cost),
    }
    with threadpool_limits(1):
        took = iterations(solvers)
    if benchmark.enabled:
        ours = took.pop("ours")
        print(f"\n{method}, {n:,} x {n:,}, {dtype}: {1e3 * ours:.2f} ms an iteration,", end=" ")
        print(f"{ours / took['reading']:.2f} x reading the matrix", end="")
        for name, other in took.items():
            if name != "reading":
                print(f"; {name} {other / ours:.1f} x ours", end="")
        print()
        benchmark.extra_info.update(ours=ours, **took)
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
