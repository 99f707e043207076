"""What holds for every Procrustes problem."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 30), st.integers(1, 7), st.integers(1, 7))
flags = st.booleans()


def problem(seed, n, d, e):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, e))
    return rng, x + rng.standard_normal(d), y + rng.standard_normal(e)


def orthonormal(rng, d, e):
    q = np.linalg.qr(rng.standard_normal((max(d, e), max(d, e))))[0]
    return q[:d, :e]


def cost(fit, x, y, w=None, matrix=None):
    w = np.ones(len(x)) if w is None else w
    mx = 0 if fit.source_mean is None else fit.source_mean
    my = 0 if fit.target_mean is None else fit.target_mean
    image = fit.scale * (x - mx) @ (fit.matrix if matrix is None else matrix) + my
    return float(np.sum(w[:, None] * (image - y) ** 2))


@given(seeds, sizes, flags, flags, flags)
def test_the_map_is_orthonormal_and_its_figures_are_true(seed, size, scale, translate, reflection):
    n, d, e = size
    _, x, y = problem(seed, n, d, e)
    fit = iso.procrustes(x, y, scale=scale, translate=translate, allow_reflection=reflection)
    r = fit.matrix
    gram = r.T @ r if d >= e else r @ r.T
    np.testing.assert_allclose(gram, np.eye(min(d, e)), atol=1e-13)
    if d == e:
        sign = np.linalg.slogdet(r)[0]
        assert fit.metrics["determinant"] == sign
        assert reflection or sign == 1
    yc = y - (fit.target_mean if translate else 0)
    total = float(np.sum(yc**2))
    if total > 1e-20:
        expected = cost(fit, x, y) / total
        assert abs(fit.metrics["residual"] ** 2 - expected) < 1e-12 * (1 + expected)
    assert fit.metrics["correlation"] + (d == 1) * 2 >= -1e-12
    assert fit.metrics["correlation"] <= 1 + 1e-12
    values = fit.singular_values
    assert np.all(values[:-1] >= values[1:])
    assert fit.metrics["rank"] <= min(n, d, e)


@given(seeds, sizes, flags, flags)
def test_no_orthonormal_map_does_better(seed, size, translate, reflection):
    n, d, e = size
    rng, x, y = problem(seed, n, d, e)
    w = rng.uniform(0, 3, n) + 0.01
    fit = iso.procrustes(x, y, weights=w, translate=translate, allow_reflection=reflection)
    r = fit.matrix
    mx, my = (np.average(v, axis=0, weights=w) if translate else 0 for v in (x, y))
    cross = (w[:, None] * (x - mx)).T @ (y - my)
    others = [orthonormal(rng, d, e) for _ in range(20)]
    # Neighbours of the answer, too: where a wrong sign or order of a vector would show.
    for _ in range(20):
        u, _, vt = np.linalg.svd(r + 1e-2 * rng.standard_normal(r.shape), full_matrices=False)
        others.append(u @ vt)
    best = np.trace(r.T @ cross)
    for other in others:
        if not reflection and d == e and np.linalg.det(other) < 0:
            continue
        assert np.trace(other.T @ cross) <= best + 1e-10 * (1 + abs(best))
        if d <= e:
            assert cost(fit, x, y, w) <= cost(fit, x, y, w, other) + 1e-9


@given(seeds, sizes)
def test_a_planted_map_is_recovered(seed, size):
    _, d, e = size
    rng, x, _ = problem(seed, 40, d, e)
    planted = orthonormal(rng, d, e)
    if d > e:
        # The way back is exact: x lies in the e-dimensional space that the map reads.
        x = x @ planted @ planted.T
    factor, offset = rng.uniform(0.1, 10), rng.standard_normal(e)
    y = factor * x @ planted + offset
    fit = iso.procrustes(x, y, scale=True, translate=True)
    np.testing.assert_allclose(fit.matrix, planted, atol=1e-11)
    np.testing.assert_allclose(fit.scale, factor, rtol=1e-11)
    np.testing.assert_allclose(fit(x), y, atol=1e-10)
    assert fit.metrics["residual"] < 1e-7


@given(seeds, sizes, flags, flags)
def test_weights_are_repetitions(seed, size, scale, translate):
    n, d, e = size
    rng, x, y = problem(seed, n + 2, d, e)
    counts = rng.integers(0, 4, len(x))
    counts[0] = 1
    weighted = iso.procrustes(x, y, weights=counts.astype(float), scale=scale, translate=translate)
    repeated = iso.procrustes(
        np.repeat(x, counts, axis=0), np.repeat(y, counts, axis=0), scale=scale, translate=translate
    )
    if weighted.metrics["rank"] == min(d, e):
        np.testing.assert_allclose(weighted.matrix, repeated.matrix, atol=1e-6)
    np.testing.assert_allclose(weighted.singular_values, repeated.singular_values, atol=1e-12)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-9, atol=1e-12)


@given(seeds, st.integers(8, 40), st.integers(1, 6), st.integers(-40, 40))
def test_order_of_pairs_and_common_size_do_not_matter(seed, n, d, exponent):
    rng, x, y = problem(seed, n, d, d)
    fit = iso.procrustes(x, y, scale=True)
    order = rng.permutation(n)
    same = iso.procrustes(x[order], y[order], scale=True)
    np.testing.assert_allclose(same.matrix, fit.matrix, atol=1e-8)
    larger = iso.procrustes(np.ldexp(x, exponent), y, scale=True)
    assert np.array_equal(larger.matrix, fit.matrix)
    assert larger.scale == np.ldexp(fit.scale, -exponent)


@given(seeds, sizes, flags)
def test_rotating_a_side_rotates_the_map(seed, size, translate):
    _, d, e = size
    rng, x, y = problem(seed, 30, d, e)
    q, p = orthonormal(rng, d, d), orthonormal(rng, e, e)
    fit = iso.procrustes(x, y, translate=translate)
    turned = iso.procrustes(x @ q, y @ p, translate=translate)
    if fit.singular_values[-1] > 1e-3:
        np.testing.assert_allclose(turned.matrix, q.T @ fit.matrix @ p, atol=1e-9)
    np.testing.assert_allclose(turned.singular_values, fit.singular_values, atol=1e-12)


@given(seeds, st.integers(1, 5), sizes, flags, flags, flags)
def test_stacks_equal_singles_bit_for_bit(seed, b, size, scale, translate, reflection):
    n, d, e = size
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((b, n, d)).astype(np.float32)
    y = rng.standard_normal((b, n, e)).astype(np.float32)
    w = rng.uniform(0.1, 1, (b, n))
    how = {"scale": scale, "translate": translate, "allow_reflection": reflection}
    stack = iso.procrustes(x, y, weights=w, **how)
    image = stack(x)
    for i in range(b):
        single = iso.procrustes(x[i], y[i], weights=w[i], **how)
        assert np.array_equal(stack.matrix[i], single.matrix)
        assert stack.scale[i] == single.scale
        assert stack.metrics["residual"][i] == single.metrics["residual"]
        assert np.array_equal(image[i], single(x[i]))


@given(seeds, sizes, st.booleans())
def test_inverse_and_composition_are_those_of_functions(seed, size, orthogonal):
    n, d, e = size
    rng, x, y = problem(seed, n, d, e)
    if orthogonal:
        first = iso.procrustes(x, y, translate=True)
    else:
        first = iso.LinearMap(
            rng.standard_normal((d, e)),
            rng.standard_normal(d),
            rng.standard_normal(e),
            rng.uniform(0.5, 2),
        )
    second = iso.LinearMap(rng.standard_normal((e, 3)), None, rng.standard_normal(3))
    np.testing.assert_allclose(first.then(second)(x), second(first(x)), atol=1e-9)
    back = first.inverse()
    image = first(x)
    # Whatever is in the range comes back; the rest is lost, and said to be.
    np.testing.assert_allclose(first(back(image)), image, atol=1e-6)
    if d <= e and (orthogonal or np.linalg.cond(first.matrix) < 1e6):
        np.testing.assert_allclose(back(image), x, atol=1e-6)
        assert back.metrics["inverse_residual"] < 1e-6
    elif d > e:
        assert abs(back.metrics["inverse_residual"] - (1 - e / d) ** 0.5) < 1e-9
