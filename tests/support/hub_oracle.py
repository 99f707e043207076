"""Generalised Procrustes by slow float64 loops over rows."""

from __future__ import annotations

import itertools

import numpy as np


def gower(spaces, scale=False, translate=False, rounds=500):
    """Alternate between the mean and the maps of spaces with the same rows; the part left over.

    J. C. Gower, "Generalized Procrustes analysis" (1975), with ten Berge's scales.
    """
    xs = [x - x.mean(axis=0) if translate else x for x in spaces]
    total = sum(np.sum(x * x) for x in xs)
    best = np.inf
    for first in range(len(xs)):
        images = [x @ polar(x.T @ xs[first]) for x in xs]
        sizes = np.ones(len(xs))
        for _ in range(rounds):
            mean = sum(images) / len(xs)
            images = [s * x @ polar(x.T @ mean) for s, x in zip(sizes, xs, strict=True)]
            if scale:
                units = np.stack([(y / np.linalg.norm(y)).ravel() for y in images])
                vector = np.abs(np.linalg.eigh(units @ units.T)[1][:, -1])
                wanted = vector * np.sqrt(total) / np.linalg.norm(vector)
                steps = [w / np.linalg.norm(y) for w, y in zip(wanted, images, strict=True)]
                images = [s * y for s, y in zip(steps, images, strict=True)]
                sizes = sizes * steps
        mean = sum(images) / len(xs)
        # All pairs of K spaces: K times the distance to the mean; and (K - 1) times the squares.
        left = len(xs) * sum(np.sum((y - mean) ** 2) for y in images)
        best = min(best, left / ((len(xs) - 1) * total))
    return best


def polar(a):
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return u @ vt


def edges(spaces, concepts=None, pairs=None):
    """Give (rows, rows, weights) of each pair of spaces; of concepts, the means as rows."""
    names = list(spaces)
    if pairs is not None:
        return {
            key: (
                spaces[key[0]][rows[0]],
                spaces[key[1]][rows[1]],
                np.ones(len(rows[0])),
            )
            for key, rows in pairs.items()
        }
    if concepts is None:
        concepts = {name: np.arange(len(rows)) for name, rows in spaces.items()}
    found = {}
    for a, b in itertools.combinations(names, 2):
        both = np.intersect1d(concepts[a], concepts[b])
        held = np.array([sum(c in concepts[name] for name in names) for c in both])
        means = [np.array([spaces[n][concepts[n] == c].mean(axis=0) for c in both]) for n in (a, b)]
        found[a, b] = (*means, 1 / held)
    return found


def loss(hub, spaces, edges, between=None):
    """Give the loss (of the edges `between` two spaces only) over what it would be.

    That is the squares about each space's mean of all that has partners.
    """
    means = {}
    for name in spaces:
        x = [
            side
            for key, e in edges.items()
            for n, side in zip(key, e[:2], strict=True)
            if n == name
        ]
        w = [e[2] for key, e in edges.items() for n in key if n == name]
        if x:
            means[name] = np.average(np.concatenate(x), axis=0, weights=np.concatenate(w))
    left = most = 0.0
    for (a, b), (x, y, w) in edges.items():
        if between is not None and {a, b} != set(between):
            continue
        left += np.sum(w[:, None] * (hub[a](x) - hub[b](y)) ** 2)
        for name, rows in ((a, x), (b, y)):
            map = hub[name]  # noqa: A001
            centre = means[name] if hub.provenance["translate"] else 0.0
            most += map.scale**2 * np.sum(w[:, None] * (rows - centre) ** 2)
    return left / most


def partners(hub, spaces, edges, name):
    """Give the rows of a space that have partners, what the hub makes of those, and weights."""
    x, y, w = [], [], []
    for (a, b), (left, right, weights) in edges.items():
        if a == name:
            x.append(left), y.append(hub[b](right)), w.append(weights)
        elif b == name:
            x.append(right), y.append(hub[a](left)), w.append(weights)
    return np.concatenate(x), np.concatenate(y), np.concatenate(w)
