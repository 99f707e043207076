"""Procrustes against SciPy, against NumPy in float64, and against the other backend."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import isomorph as iso
from support.spectra import skew

OPTIONS = [
    {"scale": scale, "translate": translate, "allow_reflection": reflection}
    for scale in (False, True)
    for translate in (False, True)
    for reflection in (False, True)
]


def test_scipys_orthogonal_procrustes(rng):
    x = rng.standard_normal((200, 12))
    y = x @ np.linalg.qr(rng.standard_normal((12, 12)))[0] + 0.1 * rng.standard_normal((200, 12))
    expected, trace = scipy.linalg.orthogonal_procrustes(x, y)
    fit = iso.procrustes(x, y, scale=True)
    np.testing.assert_allclose(fit.matrix, expected, atol=1e-13)
    np.testing.assert_allclose(fit.scale, trace / np.sum(x**2), rtol=1e-13)


def test_scipys_rotation_without_reflection(rng):
    rotation = pytest.importorskip("scipy.spatial.transform").Rotation
    for seed in range(20):
        x, y = np.random.default_rng(seed).standard_normal((2, 10, 3))
        w = np.random.default_rng(seed).uniform(0.1, 1, 10)
        expected = rotation.align_vectors(y, x, weights=w)[0].as_matrix().T
        fit = iso.procrustes(x, y, weights=w, allow_reflection=False)
        np.testing.assert_allclose(fit.matrix, expected, atol=1e-7)


def test_scipys_disparity(rng):
    x, y = rng.standard_normal((2, 30, 4))
    _, _, disparity = scipy.spatial.procrustes(x, y)
    fit = iso.procrustes(y, x, scale=True, translate=True)
    np.testing.assert_allclose(fit.metrics["residual"] ** 2, disparity, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "e"), [(10, 10), (6, 11), (11, 6)])
def test_weights_are_roots_on_the_rows(d, e, dtype, rng):
    n = 9000
    x, y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((n, e)).astype(dtype)
    w = rng.uniform(0, 5, n)
    root = np.sqrt(w)[:, None]
    u, s, vt = np.linalg.svd((root * x).T @ (root * y), full_matrices=False)
    fit = iso.procrustes(x, y, weights=w)
    gap = s[-1] / s[0]
    np.testing.assert_allclose(fit.matrix, u @ vt, atol=np.finfo(dtype).eps + 1e-13 / gap)
    size = np.linalg.norm(root * x) * np.linalg.norm(root * y)
    np.testing.assert_allclose(fit.singular_values, s / size, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_a_common_offset_costs_no_digits(offset, rng):
    x, y = rng.standard_normal((2, 5000, 8)).astype(np.float32)
    far = (x + np.float32(offset)).astype(np.float32)
    wide = far.astype(np.float64) - far.astype(np.float64).mean(axis=0)
    expected = iso.procrustes(wide, y.astype(np.float64), translate=True)
    fit = iso.procrustes(far, y, translate=True)
    np.testing.assert_allclose(fit.matrix, expected.matrix, atol=1e-6)
    assert abs(fit.metrics["residual"] - expected.metrics["residual"]) < 1e-9


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize(("n", "d", "e"), [(50, 5, 5), (50, 3, 6), (50, 6, 3), (1, 1, 1)])
def test_both_backends_agree(n, d, e, how, rng):
    x, y = rng.standard_normal((3, n, d)), rng.standard_normal((3, n, e))
    w = rng.uniform(0.1, 1, (3, n))
    found = iso.procrustes(x, y, weights=w, **how)
    with iso.runtime.use_backend("array"):
        expected = iso.procrustes(x, y, weights=w, **how)
        image = expected(x)
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-9)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found(x), image, atol=1e-8)
    assert found.metrics.keys() == expected.metrics.keys()
    for name, values in expected.metrics.items():
        np.testing.assert_allclose(found.metrics[name], values, atol=1e-7, err_msg=name)
    if how["translate"]:
        np.testing.assert_allclose(found.source_mean, expected.source_mean, atol=1e-14)
        np.testing.assert_allclose(found.target_mean, expected.target_mean, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "e"), [(1, 300, 300), (2500, 64, 40), (7, 3, 200)])
def test_apply_keeps_its_bound(n, d, e, dtype, rng):
    x = (rng.standard_normal((n, d)) + 3).astype(dtype)
    w = rng.standard_normal((d, e)).astype(dtype)
    m, t, s = rng.standard_normal(d) + 3, rng.standard_normal(e), 0.7
    moved = s * (x.astype(np.float64) - m)
    expected = moved @ w.astype(np.float64) + t
    found = iso.LinearMap(w, m, t, s)(x)
    assert found.dtype == dtype
    eps = np.finfo(dtype).eps
    bound = (d + 2) * eps * (np.abs(moved) @ np.abs(w.astype(np.float64)) + np.abs(t))
    assert np.all(np.abs(found - expected) <= bound)


def test_float32_maps_are_orthonormal_to_float32(rng):
    x, y = rng.standard_normal((2, 400, 100)).astype(np.float32)
    fit = iso.procrustes(x, y)
    assert skew(fit.matrix, np.finfo(np.float32).eps) < 1


def test_the_reference_figure_of_real_data(shared_data):
    """En-fr, nearest neighbours: 71.17 / 85.62 / 89.54 per cent, retrieved by plain NumPy."""

    def side(language):
        vectors = np.load(shared_data / "vectors" / f"{language}.float16.npy").astype(np.float32)
        words = (shared_data / "vectors" / f"{language}.words.txt").read_text("utf-8").split("\n")
        rows = {word: i for i, word in reversed(list(enumerate(words)))}
        return iso.transforms.Chain.parse("unit center unit").fit_apply(vectors)[1], rows

    (x, source), (y, target) = side("en"), side("fr")

    def pairs(split):
        path = shared_data / "dictionaries" / f"muse.en-fr.{split}.tsv"
        lines = (line.split("\t") for line in path.read_text("utf-8").splitlines())
        return [(source[a], target[b]) for a, b in lines if a in source and b in target]

    train, test = np.array(pairs("train")), {}
    for a, b in pairs("test"):
        test.setdefault(a, set()).add(b)
    assert (len(train), len(test)) == (8244, 1377)
    mapped = iso.procrustes(x[train[:, 0]], y[train[:, 1]])(x[list(test)])
    ranked = np.argsort(-(mapped @ y.T), axis=1, kind="stable")[:, :10]
    hits = [[t in right for t in row] for row, right in zip(ranked, test.values(), strict=True)]
    found = [round(100 * np.mean(np.any(np.array(hits)[:, :k], axis=1)), 2) for k in (1, 5, 10)]
    assert found == [71.17, 85.62, 89.54]
