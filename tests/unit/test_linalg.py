"""Shapes, types and errors of the factorisations."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

FUNCTIONS = (iso.linalg.svd, iso.linalg.svdvals, iso.linalg.polar)
SYMMETRIC = (*FUNCTIONS, iso.linalg.eigh)


def results(function, a, **keywords):
    found = function(a, **keywords)
    parts = (found,) if function is iso.linalg.svdvals else found
    return tuple(np.asarray(part) for part in parts)


def symmetric(a):
    return a + np.swapaxes(a, -1, -2)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_threads_change_no_byte(function, threads, rng):
    a = rng.standard_normal((13, 20, 24)).astype(np.float32)
    for found, expected in zip(results(function, a), results(function, a, threads=1), strict=True):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_stack_is_its_matrices_bit_for_bit(function, rng):
    a = rng.standard_normal((5, 11, 7))
    whole = results(function, a)
    for i in range(5):
        for part, single in zip(whole, results(function, a[i]), strict=True):
            assert np.array_equal(part[i], single)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_leading_axes_are_kept(function, backend, rng):
    a = rng.standard_normal((2, 3, 5, 4))
    flat = results(function, a.reshape(6, 5, 4))
    for part, expected in zip(results(function, a), flat, strict=True):
        assert np.array_equal(part, expected.reshape(2, 3, *expected.shape[1:]))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_any_layout_gives_the_same_bytes(function, rng):
    a = rng.standard_normal((4, 6, 5))
    expected = results(function, a)
    wide = rng.standard_normal((4, 12, 10))
    wide[:, ::2, ::2] = a
    read_only = a.copy()
    read_only.flags.writeable = False
    swapped = a.astype(a.dtype.newbyteorder())
    negative = np.ascontiguousarray(a[:, ::-1])[:, ::-1]
    for same in (np.asfortranarray(a), wide[:, ::2, ::2], read_only, swapped, negative):
        for part, wanted in zip(results(function, same), expected, strict=True):
            assert part.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("function", SYMMETRIC)
def test_half_precision_is_widened(function, rng):
    a = symmetric(rng.standard_normal((4, 4)).astype(np.float16))
    parts = results(function, a.astype(np.float32))
    for part, wanted in zip(results(function, a), parts, strict=True):
        assert part.dtype == np.float32
        assert np.array_equal(part, wanted)


@pytest.mark.parametrize("function", SYMMETRIC)
def test_an_empty_stack_is_empty(function, backend):
    for part in results(function, np.zeros((0, 3, 3))):
        assert part.shape[0] == 0
        assert part.dtype == np.float64


def test_the_zero_matrix_has_orthonormal_vectors(backend):
    u, s, vt = iso.linalg.svd(np.zeros((2, 4, 3)))
    assert not s.any()
    for q in (u[0], vt[0].T):
        np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-15)
    r, h = iso.linalg.polar(np.zeros((3, 4)))
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-15)
    assert not h.any()


@pytest.mark.parametrize("function", SYMMETRIC)
@pytest.mark.parametrize(
    ("a", "error", "message"),
    [
        (np.zeros((3, 3), dtype=complex), DTypeError, "complex128"),
        (np.zeros((3, 3), dtype=int), DTypeError, "int64"),
        ([[1.0]], DTypeError, "list"),
        (np.zeros(3), ShapeError, "2 dimensions"),
        (np.float64(1.0), ShapeError, "2 dimensions"),
        (np.zeros((0, 3)), ShapeError, "at least one row"),
        (np.zeros((4, 3, 0)), ShapeError, "at least one row"),
        (np.array([[1.0, np.nan], [np.nan, 0.0]]), NonFiniteError, "row 0"),
        (np.full((2, 2), 3e38, dtype=np.float32), ValueError, "values fit"),
    ],
)
def test_bad_input_is_named(function, a, error, message, backend):
    if error is ValueError and function is iso.linalg.polar:
        a = a * np.array([[1, 1], [1, -1]], dtype=a.dtype)
    with pytest.raises(error, match=message):
        function(a)


def test_eigenvalues_need_symmetric_matrices(backend):
    a = np.array([np.eye(2), [[2.0, 0.0], [1.0, 3.0]]])
    with pytest.raises(ValueError, match=r"^a: expected symmetric.*matrix 1"):
        iso.linalg.eigh(a)
    values, vectors = iso.linalg.eigh(a, check_symmetric=False)
    expected = np.linalg.eigh(a)
    np.testing.assert_allclose(values, expected.eigenvalues, atol=1e-14)
    np.testing.assert_allclose(np.abs(vectors), np.abs(expected.eigenvectors), atol=1e-14)
    # What a sum of products in another order leaves is no reason.
    iso.linalg.eigh(a[:1] + np.array([[0.0, 1e-12], [0.0, 0.0]]))
    with pytest.raises(ShapeError, match=r"^a: expected square matrices"):
        iso.linalg.eigh(np.ones((2, 3)))


def test_nan_is_refused_by_the_core_even_unchecked():
    a = np.ones((3, 2, 2))
    a[2, 1, 0] = np.nan
    with pytest.raises(NonFiniteError, match="row 5"):
        iso.linalg.svd(a, check_finite=False)


def test_progress_is_reported(rng):
    calls = []
    iso.linalg.svd(rng.standard_normal((30, 5, 5)), progress=lambda *call: calls.append(call))
    assert calls[-1] == (30, 30)


def test_other_namespaces_are_served_and_stay(rng):
    xp = pytest.importorskip("array_api_strict")
    a = rng.standard_normal((3, 5, 4))
    for function in (iso.linalg.svd, iso.linalg.polar):
        parts = tuple(function(xp.asarray(a)))
        assert all(part.__array_namespace__() is xp for part in parts)
    assert iso.linalg.svdvals(xp.asarray(a)).__array_namespace__() is xp
    values, vectors = iso.linalg.eigh(xp.asarray(symmetric(a[:, :4])))
    assert values.__array_namespace__() is xp
    assert vectors.__array_namespace__() is xp
    u, s, vt = iso.linalg.svd(xp.asarray(a))
    np.testing.assert_allclose(np.asarray((u * s[:, None, :]) @ vt), a, atol=1e-13)
