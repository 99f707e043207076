"""Batches of transport problems in the core."""

from __future__ import annotations

from typing import Any

from isomorph import _core
from isomorph._backends import Run
from isomorph._progress import reporting


def scan_costs(costs: list[Any], run: Run) -> tuple[Any, Any, Any]:
    """Give the least and the largest finite cost of each problem, and whether all are numbers."""
    return _core.scan_costs(costs, run.threads)


def sinkhorn_many(
    costs: list[Any],
    a: Any,
    b: Any,
    regs: Any,
    commons: Any,
    starts: Any,
    limits: tuple[float, int, int],
    run: Run,
) -> tuple[Any, ...]:
    """Solve problems whose values lie one after another, from the column potentials `starts`.

    `commons` are taken off the costs of each; limits are the L1 error as a part of the mass, the
    most passes, and after how many a problem is left to be gone on with. Gives f, g (in units of
    the cost, flat), value, error, error in L2, passes, and whether it was left, one a problem.
    """
    with reporting(run.progress, "transports") as report:
        return _core.sinkhorn_many(costs, a, b, regs, commons, starts, *limits, run.threads, report)
