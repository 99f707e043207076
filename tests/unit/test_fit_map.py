"""Every method of fit_map: against its definition, degenerate pairs, stacks, weights."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.align._methods import METHODS, dealt
from isomorph.errors import DTypeError, NonFiniteError, ShapeError
from support import moments_oracle as oracle

every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture
def pairs(rng):
    x = rng.standard_normal((120, 6)) + 0.5
    return x, x @ rng.standard_normal((6, 6)) + 0.3 * rng.standard_normal((120, 6)) + 1


def weightless(method):
    return method == "vecmap"


def fixed(method):
    """Maps without means."""
    return method in ("vecmap", "rcsls")


@every_method
def test_the_type_of_the_rows_and_the_name_of_the_method(method, pairs):
    for dtype in (np.float32, np.float64):
        made = iso.fit_map(*(side.astype(dtype) for side in pairs), method=method)
        assert made.matrix.dtype == dtype
        assert method in made.method
        assert (made.source_dim, made.target_dim) == (6, 6)


@pytest.mark.parametrize("method", ["procrustes", "rectangular", "rotation"])
def test_procrustes_by_its_names(method, pairs):
    how = {"scale": True, "translate": True}
    expected = iso.procrustes(*pairs, allow_reflection=method != "rotation", **how)
    made = iso.fit_map(*pairs, method=method, **how)
    assert made.matrix.tobytes() == expected.matrix.tobytes()
    assert made.metrics == expected.metrics


def test_methods_from_moments(pairs, rng):
    w = rng.uniform(0, 1, 120)
    moments = iso.linalg.Moments(6, 6)
    moments.update(*pairs, weights=w)
    for method, call in (
        ("ols", lambda m: m.ols(translate=True)),
        ("cca", lambda m: m.cca().map),
    ):
        made = iso.fit_map(*pairs, method=method, weights=w, translate=True)
        assert made.matrix.tobytes() == call(moments).matrix.tobytes()
    made = iso.fit_map(*pairs, method="ridge", weights=w, alpha=3.0)
    np.testing.assert_allclose(made.matrix, oracle.ridge(*pairs, 3.0, w=w), atol=1e-11)


def test_folds_are_dealt_evenly_and_at_random():
    labels = dealt(103, 10, 0)
    assert set(np.bincount(labels)) == {10, 11}
    assert np.array_equal(labels, dealt(103, 10, 0))
    assert not np.array_equal(labels, dealt(103, 10, 1))
    assert len(set(dealt(4, 10, 0))) == 4


@pytest.mark.parametrize("translate", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_leaving_one_out_is_refitting_without_it(translate, weighted, rng):
    n, alphas = 25, np.geomspace(0.1, 1e4, 7)
    x = rng.standard_normal((n, 4)) + 2
    y = x @ rng.standard_normal((4, 3)) + 3 * rng.standard_normal((n, 3)) - 5
    w = rng.uniform(0.5, 2, n) if weighted else np.ones(n)
    errors = np.zeros(len(alphas))
    for i in range(n):
        rest = np.arange(n) != i
        mx, my = (np.average(s[rest], axis=0, weights=w[rest]) * translate for s in (x, y))
        for j, alpha in enumerate(alphas):
            a = oracle.ridge(x[rest], y[rest], alpha, translate, w[rest])
            errors[j] += w[i] * np.sum(((x[i] - mx) @ a + my - y[i]) ** 2)
    centre = np.average(y, axis=0, weights=w) * translate
    total = np.sum(w[:, None] * (y - centre) ** 2)
    made = iso.fit_map(
        x,
        y,
        method="ridge",
        alpha=alphas,
        choose_by="loo",
        translate=translate,
        weights=w if weighted else None,
    )
    assert made.metrics["alpha"] == alphas[np.argmin(errors)]
    assert made.metrics["loo_residual"] == pytest.approx((errors.min() / total) ** 0.5, rel=1e-9)


def test_the_groups_of_the_caller_are_the_folds(pairs):
    x, y = pairs
    group = np.arange(120) // 30
    moments = iso.linalg.Moments(6, 6)
    moments.update(x, y, group=group)
    made = iso.fit_map(x, y, method="ridge", group=group)
    assert made.metrics == moments.ridge().metrics
    assert "fold_residual" in made.metrics


def slow_robust(x, y, rounds, delta, translate):
    w = np.ones(len(x))
    for number in range(rounds):
        made = iso.procrustes(x, y, weights=w, translate=translate)
        if number + 1 < rounds:
            w = 1 / (np.linalg.norm(made(x) - y, axis=1) + delta)
            w = w / w.max()
    return made


@pytest.mark.parametrize("translate", [False, True])
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_robust_is_reweighted_procrustes(rounds, translate, rng):
    x = rng.standard_normal((80, 5))
    y = x @ np.linalg.qr(rng.standard_normal((5, 5)))[0] + 0.01 * rng.standard_normal((80, 5))
    y[:20] = 3 * rng.standard_normal((20, 5))
    expected = slow_robust(x, y, rounds, 1e-3, translate)
    made = iso.fit_map(x, y, method="robust", rounds=rounds, translate=translate)
    np.testing.assert_allclose(made.matrix, expected.matrix, atol=1e-11)


def test_robust_does_not_mind_wrong_pairs(rng):
    x = rng.standard_normal((200, 6))
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    y = x @ turn
    y[:60] = 4 * rng.standard_normal((60, 6))
    plain, robust = (iso.fit_map(x, y, method=m).matrix for m in ("procrustes", "robust"))
    assert np.abs(robust - turn).max() < 0.05 * np.abs(plain - turn).max()
    exact = iso.fit_map(x, x @ turn, method="robust")
    np.testing.assert_allclose(exact.matrix, turn, atol=1e-12)
    assert exact.metrics["effective_pairs"] == pytest.approx(200)


@every_method
def test_a_stack_is_its_problems(method, rng):
    x, y = rng.standard_normal((2, 3, 40, 5))
    how = {} if weightless(method) else {"weights": rng.uniform(0.5, 2, (3, 40))}
    made = iso.fit_map(x, y, method=method, **how)
    assert made.stack == 3
    for i in range(3):
        one = {name: w[i] for name, w in how.items()}
        single = iso.fit_map(x[i], y[i], method=method, **one)
        assert made.matrix[i].tobytes() == single.matrix.tobytes()
        assert (
            made.metrics["residual"][i] == single.metrics["residual"]
            if ("residual" in single.metrics)
            else True
        )
    assert made(x).shape == (3, 40, 5)


def refused(method, kind):
    """VecMap's whitening wants rows; one pair, or one source, leaves none to choose by.

    Of fewer than ten rows there are no ten nearest.
    """
    if method == "auto":
        return kind in ("one", "zeros", "constant")
    if method == "rcsls":
        return kind in ("few", "one")
    return (method, kind) in (("vecmap", "zeros"), ("ridge", "one"))


@every_method
@pytest.mark.parametrize("kind", ["few", "one", "duplicates", "zero rows", "zeros", "constant"])
@pytest.mark.parametrize(("d", "e"), [(5, 5), (7, 4), (4, 7)])
@pytest.mark.parametrize("translate", [False, True])
def test_degenerate_pairs_give_an_answer_or_a_named_error(method, kind, d, e, translate, rng):
    n = {"few": 3, "one": 1}.get(kind, 12)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((n, e))
    if kind == "duplicates":
        x, y = np.repeat(x[:3], 4, axis=0), np.repeat(y[:3], 4, axis=0)
    elif kind == "zero rows":
        x[::2], y[::3] = 0, 0
    elif kind == "zeros":
        x, y = 0 * x, 0 * y
    elif kind == "constant":
        x, y = 0 * x + 3, 0 * y - 2
    how = {"method": method, "translate": translate and not fixed(method)}
    if refused(method, kind):
        with pytest.raises(ValueError, match=r"^[a-z]+: expected"):
            iso.fit_map(x, y, **how)
        return
    made = iso.fit_map(x, y, **how)
    assert np.isfinite(made.matrix).all()
    assert np.isfinite(made(x)).all()
    assert all(np.isfinite(v) for v in made.metrics.values() if isinstance(v, float))


def test_least_squares_with_fewer_pairs_than_dimensions(rng):
    x, y = rng.standard_normal((4, 9)), rng.standard_normal((4, 3))
    made = iso.fit_map(x, y, method="ols")
    np.testing.assert_allclose(made.matrix, np.linalg.pinv(x) @ y, atol=1e-10)
    np.testing.assert_allclose(made(x), y, atol=1e-10)


def test_what_is_refused(pairs):
    x, y = pairs
    for options, error, message in (
        (
            {"method": "unknown"},
            ValueError,
            "method: expected one of procrustes, .*, vecmap, .*got",
        ),
        ({"method": "ols", "alpha": 1}, ValueError, "alpha: method 'ols' takes no options"),
        ({"method": "vecmap", "weights": np.ones(120)}, ValueError, "weights: method 'vecmap'"),
        ({"method": "vecmap", "translate": True}, ValueError, "translate: method 'vecmap'"),
        ({"weights": np.zeros(120)}, ValueError, "weights: expected a positive one"),
        (
            {"method": "ols", "weights": -np.ones(120)},
            ValueError,
            "weights: expected none negative",
        ),
        ({"method": "cca", "k": 7}, ValueError, "k: expected 1 to 6"),
    ):
        with pytest.raises(error, match=message):
            iso.fit_map(x, y, **options)
    with pytest.raises(ShapeError, match="target: expected"):
        iso.fit_map(x, y[:5], method="ols")
    with pytest.raises(DTypeError, match="source: expected real values"):
        iso.fit_map(x.astype(complex), y)
    with pytest.raises(ShapeError, match=r"source: expected at least one (row|problem)"):
        iso.fit_map(np.ones((0, 3, 2)), np.ones((0, 3, 2)), method="ols")
    with pytest.raises(ValueError, match="alpha: expected one number; with a single pair"):
        iso.fit_map(x[:1], y[:1], method="ridge")
    assert np.isfinite(iso.fit_map(x[:1], y[:1], method="ridge", alpha=1.0).matrix).all()


@every_method
def test_a_saved_map_gives_the_same_bytes(method, pairs, tmp_path):
    made = iso.fit_map(*pairs, method=method)
    made.save(tmp_path / "map.safetensors")
    again = iso.LinearMap.load(tmp_path / "map.safetensors")
    assert again(pairs[0]).tobytes() == made(pairs[0]).tobytes()
    assert (again.method, again.metrics) == (made.method, made.metrics)


@pytest.mark.parametrize("scale", [1e-28, 1.0, 1e28])
def test_robust_is_of_any_scale(scale: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, 4))
    y = x @ np.linalg.qr(rng.standard_normal((4, 4)))[0]
    y[0] += 30
    expected = iso.fit_map(x, y, method="robust", delta=1e-9)
    found = iso.fit_map(x * scale, y * scale, method="robust", delta=1e-9 * scale)
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-9)
    light = iso.fit_map(x, y, method="robust", weights=np.full(40, 1e-30), delta=1e-9)
    np.testing.assert_allclose(light.matrix, expected.matrix, atol=1e-9)
    assert iso.fit_map(x * 1e28, y * 1e28 + 1e28, method="robust").metrics["effective_pairs"] > 1


def test_a_row_of_no_weight_does_not_touch_leave_one_out() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((30, 2))
    w = np.ones(30)
    w[3] = 0
    expected = iso.fit_map(x, y, method="ridge", choose_by="loo", weights=w)
    x[3] = 1e200
    found = iso.fit_map(x, y, method="ridge", choose_by="loo", weights=w)
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=1e-9)
    assert found.metrics["loo_residual"] == pytest.approx(expected.metrics["loo_residual"])


def test_vecmap_tells_what_its_fit_tells() -> None:
    rng = np.random.default_rng(6)
    fitted = iso.fit_map(
        rng.standard_normal((30, 3)), rng.standard_normal((30, 3)), method="vecmap"
    )
    assert fitted.method == "vecmap"
    assert fitted.metrics["source_rank"] == 3


def test_a_bad_row_is_named_by_its_place_in_the_whole():
    x = np.ones((70_000, 2), dtype=np.float32)
    bad = x.copy()
    bad[66_000, 1] = np.nan
    for method in ("robust", "ols", "procrustes"):
        with pytest.raises(NonFiniteError, match="source: row 66000 has"):
            iso.fit_map(bad, x, method=method)
    stack = np.ones((3, 4, 2))
    stack[2, 1, 0] = np.inf
    for method in ("ols", "procrustes"):
        with pytest.raises(NonFiniteError, match=r"source: row 1 .*matrix 2"):
            iso.fit_map(stack, np.ones((3, 4, 2)), method=method)


def test_groups_without_folds_are_refused():
    x = np.random.default_rng(0).standard_normal((9, 2))
    for options in ({"alpha": 1.0}, {"choose_by": "loo"}):
        with pytest.raises(ValueError, match="group: expected None"):
            iso.fit_map(x, x, method="ridge", group=np.arange(9), **options)


def test_vecmap_as_one_map_leaves_the_target_alone():
    """Taking back the target's re-weighting would blow up directions that hardly correlate."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 6))
    y = x * np.array([1, 1, 1, 1e-3, 1e-3, 1e-3]) + 0.1 * rng.standard_normal((400, 6))
    fitted = iso.fit_map(x, y, method="vecmap")
    direct = iso.align.vecmap(x, y, target_reweight=0.0).direct().map
    np.testing.assert_array_equal(fitted.matrix, direct.matrix)
    both = iso.fit_map(x, y, method="vecmap", target_reweight=0.5)
    assert np.linalg.norm(both.matrix) > np.linalg.norm(fitted.matrix)
