"""Initialisations of rows whose values are near the ends of the range of their type."""

from __future__ import annotations

import numpy as np
import pytest

from isomorph import vocab
from isomorph.errors import NonFiniteError

ENDS = [1e-200, 1e200, 2.0**-1000, 2.0**1000]


def shared(targets: int = 40, known: int = 25) -> vocab.TokenMixing:
    ids = np.arange(known)
    return vocab.TokenMixing.from_entries(ids, ids, np.ones(known), (targets, known))


@pytest.mark.parametrize("factor", ENDS)
def test_cosines_do_not_know_of_norms(rng, factor):
    vectors, base = rng.standard_normal((40, 9)), shared()
    source, target = vectors[:25], vectors[25:]
    for method, given in (
        (vocab.focus, (vectors, base)),
        (vocab.clp, (vectors, base)),
        (vocab.wechsel, (source, target)),
    ):
        expected = method(*given)
        scaled = (one if one is base else one * factor for one in given)
        found = method(*scaled)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-12, atol=1e-14)
    # Rows of very different lengths, too.
    lengths = np.resize([factor, 1.0, 1 / factor], 40)[:, None]
    found, expected = vocab.focus(vectors * lengths, base), vocab.focus(vectors, base)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("factor", ENDS)
def test_pursuit_takes_powers_off_first(rng, factor):
    vectors, base = rng.standard_normal((40, 9)), shared()
    expected, found = vocab.omp(vectors, base, k=4), vocab.omp(vectors * factor, base, k=4)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-12)
    vectors[30:] *= 2.0**20
    factor = factor * 2.0**-30
    expected, found = vocab.omp(vectors, base, k=4), vocab.omp(vectors * factor, base, k=4)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-12)


def test_weights_beyond_the_range_are_refused(rng):
    vectors, base = rng.standard_normal((40, 9)), shared()
    vectors[31] *= 1e200
    vectors[:25] *= 1e-200
    with pytest.raises(NonFiniteError, match="helper_vectors: row 31 is so much longer"):
        vocab.omp(vectors, base, k=4)


def test_pursuit_in_single_precision(rng):
    vectors, base = rng.standard_normal((40, 9)).astype("float32"), shared()
    expected = vocab.omp(vectors, base, k=4)
    for power in (-140, -100, 100, 120):
        scaled = np.ldexp(vectors, power)
        if power == -140:  # Subnormal: what is left of the digits, in the range of others.
            scaled, near = scaled, np.ldexp(np.ldexp(vectors, power).astype("float64"), 140)
            reference = vocab.omp(near.astype("float32"), base, k=4)
        else:
            reference = expected
        found = vocab.omp(scaled, base, k=4)
        np.testing.assert_array_equal(found.indices, reference.indices)
        np.testing.assert_allclose(found.weights, reference.weights, rtol=1e-5)


@pytest.mark.parametrize("factor", [2.0**-700, 2.0**700, 2.0**1020])
def test_tables(rng, backend, factor):
    table = rng.uniform(-1, 1, (60, 5))
    for made, scaled in (
        (vocab.mean(table, 3), vocab.mean(table * factor, 3)),
        (vocab.gaussian(table, 3), vocab.gaussian(table * factor, 3)),
        (
            vocab.multivariate_gaussian(table, 3, scale=0.5),
            vocab.multivariate_gaussian(table * factor, 3, scale=0.5),
        ),
    ):
        np.testing.assert_allclose(scaled / factor, made, rtol=1e-9)
    expected, found = (vocab.factorize(one, 3) for one in (table, table * factor))
    np.testing.assert_allclose(
        np.abs(found.coordinates), np.abs(expected.coordinates), rtol=1e-7, atol=1e-12
    )
    np.testing.assert_allclose(
        np.abs(found.primitives / factor), np.abs(expected.primitives), rtol=1e-7, atol=1e-12
    )
    assert abs(found.relative_error - expected.relative_error) < 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_beyond_the_range_are_named(backend, dtype):
    largest = np.finfo(dtype).max
    rows = np.array([[1.0, 2.0], [1.0, largest], [3.0, -1.0]], dtype)
    indptr, ids = [0, 1, 3, 5], [1, 0, 1, 1, 2]
    mixing = vocab.TokenMixing(indptr, ids, np.array([1, 0.5, 0.5, 4, 1], dtype), (3, 3))
    with pytest.raises(
        ValueError, match=f"rows: row 2 of the result is beyond the range of {dtype}"
    ):
        mixing.apply(rows)
    assert mixing.take([0, 1]).apply(rows)[0, 1] == largest
    out = np.empty((3, 2), dtype)
    with pytest.raises(ValueError, match="row 2"):
        mixing.apply(rows, out=out)
    with pytest.raises(ValueError, match="row 2"):
        mixing.apply(rows, dtype="float16")
    with np.errstate(over="ignore"):
        assert np.isinf(mixing.apply(rows, check_finite=False)[2, 1])
    with pytest.raises(ValueError, match="row 1 of the result"):
        mixing.take([0, 2]).apply(rows[:, 1])


@pytest.mark.parametrize("method", [vocab.focus, vocab.omp, vocab.clp])
def test_nothing_is_left_to_be_made(rng, method):
    """Every token is shared, or those that are not have no vector."""
    vectors = rng.standard_normal((25, 9))
    everything = shared(25, 25)
    np.testing.assert_array_equal(method(vectors, everything).indices, everything.indices)
    few = shared(25, 20)
    vectors[20:] = 0
    assert method(vectors, few).fallback_rows.tolist() == [20, 21, 22, 23, 24]
