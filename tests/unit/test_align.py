"""Procrustes, maps and alignments: shapes, types, degenerate input, errors, files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import DTypeError, FormatError, NonFiniteError, ShapeError
from support.process import output_of


def some_map(rng, d=4, e=3, **keywords):
    return iso.LinearMap(
        rng.standard_normal((d, e)),
        rng.standard_normal(d),
        rng.standard_normal(e),
        1.5,
        **keywords,
    )


def test_threads_change_no_byte(threads, rng):
    x, y = rng.standard_normal((2, 9000, 20)).astype(np.float32)
    w = rng.uniform(0, 1, 9000)
    how = {"weights": w, "scale": True, "translate": True, "allow_reflection": False}
    expected, found = iso.procrustes(x, y, threads=1, **how), iso.procrustes(x, y, **how)
    assert found.matrix.tobytes() == expected.matrix.tobytes()
    assert found.source_mean.tobytes() == expected.source_mean.tobytes()
    assert (found.scale, found.metrics) == (expected.scale, expected.metrics)
    assert found(x).tobytes() == expected(x, threads=1).tobytes()
    chain = iso.transforms.Chain.parse("unit centre unitdim centeremb iternorm:2")
    assert chain.fit_apply(x)[1].tobytes() == chain.fit_apply(x, threads=1)[1].tobytes()


def test_any_layout_gives_the_same_bytes(rng):
    x, y = rng.standard_normal((2, 60, 6))
    expected = iso.procrustes(x, y, scale=True)
    image = expected(x)
    wide = rng.standard_normal((120, 12))
    wide[::2, ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for same in (np.asfortranarray(x), wide[::2, ::2], read_only, x.astype(">f8")):
        fit = iso.procrustes(same, y, scale=True)
        assert fit.matrix.tobytes() == expected.matrix.tobytes()
        assert expected(same).tobytes() == image.tobytes()


def test_half_precision_is_widened_and_types_promote(rng):
    x, y = rng.standard_normal((2, 30, 4)).astype(np.float16)
    fit = iso.procrustes(x, y)
    assert fit.matrix.dtype == np.float32
    assert np.array_equal(
        fit.matrix, iso.procrustes(x.astype(np.float32), y.astype(np.float32)).matrix
    )
    assert iso.procrustes(x, y.astype(np.float64)).matrix.dtype == np.float64
    assert fit(x).dtype == np.float32
    assert fit(x.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("how", [{}, {"scale": True, "translate": True, "allow_reflection": False}])
@pytest.mark.parametrize(("d", "e"), [(3, 3), (2, 4), (4, 2), (1, 1)])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_degenerate_input_has_an_answer(n, d, e, how, backend):
    for x, y in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (2.0, 3.0), (0.1, -0.7)):
        fit = iso.procrustes(np.full((n, d), x), np.full((n, e), y), **how)
        gram = fit.matrix.T @ fit.matrix if d >= e else fit.matrix @ fit.matrix.T
        np.testing.assert_allclose(gram, np.eye(min(d, e)), atol=1e-13)
        assert np.isfinite(fit.scale)
        assert not np.isnan(fit.metrics["residual"])
        if how:
            np.testing.assert_allclose(fit(np.full((1, d), x)), np.full((1, e), y), atol=1e-13)


def test_one_pair_is_mapped_exactly(rng, backend):
    x, y = rng.standard_normal((2, 1, 5))
    fit = iso.procrustes(x, y, scale=True)
    np.testing.assert_allclose(fit(x), y, atol=1e-14)
    assert fit.metrics["rank"] == 1


def test_fewer_pairs_than_dimensions(rng, backend):
    x = rng.standard_normal((6, 40))
    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    for reflection in (True, False):
        fit = iso.procrustes(x, x @ turn, allow_reflection=reflection)
        np.testing.assert_allclose(fit(x), x @ turn, atol=1e-12)
        assert fit.metrics["rank"] == 6
        assert reflection or fit.metrics["determinant"] == 1


def test_negative_weights_and_others_are_named(rng, backend):
    x = rng.standard_normal((5, 3))
    for weights, error in (
        (np.array([1, 1, 1, 1, -1.0]), ValueError),
        (np.zeros(5), ValueError),
        (np.array([1, 1, np.nan, 1, 1]), NonFiniteError),
        (np.ones(4), ShapeError),
        (np.ones((5, 1)), ShapeError),
        ("heavy", DTypeError),
    ):
        with pytest.raises(error, match="weights"):
            iso.procrustes(x, x, weights=weights)
    counted = iso.procrustes(x, x[::-1].copy(), weights=[1, 2, 0, 3, 1])
    assert counted.provenance["weighted"]


@pytest.mark.parametrize(
    ("source", "target", "error", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), ShapeError, "target: expected"),
        (np.ones((2, 3, 2)), np.ones((3, 3, 2)), ShapeError, "target: expected"),
        (np.ones((3, 2)), np.ones((1, 3, 2)), ShapeError, "target: expected"),
        (np.ones((0, 2)), np.ones((0, 2)), ShapeError, "source: expected at least"),
        (np.ones((3, 0)), np.ones((3, 2)), ShapeError, "source: expected at least"),
        (np.ones(3), np.ones(3), ShapeError, "source: expected an array of"),
        (np.ones((3, 2), dtype=int), np.ones((3, 2)), DTypeError, "int64"),
        (np.ones((3, 2)), np.ones((3, 2), dtype=complex), DTypeError, "target.*complex"),
        (np.full((3, 2), np.inf), np.ones((3, 2)), NonFiniteError, "source: row 0"),
    ],
)
def test_bad_input_is_named(source, target, error, message, backend):
    with pytest.raises(error, match=message):
        iso.procrustes(source, target)


def test_unchecked_nan_never_becomes_a_map():
    x = np.ones((3, 2), dtype=np.float32)
    x[1, 1] = np.nan
    with pytest.raises(NonFiniteError):
        iso.procrustes(x, x, check_finite=False)


def test_apply_checks_shapes_and_writes_to_out(rng, backend):
    fit = some_map(rng)
    x = rng.standard_normal((6, 4))
    expected = fit(x)
    out = np.empty((6, 3))
    assert fit.apply(x, out=out) is out
    assert np.array_equal(out, expected)
    strided = np.zeros((12, 6))[::2, ::2]
    fit.apply(x, out=strided)
    assert np.array_equal(strided, expected)
    square = some_map(rng, 4, 4)
    inside = x.copy()
    wanted = square(x)
    assert np.array_equal(square.apply(inside, out=inside), wanted)
    assert fit(x[:0]).shape == (0, 3)
    assert np.array_equal(fit(x.reshape(2, 3, 4)), expected.reshape(2, 3, 3))
    for bad, error in (
        (np.empty((6, 4)), ShapeError),
        (np.empty((6, 3), dtype=np.float32), DTypeError),
    ):
        with pytest.raises(error, match="out"):
            fit.apply(x, out=bad)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fit.apply(x, out=out)
    with pytest.raises(ShapeError, match=r"\(n, 4\)"):
        fit(rng.standard_normal((6, 5)))


def test_stacks_of_maps(rng, backend):
    x, y = rng.standard_normal((3, 20, 4)), rng.standard_normal((3, 20, 4))
    fit = iso.procrustes(x, y, scale=True, translate=True)
    assert fit.stack == 3
    for i in range(3):
        single = iso.procrustes(x[i], y[i], scale=True, translate=True)
        np.testing.assert_allclose(fit(x)[i], single(x[i]), atol=1e-13)
    np.testing.assert_allclose(fit.inverse()(fit(x)), x, atol=1e-12)
    last = some_map(rng)
    np.testing.assert_allclose(fit.then(last)(x), last(fit(x)), atol=1e-12)
    with pytest.raises(ShapeError, match=r"\(3, n, 4\)"):
        fit(x[0])
    with pytest.raises(ShapeError, match="3 maps, got 2"):
        fit.then(iso.LinearMap(rng.standard_normal((2, 4, 4))))


def test_a_map_that_cannot_be_inverted_or_composed(rng):
    with pytest.raises(ValueError, match="scale 0"):
        iso.LinearMap(np.eye(2), scale=0.0).inverse()
    with pytest.raises(ShapeError, match="expected a map from 3 columns"):
        some_map(rng).then(some_map(rng))
    with pytest.raises(TypeError, match="LinearMap"):
        some_map(rng).then(np.eye(3))
    back = iso.LinearMap(np.zeros((3, 2))).inverse()
    assert not back.matrix.any()
    assert back.metrics["inverse_residual"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((np.ones(3),), ShapeError),
        ((np.ones((0, 3)),), ShapeError),
        ((np.full((2, 2), np.nan),), NonFiniteError),
        ((np.eye(2), np.ones(3)), ShapeError),
        ((np.eye(2), None, np.ones((1, 2))), ShapeError),
        ((np.eye(2), np.array([np.inf, 0])), NonFiniteError),
        ((np.eye(2), None, None, np.inf), NonFiniteError),
        ((np.eye(2), None, None, "two"), DTypeError),
        ((np.ones((2, 3, 3)), None, None, np.ones(3)), ShapeError),
        (("eye",), DTypeError),
    ],
)
def test_a_map_is_checked_when_made(arguments, error):
    with pytest.raises(error):
        iso.LinearMap(*arguments)


def saved(path, x):
    """Save an alignment with everything in it, and give it."""
    chain = iso.transforms.Chain.parse("unit center unitdim iternorm:2")
    (source, a), (target, b) = chain.fit_apply(x), chain.fit_apply(x[::-1])
    fit = iso.procrustes(a, b, weights=np.arange(1.0, len(x) + 1), scale=True, translate=True)
    alignment = iso.Alignment(source, fit, target)
    alignment.save(path)
    return alignment


def test_files_give_the_same_bytes_in_another_process(tmp_path, rng):
    x = rng.standard_normal((50, 6)).astype(np.float32)
    path = tmp_path / "alignment.safetensors"
    alignment = saved(path, x)
    np.save(tmp_path / "x.npy", x)
    output_of(
        f"""
        import numpy as np, isomorph as iso
        x = np.load(r"{tmp_path / "x.npy"}")
        alignment = iso.Alignment.load(r"{path}")
        np.save(r"{tmp_path / "source.npy"}", alignment.apply_source(x))
        np.save(r"{tmp_path / "target.npy"}", alignment.apply_target(x))
        alignment.save(r"{tmp_path / "again.safetensors"}")
        """
    )
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert np.array_equal(np.load(tmp_path / "source.npy"), alignment.apply_source(x))
    assert np.array_equal(np.load(tmp_path / "target.npy"), alignment.apply_target(x))
    loaded = iso.Alignment.load(path)
    assert loaded.map.metrics == alignment.map.metrics
    assert loaded.map.provenance == alignment.map.provenance
    assert (loaded.map.method, loaded.map.orthogonal) == ("procrustes", True)
    assert str(loaded.source_transform.chain) == "unit centre unitdim iternorm:2"
    assert repr(loaded) == repr(alignment)


@pytest.mark.parametrize("stack", [(), (2,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_come_back_bit_for_bit(tmp_path, dtype, stack, rng):
    x, y = (rng.standard_normal((*stack, 9, 4)).astype(dtype) for _ in range(2))
    fit = iso.procrustes(x, y, scale=True, translate=True)
    path = tmp_path / "map.safetensors"
    fit.save(path)
    loaded = iso.LinearMap.load(path)
    for name in ("matrix", "source_mean", "target_mean", "singular_values"):
        one, other = getattr(fit, name), getattr(loaded, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    assert np.array_equal(loaded.scale, fit.scale)
    assert loaded(x).tobytes() == fit(x).tobytes()
    bare = iso.Alignment.load(path)
    assert bare.source_transform is None
    assert np.array_equal(bare.apply_source(x), fit(x))


def test_metrics_that_json_cannot_hold_are_named(tmp_path):
    path = tmp_path / "map.safetensors"
    numbers = {"a": np.float32(0.5), "b": np.arange(3)}
    iso.LinearMap(np.eye(2), metrics=numbers).save(path)
    assert iso.LinearMap.load(path).metrics == {"a": 0.5, "b": [0, 1, 2]}
    with pytest.raises(TypeError, match="JSON"):
        iso.LinearMap(np.eye(2), metrics={"a": object()}).save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_files_that_are_something_else_are_named(tmp_path, rng):
    from isomorph import _core

    path = tmp_path / "file.safetensors"
    with pytest.raises(FileNotFoundError):
        iso.LinearMap.load(tmp_path / "missing")
    path.write_bytes(b"no such thing")
    with pytest.raises(FormatError, match="file"):
        iso.LinearMap.load(path)
    tensors = {"matrix": np.eye(3), "scale": np.ones(1)}
    good = {
        "format": "isomorph.LinearMap",
        "format_version": "1",
        "map": json.dumps({"method": "m", "orthogonal": False, "metrics": {}, "provenance": {}}),
    }
    for changed, message in (
        ({"format": "isomorph.Index"}, "expected a file of isomorph.LinearMap"),
        ({"format_version": "3"}, "newer isomorph"),
        ({"map": "{"}, "JSON"),
        ({"map": "{}"}, "'orthogonal' is missing"),
    ):
        _core.write_safetensors(str(path), tensors, good | changed)
        with pytest.raises(FormatError, match=message):
            iso.LinearMap.load(path)
    for changed, message in (
        ({"source_mean": np.ones(4)}, "source_mean: expected shape"),
        ({"matrix": np.full((3, 3), np.nan)}, "matrix"),
        ({"scale": np.ones(0)}, "file"),
    ):
        _core.write_safetensors(str(path), tensors | changed, good)
        with pytest.raises(FormatError, match=message):
            iso.LinearMap.load(path)
    _core.write_safetensors(str(path), {"scale": np.ones(1)}, good)
    with pytest.raises(FormatError, match="'matrix' is missing"):
        iso.LinearMap.load(path)
    saved(path, rng.standard_normal((20, 3)))
    with pytest.raises(FormatError, match="got isomorph"):
        iso.LinearMap.load(path)
    tensors, metadata = _core.read_safetensors(str(path))
    del tensors["source_transform.1"]
    _core.write_safetensors(str(path), tensors, metadata)
    with pytest.raises(FormatError, match="step 1 of the chain"):
        iso.Alignment.load(path)


def test_alignments_check_that_chains_fit(rng):
    chain = iso.transforms.Chain.parse("unit").fit(rng.standard_normal((5, 4)))
    with pytest.raises(ShapeError, match="target_transform"):
        iso.Alignment(chain, some_map(rng), chain)


def test_progress_is_reported(rng):
    calls = []
    x = rng.standard_normal((9000, 3))
    iso.procrustes(x, x, progress=lambda *call: calls.append(call))
    assert calls[-1] == (3, 3)


def test_other_namespaces_are_served_and_stay(rng, tmp_path):
    xp = pytest.importorskip("array_api_strict")
    x, y = rng.standard_normal((2, 12, 4))
    expected = iso.procrustes(x, y, scale=True, translate=True, weights=np.arange(1.0, 13))
    a, b = xp.asarray(x), xp.asarray(y)
    fit = iso.procrustes(a, b, scale=True, translate=True, weights=xp.asarray(np.arange(1.0, 13)))
    np.testing.assert_allclose(np.asarray(fit(a)), expected(x), atol=1e-12)
    np.testing.assert_allclose(np.asarray(fit.then(fit.inverse())(a)), x, atol=1e-12)
    chain, image = iso.transforms.Chain.parse("unit centre unitdim centeremb iternorm").fit_apply(a)
    assert image.__array_namespace__() is xp
    other = iso.procrustes(xp.stack([a, a]), xp.stack([b, b]))
    assert other(xp.stack([a, a])).shape == (2, 12, 4)
    out = xp.zeros((12, 4), dtype=xp.float64)
    fit.apply(a, out=out)
    assert bool(xp.all(out == fit(a)))
    iso.Alignment(chain, fit, chain).save(tmp_path / "strict")
    np.testing.assert_array_equal(
        iso.Alignment.load(tmp_path / "strict").map.matrix, np.asarray(fit.matrix)
    )
    with pytest.raises(DTypeError, match="same library"):
        expected(a)
