"""The published procedures for codes, step by step, in the type of the scores.

SwAV's is that of Caron et al. (2020, listing in the supplement); VLAP's that of Park et al. (2024)
for matrices. Both hold Q transposed, a row a prototype, and divide it by its total first.
"""

from __future__ import annotations

import numpy as np


def published(scores, reg, iterations=3, prior=None, *, vlap=False):
    """Give the codes; `prior` takes the place of 1/K, or with `vlap` multiplies in its own way."""
    dtype = scores.dtype.type
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        q = np.exp(scores / dtype(reg)).T
        prototypes, samples = (dtype(count) for count in q.shape)
        q = q / q.sum()
        for _ in range(iterations):
            if vlap:
                q = q * prior.astype(dtype)[:, None]
            else:
                q = q / q.sum(axis=1, keepdims=True)
                q = q / prototypes if prior is None else q * prior.astype(dtype)[:, None]
            q = q / q.sum(axis=0, keepdims=True)
            q = q / samples
        return (q * samples).T


def exact(scores, reg, iterations=3, prior=None, *, vlap=False):
    """Give the same in extended precision and range, of exponents rounded to the scores' type."""
    rounded = (scores / scores.dtype.type(reg)).astype(np.longdouble)
    prior = None if prior is None else np.asarray(prior, np.longdouble)
    return published(rounded, 1.0, iterations, prior, vlap=vlap)
