"""VecMap's map against plain NumPy, with every option."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import isomorph as iso
from support.vecmap_oracle import mapped

MODES = iso.align.VECMAP_MODES
OPTIONS = [
    {
        "whiten": whiten,
        "source_reweight": a,
        "target_reweight": b,
        "source_dewhiten": back,
        "target_dewhiten": there,
    }
    for whiten, a, b, back, there in itertools.product(
        (True, False), (0.0, 0.5, 1.0), (0.0, 1.5), ("none", "source", "target"),
        ("none", "source", "target"),
    )
    if whiten or (back, there) == ("none", "none")
]  # fmt: skip


def related(rng, n, d, e, dtype=np.float64):
    x = rng.standard_normal((n, d)) * np.linspace(1, 3, d)
    z = x @ rng.standard_normal((d, e)) + 0.5 * rng.standard_normal((n, e))
    return x.astype(dtype), z.astype(dtype)


def cosines(x, z):
    x, z = (
        rows / np.linalg.norm(np.asarray(rows, float), axis=1, keepdims=True) for rows in (x, z)
    )
    return x @ z.T


def mode_of(options):
    plain = {key: None if value == "none" else value for key, value in options.items()}
    return iso.align.VecMapMode(**plain)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o.values())))
def test_every_combination_of_steps(options, rng):
    x, z = related(rng, 90, 7, 7)
    fit = iso.align.vecmap(x[:60], z[:60], **options)
    expected = mapped(x, z, x[:60], z[:60], mode_of(options))
    found = fit.apply_source(x), fit.apply_target(z)
    # Signs of singular vectors are free: they cancel in what is compared.
    np.testing.assert_allclose(cosines(*found), cosines(*expected), atol=1e-10)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("d", "e"), [(6, 9), (9, 6)])
@pytest.mark.parametrize("mode", MODES)
def test_different_dimensions(mode, d, e, rng):
    x, z = related(rng, 80, d, e)
    fit = iso.align.vecmap(x, z, mode=mode)
    expected = mapped(x, z, x, z, MODES[mode])
    found = fit.apply_source(x), fit.apply_target(z)
    assert found[0].shape == expected[0].shape
    np.testing.assert_allclose(cosines(*found), cosines(*expected), atol=1e-10)


@pytest.mark.parametrize("dimensions", [1, 3, 7])
def test_the_first_columns_are_kept(dimensions, rng):
    x, z = related(rng, 60, 7, 8)
    fit = iso.align.vecmap(x, z, dimensions=dimensions)
    expected = mapped(x, z, x, z, MODES["supervised"], dimensions)
    found = fit.apply_source(x), fit.apply_target(z)
    assert found[0].shape == expected[0].shape
    np.testing.assert_allclose(cosines(*found), cosines(*expected), atol=1e-10)


@pytest.mark.parametrize("n", [1024, 8192, 9000, 20_000])
@pytest.mark.parametrize("mode", MODES)
def test_sums_over_many_blocks_of_float32(mode, n, rng):
    x, z = related(rng, n, 9, 9, np.float32)
    fit = iso.align.vecmap(x, z, mode=mode)
    expected = mapped(x[:50], z[:50], x, z, MODES[mode])
    found = fit.apply_source(x[:50]), fit.apply_target(z[:50])
    np.testing.assert_allclose(cosines(*found), cosines(*expected), atol=3e-6)


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["supervised", "aaai2018", "unconstrained"])
def test_fewer_pairs_than_dimensions(mode, dtype, n, rng):
    """The pseudo-inverse: what no pair shows is sent to zero."""
    x, z = related(rng, 40, 8, 8, dtype)
    fit = iso.align.vecmap(x[:n], z[:n], mode=mode)
    assert fit.map.metrics["source_rank"] == n
    expected = mapped(x, z, x[:n], z[:n], MODES[mode])
    found = fit.apply_source(x), fit.apply_target(z)
    tolerance = 1e-3 if dtype == np.float32 else 1e-8
    np.testing.assert_allclose(cosines(*found), cosines(*expected), atol=tolerance)
