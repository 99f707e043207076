"""What holds of VecMap's map whatever the data."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 12)
NO_STEPS = {
    "source_reweight": 0.0,
    "target_reweight": 0.0,
    "source_dewhiten": "none",
    "target_dewhiten": "none",
}


def drawn(seed, n, d, e):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return rng, x, x @ rng.standard_normal((d, e)) + rng.standard_normal((n, e))


def both(fit, x, z):
    return fit.apply_source(x), fit.apply_target(z)


def cosines(x, z):
    norms = [np.linalg.norm(side, axis=1, keepdims=True) for side in (x, z)]
    x, z = (side / np.where(norm == 0, 1, norm) for side, norm in zip((x, z), norms, strict=True))
    return x @ z.T


@given(SEEDS, SIZES)
def test_whitened_second_moments_are_the_identity(seed, d):
    _, x, z = drawn(seed, 4 * d + 20, d, d)
    fit = iso.align.vecmap(x, z, **NO_STEPS)
    for rows in both(fit, x, z):
        np.testing.assert_allclose(rows.T @ rows, np.eye(d), atol=1e-9)
    a, b = both(fit, x, z)
    np.testing.assert_allclose(a.T @ b, np.diag(fit.map.singular_values), atol=1e-9)
    assert (fit.map.singular_values <= 1 + 1e-12).all()


@given(SEEDS, SIZES)
def test_dewhitening_by_the_same_side_takes_whitening_back(seed, d):
    """Lengths and angles within each side are as they were."""
    _, x, z = drawn(seed, 4 * d + 20, d, d)
    fit = iso.align.vecmap(x, z, source_reweight=0, target_reweight=0)
    assert fit.map.orthogonal
    assert fit.target_map.orthogonal
    for before, after in zip((x, z), both(fit, x, z), strict=True):
        np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-8)


@given(SEEDS, SIZES, SIZES, st.sampled_from(list(iso.align.VECMAP_MODES)))
def test_the_order_of_pairs_does_not_matter(seed, d, e, mode):
    rng, x, z = drawn(seed, 60, d, e)
    order = rng.permutation(60)
    first = cosines(*both(iso.align.vecmap(x, z, mode=mode), x, z))
    other = cosines(*both(iso.align.vecmap(x[order], z[order], mode=mode), x, z))
    np.testing.assert_allclose(first, other, atol=1e-7)


@given(SEEDS, SIZES, SIZES, st.sampled_from(list(iso.align.VECMAP_MODES)))
def test_turning_a_side_turns_the_map(seed, d, e, mode):
    rng, x, z = drawn(seed, 60, d, e)
    turn_x, turn_z = (np.linalg.qr(rng.standard_normal((k, k)))[0] for k in (d, e))
    first = cosines(*both(iso.align.vecmap(x, z, mode=mode), x, z))
    x, z = x @ turn_x, z @ turn_z
    turned = cosines(*both(iso.align.vecmap(x, z, mode=mode), x, z))
    np.testing.assert_allclose(first, turned, atol=1e-7)


@given(SEEDS, st.integers(-900, 900), st.sampled_from(list(iso.align.VECMAP_MODES)))
def test_the_size_of_the_numbers_does_not_matter(seed, exponent, mode):
    _, x, z = drawn(seed, 30, 4, 4)
    first = iso.align.vecmap(x, z, mode=mode)
    other = iso.align.vecmap(np.ldexp(x, exponent), z, mode=mode)
    if mode in ("orthogonal", "emnlp2016"):
        np.testing.assert_allclose(other.map.matrix, first.map.matrix, atol=1e-12)
        return
    factor = 0 if mode != "unconstrained" else -exponent
    np.testing.assert_array_equal(other.map.matrix, np.ldexp(first.map.matrix, factor))


@given(SEEDS, st.integers(1, 9), SIZES, SIZES, st.sampled_from(list(iso.align.VECMAP_MODES)))
def test_nothing_is_ever_not_a_number(seed, n, d, e, mode):
    """Few pairs, pairs several times, zero rows, columns that say nothing."""
    rng, x, z = drawn(seed, n, d, e)
    x[rng.random(n) < 0.3] = 0
    z[:, rng.random(e) < 0.3] = 0
    x[0, 0] = z[-1, -1] = 1.0
    rows = rng.integers(0, n, 2 * n)
    rows[:2] = 0, n - 1
    fit = iso.align.vecmap(x[rows], z[rows], mode=mode)
    for side in both(fit, x, z):
        assert np.isfinite(side).all()
