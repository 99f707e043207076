"""What must be true of moments whatever the rows: merging, permutation, invariance, limits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isomorph as iso

EPS = np.finfo(np.float64).eps
seeds = st.integers(0, 2**32 - 1)


def draw(seed, n, d, e):
    """Rows with an offset and a relation."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) + rng.uniform(-100, 100, d)
    y = x @ rng.standard_normal((d, e)) / 10 + rng.standard_normal((n, e))
    return x, y, rng


def moments_of(x, y, **how):
    norms = how.pop("norms", False)
    moments = iso.linalg.Moments(x.shape[1], y.shape[1], norms=norms)
    moments.update(x, y, **how)
    return moments


def assert_alike(a, b):
    """Sums that differ by the rounding of sums: of squares of what lies about the mean."""
    p, q = a.scatter(), b.scatter()
    assert (a.rows, a.weight) == (b.rows, pytest.approx(b.weight, rel=1e-13))
    roots = [np.sqrt(np.diag(part)) for part in (q.xx, q.yy)]
    bound = 64 * EPS * max(8.0, a.rows**0.5)
    for name, (left, right) in (("xx", (0, 0)), ("xy", (0, 1)), ("yy", (1, 1))):
        size = roots[left][:, None] * roots[right][None, :]
        assert np.all(np.abs(getattr(p, name) - getattr(q, name)) <= bound * size + 1e-300), name
    for mean, root in (("x_mean", roots[0]), ("y_mean", roots[1])):
        level = np.abs(getattr(q, mean)) + root
        assert np.all(np.abs(getattr(p, mean) - getattr(q, mean)) <= bound * level)
    if a.norms and a.rows > 3:
        np.testing.assert_allclose(
            [float(a._total(None).parts[3][-3 + i]) for i in range(3)] if len(a.groups) == 1 else 0,
            [float(b._total(None).parts[3][-3 + i]) for i in range(3)] if len(b.groups) == 1 else 0,
            rtol=1e-9,
        )


@given(seed=seeds, n=st.integers(1, 60), cuts=st.lists(st.integers(0, 60), max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_partition_in_any_order_is_the_whole(seed, n, cuts):
    x, y, rng = draw(seed, n, 3, 2)
    w = rng.choice([0.0, 0.5, 2.0], n)
    whole = moments_of(x, y, weights=w, norms=True)
    edges = sorted({0, n, *(min(cut, n) for cut in cuts)})
    parts = [
        moments_of(x[a:b], y[a:b], weights=w[a:b], norms=True) for a, b in itertools.pairwise(edges)
    ]
    rng.shuffle(parts)
    merged = parts[0].copy()
    for part in parts[1:]:
        before = part.scatter().xx if part.weight else None
        merged.merge(part)
        assert before is None or np.array_equal(part.scatter().xx, before)
    if whole.weight:
        assert_alike(merged, whole)
    updated = iso.linalg.Moments(3, 2, norms=True)
    for a, b in itertools.pairwise(edges):
        updated.update(x[a:b], y[a:b], weights=w[a:b])
    if whole.weight:
        assert_alike(updated, whole)


@given(seed=seeds, n=st.integers(2, 50))
@settings(max_examples=40, deadline=None)
def test_order_and_groups_of_rows_do_not_matter(seed, n):
    x, y, rng = draw(seed, n, 3, 4)
    order = rng.permutation(n)
    whole = moments_of(x, y)
    assert_alike(moments_of(x[order], y[order]), whole)
    group = rng.integers(-2, 3, n)
    grouped = moments_of(x, y, group=group)
    assert grouped.groups == tuple(np.unique(group).tolist())
    assert_alike(grouped, whole)
    for label in grouped.groups:
        assert_alike(grouped.group(label), moments_of(x[group == label], y[group == label]))


@given(seed=seeds, n=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_a_weight_is_a_repetition(seed, n):
    x, y, rng = draw(seed, n, 3, 2)
    w = rng.integers(0, 4, n)
    w[0] = 1
    weighted = moments_of(x, y, weights=w)
    repeated = moments_of(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0))
    a, b = weighted.scatter(), repeated.scatter()
    assert a.weight == b.weight
    np.testing.assert_allclose(a.xy, b.xy, atol=1e-12 * np.linalg.norm(b.xy) + 1e-12)
    fit, expected = weighted.procrustes(), repeated.procrustes()
    assert fit.metrics["residual"] == pytest.approx(expected.metrics["residual"], abs=1e-6)


@given(seed=seeds, unbiased=st.booleans())
@settings(max_examples=30, deadline=None)
def test_cka_does_not_see_rotation_scale_and_translation(seed, unbiased):
    x, y, rng = draw(seed, 40, 4, 3)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    size = 2.0 ** rng.integers(-300, 300)
    plain = moments_of(x, y, norms=True).cka(unbiased=unbiased)
    moved = moments_of(size * (x @ turn) + size * 7, y, norms=True).cka(unbiased=unbiased)
    assert moved == pytest.approx(plain, rel=1e-9)
    assert moments_of(y, x, norms=True).cka(unbiased=unbiased) == pytest.approx(plain, rel=1e-9)
    assert moments_of(x, x, norms=True).cka(unbiased=unbiased) == pytest.approx(1.0, rel=1e-9)


def test_unbiased_cka_of_independent_rows_is_0_on_average():
    values = []
    for seed in range(400):
        x, y = np.random.default_rng(seed).standard_normal((2, 12, 5))
        values.append(moments_of(x, y, norms=True).cka(unbiased=True))
    error = np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values)) < 4 * error
    assert moments_of(x, y).cka() > 0.2


@given(seed=seeds, n=st.integers(1, 30), translate=st.booleans())
@settings(max_examples=40, deadline=None)
def test_ridge_tends_to_least_squares_of_the_smallest_norm(seed, n, translate):
    x, y, _ = draw(seed, n, 6, 3)
    x = x - x.mean(axis=0) if n > 1 else x
    moments = moments_of(x, y)
    ols = moments.ols(translate=translate)
    top = np.linalg.norm(x) ** 2 + 1
    near = moments.ridge(1e-30 * top, translate=translate)
    scale = np.abs(ols.matrix).max() + 1e-12
    np.testing.assert_allclose(near.matrix, ols.matrix, atol=1e-9 * scale)
    far = moments.ridge(1e12 * top, translate=translate)
    assert np.abs(far.matrix).max() <= 1e-11 * (np.linalg.norm(x) * np.linalg.norm(y) / top + 1)
    sizes = [np.linalg.norm(moments.ridge(a * top).matrix) for a in (1e-6, 1e-3, 1.0, 1e3)]
    assert sizes == sorted(sizes, reverse=True)


@given(seed=seeds, n=st.integers(1, 20), rank=st.integers(0, 4), translate=st.booleans())
@settings(max_examples=60, deadline=None)
def test_degenerate_rows_give_an_answer_or_a_named_error(seed, n, rank, translate):
    """Few rows, duplicates, rows of zeros, sides without spread: never NaN, never a crash."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, 5))
    y = np.repeat(rng.integers(-1, 2, (1, 3)).astype(np.float64), n, axis=0)
    x[rng.random(n) < 0.3] = 0
    y[rng.random(n) < 0.3] = 0
    moments = moments_of(x, y, norms=True, group=rng.integers(0, 2, n))
    calls = (
        lambda: moments.procrustes(translate=translate, scale=True),
        lambda: moments.ols(translate=translate),
        lambda: moments.ridge(translate=translate),
        lambda: moments.ridge(1e-9, translate=translate),
        lambda: moments.cca().map,
        lambda: moments.whitening(),
        lambda: moments.whitening("y", kind="pca"),
    )
    for call in calls:
        try:
            found = call()
        except ValueError:
            continue
        assert np.isfinite(found.matrix).all()
        assert all(np.isfinite(v) for v in found.metrics.values() if isinstance(v, float))
    for unbiased in (False, True):
        try:
            assert np.isfinite(moments.cka(unbiased=unbiased))
        except ValueError:
            continue


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_the_best_map_is_best(seed):
    """Least squares is not beaten by its neighbours, nor Procrustes by other rotations."""
    x, y, rng = draw(seed, 30, 3, 3)
    moments = moments_of(x, y)

    def left(matrix):
        return np.linalg.norm(x @ matrix - y)

    ols, turn = moments.ols().matrix, moments.procrustes().matrix
    for _ in range(5):
        step = 1e-3 * rng.standard_normal((3, 3))
        assert left(ols) <= left(ols + step) * (1 + 1e-12)
        other = np.linalg.qr(turn + step)[0]
        other = other * np.sign(np.sum(other * turn, axis=0))
        assert left(turn) <= left(other) * (1 + 1e-12)
