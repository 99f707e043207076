"""Polar factors by products of whole stacks, with NumPy in CuPy's place, against the core's."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph._backends import cuda_linalg
from isomorph._backends.array_linalg import ArrayLinalg
from support.cuda_stand_in import on_cuda


@pytest.fixture
def no_loop(monkeypatch):
    def polar(*_):
        raise AssertionError("one matrix after the other")

    monkeypatch.setattr(ArrayLinalg, "polar", polar)


def with_values(rng, n, d, values):
    u, _ = np.linalg.qr(rng.standard_normal((len(values), n, min(n, d))))
    v, _ = np.linalg.qr(rng.standard_normal((len(values), d, min(n, d))))
    return (u * values[:, None, :]) @ v.swapaxes(1, 2), u @ v.swapaxes(1, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "d"), [(12, 12), (30, 7), (7, 30), (1, 1), (5, 1)])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_factors_are_those_of_the_construction(rng, no_loop, n, d, scale, dtype):
    """The error of r is rounding over the least singular value (Higham, theorem 8.10)."""
    least = 1e-2
    a, r = with_values(rng, n, d, rng.uniform(least, 1, (9, min(n, d))))
    a = (scale * a).astype(dtype)
    with on_cuda():
        found = iso.linalg.polar(a)
    eps = np.finfo(dtype).eps
    assert np.abs(found.r - r).max() <= 8 * max(n, d) * eps / least
    assert found.r.dtype == found.h.dtype == dtype
    back = found.r.astype(float) @ found.h.astype(float)
    assert np.abs(back - a).max() <= 8 * max(n, d) * eps * scale
    np.testing.assert_array_equal(found.h, found.h.swapaxes(1, 2))
    gram = found.r.swapaxes(1, 2) @ found.r if n >= d else found.r @ found.r.swapaxes(1, 2)
    assert np.abs(gram - np.eye(min(n, d))).max() <= 4 * max(n, d) * eps


def test_only_what_does_not_converge_is_decomposed(rng, monkeypatch):
    values = np.tile(np.linspace(0.5, 1, 6), (5, 1))
    values[1, 0], values[3, 2] = 0, 1e-12
    a, _ = with_values(rng, 9, 6, values)
    a[4] = 0
    decomposed, polar = [], ArrayLinalg.polar
    monkeypatch.setattr(
        ArrayLinalg, "polar", lambda self, a, run: decomposed.append(len(a)) or polar(self, a, run)
    )
    with on_cuda():
        found = iso.linalg.polar(a)
    assert decomposed == [3]
    expected = iso.linalg.polar(a)
    np.testing.assert_allclose(found.h, expected.h, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.r[[0, 2]], expected.r[[0, 2]], rtol=0, atol=1e-13)


def test_stacks_are_cut(rng, monkeypatch):
    a = rng.standard_normal((20, 8, 8))
    with on_cuda():
        whole = iso.linalg.polar(a)
        monkeypatch.setattr(cuda_linalg, "STACKED_VALUES", 200)
        reports = []
        cut = iso.linalg.polar(a, progress=lambda *report: reports.append(report))
    np.testing.assert_allclose(cut.r, whole.r, rtol=0, atol=1e-11)
    assert reports[-1] == (20, 20)
    assert len(reports) == 7


def test_large_matrices_are_decomposed(rng, monkeypatch):
    monkeypatch.setattr(cuda_linalg, "LARGE", 5)
    monkeypatch.setattr(cuda_linalg.CudaLinalg, "_iterated", None)
    a = rng.standard_normal((2, 6, 6))
    with on_cuda():
        found = iso.linalg.polar(a)
    np.testing.assert_allclose(found.r, iso.linalg.polar(a).r, rtol=0, atol=1e-12)
