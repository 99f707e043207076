"""Accuracy by inverted softmax as VecMap's evaluation takes it: over sources that it draws."""

from __future__ import annotations

import numpy as np

import isomorph as iso

TEMPERATURE, DRAWN = 30.0, 5000


def accuracy(x, z, test):
    """Give the per cent of the test words that are right, by the original's seed and draws."""
    x, z = iso.transforms.unit(x), iso.transforms.unit(z)
    drawn = np.random.RandomState(0).randint(0, len(x), DRAWN)
    weights = np.exp(TEMPERATURE * (x[drawn] @ z.T)).sum(axis=0, dtype=np.float64)
    queries = np.unique(test.source)
    best = np.argmax(TEMPERATURE * (x[queries] @ z.T) - np.log(weights), axis=1)
    right = set(zip(test.source.tolist(), test.target.tolist(), strict=True))
    return 100 * np.mean(
        [pair in right for pair in zip(queries.tolist(), best.tolist(), strict=True)]
    )
