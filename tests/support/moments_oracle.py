"""Moments and fits from rows, in NumPy float64, two passes, each formula as it is written."""

from __future__ import annotations

import numpy as np


def scatter(x, y, w=None, translate=True):
    """Sums of w x'x, w x'y, w y'y, about the weighted means if `translate`."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    w = np.ones(len(x)) if w is None else w
    if translate:
        x = x - np.average(x, axis=0, weights=w)
        y = y - np.average(y, axis=0, weights=w)
    return (w[:, None] * x).T @ x, (w[:, None] * x).T @ y, (w[:, None] * y).T @ y


def hsic(k, ell):
    """Song et al. (2012), equation 5, from n x n kernels."""
    n = len(k)
    k, ell = k - np.diag(np.diag(k)), ell - np.diag(np.diag(ell))
    one = np.ones(n)
    return (
        np.trace(k @ ell)
        + (one @ k @ one) * (one @ ell @ one) / (n - 1) / (n - 2)
        - 2 / (n - 2) * (one @ k @ ell @ one)
    ) / (n * (n - 3))


def cka(x, y, unbiased=False):
    """Linear CKA from n x n kernels."""
    if unbiased:
        k, ell = x @ x.T, y @ y.T
        return hsic(k, ell) / np.sqrt(hsic(k, k) * hsic(ell, ell))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    k, ell = x @ x.T, y @ y.T
    return np.sum(k * ell) / np.sqrt(np.sum(k * k) * np.sum(ell * ell))


def ridge(x, y, alpha, translate=False, w=None):
    """Ridge regression by an augmented least-squares problem."""
    w = np.ones(len(x)) if w is None else w
    if translate:
        x = x - np.average(x, axis=0, weights=w)
        y = y - np.average(y, axis=0, weights=w)
    d = x.shape[1]
    left = np.concatenate([np.sqrt(w)[:, None] * x, np.sqrt(alpha) * np.eye(d)])
    right = np.concatenate([np.sqrt(w)[:, None] * y, np.zeros((d, y.shape[1]))])
    return np.linalg.lstsq(left, right, rcond=None)[0]
