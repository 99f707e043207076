"""Token ids in files of every kind: what is renumbered, what stays, what is an error."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from isomorph import _core, errors
from isomorph.vocab import Remap, remap_file

REMAP = Remap.from_kept([4, 0, 2], 5, dropped=1)
OLD = np.array([[0, 4, 2], [1, 3, 0]])
NEW = np.array([[1, 0, 2], [1, 1, 1]])


@pytest.mark.parametrize("dtype", ["u1", "i4", ">u2", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_any_shape(tmp_path: Path, dtype: str, order: str) -> None:
    old = np.asarray(np.tile(OLD, (5, 1)).reshape(5, 2, 3), dtype, order=order)
    np.save(tmp_path / "old.npy", old)
    done = remap_file(tmp_path / "old.npy", tmp_path / "new.npy", REMAP, memory="1KB")
    path, ids = done
    assert (path, ids, done.dropped) == (str(tmp_path / "new.npy"), 30, 10)
    new = np.load(tmp_path / "new.npy")
    assert new.dtype == dtype
    assert new.flags.f_contiguous == (order == "F")
    assert np.array_equal(new, np.tile(NEW, (5, 1)).reshape(5, 2, 3))


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1)])
def test_arrays_of_hardly_anything(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "old.npy", np.full(shape, 4, np.int32))
    remap_file(tmp_path / "old.npy", tmp_path / "new.npy", REMAP)
    new = np.load(tmp_path / "new.npy")
    assert new.shape == shape
    assert (new == 0).all()
    np.save(tmp_path / "old.npy", np.full(shape, 5, np.int32))
    if 0 not in shape:
        with pytest.raises(errors.RemapError, match="got 5 at entry"):
            remap_file(tmp_path / "old.npy", tmp_path / "new.npy", REMAP)


def test_a_file_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    source = tmp_path / "old.bin"
    np.zeros(200_000, np.uint16).tofile(source)

    def cut(done: int, _: int) -> None:
        if done < 100_000:
            os.truncate(source, 250_001)

    with pytest.raises(errors.FormatError, match="ends at entry 125000 of 200000"):
        remap_file(source, tmp_path / "new.bin", REMAP, stored="u2", memory=1 << 16, progress=cut)
    assert not (tmp_path / "new.bin").exists()


def test_numbers_without_a_header(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    old = rng.integers(0, 5, 100_000).astype("<u4")
    old.tofile(tmp_path / "train.bin")
    seen: list[tuple[int, int]] = []
    done = remap_file(
        tmp_path / "train.bin",
        tmp_path / "new.bin",
        REMAP,
        stored="<u4",
        dtype="u2",
        memory=1 << 16,
        progress=lambda *now: seen.append(now),
    )
    new = np.fromfile(tmp_path / "new.bin", "u2")
    assert np.array_equal(new, REMAP.old_to_new[old])
    assert (done.ids, done.dropped) == (100_000, int(np.isin(old, [1, 3]).sum()))
    assert done.dtype == "uint16"
    assert seen[-1] == (100_000, 100_000)
    assert len(seen) > 3
    (tmp_path / "empty.bin").touch()
    assert remap_file(tmp_path / "empty.bin", tmp_path / "e.bin", REMAP, stored="u2").ids == 0
    assert (tmp_path / "e.bin").stat().st_size == 0


def test_tensors(tmp_path: Path) -> None:
    tensors = {
        "input_ids": np.tile(OLD, (4, 1)).astype(np.int32),
        "labels": np.tile([[0, 4, -100]], (4, 1)).astype(np.int64),
        "attention_mask": np.ones((4, 3), np.int8),
        "scores": np.ones(3, np.float32),
    }
    _core.write_safetensors(str(tmp_path / "old.safetensors"), tensors, {"made": "by"})
    target = tmp_path / "new.safetensors"
    done = remap_file(
        tmp_path / "old.safetensors", target, REMAP, columns=["input_ids", "labels"], ignore=-100
    )
    found, metadata = _core.read_safetensors(str(target))
    assert metadata == {"made": "by"}
    assert found["input_ids"].dtype == np.int32
    assert np.array_equal(found["input_ids"], np.tile(NEW, (4, 1)))
    assert found["labels"].tolist() == [[1, 0, -100]] * 4
    assert np.array_equal(found["attention_mask"], tensors["attention_mask"])
    assert (done.ids, done.dropped) == (36, 8)
    with pytest.raises(errors.FormatError, match=r"expected columns=.*'labels'"):
        remap_file(tmp_path / "old.safetensors", target, REMAP)
    with pytest.raises(errors.FormatError, match="a tensor 'scores' of integers"):
        remap_file(tmp_path / "old.safetensors", target, REMAP, columns="scores")
    with pytest.raises(errors.RemapError, match=r"-100, at entry \(0, 2\) of tensor 'labels'"):
        remap_file(tmp_path / "old.safetensors", target, REMAP, columns="labels")


pyarrow = pytest.importorskip("pyarrow", reason="tables need it")


def tables(kind: str) -> object:
    """Lists of lists, of one length and not, with what is missing and slices."""
    pa = pyarrow
    lists = {
        "list": pa.list_(pa.int32()),
        "large": pa.large_list(pa.int32()),
        "nested": pa.list_(pa.list_(pa.int32())),
        "fixed": pa.list_(pa.int32(), 2),
        "plain": pa.int64(),
    }[kind]
    rows = {
        "list": [[0, 4], None, [], [2, None, 3], [0]],
        "large": [[0, 4], None, [], [2, None, 3], [0]],
        "nested": [[[0, 4], []], None, [], [[2, None], None, [3]], [[0]]],
        "fixed": [[0, 4], None, [2, 3], [None, 0], [1, 1]],
        "plain": [0, None, 4, 3, 2],
    }[kind]
    return pa.table(
        {"ids": pa.array(rows, lists), "mask": [1, 0, 1, 0, 1], "text": list("abcde")},
    ).replace_schema_metadata({"huggingface": "{}", "mine": "x"})


def mapped(value: object) -> object:
    if isinstance(value, list):
        return [mapped(one) for one in value]
    return None if value is None else int(REMAP.old_to_new[value])


@pytest.mark.parametrize("kind", ["list", "large", "nested", "fixed", "plain"])
@pytest.mark.parametrize("ending", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize("dtype", [None, "u2"])
def test_columns_of_tables(tmp_path: Path, kind: str, ending: str, dtype: str | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    old = tables(kind)
    source, target = tmp_path / f"old.{ending}", tmp_path / f"new.{ending}"
    if ending == "parquet":
        pq.write_table(old, source, row_group_size=2)
    else:
        maker = pa.ipc.new_stream if ending == "arrows" else pa.ipc.new_file
        with maker(source, old.schema) as writer:
            # A slice: its offsets do not begin at zero.
            for batch in old.to_batches(max_chunksize=2):
                writer.write_batch(batch)
    done = remap_file(source, target, REMAP, columns="ids", dtype=dtype)
    if ending == "parquet":
        new = pq.read_table(target)
    else:
        opener = pa.ipc.open_stream if ending == "arrows" else pa.ipc.open_file
        new = opener(target).read_all()
    rows = old.column("ids").to_pylist()
    assert new.column("ids").to_pylist() == mapped(rows)
    assert new.select(["mask", "text"]).equals(
        old.select(["mask", "text"]).cast(new.select(["mask", "text"]).schema)
    )
    assert new.schema.metadata[b"mine"] == b"x"
    assert (b"huggingface" in new.schema.metadata) == (dtype is None)
    inner = new.schema.field("ids").type
    while hasattr(inner, "value_type"):
        inner = inner.value_type
    assert inner == (pa.uint16() if dtype else pa.int64() if kind == "plain" else pa.int32())
    assert done.ids == sum(1 for one in str(rows).replace("None", "x") if one.isdigit())


def test_a_table_names_row_and_position(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source, target = tmp_path / "old.parquet", tmp_path / "new.parquet"
    rows = [[0, 1]] * 40_000 + [[2], [], [4, 0, 9]]
    pq.write_table(pa.table({"ids": rows}), source)
    with pytest.raises(errors.RemapError, match="9 at row 40002, position 2, of column 'ids'"):
        remap_file(source, target, REMAP)
    assert not target.exists()
    pq.write_table(pa.table({"a": [1.0]}), source)
    with pytest.raises(errors.FormatError, match="integers: none"):
        remap_file(source, target, REMAP)
    source.write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(errors.FormatError, match=str(source)):
        remap_file(source, target, REMAP)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("x.npy", {"columns": "a"}, ValueError, "columns: expected none"),
        ("x.bin", {}, ValueError, "source: expected a name that ends with"),
        ("x.vec", {}, ValueError, "source: expected a name that ends with"),
        ("x.npy", {"target": "y.safetensors"}, ValueError, "target: expected a file of the kind"),
        ("x.npy", {"target": "x.npy"}, ValueError, "another file"),
        ("x.bin", {"stored": "f4"}, errors.DTypeError, "expected integer ids, got float32"),
        ("x.bin", {"stored": "u2"}, errors.FormatError, "whole numbers of 2 bytes.*3 bytes"),
        ("x.npy", {}, errors.FormatError, "expected an array of integers"),
        ("x.npy", {"unknown": "skip"}, ValueError, "unknown: expected one of"),
        ("x.npy", {"memory": 0}, ValueError, "memory"),
        ("none.npy", {}, FileNotFoundError, "none"),
        ("floats.npy", {}, errors.DTypeError, "expected integer ids, got float64"),
        ("ids.npy", {"remap": Remap.from_kept([0], 1)}, errors.RemapError, r"entry \(0, 1\)"),
        ("ids.npy", {"strict": True}, errors.RemapError, r"id 1 at entry \(1, 0\): it was not"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, name: str, options: dict, error: type[Exception], message: str
) -> None:
    for file in ("x.npy", "x.bin", "x.vec"):
        (tmp_path / file).write_bytes(b"abc")
    np.save(tmp_path / "floats.npy", np.zeros(3))
    np.save(tmp_path / "ids.npy", OLD)
    before = sorted(tmp_path.iterdir())
    source = tmp_path / name
    target = tmp_path / options.pop("target", f"new{source.suffix}")
    with pytest.raises(error, match=message):
        remap_file(source, target, options.pop("remap", REMAP), **options)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name == "nt", reason="pipes with names are those of POSIX")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "old.bin")
    with pytest.raises(errors.FormatError, match="not a regular file"):
        remap_file(tmp_path / "old.bin", tmp_path / "new.bin", REMAP, stored="u2")


def test_a_saved_remap_and_a_link(tmp_path: Path) -> None:
    np.save(tmp_path / "old.npy", OLD)
    REMAP.save(tmp_path / "remap.safetensors")
    (tmp_path / "link.npy").symlink_to(tmp_path / "old.npy")
    with pytest.raises(ValueError, match="another file"):
        remap_file(tmp_path / "old.npy", tmp_path / "link.npy", REMAP)
    remap_file(tmp_path / "link.npy", tmp_path / "new.npy", tmp_path / "remap.safetensors")
    assert np.array_equal(np.load(tmp_path / "new.npy"), NEW)


def test_what_was_kept_as_the_dropped_id_is_not_counted_as_dropped(tmp_path: Path) -> None:
    old = np.array([0, 0, 1, 3, 4, -1], np.int64)
    np.save(tmp_path / "old.npy", old)
    for dropped, ignore, expected in ((1, -1, 2), (-1, -1, 2), (0, -1, 2)):
        remap = Remap.from_kept([4, 0, 2], 5, dropped=dropped)
        # What has no new id is refused unless -1 is asked for.
        unknown = "dropped" if dropped < 0 else "raise"
        done = remap_file(
            tmp_path / "old.npy", tmp_path / "new.npy", remap, ignore=ignore, unknown=unknown
        )
        assert done.dropped == expected
    done = remap_file(tmp_path / "old.npy", tmp_path / "new.npy", REMAP, unknown="dropped")
    assert done.dropped == 3


def test_minus_one_is_written_only_where_it_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "old.npy", np.array([0, 4, 3]))
    remap = Remap.from_kept([4, 0, 2], 5)
    paths = (tmp_path / "old.npy", tmp_path / "new.npy")
    for unknown in ("raise", "keep"):
        with pytest.raises(errors.RemapError, match=r"id 3 at entry 2: .*no new id for such ids"):
            remap_file(*paths, remap, unknown=unknown)
    assert not paths[1].exists()
    assert remap_file(*paths, remap, unknown="dropped").dropped == 1
    assert np.load(paths[1]).tolist() == [1, 0, -1]


@pytest.mark.skipif(os.name == "nt", reason="limits of a process are those of POSIX")
def test_a_full_disk(tmp_path: Path) -> None:
    np.zeros(3_000_000, np.uint8).tofile(tmp_path / "old.bin")
    (tmp_path / "new.bin").write_bytes(b"old")
    code = """
        import resource, signal, sys
        from isomorph.vocab import Remap, remap_file
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            remap_file(sys.argv[1], sys.argv[2], Remap.from_kept([0], 1), stored="u1")
        except OSError as error:
            print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path / "old.bin", tmp_path / "new.bin"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "File too large" in done.stdout, done.stderr
    assert (tmp_path / "new.bin").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
