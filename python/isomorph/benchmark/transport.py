"""Entropic transport beside POT: whole calls, to one error, and passes of a fixed number."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.benchmark.inputs import installed
from isomorph.benchmark.measure import Builder, Call, Case
from isomorph.errors import ConvergenceWarning

#: What the marginals may miss, in the L1 norm, and by which of POT's tolerances it comes there on
#: these costs: it looks at an L2 norm, after every ten iterations.
ERROR, POT_STOP = 1e-6, 1e-8
PASSES = 50


def _squares(n: int, width: int) -> Any:
    """Squared distances of two sets of uniform points."""
    x, y = np.random.default_rng(0).random((2, n, width))
    return np.maximum(0, (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T)


def _missed(plan: Any) -> float:
    mass = 1 / len(plan)
    return float(abs(plan.sum(0) - mass).sum() + abs(plan.sum(1) - mass).sum())


def _pot(name: str, cost: Any, reg: float, **options: Any) -> dict[str, Call]:
    """Give POT's function of that name, where it is installed."""
    if not installed("ot"):
        return {}
    solve = getattr(importlib.import_module("ot.bregman"), name)
    mass = np.full(len(cost), 1 / len(cost), cost.dtype)

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It tells of iterations that were not enough.
            return solve(mass, mass, cost, reg, **options)

    return {f"POT {name}": run}


def _to_an_error(size: str, threads: int, _: Path) -> Case:
    n = 1000 if size == "full" else 40
    cost = _squares(n, 2)
    reg = 0.01 * float(np.median(cost))

    def check(found: iso.transport.Transport) -> None:
        missed = _missed(found.plan())
        if not (found.converged and missed <= ERROR + 1e-12):
            raise AssertionError(f"sinkhorn: the marginals miss {missed:.1e}")

    return Case(
        f"sinkhorn {n:,} x {n:,}, points of a plane, float64, to an error of {ERROR:g}",
        lambda: iso.sinkhorn(None, None, cost, reg, tol=ERROR, threads=threads),
        _pot("sinkhorn", cost, reg, numItermax=100_000, stopThr=POT_STOP),
        check,
    )


def _passes(method: str, peer: str) -> Builder:
    def build(size: str, threads: int, _: Path) -> Case:
        n = 2000 if size == "full" else 40
        cost = _squares(n, 20).astype(np.float32)
        reg = 0.01 * float(np.median(cost))

        def ours() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                return iso.sinkhorn(
                    None,
                    None,
                    cost,
                    reg,
                    method=method,
                    acceleration="none",
                    max_iter=PASSES,
                    threads=threads,
                )

        def check(found: iso.transport.Transport) -> None:
            rows = found.plan().sum(1, dtype=np.float64)
            if found.iterations != PASSES or not np.isfinite(rows).all():
                raise AssertionError(f"sinkhorn: {found.iterations} passes, rows {rows}")

        return Case(
            f"sinkhorn {n:,} x {n:,}, {method} form, float32, {PASSES} passes",
            ours,
            _pot(peer, cost, reg, numItermax=PASSES, stopThr=0.0),
            check,
        )

    return build


#: By name, from the size, the number of threads and a folder.
TRANSPORT: dict[str, Builder] = {
    "sinkhorn to 1e-6": _to_an_error,
    "sinkhorn scaling": _passes("scaling", "sinkhorn"),
    "sinkhorn log": _passes("log", "sinkhorn_log"),
}
