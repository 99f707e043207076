"""Moments and the fits from them against NumPy's two passes over the rows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import isomorph as iso
from support import moments_oracle as oracle

BACKENDS = pytest.mark.parametrize("name", ["cpu", "array"])


def moments_of(x, y, *, weights=None, group=None, norms=False):
    moments = iso.linalg.Moments(x.shape[1], y.shape[1], norms=norms)
    moments.update(x, y, weights=weights, group=group)
    return moments


def related(rng, n, d, e, noise=0.5):
    """Rows with unequal spreads, a mean, and a relation."""
    x = rng.standard_normal((n, d)) * np.linspace(1, 2, d) + rng.standard_normal(d)
    y = x @ rng.standard_normal((d, e)) + noise * rng.standard_normal((n, e)) + 3
    return x, y


def assert_sums(found, x, y, w=None, translate=True):
    """Each entry within the bound of float64 sums of products."""
    expected = oracle.scatter(x, y, w, translate)
    x, y = np.abs(x.astype(np.float64)), np.abs(y.astype(np.float64))
    if translate:
        x, y = x + x.mean(axis=0), y + y.mean(axis=0)
    bounds = oracle.scatter(x, y, w, translate=False)
    eps = np.finfo(np.float64).eps
    for name, value, bound in zip(("xx", "xy", "yy"), expected, bounds, strict=True):
        error = np.abs(getattr(found, name) - value)
        assert np.all(error <= (8 + len(x) ** 0.5) * eps * bound), name


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("translate", [False, True])
@pytest.mark.parametrize(("n", "d", "e"), [(1, 3, 2), (50, 4, 4), (4097, 3, 5), (9000, 20, 7)])
def test_the_sums(n, d, e, translate, dtype, name, rng):
    x, y = (part.astype(dtype) for part in related(rng, n, d, e))
    w = rng.choice([0.0, 0.5, 1.0, 3.0], n) if n > 1 else np.ones(1)
    with iso.runtime.use_backend(name):
        plain, weighted = moments_of(x, y), moments_of(x, y, weights=w)
        assert_sums(plain.scatter(translate=translate), x, y, None, translate)
        assert_sums(weighted.scatter(translate=translate), x, y, w, translate)
    assert (plain.rows, plain.weight) == (n, n)
    assert weighted.weight == pytest.approx(w.sum())


@BACKENDS
@pytest.mark.parametrize("offset", [1e4, 1e8, 1e12])
def test_an_offset_costs_no_digits(offset, name, rng):
    """The rows are what float64 holds of offset + spread, and their exact mean is known."""
    n = 8192
    steps = np.stack([np.arange(n) % 16, np.arange(n) % 4], axis=1).astype(np.float64)
    with iso.runtime.use_backend(name):
        far = moments_of(offset + steps, offset + steps).scatter()
        near = moments_of(steps, steps).scatter()
    np.testing.assert_allclose(far.xx, near.xx, rtol=1e-12)
    np.testing.assert_allclose(far.x_mean, near.x_mean + offset, rtol=1e-15)


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_fits_at_any_scale(size, rng):
    x, y = related(rng, 60, 4, 3)
    plain, scaled = moments_of(x, y, norms=True), moments_of(size * x, y / size, norms=True)
    np.testing.assert_allclose(scaled.cka(), plain.cka(), rtol=1e-12)
    np.testing.assert_allclose(scaled.cka(unbiased=True), plain.cka(unbiased=True), rtol=1e-12)
    fit, expected = (m.procrustes(translate=True) for m in (scaled, plain))
    np.testing.assert_allclose(fit.matrix, expected.matrix, atol=1e-13)
    np.testing.assert_allclose(fit.source_mean, size * expected.source_mean)
    np.testing.assert_allclose(scaled.cca().correlations, plain.cca().correlations, rtol=1e-12)
    same = moments_of(size * x, size * y)
    np.testing.assert_allclose(same.ols().matrix, plain.ols().matrix, rtol=1e-9)
    np.testing.assert_allclose(same.whitening()(size * x), plain.whitening()(x), atol=1e-12)
    if size == 1e-300:
        with pytest.raises(ValueError, match="scale"):
            scaled.procrustes(scale=True)
        with pytest.raises(ValueError, match="ols: the map overflows"):
            scaled.ols()
    if size in (1e-300, 1e300):
        with pytest.raises(ValueError, match="alpha: penalties"):
            scaled.ridge_path()


@BACKENDS
@pytest.mark.parametrize(
    "how", [{}, {"scale": True}, {"translate": True}, {"scale": True, "translate": True}]
)
@pytest.mark.parametrize(("d", "e"), [(5, 5), (3, 6), (6, 3)])
def test_procrustes_of_the_rows(d, e, how, name, rng):
    x, y = related(rng, 200, d, e)
    w = rng.uniform(0.1, 2, 200)
    expected = iso.procrustes(x, y, weights=w, **how)
    with iso.runtime.use_backend(name):
        found = moments_of(x, y, weights=w).procrustes(**how)
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-11)
    np.testing.assert_allclose(found.singular_values, expected.singular_values, atol=1e-13)
    assert found.scale == pytest.approx(expected.scale, rel=1e-12)
    for key, value in expected.metrics.items():
        assert found.metrics[key] == pytest.approx(value, abs=1e-7), key
    for mean in ("source_mean", "target_mean"):
        if how.get("translate"):
            np.testing.assert_allclose(getattr(found, mean), getattr(expected, mean), rtol=1e-13)


def test_a_rotation_and_not_a_reflection(rng):
    x = rng.standard_normal((100, 3))
    y = x * [1, 1, -1] + 0.1 * rng.standard_normal((100, 3))
    found = moments_of(x, y).procrustes(allow_reflection=False)
    np.testing.assert_allclose(
        found.matrix, iso.procrustes(x, y, allow_reflection=False).matrix, atol=1e-12
    )
    assert found.metrics["determinant"] == 1


@BACKENDS
@pytest.mark.parametrize("translate", [False, True])
def test_least_squares(translate, name, rng):
    x, y = related(rng, 300, 7, 4)
    centred = (x - x.mean(axis=0), y - y.mean(axis=0)) if translate else (x, y)
    expected = np.linalg.lstsq(*centred, rcond=None)[0]
    with iso.runtime.use_backend(name):
        found = moments_of(x, y).ols(translate=translate)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-11)
    left = np.linalg.norm(centred[0] @ expected - centred[1]) / np.linalg.norm(centred[1])
    assert found.metrics["residual"] == pytest.approx(left, abs=1e-7)


@pytest.mark.parametrize(("n", "d"), [(1, 4), (3, 8), (20, 20), (50, 12)])
def test_least_squares_of_few_pairs_has_the_smallest_norm(n, d, rng):
    x = rng.standard_normal((n, d))
    if n > d:
        # Duplicates and linear combinations.
        x[:, d // 2 :] = x[:, : d - d // 2]
    y = rng.standard_normal((n, 3))
    expected = np.linalg.pinv(x) @ y
    found = moments_of(x, y).ols()
    cond = np.linalg.cond(x) if n == d else 1e2
    np.testing.assert_allclose(found.matrix, expected, atol=1e-15 * max(1e4, cond**2 * 10))
    assert found.metrics["rank"] == np.linalg.matrix_rank(x)


@BACKENDS
@pytest.mark.parametrize("translate", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_ridge(alpha, translate, name, rng):
    x, y = related(rng, 80, 6, 4)
    w = rng.uniform(0, 2, 80)
    with iso.runtime.use_backend(name):
        moments = moments_of(x, y, weights=w)
        found = moments.ridge(alpha, translate=translate)
    expected = oracle.ridge(x, y, alpha, translate, w)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-11)


@BACKENDS
@pytest.mark.parametrize("translate", [False, True])
def test_the_ridge_path_leaves_groups_out(translate, name, rng):
    x, y = related(rng, 200, 8, 5, noise=8.0)
    group = rng.integers(0, 4, 200)
    alphas = np.geomspace(1e-2, 1e4, 9)
    with iso.runtime.use_backend(name):
        path = moments_of(x, y, group=group).ridge_path(alphas, translate=translate)
        best = moments_of(x, y, group=group).ridge(alphas, translate=translate)
    left, whole = np.zeros((4, 9)), np.zeros(4)
    for fold in range(4):
        test = group == fold
        mx, my = (x[~test].mean(axis=0), y[~test].mean(axis=0)) if translate else (0, 0)
        whole[fold] = np.sum((y[test] - my) ** 2)
        for i, alpha in enumerate(alphas):
            a = oracle.ridge(x[~test], y[~test], alpha, translate)
            left[fold, i] = np.sum(((x[test] - mx) @ a + my - y[test]) ** 2)
    np.testing.assert_allclose(path.fold_residuals, np.sqrt(left / whole[:, None]), rtol=1e-9)
    np.testing.assert_allclose(path.errors, np.sqrt(left.sum(axis=0) / whole.sum()), rtol=1e-9)
    assert path.best == np.argmin(left.sum(axis=0))
    assert best.metrics["alpha"] == alphas[path.best]


@BACKENDS
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("n", "d", "e"), [(5, 3, 3), (40, 6, 3), (300, 4, 9)])
def test_cka_of_kernels(n, d, e, unbiased, name, rng):
    x, y = related(rng, n, d, e, noise=20.0)
    with iso.runtime.use_backend(name):
        moments = moments_of(x, y, norms=True, group=np.arange(n) % 3)
        found = moments.cka(unbiased=unbiased)
    np.testing.assert_allclose(found, oracle.cka(x, y, unbiased), rtol=1e-10)


def test_a_weight_in_cka_is_a_number_of_rows(rng):
    x, y = related(rng, 30, 3, 2, noise=9.0)
    w = rng.integers(0, 4, 30)
    found = moments_of(x, y, norms=True, weights=w).cka(unbiased=True)
    expected = oracle.cka(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0), unbiased=True)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@BACKENDS
def test_canonical_correlations(name, rng):
    x, y = related(rng, 400, 6, 4, noise=3.0)
    with iso.runtime.use_backend(name):
        x_map, y_map, correlations = moments_of(x, y).cca()
        shared = moments_of(x, y).cca().map
    a, b = x_map(x), y_map(y)
    np.testing.assert_allclose(a.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(a.T @ a / 400, np.eye(4), atol=1e-11)
    np.testing.assert_allclose(b.T @ b / 400, np.eye(4), atol=1e-11)
    np.testing.assert_allclose(a.T @ b / 400, np.diag(correlations), atol=1e-11)
    angles = scipy.linalg.subspace_angles(x - x.mean(axis=0), y - y.mean(axis=0))
    np.testing.assert_allclose(np.sort(correlations), np.sort(np.cos(angles))[-4:], atol=1e-11)
    np.testing.assert_allclose(y_map(shared(x)), a, atol=1e-10)


def test_projections_of_cca_with_fewer_pairs_than_dimensions(rng):
    x, y = rng.standard_normal((6, 9)), rng.standard_normal((6, 7))
    found = moments_of(x, y).cca()
    np.testing.assert_allclose(found.correlations, np.ones(5), atol=1e-12)
    assert found.x_map.matrix.shape == (9, 5)
    assert np.isfinite(found.map.matrix).all()


@BACKENDS
@pytest.mark.parametrize("kind", ["zca", "pca"])
@pytest.mark.parametrize("side", ["x", "y"])
def test_whitening(side, kind, name, rng):
    x, y = related(rng, 300, 5, 4)
    rows = x if side == "x" else y
    with iso.runtime.use_backend(name):
        made = moments_of(x, y).whitening(side, kind=kind)
    white = made(rows)
    np.testing.assert_allclose(white.T @ white / 300, np.eye(rows.shape[1]), atol=1e-11)
    if kind == "zca":
        np.testing.assert_allclose(made.matrix, made.matrix.T, atol=1e-12)
        root = scipy.linalg.sqrtm(np.linalg.inv(np.cov(rows.T, bias=True)))
        np.testing.assert_allclose(made.matrix, root, atol=1e-10)


def test_whitening_of_fewer_rows_than_columns(rng):
    x = rng.standard_normal((4, 7))
    white = moments_of(x, x).whitening(kind="pca")(x)
    assert white.shape == (4, 3)
    np.testing.assert_allclose(white.T @ white / 4, np.eye(3), atol=1e-12)
    half = moments_of(x, x).whitening(kind="zca", k=2)
    assert half.matrix.shape == (7, 7)
    assert np.linalg.matrix_rank(half.matrix) == 2


def test_the_jackknife_is_the_refits(rng):
    x, y = related(rng, 90, 4, 3, noise=10.0)
    group = np.arange(90) % 6
    moments = moments_of(x, y, group=group)

    def refits(statistic):
        return np.stack([statistic(moments_of(x[group != g], y[group != g])) for g in range(6)])

    for statistic in (lambda m: m.cka(), lambda m: m.ols(translate=True).matrix):
        found = moments.jackknife(statistic)
        expected = refits(statistic)
        np.testing.assert_allclose(found.replicates, expected, atol=1e-11)
        spread = expected - expected.mean(axis=0)
        np.testing.assert_allclose(
            found.standard_error, np.sqrt(5 / 6 * (spread**2).sum(axis=0)), atol=1e-11
        )


def test_the_bootstrap_is_refits_of_repeated_groups(rng):
    x, y = related(rng, 60, 3, 3, noise=10.0)
    group = np.repeat(np.arange(5), 12)
    moments = moments_of(x, y, group=group, norms=True)
    found = moments.bootstrap(lambda m: m.cka(unbiased=True), resamples=7, seed=3)
    generator = np.random.default_rng(3)
    for replicate in found.replicates:
        drawn = generator.integers(5, size=5)
        rows = np.concatenate([np.flatnonzero(group == g) for g in drawn])
        np.testing.assert_allclose(replicate, oracle.cka(x[rows], y[rows], True), rtol=1e-10)
    low, high = found.interval
    assert low <= found.replicates.mean() <= high
