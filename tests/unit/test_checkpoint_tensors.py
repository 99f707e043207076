"""Checkpoints rewritten: bytes of the kept rows, headers, shards and their index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from isomorph import _core, errors
from isomorph.vocab.checkpoints._tensors import (
    Drop,
    Made,
    Rows,
    Tensors,
    open_table,
    rewrite,
)
from support.checkpoints import entry, write_raw

INDEX = np.array([3, 1, -1, 49])
RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((50, 6)).astype(np.float16)
BIAS = RNG.standard_normal((1, 50)).astype(np.float32)
TENSORS = {"rows": ROWS, "bias": BIAS, "odd": np.arange(7, dtype=np.uint8)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    _core.write_safetensors(str(folder / "model.safetensors"), TENSORS, {"format": "pt"})
    return folder


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    folder = tmp_path / "sharded"
    folder.mkdir()
    where = {}
    for number, names in enumerate((["rows"], ["bias", "odd"]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        _core.write_safetensors(str(folder / file), {name: TENSORS[name] for name in names}, {})
        where |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": 807, "other": 1}, "weight_map": where, "more": [1]}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def padded(rows: np.ndarray, axis: int = 0, padding: float = 0) -> np.ndarray:
    taken = np.take(rows, np.maximum(INDEX, 0), axis=axis)
    taken[(slice(None),) * axis + (INDEX < 0,)] = padding
    return taken


def test_rows_copies_and_new_tensors(model: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    plan = {
        "rows": Rows(INDEX),
        "bias": Rows(INDEX, axis=-1, padding=np.float32(-9)),
        "new": Made.of(np.full((3, 2), 1.5), "BF16"),
    }
    done = rewrite(
        model, tmp_path / "out", plan, progress=lambda *now: seen.append(now), metadata={"a": "b"}
    )
    assert done.files == (str(tmp_path / "out" / "model.safetensors"),)
    assert (done.index, done.total_size, done.parameters) == (None, 83, 41)
    assert seen[-1] == (83, 83)
    opened = Tensors.open(tmp_path / "out")
    assert opened.headers["model.safetensors"].metadata == {"a": "b", "format": "pt"}
    assert np.array_equal(opened.table("rows")[:], padded(ROWS))
    assert np.array_equal(opened.table("bias")[:], padded(BIAS, 1, -9))
    assert np.array_equal(opened.table("odd")[:], TENSORS["odd"])
    assert (opened.table("new").floats() == 1.5).all()
    assert all(
        tensor.start % (tensor.bits // 8) == 0
        for tensor in opened.tensors.values()
        if tensor.bits is not None
    )


def test_any_reader_reads_what_was_written(model: Path, tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="the format's own package")
    rewrite(model, tmp_path / "out", {"rows": Rows(INDEX), "odd": Drop()})
    found = numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert found.keys() == {"rows", "bias"}
    assert np.array_equal(found["rows"], padded(ROWS))


def test_doing_it_twice_is_doing_it_once(model: Path, tmp_path: Path) -> None:
    kept = np.arange(0, 50, 3)
    rewrite(model, tmp_path / "once", {"rows": Rows(kept)})
    rewrite(tmp_path / "once", tmp_path / "twice", {"rows": Rows(np.arange(len(kept)))})
    once, twice = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "twice")
    )
    assert once == twice


def test_the_same_bytes_whatever_the_threads_and_the_memory(tmp_path: Path) -> None:
    source = tmp_path / "model.safetensors"
    rows = RNG.integers(0, 2**16, (20_000, 300), np.uint16)
    _core.write_safetensors(str(source), {"rows": rows, "turned": rows[:200].T.copy()}, {})
    kept = np.sort(RNG.permutation(20_000)[:9000])
    plan = {
        "rows": Rows(kept),
        "turned": Rows(np.arange(199, -1, -2), axis=1),
        "made": Made((900, 7), "F32", lambda start, stop: np.arange(7.0) + np.c_[start:stop]),
    }
    found = set()
    for number, (threads, memory) in enumerate([(1, None), (2, "1MB"), (3, "64KB")]):
        out = tmp_path / f"{number}.safetensors"
        rewrite(source, out, plan, threads=threads, memory=memory)
        found.add(out.read_bytes())
    assert len(found) == 1
    assert np.array_equal(open_table(out, "rows")[:], rows[kept])
    assert np.array_equal(open_table(out, "turned")[:], rows[:200].T[:, ::-1][:, ::2])
    expected = np.arange(7.0) + np.c_[:900]
    assert np.array_equal(open_table(out, "made")[:], expected.astype("f4"))


def test_shards_and_their_index(sharded: Path, tmp_path: Path) -> None:
    plan = {
        "rows": Rows(INDEX),
        "head": Made.of(np.ones((4, 6), np.float32), "F16", beside="rows"),
        "odd": Drop(),
    }
    done = rewrite(sharded, tmp_path / "out", plan)
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 48 + 48 + 200, "other": 1}
    assert index["more"] == [1]
    assert index["weight_map"] == {
        "bias": "model-00002-of-00002.safetensors",
        "head": "model-00001-of-00002.safetensors",
        "rows": "model-00001-of-00002.safetensors",
    }
    assert len(done.files) == 2
    opened = Tensors.open(tmp_path / "out")
    assert np.array_equal(opened.table("rows")[:], padded(ROWS))
    assert list(opened.tensors) == ["rows", "head", "bias"]
    with pytest.raises(errors.FormatError, match="no tensor 'odd'"):
        opened.table("odd")


def test_a_shard_without_tensors_is_not_written(sharded: Path, tmp_path: Path) -> None:
    rewrite(sharded, tmp_path / "out", {"bias": Drop(), "odd": Drop()})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
    ]


def test_types_that_nobody_knows_are_copied_and_gathered_by_their_bytes(tmp_path: Path) -> None:
    data = bytes(range(84))
    header = {
        "codes": entry("F8_E4M3", [6, 4], 0, 24),
        "half": entry("F4", [6, 8], 24, 48),
        "strange": entry("I3", [6, 16], 48, 84),
    }
    source = write_raw(tmp_path / "model.safetensors", header, data)
    out = tmp_path / "out.safetensors"
    rewrite(source, out, {})
    assert out.read_bytes().endswith(data)
    rewrite(source, out, {name: Rows([5, -1, 0]) for name in header})
    found = Tensors.open(out).tensors
    tail = out.read_bytes()
    for name, width, begin in (("codes", 4, 0), ("half", 4, 24), ("strange", 6, 48)):
        tensor = found[name]
        expected = data[begin + 5 * width : begin + 6 * width] + bytes(width)
        expected += data[begin : begin + width]
        assert tail[tensor.start : tensor.stop] == expected
        assert tensor.shape == (3, *header[name]["shape"][1:])
    with pytest.raises(errors.DTypeError, match="F8_E4M3, which NumPy does not hold"):
        open_table(out, "codes")
    with pytest.raises(errors.FormatError, match="axis 1 is not a whole number of bytes"):
        rewrite(source, out, {"half": Rows([0], axis=1)})


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ("BF16", [1.0, -0.0, 1e-40, 3.3895e38]),
        ("BF16", [1.00390625, 1.01171875, np.nan, np.inf]),
        ("F16", [1.0, 65504.0, np.nan, -np.inf]),
        ("F64", [1.0, 1e300, np.nan, -np.inf]),
    ],
)
def test_values_that_are_made_are_rounded_to_nearest(
    tmp_path: Path, stored: str, given: list[float]
) -> None:
    source = write_raw(tmp_path / "empty.safetensors", {})
    out = tmp_path / "out.safetensors"
    values = np.array(given, np.float64 if stored == "F64" else np.float32)[:, None]
    rewrite(source, out, {"x": Made.of(values, stored)})
    found = open_table(out).floats()
    if stored == "BF16":
        ml_dtypes = pytest.importorskip("ml_dtypes", reason="the independent rounding")
        wanted = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    else:
        wanted = values.astype(found.dtype if stored == "F64" else np.float16).astype(found.dtype)
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(wanted))


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        ({"none": Rows([0])}, errors.RemapError, "has no tensor 'none'"),
        ({"rows": Rows([50])}, errors.RemapError, "below 50.*got 50 at entry 0"),
        ({"rows": Rows([0, -2])}, errors.RemapError, "got -2 at entry 1"),
        ({"rows": Rows([0.5])}, errors.DTypeError, "row numbers, got float64"),
        ({"rows": Rows([0], axis=2)}, errors.ShapeError, "axis"),
        ({"rows": Rows([0], padding=b"x")}, errors.ShapeError, "a row of 12 bytes, got 1"),
        ({"rows": 3}, errors.DTypeError, "expected Rows, Made or Drop"),
        ({"x": Made((2,), "F4", lambda *_: None)}, errors.DTypeError, "whole bytes"),
        ({"x": Made((), "F32", lambda *_: None)}, errors.ShapeError, "a shape with rows"),
        ({"x": Made((2, 3), "F32", lambda *_: np.ones((2, 4)))}, errors.ShapeError, r"\(2, 3\)"),
        ({"x": Made((2,), "F32", lambda *_: np.ones(2, int))}, errors.DTypeError, "for F32, got"),
        ({"x": Made((2,), "I32", lambda *_: np.ones(2))}, errors.DTypeError, "for I32, got"),
        ({"x": Made.of([1.0, 1e39], "F32")}, errors.NonFiniteError, "row 1.*infinite as F32"),
        ({"x": Made.of([[1e5]], "F16")}, errors.NonFiniteError, "row 0.*infinite as F16"),
        ({"x": Made.of([3.4e38], "BF16")}, errors.NonFiniteError, "infinite as BF16"),
        ({"x": Made((2,), "F32", lambda *_: 1 / 0)}, ZeroDivisionError, "division"),
        ({"x": Made.of([1.0], "F32", beside="none")}, errors.RemapError, "beside"),
    ],
)
def test_a_plan_that_does_not_fit(
    model: Path, tmp_path: Path, plan: dict, error: type[Exception], message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.safetensors").write_bytes(b"old")
    with pytest.raises(error, match=message):
        rewrite(model, out, plan)
    assert [path.name for path in out.iterdir()] == ["model.safetensors"]
    assert (out / "model.safetensors").read_bytes() == b"old"


def test_places_that_are_refused(model: Path, sharded: Path, tmp_path: Path) -> None:
    for source, target in (
        (model, model),
        (model / "model.safetensors", model / "model.safetensors"),
        (model / "model.safetensors", model),
        (sharded, sharded),
    ):
        with pytest.raises(ValueError, match="another place"):
            rewrite(source, target, {})
    with pytest.raises(ValueError, match="expected a folder, or its model"):
        rewrite(sharded / "model.safetensors.index.json", tmp_path / "x.safetensors", {})
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(errors.FormatError, match=r"expected model\.safetensors"):
        Tensors.open(empty)
    (empty / "pytorch_model.bin").touch()
    with pytest.raises(errors.FormatError, match="save the model as safetensors first"):
        Tensors.open(empty)
    (tmp_path / "all").mkdir()
    rewrite(sharded / "model.safetensors.index.json", tmp_path / "all", {})
    assert len(Tensors.open(tmp_path / "all").tensors) == 3


def test_tables_without_rows(tmp_path: Path) -> None:
    header = {
        "none": entry("F32", [0, 4], 0, 0),
        "thin": entry("F32", [4, 0], 0, 0),
        "one": entry("F32", [], 0, 4),
    }
    source = write_raw(tmp_path / "m.safetensors", header, b"\0" * 4)
    out = tmp_path / "out.safetensors"
    rewrite(source, out, {"none": Rows([-1, -1]), "thin": Rows([3, 0])})
    found = Tensors.open(out)
    assert found.table("none")[:].tolist() == [[0] * 4] * 2
    assert found.table("thin")[:].shape == (2, 0)
    with pytest.raises(errors.ShapeError, match="axis"):
        rewrite(source, out, {"one": Rows([0])})
    with pytest.raises(TypeError, match="single value"):
        len(found.table("one"))
