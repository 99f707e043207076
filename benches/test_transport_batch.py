"""Batches of transport problems beside POT and stacked products, as many passes for all.

``pytest benches/test_transport_batch.py --benchmark-only`` measures; ``--benchmark-disable`` runs
it small. One thread: set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 for the peers.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest

import isomorph as iso
from isomorph.benchmark.inputs import installed
from isomorph.benchmark.measure import Call, Case
from isomorph.errors import ConvergenceWarning
from support.benchmarks import run

PASSES = 100
#: Problems, and their sides.
STACKS = ((1_000, 32), (1_000, 16), (300, 64), (100, 256))


def squares(count: int, side: int, dtype: str) -> tuple[Any, float]:
    """Squared distances of points in the plane, and a reg at which 100 passes are not enough."""
    rng = np.random.default_rng(0)
    x, y = rng.random((2, count, side, 2))
    cost = ((x[:, :, None] - y[:, None]) ** 2).sum(-1).astype(dtype)
    return cost, 0.02 * float(np.median(cost))


def stacked_products(cost: Any, reg: float, passes: int) -> Any:
    """What everybody writes first: the plans, from products of the stacked kernels."""
    count, n, m = cost.shape
    kernel = np.exp(-cost / np.asarray(reg, cost.dtype))
    turned = np.ascontiguousarray(np.swapaxes(kernel, 1, 2))
    v = np.ones((count, m, 1), cost.dtype)
    for _ in range(passes):
        u = np.asarray(1 / n, cost.dtype) / (kernel @ v)
        last, v = v, np.asarray(1 / m, cost.dtype) / (turned @ u)
    return u * kernel * last[:, None, :, 0]


def peers_of(cost: Any, reg: float, passes: int) -> dict[str, Call]:
    peers: dict[str, Call] = {"stacked products": lambda: stacked_products(cost, reg, passes)}
    if not installed("ot"):
        return peers
    ot: Any = importlib.import_module("ot")
    n = cost.shape[1]
    mass = np.full(n, 1 / n, cost.dtype)
    peers["POT sinkhorn, a loop"] = lambda: [
        ot.sinkhorn(mass, mass, one, reg, numItermax=passes, stopThr=0.0, warn=False)
        for one in cost
    ]
    if installed("torch"):
        torch: Any = importlib.import_module("torch")
        batch: Any = importlib.import_module("ot.batch")
        costs, masses = torch.from_numpy(cost), torch.from_numpy(np.tile(mass, (len(cost), 1)))
        peers["POT solve_batch, torch"] = lambda: batch.solve_batch(
            costs, reg, masses, masses, max_iter=passes, tol=0.0
        )
    return peers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("count", "side"), STACKS)
def test_as_many_passes(count: int, side: int, dtype: str, benchmark: Any) -> None:
    if not benchmark.enabled:
        count, side = 3, min(side, 70)
    cost, reg = squares(count, side, dtype)

    def ours() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return iso.sinkhorn(
                None,
                None,
                cost,
                reg,
                max_iter=PASSES,
                tol=1e-30,
                acceleration="none",
                epsilon_scaling=False,
                threads=1,
            )

    def check(found: Any) -> None:
        assert (found.iterations == PASSES).all()
        expected = stacked_products(cost.astype(np.float64), reg, PASSES)
        np.testing.assert_allclose(found.plan(), expected, rtol=0, atol=1e-4 / side)

    name = f"{count:,} of {side} x {side}, {PASSES} passes, {dtype}"
    run(Case(name, ours, peers_of(cost, reg, PASSES), check), benchmark, rounds=5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("count", "side"), STACKS)
def test_to_an_error(count: int, side: int, dtype: str, benchmark: Any) -> None:
    """By the defaults, to 1e-6 in the L1 norm; POT's stopThr is of the L2 norm of one side."""
    if not benchmark.enabled:
        count, side = 3, min(side, 70)
    cost, reg = squares(count, side, dtype)
    peers: dict[str, Call] = {}
    if installed("ot"):
        ot: Any = importlib.import_module("ot")
        mass = np.full(side, 1 / side, cost.dtype)
        peers["POT sinkhorn, a loop"] = lambda: [
            ot.sinkhorn(mass, mass, one, reg, numItermax=10_000, stopThr=1e-6, warn=False)
            for one in cost
        ]

    def check(found: Any) -> None:
        assert found.converged.all()
        assert found.error.max() <= 1e-6

    name = f"{count:,} of {side} x {side}, to 1e-6, {dtype}"
    ours = lambda: iso.sinkhorn(None, None, cost, reg, threads=1)  # noqa: E731
    run(Case(name, ours, peers, check), benchmark, rounds=3)
