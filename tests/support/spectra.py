"""Matrices that break factorisations, and what a factorisation is measured by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: In units of eps sqrt(max(n, d)), Frobenius: LAPACK's own figures are 1 to 13.
BOUND = 8.0


def hard_matrices(n: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Yield named float64 matrices of about n rows."""
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    j = np.arange(n)
    spectra = {
        "orthogonal": np.ones(n),
        "repeated": np.array([3.0, 1.0, 0.5])[3 * j // n],
        "clustered": 1 + 1e-14 * j,
        "graded to 1e-12": 10.0 ** (-12 * j / n),
        "graded to 1e-30": 10.0 ** (-30 * j / n),
        "one large": np.where(j == 0, 1.0, 1e-9),
        "one small": np.where(j == n - 1, 1e-12, 1.0),
    }
    for name, s in spectra.items():
        yield name, (u * s) @ v.T
    g = rng.standard_normal((n, n))
    i = j[:, None]
    half = max(n // 2, 1)
    yield "normal", g
    yield "zero", np.zeros((n, n))
    yield "wide zero", np.zeros((n, 3 * n))
    yield "ones", np.ones((n, n))
    yield "identity", np.eye(n)
    yield "nilpotent", np.eye(n, k=1)
    yield "ascending diagonal", np.diag(j.astype(float))
    yield "small integers", ((7 * i + 3 * j) % 5).astype(float)
    yield "Hilbert", 1 / (i + j + 1)
    c = np.cos(1.2)
    yield "Kahan", np.sin(1.2) ** i * (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    yield "Wilkinson", np.diag(np.abs(j - n / 2)) + np.eye(n, k=1)
    yield "half rank", g[:, :half] @ rng.standard_normal((half, n))
    yield "rank one", np.outer(g[0], g[:, 0])
    yield "half of the columns zero", g * (j % 2 == 0)
    yield "columns twice", g[:, j // 2]
    yield "graded rows", g * 10.0 ** (-20 * i / n)
    yield "graded columns", g * 10.0 ** (-20 * j / n)
    yield "graded both ways", g * 10.0 ** (-20 * (i + j) / n)
    yield "tall", rng.standard_normal((3 * n, n))
    yield "wide", rng.standard_normal((n, 2 * n + 1))
    yield "one row", rng.standard_normal((1, n))
    yield "one column", rng.standard_normal((n, 1))
    yield "huge", g * 1e30
    yield "tiny", g * 1e-36


def skew(q: np.ndarray, eps: float) -> float:
    """|Q'Q - I|, Frobenius, in units of eps sqrt(columns), of the worst matrix of a stack."""
    q = q.astype(np.float64)
    error = np.swapaxes(q, -1, -2) @ q - np.eye(q.shape[-1])
    # A float64 sum of equal squares is off by more than what is measured.
    diagonal = np.sum(q.astype(np.longdouble) ** 2, axis=-2) - 1
    error[..., *np.diag_indices(q.shape[-1])] = diagonal
    return float(np.max(np.linalg.norm(error, axis=(-2, -1)))) / (eps * q.shape[-1] ** 0.5)


def misfit(a: np.ndarray, product: np.ndarray, eps: float) -> float:
    """|A - P| / |A|, Frobenius, in units of eps sqrt(max(n, d)), of the worst matrix."""
    largest = np.max(np.abs(a), axis=(-2, -1), keepdims=True)
    scale = np.where(largest == 0, 1.0, largest).astype(np.float64)
    a, difference = a / scale, (a.astype(np.float64) - product) / scale
    size = np.linalg.norm(a, axis=(-2, -1))
    error = np.linalg.norm(difference, axis=(-2, -1)) / np.where(size == 0, 1.0, size)
    return float(np.max(error)) / (eps * max(a.shape[-2:]) ** 0.5)


def spectra(k: int, dtype: type) -> dict[str, np.ndarray]:
    """Name the spectra, descending, that an accuracy statement is tested on."""
    j = np.arange(k)
    limits = np.finfo(dtype)
    steps = j / max(k - 1, 1)
    return {
        "equal": np.ones(k),
        "graded to 1e-12": 10.0 ** (-12 * steps),
        "graded to eps": float(limits.eps) ** steps,
        "clustered": 1 - 4 * float(limits.eps) * steps,
        "clusters at both ends": np.where(2 * j < k, 1.0, 1e-3) * (1 - 1e-9 * steps),
        "repeated": np.array([4.0, 2.0, 1.0])[3 * j // k],
        "half rank": np.where(2 * j < k, 1.0 - 0.5 * steps, 0.0),
        "rank one": np.where(j == 0, 1.0, 0.0),
        "zero": np.zeros(k),
        "denormal": float(limits.tiny) / 64 * (1 - 0.9 * steps),
        "huge": float(limits.max) / 16 * (1 - 0.9 * steps),
    }


def with_values(n: int, d: int, s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a float64 matrix with those singular values, random vectors."""
    k = min(n, d)
    u, v = (np.linalg.qr(rng.standard_normal((m, k)))[0] for m in (n, d))
    return (u * s) @ v.T


def symmetric_with_values(w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a symmetric float64 matrix with those eigenvalues, random vectors."""
    v = np.linalg.qr(rng.standard_normal((len(w), len(w))))[0]
    a = (v * w) @ v.T
    return np.tril(a) + np.tril(a, -1).T


def step(a: np.ndarray, dtype: type) -> float:
    """Tell what rounding `a`'s values to the subnormal grid may cost, in units as `misfit`."""
    size = float(np.abs(a).max()) or 1.0
    limits = np.finfo(dtype)
    values = min(a.shape) ** 0.5 * float(limits.smallest_subnormal)
    return values / size / (float(limits.eps) * max(a.shape) ** 0.5)
