"""The accuracy statement of each factorisation, over sizes, shapes and spectra."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import isomorph as iso
from support.spectra import BOUND, misfit, skew, spectra, step, symmetric_with_values, with_values

SIZES = (1, 2, 3, 4, 8, 16, 31, 32, 33, 64, 128, 129)
SHAPES = {"square": (1, 0, 0), "tall": (3, 1, 0), "wide": (1, 0, 2)}

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])
sizes = pytest.mark.parametrize("d", SIZES)
shapes = pytest.mark.parametrize("shape", SHAPES)


@functools.cache
def stack_of(shape: str, d: int, dtype: type) -> tuple[tuple[str, ...], np.ndarray]:
    """One matrix of each spectrum, and the names of the spectra."""
    rng = np.random.default_rng([d, len(shape)])
    times, more, wider = SHAPES[shape]
    n, m = times * d + more, d + wider * d
    cases = spectra(min(n, m), dtype)
    stack = np.stack([with_values(n, m, s, rng) for s in cases.values()]).astype(dtype)
    stack.flags.writeable = False
    return tuple(cases), stack


def scaled(a: np.ndarray) -> tuple[np.ndarray, float]:
    """Float64 with entries up to one, and the factor that brings them back."""
    size = float(np.abs(a).max()) or 1.0
    # A power of two, in two steps: its reciprocal may overflow.
    exponent = int(np.frexp(size)[1])
    return np.ldexp(a.astype(np.float64), -exponent), exponent


def check(name: str, figures: dict[str, float], rounding: float) -> None:
    """Fail with all figures if one is over the bound."""
    if not max(figures.values()) <= BOUND + rounding:
        pytest.fail(f"{name}: {figures}")


@both_types
@sizes
@shapes
def test_svd(shape, d, dtype):
    names, stack = stack_of(shape, d, dtype)
    eps = float(np.finfo(dtype).eps)
    found = iso.linalg.svd(stack)
    assert all(part.dtype == dtype for part in found)
    for name, a, u, s, vt in zip(names, stack, *found, strict=True):
        near, exponent = scaled(a)
        s = np.ldexp(s.astype(np.float64), -exponent)
        assert np.all(np.diff(s) <= 0), name
        assert np.all(s >= 0), name
        product = (u.astype(np.float64) * s) @ vt.astype(np.float64)
        check(
            name,
            {"u": skew(u, eps), "v": skew(vt.T, eps), "residual": misfit(near, product, eps)},
            step(a, dtype),
        )


@both_types
@sizes
@shapes
def test_svdvals(shape, d, dtype):
    names, stack = stack_of(shape, d, dtype)
    eps = float(np.finfo(dtype).eps)
    found = iso.linalg.svdvals(stack)
    assert found.dtype == dtype
    for name, a, s in zip(names, stack, found, strict=True):
        near, exponent = scaled(a)
        expected = np.linalg.svd(near, compute_uv=False)
        assert np.all(np.diff(s) <= 0), name
        unit = eps * max(a.shape) ** 0.5 * (np.linalg.norm(near) or 1.0)
        error = np.max(np.abs(np.ldexp(s.astype(np.float64), -exponent) - expected)) / unit
        # The oracle computes in float64 itself.
        allowed = step(a, dtype) + (BOUND if dtype == np.float64 else 0.0)
        check(name, {"error": error}, allowed)


@both_types
@sizes
@shapes
def test_polar(shape, d, dtype):
    names, stack = stack_of(shape, d, dtype)
    eps = float(np.finfo(dtype).eps)
    found = iso.linalg.polar(stack)
    for name, a, r, h in zip(names, stack, *found, strict=True):
        near, exponent = scaled(a)
        stretch = np.ldexp(h.astype(np.float64), -exponent)
        assert np.array_equal(h, h.T), name
        product = r.astype(np.float64) @ stretch
        tall = a.shape[0] >= a.shape[1]
        size = np.linalg.norm(near) or 1.0
        # Not below zero by more than the rounding of h.
        negative = -np.linalg.eigvalsh(stretch)[0] / (eps * len(h) ** 0.5 * size)
        figures = {
            "r": skew(r if tall else r.T, eps),
            "residual": misfit(near, product, eps),
            "negative": negative,
        }
        check(name, figures, len(h) ** 0.5 * step(a, dtype))


@both_types
@sizes
@pytest.mark.parametrize("signs", ["positive", "mixed"])
def test_eigh(signs, d, dtype):
    eps = float(np.finfo(dtype).eps)
    rng = np.random.default_rng(d)
    cases = spectra(d, dtype)
    if signs == "mixed":
        cases = {name: w * (-1.0) ** np.arange(d) for name, w in cases.items()}
    stack = np.stack([symmetric_with_values(w, rng) for w in cases.values()]).astype(dtype)
    found = iso.linalg.eigh(stack)
    assert all(part.dtype == dtype for part in found)
    for name, a, w, v in zip(cases, stack, *found, strict=True):
        near, exponent = scaled(a)
        w = np.ldexp(w.astype(np.float64), -exponent)
        assert np.all(np.diff(w) >= 0), name
        wide = v.astype(np.float64)
        unit = eps * d**0.5 * (np.linalg.norm(near) or 1.0)
        error = np.max(np.abs(w - np.linalg.eigvalsh(near))) / unit
        if dtype == np.float64:
            error = max(0.0, error - BOUND)
        check(
            name,
            {"v": skew(v, eps), "residual": misfit(near, (wide * w) @ wide.T, eps), "w": error},
            step(a, dtype),
        )


def exact_values(a: np.ndarray) -> list[float]:
    """Singular values by fifty digits."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        values = mpmath.svd_r(mpmath.matrix(a.tolist()), compute_uv=False)
        return [float(s) for s in values]


def exact_eigenvalues(a: np.ndarray) -> list[float]:
    """Eigenvalues by fifty digits, ascending."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        return sorted(float(w) for w in mpmath.eigsy(mpmath.matrix(a.tolist()), eigvals_only=True))


@both_types
@pytest.mark.parametrize("d", [1, 2, 3, 4, 8])
@shapes
def test_values_are_those_of_fifty_digits(shape, d, dtype):
    names, stack = stack_of(shape, d, dtype)
    eps = float(np.finfo(dtype).eps)
    both = iso.linalg.svd(stack).s, iso.linalg.svdvals(stack)
    for i, (name, a) in enumerate(zip(names, stack, strict=True)):
        near, exponent = scaled(a)
        expected = exact_values(near)
        unit = eps * max(a.shape) ** 0.5 * (np.linalg.norm(near) or 1.0)
        for s in both:
            error = np.max(np.abs(np.ldexp(s[i].astype(np.float64), -exponent) - expected))
            check(name, {"error": error / unit}, step(a, dtype))


@both_types
@pytest.mark.parametrize("d", [1, 2, 3, 4, 8, 16])
def test_eigenvalues_are_those_of_fifty_digits(d, dtype):
    eps = float(np.finfo(dtype).eps)
    rng = np.random.default_rng(d)
    for name, s in spectra(d, dtype).items():
        a = symmetric_with_values(s * (-1.0) ** np.arange(d), rng).astype(dtype)
        near, exponent = scaled(a)
        w = np.ldexp(iso.linalg.eigh(a).values.astype(np.float64), -exponent)
        unit = eps * d**0.5 * (np.linalg.norm(near) or 1.0)
        error = np.max(np.abs(w - exact_eigenvalues(near))) / unit
        check(name, {"error": error}, step(a, dtype))


@both_types
@pytest.mark.parametrize("d", [2, 3, 4, 8, 16, 32])
def test_small_singular_values_of_scaled_columns_are_relatively_accurate(d, dtype):
    """A = B D, D diagonal: the error is that of B's condition, not of A's (Demmel and Veselic)."""
    rng = np.random.default_rng(d)
    eps = float(np.finfo(dtype).eps)
    # The squares of the smallest must not vanish in the type.
    most = 15 if dtype == np.float32 else 24
    for n, orders in ((d, 12), (2 * d + 1, 12), (d, most)):
        b = rng.standard_normal((n, d)) + 2 * np.eye(n, d) * d**0.5
        grading = 10.0 ** (-orders * np.arange(d) / max(d - 1, 1))
        a = (b * rng.permutation(grading)).astype(dtype)
        # The condition of the columns brought to unit length.
        wide = a.astype(np.float64)
        condition = np.linalg.cond(wide / np.linalg.norm(wide, axis=0))
        expected = np.array(exact_values(a))
        for s in (iso.linalg.svd(a).s, iso.linalg.svdvals(a)):
            error = np.max(np.abs(s / expected - 1))
            assert error <= BOUND * eps * max(a.shape) ** 0.5 * condition, (n, orders, condition)
