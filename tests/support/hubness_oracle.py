"""The hubness reductions from whole matrices, each by its formula, in float64."""

from __future__ import annotations

import math

import numpy as np

from support.mining_oracle import cosines

_normal_cdf = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)), otypes=[float])


def scores(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    *,
    neighborhood: int = 10,
    beta: float = 30.0,
    method: str = "empirical",
) -> np.ndarray:
    """All scores, (n, m), in float64, from cosines rounded to the type of the input."""
    c = cosines(x, y).astype(np.float64)
    d = np.sqrt(np.maximum(2 - 2 * c, 0))
    k = neighborhood
    if name == "inverted_softmax":
        return beta * c - np.log(np.exp(beta * c).sum(axis=0))
    if name == "local_scaling":
        sigma, tau = np.sort(d, axis=1)[:, k - 1], np.sort(d, axis=0)[k - 1]
        return -(d**2) / (sigma[:, None] * tau[None])
    if name == "nicdm":
        mu, nu = np.sort(d, axis=1)[:, :k].mean(axis=1), np.sort(d, axis=0)[:k].mean(axis=0)
        return -d / np.sqrt(mu[:, None] * nu[None])
    if name == "dissim_local":
        u, v = (
            s.astype(np.float64) / np.linalg.norm(s.astype(float), axis=1)[:, None] for s in (x, y)
        )
        near = [np.argsort(-side, axis=1, kind="stable")[:, :k] for side in (c, c.T)]
        from_centroid = [
            ((own - other[index].mean(axis=1)) ** 2).sum(axis=1)
            for own, other, index in ((u, v, near[0]), (v, u, near[1]))
        ]
        return -(d**2 - from_centroid[0][:, None] - from_centroid[1][None])
    if method == "gaussian":
        p = _normal_cdf((d - d.mean(axis=1, keepdims=True)) / d.std(axis=1, keepdims=True))
        q = _normal_cdf((d - d.mean(axis=0)) / d.std(axis=0))
        return -(p + q - p * q)
    farther = (d[:, :, None] < d[:, None, :]).sum(axis=2)
    sources = (d[:, None, :] < d[None]).sum(axis=1) if len(d) < 200 else None
    assert sources is not None
    return farther * sources / d.size - 1


#: Every reduction with options small enough for few rows.
VARIANTS = (
    ("inverted_softmax", {"beta": 10.0}),
    ("inverted_softmax", {"beta": 100.0}),
    ("local_scaling", {"neighborhood": 3}),
    ("nicdm", {"neighborhood": 4}),
    ("dissim_local", {"neighborhood": 4}),
    ("mutual_proximity", {"method": "empirical"}),
    ("mutual_proximity", {"method": "gaussian"}),
)
