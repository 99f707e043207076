"""RCSLS: what must hold for any rows."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isomorph as iso
from isomorph.errors import ConvergenceWarning, NonFiniteError

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 8)
#: Few steps: where neighbours change, rounding decides after many.
FEW = {"neighborhood": 3, "iterations": 3, "tolerance": 0.0, "held_out": 0.0}


def drawn(seed, d, e, n=30, sizes=(60, 50)):
    rng = np.random.default_rng(seed)
    source, target = rng.standard_normal((sizes[0], d)), rng.standard_normal((sizes[1], e))
    target[:n] += 2 * source[:n] @ rng.standard_normal((d, e))
    source, target = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)
    )
    return rng, source[:n], target[:n], source, target


def fit(x, y, source_space=None, target_space=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return iso.fit_map(
            x, y, method="rcsls", source_space=source_space, target_space=target_space, **options
        )


@given(SEEDS, SIZES, SIZES, st.booleans(), st.sampled_from([0.0, 0.3]))
def test_the_objective_never_rises(seed, d, e, spectral, reg):
    _, *rows = drawn(seed, d, e)
    made = fit(*rows, spectral=spectral, reg=reg, tolerance=1e-6, iterations=15, held_out=0)
    values = made.metrics["objectives"]
    assert all(after < before for before, after in itertools.pairwise(values))
    assert made.metrics["objective"] == values[-1]
    assert made.metrics["iterations"] == len(values) - 1
    assert np.isfinite(made.matrix).all()


@given(SEEDS, SIZES, SIZES)
def test_the_norm_of_the_start_is_kept(seed, d, e):
    _, *rows = drawn(seed, d, e)
    made = fit(*rows, **FEW)
    assert np.linalg.norm(made.matrix) == pytest.approx(min(d, e) ** 0.5, rel=1e-12)


@given(SEEDS, SIZES, SIZES)
def test_singular_values_are_at_most_one(seed, d, e):
    _, *rows = drawn(seed, d, e)
    made = fit(*rows, **FEW, spectral=True, start=np.full((d, e), 3.0))
    assert np.linalg.svd(made.matrix, compute_uv=False).max() <= 1 + 1e-12


@given(SEEDS, SIZES, SIZES)
def test_the_gradient_supports_the_objective(seed, d, e):
    """f is convex and homogeneous: f(V) >= <f'(W), V>, and f(W) = <f'(W), W>."""
    rng, *rows = drawn(seed, d, e)
    one, other = rng.standard_normal((2, d, e))
    how = {"neighborhood": 4, "iterations": 0, "parity": True}
    first = fit(*rows, start=one, **how)
    value = fit(*rows, start=other, **how).metrics["objective"]
    slope = one - first.matrix
    assert first.metrics["objective"] == pytest.approx(np.sum(slope * one), abs=1e-12)
    assert value >= np.sum(slope * other) - 1e-12


@given(SEEDS, SIZES, SIZES, st.booleans(), st.booleans())
def test_turning_a_side_turns_the_map(seed, d, e, spectral, parity):
    rng, x, y, source, target = drawn(seed, d, e, n=40)
    turn_x, turn_y = (np.linalg.qr(rng.standard_normal((k, k)))[0] for k in (d, e))
    how = {
        "neighborhood": 3,
        "iterations": 3,
        "spectral": spectral,
        "parity": parity,
        "held_out": 0,
    }
    first = fit(x, y, source, target, **how)
    turned = fit(x @ turn_x, y @ turn_y, source @ turn_x, target @ turn_y, **how)
    np.testing.assert_allclose(turn_x @ turned.matrix @ turn_y.T, first.matrix, atol=1e-7)


@given(SEEDS, SIZES, SIZES)
def test_the_order_of_pairs_and_of_spaces_does_not_matter(seed, d, e):
    rng, x, y, source, target = drawn(seed, d, e)
    order, others = rng.permutation(len(x)), rng.permutation(len(source))
    first = fit(x, y, source, target, **FEW)
    shuffled = fit(x[order], y[order], source[others], target[::-1], **FEW)
    np.testing.assert_allclose(shuffled.matrix, first.matrix, atol=1e-7)


@given(SEEDS, SIZES)
def test_a_weight_of_two_is_the_pair_twice(seed, d):
    rng, x, y, source, target = drawn(seed, d, d)
    times = rng.integers(0, 3, len(x))
    times[0] = 1
    weighted = fit(x, y, source, target, weights=times.astype(float), **FEW)
    repeated = fit(np.repeat(x, times, axis=0), np.repeat(y, times, axis=0), source, target, **FEW)
    np.testing.assert_allclose(weighted.matrix, repeated.matrix, atol=1e-7)


@given(SEEDS, st.integers(-900, 900), st.integers(-90, 90))
def test_the_size_of_the_numbers_does_not_matter(seed, exponent, other):
    _, x, y, source, target = drawn(seed, 4, 3)
    first = fit(x, y, source, target, **FEW)
    x, source = np.ldexp(x, exponent), np.ldexp(source, exponent)
    y, target = np.ldexp(y, other), np.ldexp(target, other)
    scaled = fit(x, y, source, target, **FEW)
    np.testing.assert_allclose(scaled.matrix, first.matrix, atol=1e-7)
    expected = np.ldexp(first.metrics["objectives"], exponent + other)
    np.testing.assert_allclose(scaled.metrics["objectives"], expected, rtol=1e-7)


@given(SEEDS, st.integers(1, 9), SIZES, SIZES, st.booleans(), st.booleans())
def test_nothing_is_ever_not_a_number(seed, n, d, e, spectral, parity):
    """Few pairs, pairs several times, zero rows, columns that say nothing."""
    rng, x, y, source, target = drawn(seed, d, e, n)
    source[rng.random(len(source)) < 0.3] = 0
    x[rng.random(n) < 0.3] = 0
    y[:, rng.random(e) < 0.3] = 0
    rows = rng.integers(0, n, 2 * n)
    made = fit(x[rows], y[rows], source, target, spectral=spectral, parity=parity)
    assert np.isfinite(made.matrix).all()
    alone = fit(x[rows], y[rows], neighborhood=1, spectral=spectral, parity=parity)
    assert np.isfinite(alone.matrix).all()
    assert all(np.isfinite(made.metrics["objectives"]))


def test_one_pair(rng):
    x, y = rng.standard_normal((1, 4)), rng.standard_normal((1, 3))
    made = iso.fit_map(x, y, method="rcsls", neighborhood=1)
    # What pulls the pair together pushes it apart as much.
    assert made.metrics["objectives"] == [0.0]
    assert made.metrics["converged"]
    some = fit(x, y, rng.standard_normal((20, 4)), rng.standard_normal((20, 3)), neighborhood=2)
    assert np.isfinite(some.matrix).all()


def test_stopping_early_is_warned_of(rng):
    _, *rows = drawn(0, 6, 6)
    spaces = {"source_space": rows[2], "target_space": rows[3]}
    with pytest.warns(ConvergenceWarning, match="rcsls stopped after 2 iterations"):
        made = iso.fit_map(
            *rows[:2], method="rcsls", iterations=2, tolerance=1e-9, held_out=0, **spaces
        )
    assert not made.metrics["converged"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        iso.fit_map(*rows[:2], method="rcsls", tolerance=0.5, held_out=0, **spaces)
        start = iso.fit_map(*rows[:2], method="rcsls", iterations=0, **spaces)
    np.testing.assert_allclose(start.matrix, iso.procrustes(*rows[:2]).matrix, atol=1e-12)


def test_going_on_from_a_map_is_going_on(rng):
    _, *rows = drawn(1, 6, 5)
    first = fit(*rows, neighborhood=3, iterations=4, tolerance=0.0, held_out=0)
    further = fit(*rows, neighborhood=3, tolerance=0.0, iterations=4, start=first)
    assert further.metrics["objectives"][0] == pytest.approx(first.metrics["objective"], rel=1e-12)
    assert further.metrics["objective"] < first.metrics["objective"]


def test_stacks_share_or_have_spaces_of_their_own(rng):
    x, y = rng.standard_normal((2, 3, 30, 5))
    own, shared = rng.standard_normal((3, 40, 5)), rng.standard_normal((35, 5))
    made = fit(x, y, own, shared, **FEW)
    assert made.stack == 3
    for i in range(3):
        one = fit(x[i], y[i], own[i], shared, **FEW)
        assert made.matrix[i].tobytes() == one.matrix.tobytes()
        assert made.metrics["objectives"][i] == one.metrics["objectives"]
    with pytest.raises(iso.errors.ShapeError, match="source_space: expected the rows of one space"):
        fit(x, y, own[:2], shared)
    with pytest.raises(iso.errors.ShapeError, match="target_space: expected 5 columns"):
        fit(x, y, own, shared[:, :4])


def test_a_map_is_kept_in_a_file_with_its_history(rng, tmp_path):
    _, *rows = drawn(2, 5, 5)
    made = fit(*rows, **FEW)
    made.save(tmp_path / "map.safetensors")
    assert iso.LinearMap.load(tmp_path / "map.safetensors").metrics == made.metrics


def test_values_that_are_not_finite_are_named_even_unchecked(rng):
    _, x, y, source, target = drawn(3, 4, 4)
    x[2, 1] = np.nan
    with pytest.raises(NonFiniteError):
        fit(x, y, source, target, check_finite=False, start=np.eye(4))
    with pytest.raises(NonFiniteError):
        fit(x, y, source, target, check_finite=False)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_rows_on_any_number_of_threads(threads, rng):
    _, x, y, source, target = drawn(4, 24, 20, 9000, (9500, 9300))
    x[5000:] = x[:4000]
    how = {"iterations": 1, "negatives": 3000}
    made = fit(x, y, source, target, threads=threads, **how)
    assert made.matrix.tobytes() == fit(x, y, source, target, threads=3, **how).matrix.tobytes()


def few(rng, n=60, d=30):
    """Pairs of a rotation with much noise, too few for a map of any other kind."""
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    source = rng.standard_normal((400, d))
    target = source @ turn + rng.standard_normal((400, d))
    source, target = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)
    )
    return turn, (source[:n], target[:n], source, target)


def related(rng, n=600, d=8):
    """Enough pairs of a map that is not orthogonal."""
    source = rng.standard_normal((900, d))
    target = source @ rng.standard_normal((d, d)) + 0.3 * rng.standard_normal((900, d))
    source, target = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)
    )
    return source[:n], target[:n], source, target


def test_few_pairs_are_not_learned_by_heart(rng):
    turn, rows = few(rng)
    made, all_the_way = fit(*rows), fit(*rows, held_out=0)
    assert made.metrics["stopped"] == "held-out pairs"
    assert all_the_way.metrics["iterations"] > made.metrics["iterations"]
    assert all_the_way.metrics["held_out_objectives"] == []
    start = iso.procrustes(*rows[:2])
    errors = [np.linalg.norm(one.matrix - turn) for one in (start, made, all_the_way)]
    assert errors[1] < 1.1 * errors[0]
    assert errors[1] < errors[2]


def test_pairs_that_teach_are_learned_from(rng):
    x, y, source, target = related(rng)
    made = fit(x, y, source, target)
    said = made.metrics["held_out_objectives"]
    assert made.metrics["iterations"] >= 2
    assert min(said) < said[0]
    # As far, by all pairs, as others said.
    again = fit(
        x, y, source, target, iterations=made.metrics["iterations"], tolerance=0.0, held_out=0
    )
    assert again.matrix.tobytes() == made.matrix.tobytes()


def test_a_source_is_held_out_with_all_its_pairs(rng):
    """Of two sources one is left: the map of its pairs is judged by those of the other."""
    x, y = np.repeat(rng.standard_normal((2, 4)), 5, axis=0), rng.standard_normal((10, 4))
    how = {"neighborhood": 2, "iterations": 0, "held_out": 0}
    made = fit(x, y, held_out=0.5, neighborhood=2)
    values = {round(made.metrics["held_out_objectives"][0], 9)}
    alone = set()
    for rest, out in ((slice(0, 5), slice(5, 10)), (slice(5, 10), slice(0, 5))):
        start = iso.procrustes(x[rest], y[rest]).matrix
        judged = fit(x[out], y[out], x, y, start=start, **how)
        alone.add(round(judged.metrics["objective"], 9))
    assert values <= alone


def test_what_is_held_out_depends_on_the_seed_alone(rng):
    _, rows = few(rng)
    first, again, other = (fit(*rows, seed=seed).metrics for seed in (0, 0, 1))
    assert first == again
    assert first["held_out_objectives"] != other["held_out_objectives"]


def test_pairs_that_count_for_nothing_are_not_held_out(rng):
    x, y, source, target = related(rng, 60)
    weights = np.ones(60)
    weights[30:] = 0
    made = fit(x, y, source, target, weights=weights)
    half = fit(x[:30], y[:30], source, target)
    assert made.metrics["iterations"] == half.metrics["iterations"]
    np.testing.assert_allclose(made.matrix, half.matrix, atol=1e-9)
