"""Embeddings, and the three formats of their files."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

import isomorph as iso
from isomorph import io
from isomorph.errors import DTypeError, FormatError, ShapeError

TEXT = "2 3\ncat 0.1 -0.25 3e-2\ndog 1 2 3\n"
FORMATS = ["x.vec", "x.txt", "x.vec.gz", "x.npy", "x.safetensors"]


@pytest.fixture
def table(rng: np.random.Generator) -> io.Embeddings:
    words = ["the", "no\u00a0break", "\u2028", "x\u0085y", "1999", "සිංහල", "new york", "a\rb"]
    return io.Embeddings(words, rng.normal(size=(8, 5)).astype(np.float32))


def write(folder: Path, text: str | bytes, name: str = "x.vec") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


class TestEmbeddings:
    def test_unpacks_and_knows_its_words(self, table: io.Embeddings) -> None:
        words, vectors = table
        assert words is table.words
        assert vectors is table.vectors
        assert len(table) == 8
        assert "the" in table
        assert "The" not in table
        assert table.index["1999"] == 4
        assert "8 words x 5, float32: 'the'" in repr(table)

    def test_the_first_of_repeated_words_is_indexed(self) -> None:
        assert io.Embeddings(["a", "b", "a"], np.zeros((3, 1))).index == {"a": 0, "b": 1}

    def test_take_rows_or_a_mask(self, table: io.Embeddings) -> None:
        taken = table.take([3, 0, 3])
        assert taken.words == ["x\u0085y", "the", "x\u0085y"]
        np.testing.assert_array_equal(taken.vectors, table.vectors[[3, 0, 3]])
        mask = np.array([True] + [False] * 7)
        assert table.take(mask).words == ["the"]
        assert len(table.take([])) == 0
        for bad, error in [([0.5], DTypeError), ([[0]], ShapeError), (mask[:3], ShapeError)]:
            with pytest.raises(error, match="rows"):
                table.take(bad)

    def test_words_and_rows_must_agree(self) -> None:
        for words, vectors in [
            (["a"], np.zeros(3)),
            (["a"], np.zeros((2, 3))),
            ("ab", np.zeros((2, 3))),
        ]:
            with pytest.raises(ShapeError, match=r"vectors|words"):
                io.Embeddings(words, vectors)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_saved_is_loaded_bit_for_bit(
    tmp_path: Path, table: io.Embeddings, name: str, threads: int
) -> None:
    io.save(table, tmp_path / name)
    loaded = io.load(tmp_path / name)
    assert list(loaded.words) == table.words
    assert loaded.vectors.dtype == np.float32
    assert loaded.vectors.tobytes() == table.vectors.tobytes()
    assert loaded.vectors.flags.c_contiguous
    assert loaded.vectors.flags.writeable


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_bytes_are_written_again(tmp_path: Path, table: io.Embeddings, name: str) -> None:
    written = []
    for threads in (1, 2, 3, 7):
        io.save(table, tmp_path / name, threads=threads)
        written.append((tmp_path / name).read_bytes())
    assert len(set(written)) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_table_keeps_its_dimension(tmp_path: Path, name: str) -> None:
    io.save(io.Embeddings([], np.zeros((0, 4), np.float32)), tmp_path / name)
    assert io.load(tmp_path / name).vectors.shape == (0, 4)


@pytest.mark.parametrize("name", FORMATS)
def test_limit_and_duplicates_mean_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    io.save(io.Embeddings(["a", "b", "a", "c", "b"], vectors), tmp_path / name)
    for limit, policy, rows in [
        (None, "first", [0, 1, 3]),
        (None, "last", [2, 3, 4]),
        (3, "first", [0, 1]),
        (3, "last", [1, 2]),
        (2, "error", [0, 1]),
    ]:
        loaded = io.load(tmp_path / name, limit=limit, duplicates=policy)
        np.testing.assert_array_equal(loaded.vectors, vectors[rows])
    with pytest.raises(FormatError, match='the word "a" is already'):
        io.load(tmp_path / name, duplicates="error")


def test_text_with_a_header_or_without_and_compressed(tmp_path: Path) -> None:
    expected = np.array([[0.1, -0.25, 0.03], [1, 2, 3]], np.float32)
    bodies = [TEXT, TEXT.split("\n", 1)[1], TEXT.replace(" ", "\t"), TEXT.replace("\n", " \r\n")]
    for text in bodies:
        for data in (text.encode(), gzip.compress(text.encode())):
            loaded = io.load(write(tmp_path, data))
            assert loaded.words == ["cat", "dog"]
            np.testing.assert_array_equal(loaded.vectors, expected)


def test_header_false_reads_two_integers_as_a_vector(tmp_path: Path) -> None:
    path = write(tmp_path, "5 7\n6 8\n")
    assert io.load(path, header=False).words == ["5", "6"]
    with pytest.raises(FormatError, match="header=False"):
        io.load(path)


def test_invalid_utf8_as_python_replaces_it(tmp_path: Path) -> None:
    word = b"a\xff\xe2\x28\xf0\x9f\x98b"
    path = write(tmp_path, word + b" 1 2\n")
    with pytest.raises(FormatError, match=r"x\.vec: line 1: not valid UTF-8"):
        io.load(path)
    assert io.load(path, errors="replace").words == [word.decode("utf-8", "replace")]


class TestNpy:
    @pytest.mark.parametrize("name", ["en.npy", "en.float16.npy", "en.float64.npy"])
    def test_finds_its_words_and_keeps_the_type_that_its_name_says(
        self, tmp_path: Path, table: io.Embeddings, name: str
    ) -> None:
        halves = io.Embeddings(table.words, table.vectors.astype(np.float16).astype(np.float32))
        io.save(halves, tmp_path / name)
        assert (tmp_path / "en.words.txt").exists()
        stored = np.load(tmp_path / name)
        assert stored.dtype.name == (name.split(".")[1] if name.count(".") == 2 else "float32")
        loaded = io.load(tmp_path / name)
        np.testing.assert_array_equal(loaded.vectors, halves.vectors)
        assert loaded.vectors.dtype == (np.float64 if "64" in name else np.float32)

    @pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_reads_what_numpy_writes(self, tmp_path: Path, dtype: str, order: str) -> None:
        array = np.arange(-6, 6).reshape(4, 3).astype(dtype, order=order) / 3
        array = np.asarray(array.astype(dtype), order=order)
        np.save(tmp_path / "x.npy", array)
        loaded = io.load(tmp_path / "x.npy", words=list("abcd"))
        np.testing.assert_array_equal(loaded.vectors, array.astype(np.float64))
        limited = io.load(tmp_path / "x.npy", words=list("abcd"), limit=2)
        np.testing.assert_array_equal(limited.vectors, array[:2].astype(np.float64))

    def test_words_from_elsewhere(self, tmp_path: Path, table: io.Embeddings) -> None:
        io.save(table, tmp_path / "x.npy")
        (tmp_path / "x.words.txt").rename(tmp_path / "list.txt")
        assert io.load(tmp_path / "x.npy", words=tmp_path / "list.txt").words == table.words
        with pytest.raises(FileNotFoundError, match="words=") as caught:
            io.load(tmp_path / "x.npy")
        assert caught.value.filename.endswith("x.words.txt")
        with pytest.raises(FormatError, match="expected 8 words"):
            io.load(tmp_path / "x.npy", words=["a"])

    def test_an_existing_list_of_the_full_name_is_preferred(
        self, tmp_path: Path, table: io.Embeddings
    ) -> None:
        io.save(table, tmp_path / "x.float32.npy")
        (tmp_path / "x.float32.words.txt").write_text("\n".join("abcdefgh"))
        assert io.load(tmp_path / "x.float32.npy").words == list("abcdefgh")


class TestSafetensors:
    def test_metadata_travels(self, tmp_path: Path, table: io.Embeddings) -> None:
        path = tmp_path / "x.safetensors"
        io.save(table, path, metadata={"source": "here"})
        assert io.inspect(path)["metadata"] == {
            "format": "isomorph.embeddings",
            "format_version": "1",
            "source": "here",
        }
        with pytest.raises(ValueError, match="format_version"):
            io.save(table, path, metadata={"format_version": "7"})

    def test_words_may_be_anything_without_a_line_feed(self, tmp_path: Path) -> None:
        words = ["", " ", "\r", "a\tb"]
        table = io.Embeddings(words, np.ones((4, 2)))
        io.save(table, tmp_path / "x.safetensors", dtype="float16")
        loaded = io.load(tmp_path / "x.safetensors")
        assert loaded.words == words
        assert loaded.vectors.dtype == np.float32
        with pytest.raises(FormatError, match="row 1"):
            io.save(io.Embeddings(["a", "b\n"], np.ones((2, 2))), tmp_path / "x.safetensors")


class TestSave:
    def test_any_layout_and_float_type(self, tmp_path: Path, rng: np.random.Generator) -> None:
        base = rng.normal(size=(6, 8))
        for array in (
            base,
            base.astype(np.float16),
            base.T[:6, :4],
            base[::2, ::-1],
            base.astype(">f4"),
        ):
            words = [f"w{row}" for row in range(len(array))]
            for name in FORMATS:
                io.save(io.Embeddings(words, array), tmp_path / name)
                loaded = io.load(tmp_path / name)
                wanted = array if loaded.vectors.dtype == np.float64 else array.astype(np.float32)
                np.testing.assert_array_equal(loaded.vectors, wanted)

    def test_formats_are_named_not_guessed(self, tmp_path: Path, table: io.Embeddings) -> None:
        with pytest.raises(ValueError, match="format="):
            io.save(table, tmp_path / "x.emb")
        io.save(table, tmp_path / "x.emb", format="text")
        assert io.load(tmp_path / "x.emb").words == table.words

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("x.vec", {"dtype": "float16"}),
            ("x.npy", {"dtype": "int8"}),
            ("x.vec", {"metadata": {}}),
            ("x.vec", {"format": "xml"}),
        ],
    )
    def test_refuses_what_a_format_cannot_do(
        self, tmp_path: Path, table: io.Embeddings, name: str, options: dict[str, object]
    ) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            io.save(table, tmp_path / name, **options)  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir())

    def test_integers_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DTypeError, match="int64"):
            io.save(io.Embeddings(["a"], np.ones((1, 2), np.int64)), tmp_path / "x.vec")

    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
    def test_what_does_not_fit_is_refused_and_the_old_file_stays(
        self, tmp_path: Path, name: str, bad: float
    ) -> None:
        write(tmp_path, "old", name)
        before = sorted(tmp_path.iterdir())
        array = np.ones((3, 2))
        array[1, 1] = bad
        dtype = None if name.endswith(("vec", "gz", "txt")) else "float32"
        with pytest.raises(FormatError, match="row 1"):
            io.save(io.Embeddings(["a", "b", "c"], array), tmp_path / name, dtype=dtype)
        assert (tmp_path / name).read_text() == "old"
        assert sorted(tmp_path.iterdir()) == before


class TestInspect:
    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("full", [False, True])
    def test_says_what_is_there(
        self, tmp_path: Path, table: io.Embeddings, name: str, full: bool
    ) -> None:
        io.save(table, tmp_path / name)
        said = io.inspect(tmp_path / name, full=full)
        assert (said["rows"], said["dimension"]) == (8, 5)
        assert said["first_words"] == table.words
        assert said["duplicates"] == (
            0 if full or ("vec" not in name and "txt" not in name) else None
        )
        assert said["compressed"] == name.endswith("gz")
        assert said["format"] == {"npy": "npy", "ors": "safetensors"}.get(name[-3:], "text")

    def test_rows_without_a_header_need_the_whole_file(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a 1\nb 2\na 3\n")
        assert io.inspect(path)["rows"] is None
        said = io.inspect(path, full=True)
        assert (said["rows"], said["duplicates"]) == (3, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 1.5},
        {"limit": True},
        {"duplicates": "all"},
        {"errors": "ignore"},
        {"threads": 0},
        {"words": ["cat", "dog"]},
    ],
)
def test_arguments_out_of_range(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(options))):
        io.load(write(tmp_path, TEXT), **options)  # type: ignore[arg-type]


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = write(tmp_path, "a 1\n" * 100)
    io.load(path, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (400, 400)


def test_an_exception_in_progress_reaches_the_caller(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    path = write(tmp_path, "a 1\n")
    with pytest.raises(Stop):
        io.load(path, progress=stop)


def test_the_systems_errors_are_pythons(tmp_path: Path, table: io.Embeddings) -> None:
    for name in ("none.vec", "none.npy", "none.safetensors"):
        with pytest.raises(FileNotFoundError) as caught:
            io.load(tmp_path / name)
        assert str(caught.value.filename).startswith(str(tmp_path / "none"))
    with pytest.raises(IsADirectoryError):
        io.load(tmp_path)
    with pytest.raises(IsADirectoryError):
        io.save(table, tmp_path, format="text")
    for name in FORMATS:
        with pytest.raises(FileNotFoundError):
            io.save(table, tmp_path / "none" / name)
    if os.name == "posix" and os.geteuid() != 0:
        path = write(tmp_path, TEXT)
        path.chmod(0)
        with pytest.raises(PermissionError):
            io.load(path)


def test_the_development_vectors(shared_data: Path, tmp_path: Path) -> None:
    english = io.load(shared_data / "vectors" / "en.float16.npy")
    assert (len(english), english.vectors.shape[1]) == (20_000, 300)
    top = english.take(np.arange(500))
    io.save(top, tmp_path / "en.vec")
    again = io.load(tmp_path / "en.vec")
    assert again.words == top.words
    assert again.vectors.tobytes() == top.vectors.tobytes()
    assert iso.io.inspect(tmp_path / "en.vec")["rows"] == 500
