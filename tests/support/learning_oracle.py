"""A whole run of self-learning in plain NumPy and float64: all n x m scores, all draws."""

from __future__ import annotations

import numpy as np

from isomorph import _core


def unit(x):
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)


def prepared(x):
    """The chain "unit centre unit"."""
    x = unit(np.asarray(x, dtype=np.float64))
    return unit(x - x.mean(axis=0))


def radii(scores, k):
    return np.sort(scores, axis=1)[:, -k:].mean(axis=1)


def choices(cosines, k, drawn, keep):
    """The best of each row by CSLS, dropped pairs counting as a value of zero."""
    value = 2 * cosines - radii(cosines.T, k) if k else 2 * cosines
    return np.argmax(np.where(drawn < keep, value, 0.0), axis=1)


def induced(cosines, direction, k, keep, seed, step):
    n, m = cosines.shape
    rows, columns = np.arange(n), np.arange(m)
    draws = [_core.dropout_draws(seed, step, back, rows, columns) for back in (False, True)]
    there = choices(cosines, k, draws[0], keep)
    back = choices(cosines.T, k, draws[1].T, keep)
    forward, backward = (rows, there), (back, columns)
    if direction == "forward":
        return forward
    if direction == "backward":
        return backward
    return tuple(np.concatenate(side) for side in zip(forward, backward, strict=True))


def turned(x, z):
    u, _, vt = np.linalg.svd(x.T @ z, full_matrices=False)
    return u @ vt


def spectra(x):
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return prepared(np.sort((u * s) @ u.T, axis=1))


def start(x, z, count, direction, k):
    cosines = spectra(x[:count]) @ spectra(z[:count]).T
    return induced(cosines, direction, k, 2.0, 0, 0)


def learned(
    x, z, pairs, *, vocabulary, direction, k, keep, multiplier, patience, threshold, seed, limit
):
    """Give the last dictionary and (objective, keep, improved) of each iteration; rows unit."""
    history, best, improved = [], None, 0
    while True:
        number = len(history) + 1
        if number > limit:
            return pairs, history
        if number - improved > patience:
            if keep >= 1:
                return pairs, history
            keep, improved = min(1.0, multiplier * keep), number
        w = turned(x[pairs[0]], z[pairs[1]])
        cosines = unit(x[:vocabulary] @ w) @ z[:vocabulary].T
        sides = {"forward": [cosines], "backward": [cosines.T]}.get(direction, [cosines, cosines.T])
        objective = np.mean([side.max(axis=1).mean() for side in sides])
        pairs = induced(cosines, direction, k, keep, seed, number)
        better = best is None or objective - best >= threshold
        if better:
            best, improved = objective, number
        history.append((objective, keep, better))
