"""FOCUS and matching pursuit against their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isomorph import vocab
from isomorph.errors import NonFiniteError, ShapeError

both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


def sparsemax(scores: np.ndarray) -> np.ndarray:
    """By sorting everything (Martins and Astudillo, algorithm 1)."""
    ordered = np.sort(scores)[::-1]
    sums = np.cumsum(ordered)
    count = np.arange(1, len(scores) + 1)
    size = count[1 + count * ordered > sums][-1]
    return np.maximum(scores - (sums[size - 1] - 1) / size, 0)


def pursue(target: np.ndarray, atoms: np.ndarray, k: int, tolerance: float) -> np.ndarray:
    """Least squares anew in each step."""
    residual, support, found = target, [], np.zeros(len(atoms))
    while len(support) < k and np.linalg.norm(residual) > tolerance * np.linalg.norm(target):
        correlations = np.abs(atoms @ residual)
        correlations[support] = -1
        support.append(int(np.argmax(correlations)))
        coefficients = np.linalg.lstsq(atoms[support].T, target, rcond=None)[0]
        residual = target - coefficients @ atoms[support]
        found[:] = 0
        found[support] = coefficients
    return found


def problem(rng, dtype, shared=300, missing=40, columns=12):
    """Every other token is shared, a few more at the end."""
    targets = shared + missing
    vectors = rng.standard_normal((targets, columns)).astype(dtype)
    places = np.sort(rng.permutation(targets)[:shared])
    sources = rng.permutation(targets)[:shared]
    base = vocab.TokenMixing.from_entries(
        places, sources, np.ones(shared, dtype), (targets, targets)
    )
    return vectors, base, places, sources


def rows(mixing, targets) -> np.ndarray:
    found = np.zeros((len(targets), mixing.shape[1]))
    for at, target in enumerate(targets.tolist()):
        ids, weights = mixing.row(target)
        found[at, ids] = weights
    return found


@both_types
@pytest.mark.parametrize("columns", [2, 12, 70])
def test_focus(rng, dtype, columns):
    vectors, base, places, sources = problem(rng, dtype, columns=columns)
    found = vocab.focus(vectors, base)
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    missing = base.fallback_rows
    expected = np.zeros((len(missing), base.shape[1]))
    expected[:, sources] = [sparsemax(unit[places] @ unit[t]) for t in missing]
    made = rows(found, missing)
    assert ((made > 0) == (expected > 0)).all()
    np.testing.assert_allclose(made, expected, rtol=0, atol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(found.row_sums(), 1, rtol=0, atol=100 * np.finfo(dtype).eps)
    # What was shared is as it was.
    assert (found.take(places).indices == sources).all()
    assert found.summary() == {"copied": len(places), "mixed": len(missing)}


@both_types
@pytest.mark.parametrize("k", [1, 5, 12, 64])
def test_omp(rng, dtype, k):
    vectors, base, places, sources = problem(rng, dtype)
    found = vocab.omp(vectors, base, k=k)
    wide = vectors.astype(np.float64)
    missing = base.fallback_rows
    expected = np.zeros((len(missing), base.shape[1]))
    expected[:, sources] = [pursue(wide[t], wide[places], k, 1e-6) for t in missing]
    made = rows(found, missing)
    assert ((made != 0) == (expected != 0)).all()
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-7)


@both_types
def test_more_than_a_block_of_each(rng, dtype):
    vectors, base, places, sources = problem(rng, dtype, shared=1100, missing=530, columns=24)
    wide = vectors.astype(np.float64)
    missing = base.fallback_rows
    focus, omp = vocab.focus(vectors, base), vocab.omp(vectors, base, k=6)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    for at in (0, 127, 128, 511, 512, 529):
        target = missing[at : at + 1]
        expected = np.zeros((1, base.shape[1]))
        expected[0, sources] = sparsemax(unit[places] @ unit[target[0]])
        np.testing.assert_allclose(rows(focus, target), expected, rtol=0, atol=1e-6)
        expected[0, sources] = pursue(wide[target[0]], wide[places], 6, 1e-6)
        np.testing.assert_allclose(rows(omp, target), expected, rtol=1e-5, atol=1e-7)


def test_atoms_that_depend_on_each_other(rng):
    some = rng.standard_normal((4, 9)).astype(np.float32)
    # Each atom three times, once of twice the length; all of them span four dimensions of nine.
    vectors = np.vstack([some, some, 2 * some, rng.standard_normal((2, 9)), some.sum(axis=0)])
    vectors = vectors.astype(np.float32)
    base = vocab.TokenMixing.from_entries(range(12), range(12), [1.0] * 12, (15, 12))
    found = vocab.omp(vectors, base, k=12)
    # The longest of each, and none twice.
    assert all(set(found.row(t)[0].tolist()) == {8, 9, 10, 11} for t in (12, 13, 14))
    np.testing.assert_allclose(found.row(14)[1], 0.5, rtol=1e-5)
    best = np.linalg.lstsq(some.T.astype(float), vectors[12].astype(float), rcond=None)[0] / 2
    np.testing.assert_allclose(found.row(12)[1], best, rtol=1e-5, atol=1e-6)
    # Of equal ones the first.
    same = vocab.TokenMixing.from_entries(range(8), range(8), [1.0] * 8, (15, 8))
    assert set(vocab.omp(vectors, same, k=12).row(14)[0].tolist()) == {0, 1, 2, 3}


def test_the_tolerance_stops(rng):
    vectors, base, _, _ = problem(rng, "float64")
    counts = [
        int(vocab.omp(vectors, base, tolerance=t).counts[base.fallback_rows].sum())
        for t in (0.9, 0.5, 0.1, 0.0)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 12 * len(base.fallback_rows)


@pytest.mark.parametrize("method", [vocab.focus, vocab.omp])
def test_tokens_without_a_vector(rng, method):
    vectors, base, places, sources = problem(rng, "float32", shared=30, missing=5)
    missing = base.fallback_rows
    vectors[missing[2]] = 0
    vectors[places[7]] = 0
    found = method(vectors, base)
    assert found.fallback_rows.tolist() == [missing[2]]
    assert all(sources[7] not in found.row(t)[0] for t in missing)
    assert found.row(places[7])[0].tolist() == [sources[7]]


@pytest.mark.parametrize("method", [vocab.focus, vocab.omp])
def test_what_is_refused(rng, method):
    vectors, base, _, _ = problem(rng, "float32", shared=30, missing=5)
    with pytest.raises(ShapeError, match="helper_vectors: expected 35 rows, one a target token"):
        method(vectors[:-1], base)
    none = vocab.TokenMixing([0] * 36, [], [], (35, 4))
    with pytest.raises(ShapeError, match="base: expected at least one token with a source"):
        method(vectors, none)
    with pytest.raises(ShapeError, match="do the vectors belong to the target tokens"):
        method(np.zeros((35, 4), np.float32), base)
    vectors[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match="helper_vectors: row 3"):
        method(vectors, base)


@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(-8, 8))
def test_focus_is_convex_and_scale_does_not_matter(seed, shared, power):
    rng = np.random.default_rng(seed)
    vectors, base, _, _ = problem(rng, "float64", shared=shared, missing=4, columns=5)
    found = vocab.focus(vectors, base)
    assert (found.weights > 0).all()
    np.testing.assert_allclose(found.row_sums(), 1, rtol=0, atol=1e-12)
    scaled = vocab.focus(vectors * 10.0**power, base)
    np.testing.assert_allclose(rows(scaled, base.fallback_rows), rows(found, base.fallback_rows),
                               rtol=0, atol=1e-12)  # fmt: skip


@given(st.integers(0, 2**32), st.integers(1, 9))
def test_what_omp_leaves_is_at_right_angles_to_what_it_takes(seed, k):
    rng = np.random.default_rng(seed)
    vectors, base, places, sources = problem(rng, "float64", shared=25, missing=3, columns=7)
    found = vocab.omp(vectors, base, k=k)
    for target in base.fallback_rows.tolist():
        ids, weights = found.row(target)
        assert len(ids) <= min(k, 7)
        atoms = vectors[places[[sources.tolist().index(source) for source in ids]]]
        residual = vectors[target] - weights @ atoms
        assert np.abs(atoms @ residual).max() < 1e-9 * np.linalg.norm(vectors[target])
