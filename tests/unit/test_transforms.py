"""Transforms: their definitions, chains, and fitted means that travel."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DTypeError, FormatError, NonFiniteError, ShapeError
from isomorph.transforms import Chain, FittedChain

DTYPES = (np.float32, np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_step_is_its_definition(dtype, backend, rng):
    x = (rng.standard_normal((5000, 7)) + 0.3).astype(dtype)
    x[3] = 0
    x[:, 5] = 0
    wide = x.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    columns = np.linalg.norm(wide, axis=0)
    expected = {
        "unit": wide / np.where(norms == 0, 1, norms),
        "centre": wide - wide.mean(axis=0),
        "unitdim": wide / np.where(columns == 0, 1, columns),
        "centeremb": wide - wide.mean(axis=1, keepdims=True),
    }
    for name, wanted in expected.items():
        found = getattr(iso.transforms, name)(x)
        assert found.dtype == dtype
        assert found is not x
        # Correctly rounded but for the last bit of the float64 inside.
        np.testing.assert_allclose(found, wanted, rtol=np.finfo(dtype).eps, atol=1e-15)


@pytest.mark.parametrize("factor", [1e300, 1e-300, 1e-318])
def test_unit_at_the_ends_of_the_range(factor, backend):
    x = np.array([[3.0, 4.0], [0.0, 0.0]]) * factor
    np.testing.assert_allclose(
        iso.transforms.unit(x), [[0.6, 0.8], [0, 0]], rtol=1e-15 if factor > 1e-310 else 1e-5
    )


def test_iterative_normalize_reaches_both(backend, rng):
    x = rng.standard_normal((400, 6)) + 1
    y = iso.transforms.iterative_normalize(x, iterations=30)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-15)
    once = iso.transforms.iterative_normalize(x, iterations=1)
    np.testing.assert_array_equal(once, iso.transforms.centre(iso.transforms.unit(x)))
    fitted, _ = Chain.parse("iternorm:1000").fit_apply(x)
    assert len(fitted.parameters[0]) < 200


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("unit center unit", ("unit", "centre", "unit")),
        ("unit, centre,unit", ("unit", "centre", "unit")),
        ("Unit Center", ("unit", "centre")),
        ("unitdim centeremb centreemb", ("unitdim", "centeremb", "centeremb")),
        ("iternorm", ("iternorm:5",)),
        ("iternorm:12 unit", ("iternorm:12", "unit")),
        ("none", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_chains_are_parsed(text, steps):
    chain = Chain.parse(text)
    assert chain.steps == steps
    assert Chain.parse(str(chain)) == chain
    assert Chain.parse(chain) is chain


@pytest.mark.parametrize(
    "text", ["renorm", "unit none", "unit:3", "iternorm:0", "iternorm:x", "iternorm:", "unit;unit"]
)
def test_unknown_steps_are_named(text):
    with pytest.raises(ValueError, match=r"chain|iterations"):
        Chain.parse(text)


def test_chains_take_text_only():
    with pytest.raises(TypeError, match="unit center unit"):
        Chain.parse(["unit"])


def test_fitted_means_travel(backend, rng):
    x, y = rng.standard_normal((200, 5)) + 2, rng.standard_normal((30, 5))
    fitted, image = Chain.parse("centre unitdim unit iternorm:3").fit_apply(x)
    np.testing.assert_array_equal(fitted(x), image)
    np.testing.assert_array_equal(Chain.parse("centre unitdim unit iternorm:3").fit(x)(x), image)
    by_hand = (y - x.mean(axis=0)) / np.linalg.norm(x - x.mean(axis=0), axis=0)
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    for mean in fitted.parameters[3]:
        by_hand = by_hand / np.linalg.norm(by_hand, axis=1, keepdims=True) - mean
    np.testing.assert_allclose(fitted(y), by_hand, atol=1e-13)
    again = FittedChain.from_arrays(*fitted.to_arrays(), 5)
    np.testing.assert_array_equal(again(y), fitted(y))
    with pytest.raises(ShapeError, match="5 columns"):
        fitted(y[:, :4])


def test_the_empty_chain_copies(backend, rng):
    x = rng.standard_normal((4, 3))
    fitted, image = Chain().fit_apply(x)
    for same in (image, fitted(x)):
        np.testing.assert_array_equal(same, x)
        assert not np.shares_memory(same, x)


def test_arrays_that_do_not_fit_a_chain_are_named():
    for text, arrays in (
        ("centre", {}),
        ("unit", {"0": np.ones(3)}),
        ("centre", {"0": np.ones(2)}),
        ("unitdim", {"0": np.array(1.0)}),
    ):
        with pytest.raises(FormatError, match="step 0"):
            FittedChain.from_arrays(text, arrays, 3)


@pytest.mark.parametrize("name", ["unit", "centre", "unitdim", "centeremb", "iterative_normalize"])
@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.ones(3), ShapeError),
        (np.ones((0, 3)), ShapeError),
        (np.ones((3, 0)), ShapeError),
        (np.ones((2, 2), dtype=np.int64), DTypeError),
        (np.array([[1.0, np.nan]]), NonFiniteError),
        ([[1.0]], DTypeError),
    ],
)
def test_bad_input_is_named(name, x, error, backend):
    with pytest.raises(error, match="x"):
        getattr(iso.transforms, name)(x)


def test_a_mean_keeps_its_digits_under_an_offset(rng):
    x = (rng.standard_normal((20_000, 4)) + 1e4).astype(np.float32)
    expected = x.astype(np.longdouble).mean(axis=0)
    fitted = Chain.parse("centre").fit(x)
    np.testing.assert_allclose(fitted.parameters[0], expected.astype(float), rtol=1e-14)
