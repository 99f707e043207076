"""What holds for every matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import isomorph as iso
from support.spectra import BOUND, misfit, skew

shapes = st.tuples(st.integers(0, 4), st.integers(1, 12), st.integers(1, 12))


def stacks(dtype):
    limit = float(np.finfo(dtype).max) / 1024
    width = np.dtype(dtype).itemsize * 8
    numbers = st.floats(-limit, limit, width=width)
    return npst.arrays(dtype, shapes, elements=numbers)


@given(st.sampled_from([np.float32, np.float64]).flatmap(stacks))
def test_factors_are_orthonormal_and_multiply_to_the_matrix(a):
    eps = np.finfo(a.dtype).eps
    u, s, vt = iso.linalg.svd(a)
    r, h = iso.linalg.polar(a)
    if a.shape[0] == 0:
        return
    assert np.all(s[..., :-1] >= s[..., 1:])
    assert np.all(s >= 0)
    assert max(skew(u, eps), skew(np.swapaxes(vt, 1, 2), eps)) <= BOUND
    assert skew(r if a.shape[1] >= a.shape[2] else np.swapaxes(r, 1, 2), eps) <= BOUND
    assert np.array_equal(h, np.swapaxes(h, 1, 2))
    # Values and vectors are rounded to a type with a smallest step.
    for i in range(a.shape[0]):
        largest = float(np.abs(a[i]).max())
        if largest < 1e6 * np.finfo(a.dtype).tiny:
            continue
        scaled = s[i].astype(np.float64) / max(largest, 1e-300)
        product = (u[i].astype(np.float64) * scaled) @ vt[i]
        assert misfit(a[i].astype(np.float64) / largest, product, eps) <= BOUND


@given(
    npst.arrays(np.float64, (2, 6, 4), elements=st.floats(-1e3, 1e3)),
    st.integers(-300, 300),
)
def test_a_power_of_two_scales_the_values_and_nothing_else(a, exponent):
    tiny = np.abs(a) < 1e-3
    a = np.where(tiny, 0.0, a)
    u, s, vt = iso.linalg.svd(a)
    scaled = iso.linalg.svd(np.ldexp(a, exponent))
    assert np.array_equal(scaled.u, u)
    assert np.array_equal(scaled.vt, vt)
    assert np.array_equal(scaled.s, np.ldexp(s, exponent))


@given(npst.arrays(np.float64, (5, 5), elements=st.floats(-100, 100)), st.integers(0, 2**32 - 1))
def test_no_orthogonal_matrix_is_nearer_than_the_polar_factor(a, seed):
    r = iso.linalg.polar(a).r
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    near = np.linalg.qr(r + 1e-3 * rng.standard_normal((5, 5)))
    near = near[0] * np.sign(np.diag(near[1]))
    for other in (q, -q, near):
        assert np.linalg.norm(a - r) <= np.linalg.norm(a - other) * (1 + 1e-13)
