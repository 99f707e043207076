"""Rows of any type and memory order, from memory and from files, against NumPy's own indexing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isomorph import _core, errors
from isomorph.vocab import Remap, open_table

DTYPES = [
    *("?", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8", "c8"),
    *("c16", ">i4", ">f8", "M8[s]", "S3", "U5", "i4,f8", "V7"),
]
KEPT = [7, 0, 3, 2, 11, 5]


def remap() -> Remap:
    return Remap.from_kept(KEPT, 12)


def table(dtype: str, shape: tuple[int, ...] = (12, 5)) -> np.ndarray:
    raw = np.random.default_rng(0).integers(0, 2, (*shape, np.dtype(dtype).itemsize), np.uint8)
    return raw.view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(12,), (12, 1), (12, 5), (12, 2, 3), (12, 0)])
def test_rows_of_every_type(dtype: str, shape: tuple[int, ...]) -> None:
    rows = table(dtype, shape)
    found = remap().gather(rows)
    assert found.dtype == rows.dtype
    assert found.shape == (6, *shape[1:])
    assert found.tobytes() == rows[KEPT].tobytes()


def test_bfloat16_of_another_package() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="its type is what is tested")
    rows = np.arange(24).reshape(12, 2).astype(ml_dtypes.bfloat16)
    found = remap().gather(rows)
    assert found.dtype == ml_dtypes.bfloat16
    assert found.tobytes() == rows[KEPT].tobytes()


LAYOUTS = {
    "F order": np.asfortranarray,
    "columns of a wider table": lambda rows: np.hstack([rows, rows])[:, : rows.shape[1]],
    "every other column": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
    "every other row": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "rows backwards": lambda rows: rows[::-1].copy()[::-1],
    "one row, many times": lambda rows: np.broadcast_to(rows[:1], rows.shape),
    "unaligned": lambda rows: (
        np.frombuffer(b"x" + rows.tobytes(), np.uint8)[1:].view(rows.dtype).reshape(rows.shape)
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("dtype", ["f2", "f4", "c16", "i1"])
@pytest.mark.parametrize("order", ["C", "F", None])
def test_rows_in_every_memory_order(layout, dtype: str, order: str | None) -> None:
    rows = layout(table(dtype))
    rows.flags.writeable = False
    out = None if order is None else np.empty((6, 5), dtype, order=order)
    found = remap().gather(rows, out=out)
    assert out is None or found is out
    assert found.tobytes() == rows[KEPT].tobytes()


def test_memory_order_is_kept() -> None:
    assert remap().gather(np.asfortranarray(table("f4"))).flags.f_contiguous
    assert remap().gather(table("f4")).flags.c_contiguous


def test_objects_are_taken_as_such() -> None:
    rows = np.array([str(i) for i in range(12)], dtype=object)
    assert remap().gather(rows).tolist() == [str(i) for i in KEPT]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_tables_on_several_threads(threads: int) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 255, (5000, 700), np.uint8)
    kept = rng.permutation(5000)[:4000]
    found = Remap.from_kept(kept, 5000).gather(rows, threads=threads)
    assert np.array_equal(found, rows[kept])


def test_a_mapped_file(tmp_path: Path) -> None:
    rows = table("f2")
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert np.array_equal(remap().gather(mapped), rows[KEPT])


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.empty((6, 4), "f4"), errors.ShapeError, r"out: expected shape \(6, 5\)"),
        (np.empty((6, 5), "f8"), errors.DTypeError, "out: expected an array of float32"),
        ([[0.0] * 5] * 6, errors.DTypeError, "got list"),
        (np.broadcast_to(np.float32(0), (6, 5)), ValueError, "out: .*read-only"),
    ],
)
def test_an_out_that_does_not_fit(out: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        remap().gather(table("f4"), out=out)


def test_an_out_that_overlaps() -> None:
    rows = table("f4")
    with pytest.raises(ValueError, match="overlaps"):
        remap().gather(rows, out=rows[:6])
    with pytest.raises(errors.DTypeError, match="out"):
        remap().gather(list(range(12)), out=np.empty(6))
    with pytest.raises(errors.DTypeError, match="masked"):
        remap().gather(np.ma.masked_array(rows))


def test_a_table_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    rows = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float16)
    _core.write_safetensors(str(path), {"rows": rows, "bias": np.arange(12)}, {})
    opened = open_table(path, "rows")
    assert (opened.shape, opened.dtype, opened.stored, len(opened)) == ((12, 3), "<f2", "F16", 12)
    out = np.empty((6, 3), np.float16)
    assert remap().gather(opened, out=out) is out
    assert np.array_equal(out, rows[KEPT])
    assert np.array_equal(remap().gather(opened), rows[KEPT])
    assert np.array_equal(remap().gather(opened, out=np.empty((6, 3), "f2", order="F")), rows[KEPT])
    assert np.array_equal(remap().gather(open_table(path, "bias")), KEPT)
    assert np.array_equal(opened[2:5], rows[2:5])
    assert np.array_equal(np.asarray(opened, dtype=np.float64), rows.astype(np.float64))
    assert opened.floats().dtype == np.float32
    with pytest.raises(errors.ShapeError, match="expected 5 rows"):
        Remap.from_kept([0], 5).gather(opened)
    with pytest.raises(errors.DTypeError, match="I64"):
        open_table(path, "bias").floats()
    for wrong, error in (([12], errors.RemapError), ([-1], errors.RemapError)):
        with pytest.raises(error, match="index"):
            opened.take_rows(wrong)
    with pytest.raises(errors.DTypeError, match="index: expected integer"):
        opened.take_rows([0.5])
    with pytest.raises(errors.ShapeError, match="index: expected one dimension"):
        opened.take_rows([[0]])
    with pytest.raises(errors.FormatError, match="a tensor 'none'"):
        open_table(path, "none")
    with pytest.raises(errors.FormatError, match="tensor= to name"):
        open_table(path)


def test_rows_of_a_file_that_are_far_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2**16, (30_000, 300), np.uint16)
    _core.write_safetensors(str(path), {"rows": rows}, {})
    for kept in (
        np.arange(0, 30_000, 7),
        np.arange(0, 30_000, 2),
        rng.permutation(30_000)[:9000],
        np.r_[0:2000, 2001:30_000],
    ):
        found = Remap.from_kept(kept, 30_000).gather(open_table(path))
        assert np.array_equal(found, rows[kept])
