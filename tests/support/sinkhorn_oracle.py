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
