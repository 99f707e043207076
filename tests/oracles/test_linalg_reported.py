"""What broke other libraries."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import NonFiniteError
from support.reported import reported, reported_symmetric
from support.spectra import BOUND, misfit, skew

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both_types
def test_matrices_of_bug_reports_are_factorised_within_the_bounds(dtype, rng):
    eps = float(np.finfo(dtype).eps)
    for name, matrix in reported(rng):
        if not np.abs(matrix).max() < float(np.finfo(dtype).max) / 64:
            continue
        for a in (matrix.astype(dtype), np.ascontiguousarray(matrix.T).astype(dtype)):
            u, s, vt = iso.linalg.svd(a)
            size = float(np.abs(a).max()) or 1.0
            near, scaled = a.astype(np.float64) / size, s.astype(np.float64) / size
            product = (u.astype(np.float64) * scaled) @ vt.astype(np.float64)
            figures = skew(u, eps), skew(vt.T, eps), misfit(near, product, eps)
            assert max(figures) <= BOUND, f"{name}: svd {figures}"

            unit = eps * max(a.shape) ** 0.5 * (np.linalg.norm(near) or 1.0)
            values = iso.linalg.svdvals(a).astype(np.float64) / size
            assert np.max(np.abs(values - scaled)) <= 2 * BOUND * unit, f"{name}: svdvals"
            # No oracle is needed for these two sums.
            assert np.sum(values**2) == pytest.approx(np.sum(near**2), rel=64 * eps), name

            r, h = iso.linalg.polar(a)
            product = r.astype(np.float64) @ (h.astype(np.float64) / size)
            tall = a.shape[0] >= a.shape[1]
            figures = skew(r if tall else r.T, eps), misfit(near, product, eps)
            assert max(figures) <= BOUND, f"{name}: polar {figures}"


@both_types
def test_symmetric_matrices_of_bug_reports_are_factorised_within_the_bounds(dtype, rng):
    eps = float(np.finfo(dtype).eps)
    cases = list(reported_symmetric(rng))
    cases += [(name, a.T @ a) for name, a in reported(rng) if np.abs(a).max() < 1e10]
    for name, matrix in cases:
        a = matrix.astype(dtype)
        a = np.tril(a) + np.tril(a, -1).T
        w, v = iso.linalg.eigh(a)
        wide = v.astype(np.float64)
        figures = skew(v, eps), misfit(a, (wide * w.astype(np.float64)) @ wide.T, eps)
        assert max(figures) <= BOUND, f"{name}: {figures}"
        expected = np.linalg.eigvalsh(a.astype(np.float64))
        unit = eps * len(a) ** 0.5 * (np.linalg.norm(a.astype(np.float64)) or 1.0)
        assert np.max(np.abs(w - expected)) <= 2 * BOUND * unit, name


def test_one_nan_is_named_not_called_singular_or_not_converged(rng):
    """As in pytorch/pytorch#28293, whose message spoke of a singular matrix."""
    a = rng.standard_normal((64, 64))
    a[0, 0] = np.nan
    for function in (iso.linalg.svd, iso.linalg.svdvals, iso.linalg.polar, iso.linalg.eigh):
        with pytest.raises(NonFiniteError, match="row 0"):
            function(a)
        with pytest.raises(NonFiniteError, match="row 0"):
            function(a, check_finite=False)
