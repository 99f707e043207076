"""Factorisations against their definition, on matrices that break factorisations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import isomorph as iso
from support.spectra import BOUND, hard_matrices, misfit, skew

DTYPES = (np.float32, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 16, 33, 64, 127, 128, 150])
def test_hard_matrices_are_factorised_within_the_bounds(n, dtype, rng):
    eps = np.finfo(dtype).eps
    for name, matrix in hard_matrices(n, rng):
        a = matrix.astype(dtype)
        u, s, vt = iso.linalg.svd(a)
        assert u.dtype == s.dtype == vt.dtype == dtype
        assert np.all(s[:-1] >= s[1:]), name
        assert np.all(s >= 0), name
        product = (u.astype(np.float64) * s) @ vt.astype(np.float64)
        figures = skew(u, eps), skew(vt.T, eps), misfit(a, product, eps)
        assert max(figures) <= BOUND, f"{name}: {figures}"

        r, h = iso.linalg.polar(a)
        product = r.astype(np.float64) @ h.astype(np.float64)
        figures = skew(r if a.shape[0] >= a.shape[1] else r.T, eps), misfit(a, product, eps)
        assert max(figures) <= BOUND, f"{name}: polar {figures}"
        assert np.array_equal(h, h.T), name
        # Weyl: eigenvalues move by at most the norm of the rounding.
        smallest = np.linalg.eigvalsh(h.astype(np.float64) / max(1.0, s[0]))[0]
        assert smallest >= -BOUND * eps * min(1.0, float(s[0])) * len(h) ** 0.5, name


@pytest.mark.parametrize("dtype", DTYPES)
def test_singular_values_are_those_of_the_float64_oracle(dtype, rng):
    eps = np.finfo(dtype).eps
    for n in (5, 40, 140):
        for name, matrix in hard_matrices(n, rng):
            a = matrix.astype(dtype)
            scale = float(np.abs(a).max()) or 1.0
            expected = np.linalg.svd(a.astype(np.float64) / scale, compute_uv=False)
            found = iso.linalg.svd(a).s.astype(np.float64) / scale
            # Weyl's bound: the residual and half the skew of each side, as the other test allows.
            bound = 2 * BOUND * eps * max(a.shape) ** 0.5 * np.linalg.norm(a / scale)
            assert np.max(np.abs(found - expected)) <= bound, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_stacks_from_one_matrix_to_thousands(count, dtype, rng):
    eps = np.finfo(dtype).eps
    a = rng.standard_normal((count, 9, 6)).astype(dtype)
    u, s, vt = iso.linalg.svd(a)
    assert u.shape == (count, 9, 6)
    assert s.shape == (count, 6)
    assert vt.shape == (count, 6, 6)
    product = (u.astype(np.float64) * s[:, None, :]) @ vt.astype(np.float64)
    assert max(skew(u, eps), misfit(a, product, eps)) <= BOUND
    expected = np.linalg.svd(a.astype(np.float64), compute_uv=False)
    assert np.max(np.abs(s - expected)) <= BOUND * eps * 3 * expected.max()


def test_polar_is_scipys(rng):
    for shape in ((5, 5), (9, 4), (4, 9)):
        a = rng.standard_normal(shape)
        r, h = iso.linalg.polar(a)
        expected_r, expected_h = scipy.linalg.polar(a)
        np.testing.assert_allclose(r, expected_r, atol=1e-13)
        np.testing.assert_allclose(h, expected_h, atol=1e-13)


def test_both_backends_agree(rng):
    a = rng.standard_normal((3, 8, 5))
    with iso.runtime.use_backend("array"):
        expected, expected_polar = iso.linalg.svd(a), iso.linalg.polar(a)
    found, found_polar = iso.linalg.svd(a), iso.linalg.polar(a)
    np.testing.assert_allclose(found.s, expected.s, rtol=1e-13)
    # Well separated values: vectors are unique but for the sign.
    np.testing.assert_allclose(np.abs(found.u), np.abs(expected.u), atol=1e-12)
    np.testing.assert_allclose(found_polar.r, expected_polar.r, atol=1e-13)
    np.testing.assert_allclose(found_polar.h, expected_polar.h, atol=1e-13)


@pytest.mark.parametrize("factor", [1e300, 1e-300, 1e-310])
def test_the_ends_of_the_range(factor, rng):
    a = rng.standard_normal((7, 5)) * factor
    u, s, vt = iso.linalg.svd(a)
    r, _ = iso.linalg.polar(a)
    eps = np.finfo(np.float64).eps
    assert max(skew(u, eps), skew(vt.T, eps), skew(r, eps)) <= BOUND
    # Below the normal range a value has a step of 5e-324, and so no relative precision.
    expected = np.linalg.svd(a / factor, compute_uv=False)
    np.testing.assert_allclose(s / factor, expected, rtol=1e-13 if factor > 1e-305 else 1e-11)
