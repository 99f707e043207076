"""Initialisations of a vocabulary as dense matrices, in plain loops and NumPy's own functions."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np


def dense(mixing: Any) -> np.ndarray:
    """The matrix that a mixing is, entry by entry."""
    found = np.zeros(mixing.shape)
    for row in range(mixing.shape[0]):
        for place in range(mixing.indptr[row], mixing.indptr[row + 1]):
            found[row, mixing.indices[place]] = mixing.weights[place]
    return found


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        x, y = (np.nan_to_num(a / np.linalg.norm(a, axis=1, keepdims=True)) for a in (x, y))
    return x @ y.T


def wechsel(source: np.ndarray, target: np.ndarray, k: int, temperature: float) -> np.ndarray:
    """All similarities, sorted; a zero row is not there."""
    found = np.zeros((len(target), len(source)))
    similarity = cosines(target, source)
    for row, scores in enumerate(similarity):
        if not target[row].any():
            continue
        best = np.argsort(-scores, kind="stable")[:k]
        best = best[source[best].any(axis=1)]
        shares = np.exp(scores[best] / temperature)
        found[row, best] = shares / shares.sum()
    return found


def clp(helper: np.ndarray, base: np.ndarray) -> np.ndarray:
    found = base.copy()
    shared = np.flatnonzero(base.any(axis=1))
    similarity = cosines(helper, helper)
    for row in range(len(base)):
        if not base[row].any() and helper[row].any():
            weights = similarity[row, shared]
            found[row] = weights @ base[shared] / weights.sum()
    return found


def transtokenization(
    counts: dict[tuple[tuple[int, ...], tuple[int, ...]], float],
    source: list[str],
    target: list[str],
    least: float,
) -> np.ndarray:
    """The published procedure, every token compared with every other; "▁" marks words in both."""
    table: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(int))
    for (old_word, new_word), given in counts.items():
        count = int(given)
        if count < least:
            continue
        old, new = [source[i] for i in old_word], [target[i] for i in new_word]
        if len(old) == len(new) == 1:
            table[new[0]][old[0]] += count
            continue
        half = max(1, count // 2)
        for a, b in zip(np.tile(old, len(new)), np.repeat(new, len(old)), strict=True):
            table[str(b)][str(a)] += max(1, half // len(old))
        gcd = math.gcd(len(old), len(new))
        dilution = len(old) // gcd
        for a, b in zip(np.repeat(old, len(new) // gcd), np.repeat(new, dilution), strict=True):
            table[str(b)][str(a)] += max(1, half // dilution)
    for token in target:
        if token in source:
            table[token][token] += 2 if token.removeprefix("▁").isdigit() else 1
    known = {token: dict(values) for token, values in table.items()}
    for token in target:
        if token in known:
            continue
        similar = [one for one in target if one.startswith(token) and one in known]
        middle = sorted((one for one in known if one in token), key=len, reverse=True)
        middle = [
            one for i, one in enumerate(middle) if not any(one in other for other in middle[:i])
        ]
        for other in similar + middle:
            total = sum(known[other].values())
            for translation, count in known[other].items():
                share = 2000 if translation.startswith("▁") else 1000
                table[token][translation] += max(1, (share * count) // total)
    found = np.zeros((len(target), len(source)))
    for row, token in enumerate(target):
        for translation, count in table.get(token, {}).items():
            found[row, source.index(translation)] = count
    totals = found.sum(axis=1, keepdims=True)
    return found / np.where(totals, totals, 1)


def from_words(encodings: list[list[int]], tokens: int, frequencies: np.ndarray) -> np.ndarray:
    found = np.zeros((tokens, len(encodings)))
    for token in range(tokens):
        for word, ids in enumerate(encodings):
            if token in ids:
                found[token, word] = frequencies[word]
    totals = found.sum(axis=1, keepdims=True)
    return found / np.where(totals, totals, 1)


def factors(table: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, float]:
    u, s, vt = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    error = np.linalg.norm(s[rank:]) / np.linalg.norm(s)
    return u[:, :rank], s[:rank, None] * vt[:rank], float(error)


def nearest_in_hull(row: np.ndarray, table: np.ndarray) -> float:
    """Distance to the convex hull, by non-negative least squares with a heavy row for the sum."""
    from scipy.optimize import nnls

    weight = 1e6 * np.abs(table).max()
    system = np.vstack([table.T, np.full(len(table), weight)])
    weights, _ = nnls(system, np.append(row, weight), maxiter=10_000)
    return float(np.linalg.norm(table.T @ (weights / weights.sum()) - row))
