"""Index: the same answers, saved whole, refused when it does not fit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph import _arrays, _core
from isomorph.errors import DTypeError, FormatError, NonFiniteError, ShapeError
from support.filters import same, same_neighbors

METRICS = ("cosine", "dot", "l2")


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((901, 50)).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mmap", [True, False])
def test_a_saved_index_answers_as_the_rows_do(
    rows: np.ndarray, metric: str, mmap: bool, tmp_path: Path
) -> None:
    queries = rows[:40] + np.float32(0.1)
    expected = iso.topk(queries, rows, 7, metric=metric)
    index = iso.Index(rows, metric=metric)
    assert same_neighbors(iso.topk(queries, index, 7, metric=metric), expected)
    path = tmp_path / "rows.index"
    index.save(path)
    loaded = iso.Index.load(path, mmap=mmap)
    assert isinstance(loaded.vectors, np.memmap) == mmap
    assert loaded.metric == metric
    assert loaded.shape == rows.shape
    assert len(loaded) == 901
    assert same(np.asarray(loaded.vectors), rows)
    assert same_neighbors(iso.topk(queries, loaded, 7, metric=metric), expected)
    # Its codes reach the core: a mapped array is an array of another class.
    (prepared,) = _arrays.Arguments(corpus=loaded).ready().indexes
    assert prepared is not None


def test_an_index_stands_for_its_rows_everywhere(rows: np.ndarray) -> None:
    other = rows[::-1][:700] + np.float32(0.2)
    left, right = iso.Index(rows), iso.Index(other)
    plain, indexed = iso.csls_both(rows, other), iso.csls_both(left, right)
    assert same_neighbors(plain.forward, indexed.forward)
    assert same_neighbors(plain.backward, indexed.backward)
    assert same(plain.source_radii, indexed.source_radii)
    assert same_neighbors(iso.csls(rows, other), iso.csls(left, other))
    assert same_neighbors(iso.topk(rows, other, 3), iso.topk(left, right, 3))
    one, two = iso.mutual_nearest(rows, other), iso.mutual_nearest(left, right)
    assert same(one.source, two.source)
    mixed = iso.topk(rows.astype(np.float64), right, 3)
    assert same_neighbors(mixed, iso.topk(rows.astype(np.float64), other, 3))


def test_preparing_is_reported(rows: np.ndarray) -> None:
    index = iso.Index(rows)
    assert index.seconds > 0
    # A byte a value, filled to a multiple of eight, and some bytes a row.
    assert 912 * 56 <= index.prepared_bytes <= 912 * (56 + 24)
    assert repr(index).startswith("<Index of 901 x 50 float32 for 'cosine': prepared in ")
    wide = iso.Index(rows.astype(np.float16))
    assert wide.dtype == np.float32


def test_what_does_not_fit_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="metric: expected one of cosine, dot, l2, got 'ip'"):
        iso.Index(rows, metric="ip")
    with pytest.raises(ShapeError, match="vectors: expected at least one row"):
        iso.Index(rows[:0])
    bad = rows.copy()
    bad[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match="vectors: row 3"):
        iso.Index(bad)
    with pytest.raises(DTypeError, match="vectors: expected floating point"):
        iso.Index(rows.astype(np.int32))
    index = iso.Index(rows, metric="l2")
    with pytest.raises(ValueError, match=r"metric: expected that of the index given as .*, l2"):
        iso.topk(rows, index)
    with pytest.raises(ValueError, match=r"metric: expected that of the index given as .*, l2"):
        iso.csls(rows, index)
    with pytest.raises(ShapeError, match="corpus: expected 49 columns"):
        iso.topk(rows[:, :49], iso.Index(rows))


def test_rows_that_are_not_finite_stay_out(rows: np.ndarray) -> None:
    rows[5] = np.nan
    index = iso.Index(rows, check_finite=False)
    found = iso.topk(rows[:3], index, 901, check_finite=False)
    assert (found.indices[:, -1] == -1).all()
    assert 5 not in found.indices
    # What was not checked then is checked now.
    for queries in (rows[:3], rows[:3].astype(np.float64)):
        with pytest.raises(NonFiniteError, match="corpus: row 5"):
            iso.topk(queries, index, 3)


def test_doubles_of_wild_scales(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((600, 40)) * 10.0 ** rng.integers(-300, 150, (600, 1))
    queries = rng.standard_normal((9, 40))
    assert same_neighbors(iso.topk(queries, iso.Index(rows), 5), iso.topk(queries, rows, 5))


def test_files_that_are_no_index_are_refused(rows: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "rows.index"
    index = iso.Index(rows)
    index.save(path)
    content = path.read_bytes()
    with pytest.raises(FileNotFoundError):
        iso.Index.load(tmp_path / "none")
    for length in (0, 7, 100, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(FormatError):
            iso.Index.load(tmp_path / "cut")
    entries = {"format": "isomorph.index", "format_version": "1", "metric": "cosine"}
    norms = {"norms": '["0x1p0", "0x1p0"]'}
    parts = {**index._parts, "vectors": rows}
    cases = [
        ({"format": "other"}, {"vectors": rows}, "expected a file of isomorph.index"),
        ({**entries, "format_version": "2"}, {"vectors": rows}, "prepare the index again"),
        (entries, {"vectors": rows}, "two norms"),
        ({**entries, "norms": '["0x1p2000", "0x1p0"]'}, {"vectors": rows}, "two norms"),
        ({**entries, "norms": '{"0x1p0": 1, "0x2p0": 1}'}, {"vectors": rows}, "two norms"),
        ({**entries, "norms": '["0x1p0", "-0x1p0"]'}, parts, "finite norms, not negative"),
        ({**entries, **norms, "metric": "ip"}, {"vectors": rows}, "expected a metric of"),
        ({**entries, **norms}, {"vectors": rows}, "codes for 901 rows of 50 values"),
        ({**entries, "norms": '["nan", "0x1p0"]'}, parts, "finite norms"),
        ({**entries, **norms}, {**parts, "scale": rows[:3, 0].copy()}, "scale for 901 rows"),
        ({**entries, **norms}, {**parts, "vectors": rows[0].copy()}, "of two dimensions"),
        ({**entries, **norms}, {**parts, "codes": rows}, "expected 'codes' of uint8"),
    ]
    for metadata, tensors, message in cases:
        tensors = {name: tensor for name, tensor in tensors.items() if tensor.size}
        _core.write_safetensors(os.fspath(path), tensors, metadata)
        for mmap in (True, False):
            with pytest.raises(FormatError, match=message):
                iso.Index.load(path, mmap=mmap)
