"""The penalty of ridge regression by leaving out each pair on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import runtime
from isomorph._backends import Run
from isomorph._moments._maps import relative_residual, times_power
from isomorph._moments._ridge import _path, _penalties, _shrinkage
from isomorph.align._maps import LinearMap

if TYPE_CHECKING:
    from isomorph.align._methods import Problem

#: Rows whose residuals are computed at a time.
SLICE = 8192


def ridge(problem: Problem, alphas: Any) -> LinearMap:
    r"""Fit with the penalty of the smallest leave-one-out error.

    What row i leaves when it is not fitted itself is :math:`r_i / (1 - h_i)`, with its residual r
    in the fit of all and its leverage :math:`h_i = w_i/W + w_i\, z_i (\Lambda + \alpha)^{-1}
    z_i^T`, z being the row in the basis of eigenvectors (D. M. Allen, Technometrics 16, 1974; the
    first term is that of the mean). So all penalties take one pass over the rows.
    """
    moments = problem.moments()
    threads = problem.threads
    path = _path(moments, _penalties(alphas), problem.translate, threads)
    run = Run(runtime.resolve_threads(threads))
    scatter = path._scatter
    tools, xp = scatter.tools, scatter.tools.xp
    values, vectors, _ = scatter.eigh("x", run)
    factors = _shrinkage(values, path.alphas, scatter, xp)
    weights = problem.weights
    n = int(problem.source.shape[0])
    errors = np.zeros(len(path.alphas))
    for start in range(0, n, SLICE):
        stop = min(start + SLICE, n)
        x, y = (
            times_power(xp.astype(rows[start:stop, ...], xp.float64), power)
            for rows, power in zip((problem.source, problem.target), scatter.exponents, strict=True)
        )
        if weights is not None:
            # What counts for nothing may be of any size, even once scaled.
            counts = weights[start:stop][:, None] > 0
            x, y = (xp.where(counts, rows, xp.zeros_like(rows)) for rows in (x, y))
        if problem.translate:
            x, y = x - scatter.x_mean, y - scatter.y_mean
        w = xp.ones_like(x[:, 0]) if weights is None else weights[start:stop]
        z = tools.multiply(x, vectors, run)
        own = w / scatter.weight if problem.translate else 0 * w
        for i in range(len(path.alphas)):
            shrunk = path._turned * factors[i, :][:, None]
            left = xp.sum((y - tools.multiply(z, shrunk, run)) ** 2, axis=1)
            rest = 1 - own - w * xp.sum(z * z * factors[i, :][None, :], axis=1)
            # A row that nobody else speaks for: left out, it is predicted by nothing.
            alone = rest <= 1e-10
            safe = xp.where(alone, xp.ones_like(rest), rest)
            out = xp.where(alone, xp.sum(y * y, axis=1), left / safe**2)
            errors[i] += float(xp.sum(w * out))
    best = len(errors) - 1 - int(np.argmin(errors[::-1]))
    fitted = path.at(float(path.alphas[best]), threads=threads)
    total = scatter.squares()[1]
    metrics = {
        **fitted.metrics,
        "loo_residual": relative_residual(float(errors[best]), total),
    }
    return LinearMap(
        fitted.matrix,
        fitted.source_mean,
        fitted.target_mean,
        method="ridge",
        metrics=metrics,
        provenance=fitted.provenance,
    )
