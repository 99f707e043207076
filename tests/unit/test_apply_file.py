"""Maps applied to files: the same bytes as in memory, all else kept, all or nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import isomorph as iso
from isomorph import _core, io
from isomorph._applying import _kinds
from isomorph.errors import FormatError, MemoryBudgetError, NonFiniteError, ShapeError
from support.bridge_contracts import a_bridge
from support.process import environment

ROWS, D, E = 1000, 12, 7
SMALL = "60kB"


@pytest.fixture
def fitted(rng):
    return iso.LinearMap(
        rng.standard_normal((D, E)), rng.standard_normal(D), rng.standard_normal(E), 1.3
    )


@pytest.fixture
def rows(rng):
    return rng.standard_normal((ROWS, D))


def leftovers(folder):
    return [file.name for file in folder.iterdir() if "partial" in file.name]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("memory", [SMALL, "256MB", None])
def test_npy_files_get_the_bytes_of_memory(fitted, rows, tmp_path, dtype, memory) -> None:
    rows = rows.astype(dtype)
    np.save(tmp_path / "in.npy", rows)
    done = iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", memory=memory)
    assert (done.rows, done.columns, done.dtype) == (ROWS, E, dtype)
    found = np.load(tmp_path / "out.npy")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, fitted(rows).astype(dtype))
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("order", ["C", "F", ">f4"])
def test_npy_files_of_any_layout_are_read(fitted, rows, tmp_path, order) -> None:
    stored = rows.astype(">f4") if order == ">f4" else np.asarray(rows, np.float32, order=order)
    np.save(tmp_path / "in.npy", stored)
    iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", memory=SMALL)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), fitted(rows.astype(np.float32)))


def test_words_go_along_and_name_bad_rows(fitted, rows, tmp_path) -> None:
    rows[700, 3] = np.nan
    (tmp_path / "in.words.txt").write_text("".join(f"w{i}\n" for i in range(ROWS)))
    np.save(tmp_path / "in.npy", rows)
    with pytest.raises(NonFiniteError, match=r"in\.npy: row 700 \('w700'\) has a NaN"):
        iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", memory=SMALL)
    assert not (tmp_path / "out.npy").exists()
    assert not leftovers(tmp_path)
    iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", check_finite=False)
    assert np.isnan(np.load(tmp_path / "out.npy")[700]).all()
    assert (tmp_path / "out.words.txt").read_text() == (tmp_path / "in.words.txt").read_text()


def test_words_and_vectors_change_together(fitted, rows, tmp_path) -> None:
    """A run that fails leaves both as they were; one without words leaves no list of others."""
    names = "in", "out"
    for name in names:
        (tmp_path / f"{name}.words.txt").write_text("".join(f"{name}{i}\n" for i in range(ROWS)))
    np.save(tmp_path / "out.npy", rows)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("out*")}
    bad = rows.copy()
    bad[700, 3] = np.nan
    np.save(tmp_path / "in.npy", bad)
    with pytest.raises(NonFiniteError):
        iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", memory=SMALL)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("out*")} == before
    np.save(tmp_path / "in.npy", rows)
    iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy")
    assert (tmp_path / "out.words.txt").read_text().startswith("in0\n")
    (tmp_path / "in.words.txt").unlink()
    iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "out.npy"]


def test_files_that_share_a_word_list_keep_it(fitted, rows, tmp_path) -> None:
    np.save(tmp_path / "x.float64.npy", rows)
    (tmp_path / "x.words.txt").write_text("".join(f"w{i}\n" for i in range(ROWS)))
    (tmp_path / "x.float32.words.txt").write_text("".join(f"old{i}\n" for i in range(ROWS)))
    source, out = tmp_path / "x.float64.npy", tmp_path / "x.float32.npy"
    iso.apply_file(fitted, source, out, dtype="float32")
    assert io.load(out).words[0] == io.load(source).words[0] == "w0"


def test_a_value_that_overflows_the_type_is_refused(fitted, rows, tmp_path) -> None:
    rows[3] *= 1e6
    np.save(tmp_path / "in.npy", rows)
    with pytest.raises(NonFiniteError, match=r"row 3 .*once mapped, as float16"):
        iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", dtype="float16")


def test_safetensors_keep_their_other_tensors(fitted, rows, tmp_path) -> None:
    words = np.frombuffer(b"x\n" * ROWS, np.uint8)
    other = np.arange(5.0)
    tensors = {"emb": rows.astype(np.float32), "words": words, "a": other, "z": other[:1]}
    _core.write_safetensors(str(tmp_path / "in.safetensors"), tensors, {"made": "by hand"})
    for dtype in ("float16", None, "float64"):
        path = tmp_path / f"{dtype}.safetensors"
        iso.apply_file(fitted, tmp_path / "in.safetensors", path, dtype=dtype, memory=SMALL)
        found, metadata = _core.read_safetensors(str(path))
        assert metadata == {"made": "by hand"}
        np.testing.assert_array_equal(found["words"], words)
        np.testing.assert_array_equal(found["a"], other)
        np.testing.assert_array_equal(found["z"], other[:1])
        expected = fitted(rows.astype(np.float32)).astype(dtype or "float32")
        np.testing.assert_array_equal(found["emb"], expected)


def test_bfloat16_tensors_become_float32(fitted, rows, tmp_path) -> None:
    bits = rows.astype(np.float32).view(np.uint32) >> 16
    header = {"v": {"dtype": "BF16", "shape": [ROWS, D], "data_offsets": [0, ROWS * D * 2]}}
    text = json.dumps(header).encode()
    path = tmp_path / "in.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bits.astype("<u2").tobytes())
    done = iso.apply_file(fitted, path, tmp_path / "out.safetensors")
    assert done.dtype == "float32"
    found, _ = _core.read_safetensors(str(tmp_path / "out.safetensors"))
    widened = (bits << 16).view(np.float32)
    np.testing.assert_array_equal(found["v"], fitted(widened))


def test_several_tensors_that_fit_want_a_name(fitted, rows, tmp_path) -> None:
    path, out = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    _core.write_safetensors(str(path), {"a": rows, "b": rows}, {})
    with pytest.raises(ValueError, match="column: expected the name of a tensor"):
        iso.apply_file(fitted, path, out)
    with pytest.raises(FormatError, match="expected vectors in the tensor 'c'"):
        iso.apply_file(fitted, path, out, column="c")
    iso.apply_file(fitted, path, out, column="b")
    found, _ = _core.read_safetensors(str(out))
    np.testing.assert_array_equal(found["a"], rows)


class TestTables:
    @pytest.fixture(autouse=True)
    def arrow(self):
        self.pa = pytest.importorskip("pyarrow")
        self.pq = pytest.importorskip("pyarrow.parquet")

    def table(self, rows, kind="fixed"):
        pa = self.pa
        flat = pa.array(rows.reshape(-1))
        if kind == "fixed":
            vectors = pa.FixedSizeListArray.from_arrays(flat, D)
        else:
            array = pa.LargeListArray if kind == "large" else pa.ListArray
            ends = np.arange(len(rows) + 1, dtype=np.int64 if kind == "large" else np.int32) * D
            vectors = array.from_arrays(pa.array(ends), flat)
        columns = {
            "id": [f"d{i}" for i in range(len(rows))],
            "vector": vectors,
            "number": list(range(len(rows))),
            "tags": pa.array([["a"] * (i % 3) for i in range(len(rows))]),
            "kind": pa.array(["x", "y"] * (len(rows) // 2)).dictionary_encode(),
        }
        return pa.table(columns).replace_schema_metadata({"made": "by hand"})

    def write(self, table, path):
        pa = self.pa
        if path.suffix == ".parquet":
            self.pq.write_table(table, path, row_group_size=333)
        else:
            new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
            with new(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=333)

    def read(self, path):
        if path.suffix == ".parquet":
            return self.pq.read_table(path)
        opened = self.pa.ipc.open_stream if path.suffix == ".arrows" else self.pa.ipc.open_file
        return opened(path).read_all()

    @pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows"])
    @pytest.mark.parametrize("kind", ["fixed", "list", "large"])
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_columns_are_kept(self, fitted, rows, tmp_path, suffix, kind, dtype) -> None:
        rows = rows.astype(dtype)
        table = self.table(rows, kind)
        source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
        self.write(table, source)
        iso.apply_file(fitted, source, out, memory=SMALL)
        found = self.read(out)
        assert found.schema.names == table.schema.names
        assert found.schema.metadata[b"made"] == b"by hand"
        for name in ("id", "number", "tags"):
            assert found[name].to_pylist() == table[name].to_pylist()
        assert found["kind"].to_pylist() == table["kind"].to_pylist()
        flat = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(flat.reshape(-1, E), fitted(rows).astype(dtype))
        if kind == "fixed":
            assert found.schema.field("vector").type.list_size == E

    def test_parquet_and_arrow_are_exchanged(self, fitted, rows, tmp_path) -> None:
        self.write(self.table(rows), tmp_path / "in.parquet")
        iso.apply_file(fitted, tmp_path / "in.parquet", tmp_path / "out.arrow")
        iso.apply_file(fitted, tmp_path / "out.arrow", tmp_path / "back.parquet", inverse=True)
        assert self.read(tmp_path / "back.parquet")["id"].to_pylist()[-1] == f"d{ROWS - 1}"

    def test_several_columns_are_not_chosen_from(self, rows, tmp_path) -> None:
        scores = self.pa.array([[0.5]] * ROWS, self.pa.list_(self.pa.float32()))
        path = tmp_path / "in.parquet"
        self.write(self.table(rows).append_column("scores", scores), path)
        with pytest.raises(ValueError, match="vectors in 'vector', 'scores'"):
            _kinds.open_source(str(path), None, None, 0)
        assert _kinds.open_source(str(path), "vector", None, 0).columns == D

    def test_bad_rows_are_named_by_their_id(self, fitted, rows, tmp_path) -> None:
        rows[701, 0] = np.inf
        self.write(self.table(rows), tmp_path / "in.parquet")
        with pytest.raises(NonFiniteError, match=r"row 701 \(id 'd701'\) has a NaN or an inf"):
            iso.apply_file(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet", memory=SMALL)
        with pytest.raises(NonFiniteError, match=r"row 701 \(number 701\)"):
            iso.apply_file(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet", ids="number")
        assert [file.name for file in tmp_path.iterdir()] == ["in.parquet"]

    @pytest.mark.parametrize("what", ["vector", "value", "length"])
    def test_what_is_missing_is_named(self, fitted, rows, tmp_path, what) -> None:
        lists = rows[:10].tolist()
        if what == "vector":
            lists[4] = None
        elif what == "value":
            lists[4][2] = None
        else:
            lists[4] = lists[4][:-1]
        kind = self.pa.list_(self.pa.float32(), -1 if what == "length" else D)
        table = self.pa.table({"key": list("abcdefghij"), "v": self.pa.array(lists, kind)})
        self.write(table, tmp_path / "in.parquet")
        error = ShapeError if what == "length" else FormatError
        with pytest.raises(error, match=r"row 4 \(key 'e'\)"):
            iso.apply_file(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet")

    def test_columns_that_do_not_fit(self, fitted, rows, tmp_path) -> None:
        source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
        self.write(self.table(rows), source)
        with pytest.raises(FormatError, match="expected vectors in the column 'number'"):
            iso.apply_file(fitted, source, out, column="number")
        with pytest.raises(FormatError, match="expected a column 'no'"):
            iso.apply_file(fitted, source, out, ids="no")
        with pytest.raises(ShapeError, match="expected vectors of 7 columns"):
            iso.apply_file(fitted.inverse(), source, out)

    @pytest.mark.parametrize("name", ["in.parquet", "in.arrow"])
    @pytest.mark.parametrize("content", [b"", b"PAR1", b"ARROW1\0\0", b"\xff" * 400])
    def test_hostile_files_are_named(self, fitted, tmp_path, name, content) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=name):
            iso.apply_file(fitted, tmp_path / name, tmp_path / f"out{name}")
        assert [file.name for file in tmp_path.iterdir()] == [name]

    def test_a_truncated_file_is_named(self, fitted, rows, tmp_path) -> None:
        for name in ("in.parquet", "in.arrow", "in.arrows"):
            self.write(self.table(rows), tmp_path / name)
            whole = (tmp_path / name).read_bytes()
            (tmp_path / name).write_bytes(whole[: len(whole) // 2])
            with pytest.raises(FormatError, match=name):
                iso.apply_file(fitted, tmp_path / name, tmp_path / f"out{name}")
            assert not leftovers(tmp_path)

    def test_without_pyarrow_the_extra_is_named(self, fitted, tmp_path, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        (tmp_path / "in.parquet").write_bytes(b"")
        with pytest.raises(ImportError, match=r"pip install 'isomorph\[parquet\]'"):
            iso.apply_file(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet")


def test_text_files(fitted, rows, tmp_path) -> None:
    words = [f"w{i}" for i in range(ROWS)]
    rows = rows.astype(np.float32)
    iso.io.save(iso.io.Embeddings(words, rows), tmp_path / "in.vec")
    iso.apply_file(fitted, tmp_path / "in.vec", tmp_path / "out.vec.gz", memory=SMALL)
    found = iso.io.load(tmp_path / "out.vec.gz")
    assert list(found.words) == words
    np.testing.assert_array_equal(found.vectors, fitted(rows))


def test_text_files_are_read_with_the_threads_asked_for(fitted, rows, tmp_path, monkeypatch):
    iso.io.save(iso.io.Embeddings(["a", "b"], rows[:2].astype(np.float32)), tmp_path / "in.vec")
    asked = []
    for name in ("read_text", "write_text"):
        call = getattr(_core, name)

        def told(*arguments, call=call, **options):
            asked.append(options["threads"])
            return call(*arguments, **options)

        monkeypatch.setattr(_core, name, told)
    iso.apply_file(fitted, tmp_path / "in.vec", tmp_path / "out.vec", threads=1)
    assert asked == [1, 1]


def test_every_kind_of_map_and_of_file_of_a_map(fitted, rows, tmp_path) -> None:
    np.save(tmp_path / "in.npy", rows)
    chain = iso.transforms.Chain.parse("unit center").fit(rows)
    alignment = iso.Alignment(chain, fitted, None, iso.LinearMap(np.eye(E)[:, ::-1]))
    bridge = a_bridge(fitted, normalize=True)
    expected = {
        "map": (fitted, fitted(rows)),
        "alignment": (alignment, alignment.apply_source(rows)),
        "bridge": (bridge, bridge(rows)),
    }
    for name, (given, mapped) in expected.items():
        given.save(tmp_path / f"{name}.safetensors")
        for form in (given, tmp_path / f"{name}.safetensors"):
            iso.apply_file(form, tmp_path / "in.npy", tmp_path / "out.npy", memory=SMALL)
            np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), mapped)
    iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy", normalize=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), iso.transforms.unit(fitted(rows)))
    np.save(tmp_path / "target.npy", fitted(rows))
    iso.apply_file(alignment, tmp_path / "target.npy", tmp_path / "out.npy", side="target")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), fitted(rows)[:, ::-1])


def test_what_makes_no_sense_is_refused_before_anything_is_written(fitted, rows, tmp_path) -> None:
    source, out = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, rows)
    (tmp_path / "link.npy").symlink_to(source)
    chain = iso.transforms.Chain.parse("unit").fit(rows)
    refused = [
        (ValueError, "expected another file than source", (fitted, source, source), {}),
        (ValueError, "expected another file", (fitted, source, tmp_path / "link.npy"), {}),
        (ValueError, "destination: expected a .npy file", (fitted, source, tmp_path / "a.vec"), {}),
        (ValueError, "source: expected a name that ends", (fitted, tmp_path / "a.bin", out), {}),
        (ValueError, "column: expected None", (fitted, source, out), {"column": "x"}),
        (ValueError, "side: expected 'source'", (fitted, source, out), {"side": "target"}),
        (ValueError, "side: expected 'source' or", (fitted, source, out), {"side": "left"}),
        (TypeError, "dtype: expected float16", (fitted, source, out), {"dtype": "int8"}),
        (TypeError, "dtype: expected float16", (fitted, source, out), {"dtype": "number"}),
        (TypeError, "map: expected a LinearMap", (3.5, source, out), {}),
        (MemoryBudgetError, "memory: expected at least", (fitted, source, out), {"memory": 100}),
        (
            ShapeError,
            "columns, which is what the map takes",
            (fitted.inverse(), source, out),
            {},
        ),
        (ShapeError, "got a stack of 2", (iso.LinearMap(np.ones((2, D, E))), source, out), {}),
        (
            ValueError,
            "cannot be undone",
            (iso.Alignment(chain, fitted, None), source, out),
            {"inverse": True},
        ),
        (FileNotFoundError, "none", (fitted, tmp_path / "none.npy", out), {}),
        (FileNotFoundError, "out.npy", (fitted, source, tmp_path / "none" / "out.npy"), {}),
    ]
    for error, message, arguments, options in refused:
        with pytest.raises(error, match=message):
            iso.apply_file(*arguments, **options)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.npy", "link.npy"]


@pytest.mark.parametrize("rows", [0, 1])
def test_files_of_hardly_any_rows(fitted, tmp_path, rows) -> None:
    np.save(tmp_path / "in.npy", np.ones((rows, D), np.float32))
    done = iso.apply_file(fitted, tmp_path / "in.npy", tmp_path / "out.npy")
    assert done.rows == rows
    assert np.load(tmp_path / "out.npy").shape == (rows, E)


def test_a_full_disk_leaves_what_was_there(fitted, rows, tmp_path) -> None:
    """A limit on the size of files stands for the disk."""
    np.save(tmp_path / "in.npy", np.ones((20_000, D), np.float32))
    (tmp_path / "out.npy").write_bytes(b"old")
    fitted.save(tmp_path / "map.safetensors")
    code = """
        import resource, signal, sys, isomorph as iso
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            iso.apply_file("map.safetensors", "in.npy", "out.npy", memory="60kB")
        except OSError as error:
            sys.exit(7)
    """
    import textwrap

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, env=environment(), check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 7
    assert (tmp_path / "out.npy").read_bytes() == b"old"
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_nothing(fitted, tmp_path, signum) -> None:
    np.lib.format.open_memmap(tmp_path / "in.npy", "w+", np.float32, (4_000_000, D))
    fitted.save(tmp_path / "map.safetensors")
    command = ["apply", "map.safetensors", "in.npy", "out.npy", "--memory", "60kB"]
    process = subprocess.Popen(
        [sys.executable, "-m", "isomorph", *command],
        cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not leftovers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signum)
    assert process.wait(timeout=60) in (130, 143)
    assert not leftovers(tmp_path)
    assert not (tmp_path / "out.npy").exists()


def test_progress_is_told_in_rows(fitted, rows, tmp_path) -> None:
    np.save(tmp_path / "in.npy", rows)
    told = []
    iso.apply_file(
        fitted, tmp_path / "in.npy", tmp_path / "out.npy", memory=SMALL,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told[-1] == (ROWS, ROWS)
    assert len(told) > 2


def test_the_word_list_of_another_file_is_left_alone(tmp_path):
    rows = np.eye(3, dtype=np.float32)
    fitted = iso.LinearMap(rows)
    np.save(tmp_path / "emb.npy", rows)
    (tmp_path / "emb.words.txt").write_text("a\nb\nc\n", "utf-8")
    np.save(tmp_path / "store.npy", rows)
    destination = tmp_path / "emb.float16.npy"
    with pytest.raises(ValueError, match="would be taken for the words"):
        iso.apply_file(fitted, tmp_path / "store.npy", destination, dtype="float16")
    assert not destination.exists()
    (tmp_path / "store.words.txt").write_text("x\ny\nz\n", "utf-8")
    iso.apply_file(fitted, tmp_path / "store.npy", destination, dtype="float16")
    assert list(iso.io.load(destination).words) == ["x", "y", "z"]
    assert list(iso.io.load(tmp_path / "emb.npy").words) == ["a", "b", "c"]
