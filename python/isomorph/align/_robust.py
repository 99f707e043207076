"""Procrustes with pairs that fit badly counting less: iteratively reweighted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isomorph import _arrays, _checks
from isomorph._moments._inputs import LEAST, refuse_nonfinite
from isomorph._progress import reporting
from isomorph.align._maps import LinearMap
from isomorph.linalg import Moments

if TYPE_CHECKING:
    from isomorph.align._methods import Problem

#: Rows whose residuals are computed at a time: whole blocks of the sums.
SLICE = 1 << 16


def fit(
    problem: Problem, *, scale: bool = False, rounds: int = 5, delta: float = 1e-3
) -> LinearMap:
    """Fit `rounds` times, each time but the first with weights from the residuals before.

    One pass a round: a slice of rows is mapped, weighted by its residuals, and added to the moments
    of the round.
    """
    from isomorph.align._methods import renamed

    rounds = _checks.integer("rounds", rounds, 1)
    delta = _checks.number("delta", delta, above=0)
    arguments = _arrays.Arguments(source=problem.source, target=problem.target)
    xp = arguments.array_namespace()
    given = problem.weights
    n, d = arguments.shapes["source"]
    e = arguments.shapes["target"][1]
    found: LinearMap | None = None
    effective = 0.0
    with reporting(problem.progress, "robust fit") as report:
        for number in range(rounds):
            moments = Moments(d, e)
            squares = unit = 0.0
            for start in range(0, n, SLICE):
                stop = min(start + SLICE, n)
                parts = {name: array[start:stop, ...] for name, array in arguments.arrays.items()}
                ready = _arrays.Arguments(**parts).ready(check_finite=False)
                x, y = ready.arrays
                w = None if given is None else given[start:stop]
                if found is not None:
                    w = _reweighted(xp, found, x, y, w, delta, problem.threads)
                    # Of any scale: a common factor means nothing, and little ones would vanish.
                    unit = unit or float(xp.max(w))
                    w = w / (unit or 1.0)
                    w = xp.where(w < LEAST, 0 * w, w)
                    squares += float(xp.sum(w * w))
                with renamed({"x": "source", "y": "target"}):
                    if problem.check_finite and found is None:
                        refuse_nonfinite(ready, start)
                    moments.update(x, y, weights=w, check_finite=False, threads=problem.threads)
            found = moments.procrustes(
                scale=scale, translate=problem.translate, threads=problem.threads
            )
            effective = moments.weight**2 / squares if squares > 0 else float(n)
            if report is not None:
                report(number + 1, rounds)
    assert found is not None
    return LinearMap(
        found.matrix,
        found.source_mean,
        found.target_mean,
        found.scale,
        orthogonal=True,
        method="robust",
        metrics={**found.metrics, "effective_pairs": effective},
        provenance={**found.provenance, "rounds": rounds, "delta": delta},
        singular_values=found.singular_values,
    )


def _reweighted(
    xp: Any, found: LinearMap, x: Any, y: Any, w: Any, delta: float, threads: int | None
) -> Any:
    """Give w / (|r| + delta), times delta so that it is at most w."""
    image = found.apply(x, check_finite=False, threads=threads)
    difference = xp.astype(image, xp.float64) - xp.astype(y, xp.float64)
    largest = xp.max(xp.abs(difference), axis=1)
    safe = xp.where(largest > 0, largest, xp.ones_like(largest))
    length = largest * xp.sqrt(xp.sum((difference / safe[:, None]) ** 2, axis=1))
    share = 1 / (1 + length / delta)
    return share if w is None else w * share
