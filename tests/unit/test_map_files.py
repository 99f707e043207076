"""Saved maps of every kind: the same bytes in another process, and a version that is looked at."""

from __future__ import annotations

import json

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core
from isomorph.align import _files
from isomorph.align._methods import METHODS
from isomorph.errors import FormatError
from support.bridge_contracts import a_bridge
from support.process import output_of

ROWS, D, E = 90, 6, 5
#: What some methods cannot do without on so few rows, or do not take.
OPTIONS = {
    "rotation": {"columns": D},
    "vecmap": {"columns": D},
    "rcsls": {"columns": D},
    "auto": {"columns": D},
}


def sides(rng: np.random.Generator, dtype: str, columns: int, stack: tuple[int, ...] = ()):
    x = rng.standard_normal((*stack, ROWS, D)).astype(dtype)
    turn = rng.standard_normal((D, columns))
    return x, (x @ turn + 0.1 * rng.standard_normal((*stack, ROWS, columns))).astype(dtype)


def every_map(rng: np.random.Generator):
    """Give maps of every method, type and kind by name, with rows to apply them to."""
    for method in METHODS:
        columns = OPTIONS.get(method, {}).get("columns", E)
        for dtype in ("float32", "float64"):
            x, y = sides(rng, dtype, columns)
            x, y = iso.transforms.unit(x), iso.transforms.unit(y)
            yield f"{method}-{dtype}", iso.fit_map(x, y, method=method), x
    x, y = sides(rng, "float32", E, (3,))
    for method in ("procrustes", "ridge"):
        yield f"stack-{method}", iso.fit_map(x, y, method=method, translate=True), x
    x, y = sides(rng, "float64", E)
    fitted = iso.procrustes(x, y, scale=True, translate=True)
    yield "inverse", fitted.inverse(), y
    yield "composed", fitted.then(fitted.inverse()), x
    chain = iso.transforms.Chain.parse("unit center unit").fit(x)
    yield "alignment", iso.Alignment(chain, fitted, None), x
    yield "two-sided", iso.Alignment(chain, fitted, None, iso.LinearMap(np.eye(E))), x
    yield "bridge", a_bridge(fitted, normalize=True), x


def applied(found, x):
    return found.apply_source(x) if isinstance(found, iso.Alignment) else found.apply(x)


def test_every_kind_of_map_gives_the_same_bytes_in_another_process(rng, tmp_path) -> None:
    expected = {}
    for name, found, x in every_map(rng):
        found.save(tmp_path / f"{name}.safetensors")
        np.save(tmp_path / f"{name}.rows.npy", x)
        expected[name] = applied(found, x)
    output_of(
        f"""
        import pathlib, numpy as np, isomorph as iso
        from isomorph.align import _files
        for path in pathlib.Path({str(tmp_path)!r}).glob("*.safetensors"):
            found, x = _files.load_any(path), np.load(path.with_suffix(".rows.npy"))
            mapped = found.apply_source(x) if isinstance(found, iso.Alignment) else found.apply(x)
            np.save(path.with_suffix(".mapped.npy"), mapped)
            found.save(path.with_suffix(".again"))
        """
    )
    assert len(expected) >= 2 * len(METHODS) + 7
    for name, mapped in expected.items():
        found = np.load(tmp_path / f"{name}.mapped.npy")
        assert (found.dtype, found.tobytes()) == (mapped.dtype, mapped.tobytes()), name
        first = (tmp_path / f"{name}.safetensors").read_bytes()
        assert (tmp_path / f"{name}.again").read_bytes() == first, name
        _, metadata = _core.safetensors_header(str(tmp_path / f"{name}.safetensors"))
        assert metadata["format"].startswith("isomorph.")
        assert int(metadata["format_version"]) <= _files.VERSION


@pytest.mark.parametrize("version", ["3", "99999999999999999999", "", "1.5", "-1", "two"])
def test_a_version_that_is_not_known_is_refused_by_every_loader(rng, tmp_path, version) -> None:
    x, y = sides(rng, "float64", E)
    fitted = iso.procrustes(x, y)
    kinds = (
        (fitted, iso.LinearMap.load),
        (iso.Alignment(None, fitted, None), iso.Alignment.load),
        (a_bridge(fitted), iso.Bridge.load),
    )
    for found, load in kinds:
        path = tmp_path / "map.safetensors"
        found.save(path)
        tensors, metadata = _core.read_safetensors(str(path))
        _core.write_safetensors(str(path), tensors, metadata | {"format_version": version})
        for one in (load, _files.load_any):
            with pytest.raises(FormatError, match=r"expected format version 2 or older.* newer"):
                one(path)


@pytest.mark.parametrize("damage", ["missing", "type", "no figures", "not JSON", "matrix"])
def test_a_damaged_bridge_is_named(tmp_path, damage) -> None:
    path = tmp_path / "bridge.safetensors"
    a_bridge(iso.LinearMap(np.eye(3))).save(path)
    tensors, metadata = _core.read_safetensors(str(path))
    told = json.loads(metadata["bridge"])
    if damage == "missing":
        del told["recall"]
    elif damage == "type":
        told["interval"] = {"low": "x", "high": 1, "confidence": 0.95}
    elif damage == "matrix":
        del tensors["matrix"]
    metadata["bridge"] = "{" if damage == "not JSON" else json.dumps(told)
    if damage == "no figures":
        del metadata["bridge"]
    _core.write_safetensors(str(path), tensors, metadata)
    with pytest.raises(FormatError, match=r"bridge\.safetensors"):
        iso.Bridge.load(path)


def test_words_that_no_map_has_seen_go_there_and_back(rng) -> None:
    """New vectors, one at a time or together, out of and back into the vocabulary."""
    x, y = sides(rng, "float64", D)
    fitted = iso.fit_map(x, y, method="ridge", alpha=1e-9, translate=True)
    new = rng.standard_normal((7, D))
    mapped = fitted(new)
    np.testing.assert_array_equal(np.concatenate([fitted(row[None, :]) for row in new]), mapped)
    np.testing.assert_allclose(fitted.inverse()(mapped), new, atol=1e-8)
    assert fitted.inverse().metrics["inverse_residual"] < 1e-8
    there_and_on = fitted.then(iso.LinearMap(2 * np.eye(D), np.ones(D)))
    np.testing.assert_allclose(there_and_on(new), 2 * (mapped - 1), atol=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("d", "e"), [(1, 1), (3, 5), (19, 11), (64, 1), (1, 64), (384, 256)])
def test_a_row_has_the_same_bytes_whatever_is_beside_it(rng, dtype, d, e) -> None:
    x = rng.standard_normal((1100, d)).astype(dtype)
    fitted = iso.LinearMap(
        rng.standard_normal((d, e)), rng.standard_normal(d), rng.standard_normal(e), 0.7
    )
    whole = fitted(x)
    for start, stop in ((0, 1), (5, 6), (1099, 1100), (1, 3), (3, 20), (0, 1025), (7, 1032)):
        np.testing.assert_array_equal(fitted(x[start:stop]), whole[start:stop])
