"""SciPy's Procrustes functions: its own tests pass, and every call has its answer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from isomorph.compat import scipy as ours
from support.process import output_of

scipy_linalg = pytest.importorskip("scipy.linalg")
scipy_spatial = pytest.importorskip("scipy.spatial")

SHAPES = ((4, 4), (30, 3), (3, 30), (1, 1), (200, 50), (5, 40, 6))


#: Runs SciPy's tests with its functions replaced once they are collected: SciPy looks marks up by
#: the function.
OWN_TESTS = """
    import pathlib, pytest, isomorph

    class Served:
        def pytest_collection_finish(self):
            self.patch = isomorph.patch("scipy").__enter__()

        def pytest_runtest_logreport(self, report):
            passed.append(report.passed or report.skipped)

    passed, served = [], Served()
    pathlib.Path("pytest.ini").write_text("[pytest]")
    modules = ["scipy.linalg.tests.test_procrustes", "scipy.spatial.tests.test__procrustes"]
    options = ["-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "--pyargs", *modules]
    print("status", int(pytest.main(options, plugins=[served])), all(passed), len(passed))
    print("served", sum(calls.served for calls in served.patch.calls.values()))
"""


def test_scipys_own_tests_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("scipy.linalg.tests")
    printed = output_of(OWN_TESTS)
    assert "status 0 True" in printed, printed
    assert int(printed.split("served ")[1]) > 50


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_the_turn_is_scipys(shape, dtype):
    rng = np.random.default_rng(0)
    a, b = ((10 * rng.normal(size=shape)).astype(dtype) for _ in range(2))
    expected, scale = scipy_linalg.orthogonal_procrustes(a, b)
    found, sum_ = ours.orthogonal_procrustes(a, b)
    assert found.dtype == expected.dtype
    assert np.shape(sum_) == np.shape(scale)
    # Both are the polar factor of one product, to rounding over its conditioning.
    moment = np.swapaxes(a, -1, -2).astype(np.float64) @ b.astype(np.float64)
    condition = np.max(np.linalg.cond(moment))
    bound = 10 * shape[-1] * np.finfo(expected.dtype).eps * condition
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    np.testing.assert_allclose(sum_, scale, rtol=10 * shape[-1] * np.finfo(expected.dtype).eps)


def test_a_turn_that_is_not_unique_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 8))
    expected, scale = scipy_linalg.orthogonal_procrustes(a, b)
    found, sum_ = ours.orthogonal_procrustes(a, b)
    assert (found == expected).all()
    assert sum_ == scale


def test_inputs_are_not_written_to_and_may_have_any_layout():
    rng = np.random.default_rng(0)
    a = np.asfortranarray(rng.normal(size=(40, 5)))
    b = rng.normal(size=(80, 10))[::2, ::2]
    kept = a.copy(), b.copy()
    for of in (lambda m: m.orthogonal_procrustes, lambda m: m.procrustes):
        theirs = scipy_linalg if of(ours) is ours.orthogonal_procrustes else scipy_spatial
        for x, y in zip(of(ours)(a, b), of(theirs)(a, b), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-12)
    assert (a == kept[0]).all()
    assert (b == kept[1]).all()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones(3), np.ones(3)),
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), np.eye(2)),
        (np.eye(2), np.array([[1.0, np.inf], [0.0, 1.0]])),
        (np.ones((0, 3)), np.ones((0, 3))),
    ],
)
@pytest.mark.parametrize("name", ["orthogonal_procrustes", "procrustes"])
def test_what_scipy_refuses_is_refused(name, a, b):
    original = getattr(scipy_linalg if name.startswith("o") else scipy_spatial, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = original(a, b)
        except Exception as error:
            with pytest.raises(type(error)):
                getattr(ours, name)(a, b)
        else:
            for x, y in zip(getattr(ours, name)(a, b), expected, strict=True):
                np.testing.assert_array_equal(x, y)


def test_complex_numbers_and_matrices_go_to_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 3)) + 1j * rng.normal(size=(2, 6, 3))
    assert (
        ours.orthogonal_procrustes(a, b)[0] == scipy_linalg.orthogonal_procrustes(a, b)[0]
    ).all()


def test_without_scipy_the_error_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.linalg", None)
    with pytest.raises(ImportError, match=r"complex128.*pip install 'isomorph\[ot\]'"):
        ours.orthogonal_procrustes(1j * np.eye(2), np.eye(2))
