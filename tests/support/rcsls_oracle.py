"""RCSLS in plain NumPy and float64: all scores, the k largest, steps as published."""

from __future__ import annotations

import numpy as np


def loss(x, y, source_space, target_space, matrix, k, w=None):
    """Give f and its gradient for the neighbours as they are."""
    w = np.ones(len(x)) if w is None else w
    mapped, back = x @ matrix, source_space @ matrix
    there = np.argsort(-(mapped @ target_space.T), axis=1, kind="stable")[:, :k]
    here = np.argsort(-(y @ back.T), axis=1, kind="stable")[:, :k]
    near_targets = target_space[there].mean(axis=1)
    near_sources = source_space[here].mean(axis=1)
    f = gradient = 0
    for i in range(len(x)):
        f += w[i] * (
            -2 * mapped[i] @ y[i] + mapped[i] @ near_targets[i] + near_sources[i] @ matrix @ y[i]
        )
        gradient = gradient + w[i] * (
            -2 * np.outer(x[i], y[i])
            + np.outer(x[i], near_targets[i])
            + np.outer(near_sources[i], y[i])
        )
    return f / w.sum(), gradient / w.sum()


def orthogonal(x, y):
    u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    return u @ vt


def clipped(matrix):
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u * np.minimum(s, 1)) @ vt


def as_published(
    x, y, source_space, target_space, k=10, rate=1.0, iterations=10, reg=0.0, spectral=False
):
    """Follow the published loop with its arrays that share memory; rows are mapped by `x @ r.T`."""
    r = np.ascontiguousarray(orthogonal(x, y).T)
    kept, before, objectives = None, 0.0, []
    for it in range(iterations + 1):
        if rate < 1e-4:
            break
        f, slope = loss(x, y, source_space, target_space, r.T, k)
        objectives.append(f)
        if reg > 0:
            r *= 1 - rate * reg
        r -= rate * slope.T
        if spectral:
            r = clipped(r)
        if f > before and it > 0:
            rate /= 2
            f, r = before, kept
        before, kept = f, r
    return r.T, objectives
