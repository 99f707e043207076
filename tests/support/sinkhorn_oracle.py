"""Entropic transport, slow and obviously right: the plain iteration on logarithms, in float64."""

from __future__ import annotations

import numpy as np


def log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)


def sinkhorn(a, b, cost, reg, *, tol=1e-13, passes=200_000):
    """Give the plan, with masses that it meets to `tol`."""
    cost = np.asarray(cost, np.float64)
    n, m = cost.shape
    a = np.full(n, 1 / n) if a is None else np.asarray(a, np.float64)
    b = np.full(m, 1 / m) if b is None else np.asarray(b, np.float64)
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log(a), np.log(b)
    v = np.zeros(m)
    v[b == 0] = -np.inf
    for _ in range(passes):
        u = log_a - log_sum_exp(v - cost / reg, 1)
        u[a == 0] = -np.inf
        plan = np.exp(u[:, None] + (v - cost / reg))
        if np.abs(plan.sum(0) - b).sum() < tol:
            return plan
        sums = log_sum_exp(u[:, None] + (v - cost / reg), 0)
        with np.errstate(invalid="ignore"):
            v = np.where(b > 0, v + log_b - sums, -np.inf)
    raise AssertionError("the oracle did not converge")


def polished(a, b, cost, reg, g, *, digits=50):
    """Give the plan with many digits, by Newton's method from potentials `g` near the solution.

    A plan of this form that has the marginals is the only one, whatever the search began with. The
    potentials of the rows make these right; of the columns the last one's stays.
    """
    import mpmath

    n, m = np.shape(cost)
    with mpmath.workdps(digits):
        a, b, g = ([mpmath.mpf(float(one)) for one in side] for side in (a, b, g))
        # To as much on either side as there are digits now.
        a, b = ([one / mpmath.fsum(side) for one in side] for side in (a, b))
        scaled = [[mpmath.mpf(float(one)) / mpmath.mpf(float(reg)) for one in row] for row in cost]
        g = [one / mpmath.mpf(float(reg)) for one in g]
        for _ in range(12):
            plan = []
            for i in range(n):
                parts = [mpmath.exp(g[j] - scaled[i][j] - g[0] + scaled[i][0]) for j in range(m)]
                plan.append([a[i] * part / mpmath.fsum(parts) for part in parts])
            sums = [mpmath.fsum(row[j] for row in plan) for j in range(m)]
            gap = [b[j] - sums[j] for j in range(m)]
            if max(abs(one) for one in gap) < mpmath.mpf(10) ** -30:
                return np.array([[float(entry) for entry in row] for row in plan])
            hessian = mpmath.matrix(m - 1, m - 1)
            for j in range(m - 1):
                for k in range(m - 1):
                    shared = mpmath.fsum(plan[i][j] * plan[i][k] / a[i] for i in range(n))
                    hessian[j, k] = (sums[j] if j == k else 0) - shared
            step = mpmath.lu_solve(hessian, mpmath.matrix(gap[:-1]))
            g = [g[j] + step[j] for j in range(m - 1)] + g[-1:]
    raise AssertionError("the start was not near the solution")
