"""Codes by a few Sinkhorn iterations, in plain array-namespace code: logarithms, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from isomorph._backends import Assigned, Assigner, Run
from isomorph._backends.array_neighbors import _blocks, _device, _quiet
from isomorph._backends.array_transport import BLOCK_ENTRIES, _finite
from isomorph._progress import reporting


class ArrayAssign:
    """The operations of assignment of :class:`isomorph._backends.Backend`."""

    xp: Any

    def score_maxima(self, scores: Any, run: Run) -> tuple[Any, Any]:  # noqa: ARG002
        """See the protocol."""
        xp = self.xp
        unknown = xp.asarray(xp.nan, dtype=scores.dtype, device=_device(scores))
        bad = xp.any(xp.isnan(scores) | (scores == xp.inf), axis=1)
        return xp.where(bad, unknown, xp.max(scores, axis=1)), xp.max(scores, axis=0)

    def assign(
        self,
        scores: Any,
        maxima: Any,  # noqa: ARG002 - logarithms need none
        masses: Any,
        reg: float,
        how: Assigner,
        out: Any,
        run: Run,
    ) -> Assigned:
        """See the protocol."""
        with _quiet(), reporting(run.progress, "codes") as report:
            exponents = _Exponents(self.xp, scores, reg)
            solve = _multiplied if how.rule == "vlap" else _marginal
            f, g, error = solve(exponents, masses, how, report)
            result = self._codes(exponents, f, g, how.top, out)
        return Assigned(result, error)

    def _codes(self, exponents: _Exponents, f: Any, g: Any, top: int | None, out: Any) -> Any:
        xp, dtype = self.xp, exponents.scores.dtype
        blocks = ((rows, xp.astype(xp.exp(block), dtype)) for rows, block in exponents.blocks(f, g))
        if top is not None:
            scores, indices = [], []
            for _, codes in blocks:
                order = xp.argsort(-codes, axis=1, stable=True)[:, :top]
                scores.append(xp.take_along_axis(codes, order, axis=1))
                indices.append(xp.astype(order, xp.int64))
            return xp.concat(scores), xp.concat(indices)
        if out is None:
            return xp.concat([codes for _, codes in blocks])
        for rows, codes in blocks:
            out[rows, :] = codes
        return out


class _Exponents:
    """The scores in units of reg, rounded to their type as the published programs do."""

    def __init__(self, xp: Any, scores: Any, reg: float) -> None:
        self.xp, self.scores = xp, scores
        self.reg = xp.asarray(reg, dtype=scores.dtype, device=_device(scores))
        self.height = max(1, BLOCK_ENTRIES // int(scores.shape[1]))

    def blocks(self, f: Any, g: Any) -> Iterator[tuple[slice, Any]]:
        """Give scores / reg + f + g, some rows at a time."""
        for rows in _blocks(int(self.scores.shape[0]), self.height):
            exponent = self.xp.astype(self.scores[rows, :] / self.reg, self.xp.float64)
            yield rows, exponent + g[None, :] + f[rows][:, None]

    def rows(self, g: Any) -> Any:
        """Give the f with which every row of exp(scores / reg + f + g) has the sum 1."""
        xp, parts = self.xp, []
        zeros = xp.zeros((int(self.scores.shape[0]),), dtype=xp.float64, device=_device(g))
        for _, exponent in self.blocks(zeros, g):
            top = _finite(xp, xp.max(exponent, axis=1))
            parts.append(-xp.log(xp.sum(xp.exp(exponent - top[:, None]), axis=1)) - top)
        return xp.concat(parts)

    def columns(self, f: Any, g: Any) -> Any:
        """Give the logarithms of the column sums of exp(scores / reg + f + g)."""
        xp = self.xp
        top = xp.full_like(g, -xp.inf)
        for _, exponent in self.blocks(f, g):
            top = xp.maximum(top, xp.max(exponent, axis=0))
        top, sums = _finite(xp, top), xp.zeros_like(g)
        for _, exponent in self.blocks(f, g):
            sums = sums + xp.sum(xp.exp(exponent - top[None, :]), axis=0)
        return xp.log(sums) + top


_Report = Callable[[int, int], object] | None


def _marginal(
    exponents: _Exponents, masses: Any, how: Assigner, report: _Report
) -> tuple[Any, Any, float | None]:
    """Make columns and rows right in turn, rows last; the error is that of the columns."""
    xp, n = exponents.xp, int(exponents.scores.shape[0])
    held, g = masses > 0, xp.zeros_like(masses)
    wanted = xp.log(masses) + xp.log(xp.full_like(masses, float(n)))
    logs = exponents.columns(xp.zeros((n,), dtype=xp.float64, device=_device(masses)), g)
    error = None
    for step in range(how.iterations):
        g = xp.where(held, g + wanted - logs, -xp.inf)
        f = exponents.rows(g)
        if report is not None:
            report(step + 1, how.iterations)
        if how.tol is None and step + 1 == how.iterations:
            break
        logs = exponents.columns(f, g)
        error = float(xp.sum(xp.abs(xp.exp(logs) / n - masses)))
        if how.tol is not None and error <= how.tol:
            break
    if report is not None:
        report(how.iterations, how.iterations)
    return f, g, error if how.tol is not None else None


def _multiplied(
    exponents: _Exponents, masses: Any, how: Assigner, report: _Report
) -> tuple[Any, Any, float | None]:
    """Multiply by the masses in each iteration, and let the columns come to what they come to."""
    g = how.iterations * exponents.xp.log(masses)
    f = exponents.rows(g)
    if report is not None:
        report(how.iterations, how.iterations)
    return f, g, None
