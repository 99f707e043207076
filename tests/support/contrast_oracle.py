"""Contrastive refinement in plain NumPy and float64: all n x m cosines, gradients row by row."""

from __future__ import annotations

import numpy as np

import isomorph as iso
from support import vecmap_oracle
from support.learning_oracle import radii, unit


def negatives(cosines, pairs, count):
    """For each pair, the nearest columns of its row that no pair of this row has."""
    chosen = []
    known = set(zip(*(side.tolist() for side in pairs), strict=True))
    most = max(sum(i == row for i, _ in known) for row in set(pairs[0].tolist()))
    for row in pairs[0].tolist():
        order = np.argsort(-cosines[row], kind="stable")
        free = [column for column in order.tolist() if (row, column) not in known]
        chosen.append(free[: min(count, cosines.shape[1] - most)])
    return chosen


def compared(pairs, there, back):
    """Go through the pairs: the cells (i, j) of each softmax, the pair itself first."""
    for i, j, near_z, near_x in zip(*pairs, there, back, strict=True):
        yield [(i, j), *((i, k) for k in near_z), *((k, j) for k in near_x)]


def loss(x, z, a, b, pairs, there, back, temperature):
    cosines = unit(x @ a) @ unit(z @ b).T
    total = 0.0
    for cells in compared(pairs, there, back):
        logits = np.array([cosines[cell] for cell in cells]) / temperature
        total += np.log(np.sum(np.exp(logits - logits[0])))
    return total / len(pairs[0])


def gradients(x, z, a, b, pairs, there, back, temperature):
    """By the chain rule: softmax, cosine, norm, product."""
    u, v = x @ a, z @ b
    cosines = unit(u) @ unit(v).T
    slopes = np.zeros_like(cosines)
    for cells in compared(pairs, there, back):
        logits = np.array([cosines[cell] for cell in cells]) / temperature
        share = np.exp(logits - logits.max())
        share /= share.sum()
        share[0] -= 1
        for cell, slope in zip(cells, share, strict=True):
            slopes[cell] += slope / temperature / len(pairs[0])
    found = []
    for rows, own, other, bent in ((x, u, v, slopes), (z, v, u, slopes.T)):
        toward = bent @ unit(other)
        norms = np.linalg.norm(own, axis=1, keepdims=True)
        along = unit(own) * np.sum(toward * unit(own), axis=1, keepdims=True)
        safe = np.where(norms == 0, 1, norms)
        found.append(rows.T @ np.where(norms == 0, 0, (toward - along) / safe))
    return found


def first_maps(x, z, pairs):
    how = iso.align.VECMAP_MODES["supervised"]
    rows = x[pairs[0]], z[pairs[1]]
    maps = vecmap_oracle.mapped(np.eye(x.shape[1]), np.eye(z.shape[1]), *rows, how)
    return [
        m / np.sqrt(np.mean(np.sum((r @ m) ** 2, axis=1))) for r, m in zip(rows, maps, strict=True)
    ]


def mutual(cosines, k):
    """Columns and rows that choose each other by CSLS."""
    scores = 2 * cosines - radii(cosines, k)[:, None] - radii(cosines.T, k)[None, :]
    there, back = scores.argmax(axis=1), scores.argmax(axis=0)
    rows = np.flatnonzero(back[there] == np.arange(len(there)))
    return rows, there[rows]


def augmented(x, z, maps, pairs, setting, k):
    a, b = maps
    most = setting.frequent
    rows, columns = mutual(unit(x[:most] @ a) @ unit(z[:most] @ b).T, k)
    new = [
        (max(i, j), i, j)
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        if i not in pairs[0] and j not in pairs[1]
    ]
    chosen = sorted(new, key=lambda entry: entry[0])[: setting.augment]
    return tuple(
        np.concatenate([side, np.array([c[1 + n] for c in chosen], dtype=np.int64)])
        for n, side in enumerate(pairs)
    )


def learned(x, z, pairs, setting, *, k, limits):
    """Run loops of so many steps each; give the maps and the loss of every step taken."""
    own, losses, maps = pairs, [], None
    for loop, steps in enumerate(limits):
        if loop:
            pairs = augmented(x, z, maps, own, setting, k)
        maps = first_maps(x, z, pairs)
        used = pairs if setting.learn_augmented else own
        for step in range(steps):
            cosines = unit(x @ maps[0]) @ unit(z @ maps[1]).T
            if step % setting.refresh == 0:
                there = negatives(cosines, used, setting.negatives)
                back = negatives(cosines.T, used[::-1], setting.negatives)
            slopes = gradients(x, z, *maps, used, there, back, setting.temperature)
            losses.append(loss(x, z, *maps, used, there, back, setting.temperature))
            length = np.sqrt(sum(np.sum(slope**2) for slope in slopes))
            rate = setting.learning_rate * setting.decay**step * min(1, setting.clip / length)
            maps = [m - rate * slope for m, slope in zip(maps, slopes, strict=True)]
    return maps, losses
