"""VecMap's map: options, edges, and the two-sided alignment in a file."""

from __future__ import annotations

import numpy as np
import pytest

import isomorph as iso
from isomorph.errors import FormatError, ShapeError

MODES = list(iso.align.VECMAP_MODES)


@pytest.fixture
def sides(rng):
    x = rng.standard_normal((60, 6)).astype(np.float32)
    z = x @ rng.standard_normal((6, 6)).astype(np.float32)
    return x, z + 0.1 * rng.standard_normal((60, 6)).astype(np.float32)


def test_a_noiseless_pair_of_spaces_is_aligned_by_every_mode(rng):
    x = rng.standard_normal((50, 5))
    z = x @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    for mode in MODES:
        fit = iso.align.vecmap(x, z, mode=mode)
        np.testing.assert_allclose(fit.apply_source(x), fit.apply_target(z), atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_one_pair(mode):
    x, z = np.array([[1.0, 2.0, 2.0]]), np.array([[0.0, 3.0, 4.0]])
    fit = iso.align.vecmap(x, z, mode=mode)
    a, b = fit.apply_source(x)[0], fit.apply_target(z)[0]
    assert a @ b == pytest.approx(np.linalg.norm(a) * np.linalg.norm(b))
    assert np.linalg.norm(a) > 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_of_zeros_is_refused(side, sides):
    arrays = dict(zip(("source", "target"), sides, strict=True))
    arrays[side] = np.zeros_like(arrays[side])
    for mode in ("supervised", "aaai2018", "unconstrained"):
        with pytest.raises(ValueError, match=f"^{side}: expected a row that is not zero"):
            iso.align.vecmap(**arrays, mode=mode)


def test_a_reweighted_side_has_no_orthogonal_map(sides):
    fit = iso.align.vecmap(*sides, mode="aaai2018")
    assert fit.map.orthogonal
    assert not fit.target_map.orthogonal


def test_the_direct_map_keeps_cosines_where_the_target_is_only_turned(sides):
    x, z = sides
    fit = iso.align.vecmap(x, z, target_reweight=0)
    direct = fit.direct()
    assert direct.target_map is None
    assert direct.apply_target(z) is z
    first = iso.topk(fit.apply_source(x), fit.apply_target(z), 60)
    other = iso.topk(direct.apply_source(x), z, 60)
    np.testing.assert_allclose(first.scores, other.scores, atol=1e-5)
    assert fit.direct().direct().map.source_dim == 6


def test_what_has_no_target_map_is_direct_already(sides):
    fit = iso.align.vecmap(*sides, mode="orthogonal")
    assert fit.direct() is fit


def test_an_alignment_of_two_maps_in_a_file(sides, tmp_path):
    x, z = sides
    source, a = iso.transforms.Chain.parse("unit centre unit").fit_apply(x)
    target, b = iso.transforms.Chain.parse("centre").fit_apply(z)
    fit = iso.align.vecmap(a, b, dimensions=4)
    alignment = iso.Alignment(source, fit.map, target, fit.target_map)
    alignment.save(tmp_path / "map.safetensors")
    loaded = iso.Alignment.load(tmp_path / "map.safetensors")
    for name, rows in (("apply_source", x), ("apply_target", z)):
        assert (getattr(loaded, name)(rows) == getattr(alignment, name)(rows)).all()
    assert loaded.target_map.metrics == fit.target_map.metrics
    assert "target: unit" not in repr(loaded)
    with pytest.raises(FormatError, match=r"expected a file of isomorph\.LinearMap"):
        iso.LinearMap.load(tmp_path / "map.safetensors")


def test_maps_to_spaces_of_different_dimensions_are_no_alignment():
    one, other = iso.LinearMap(np.eye(3)), iso.LinearMap(np.eye(4))
    with pytest.raises(ShapeError, match=r"^target_map: expected a map to 3 columns"):
        iso.Alignment(None, one, None, other)


def test_only_a_file_with_two_maps_needs_a_reader_of_today(sides, tmp_path):
    from isomorph import _core

    for mode, version in (("orthogonal", "1"), ("supervised", "2")):
        iso.align.vecmap(*sides, mode=mode).save(tmp_path / mode)
        assert _core.safetensors_header(str(tmp_path / mode))[1]["format_version"] == version
