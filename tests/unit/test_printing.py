"""Numbers printed as C prints them, byte by byte."""

from __future__ import annotations

import gzip
import io as streams

import numpy as np
import pytest

from isomorph import _printing, io
from isomorph.errors import FormatError

STYLES = ["%.6g", "%.3g", "%.1g", "%.5f", "%.4f", "%.1f"]


def printed(values, numbers, words=None, threads=2):
    stream = streams.BytesIO()
    _printing.write_rows(stream, words, values, numbers, threads)
    return stream.getvalue()


def expected(values, numbers):
    rows = (" ".join(numbers % value for value in row) + "\n" for row in values.tolist())
    return (f"{values.shape[0]} {values.shape[1]}\n" + "".join(rows)).encode()


def cases(rng):
    normal = rng.standard_normal((1100, 7))
    yield normal
    yield 0.06 * normal
    yield normal * 10.0 ** rng.integers(-12, 12, normal.shape)
    # Ties: halves of the last digit, which single precision holds exactly.
    yield (rng.integers(0, 10**5, (50, 7)) + 0.5) * [1, 2, 0.5, 0.25, 10, 1e-3, 1e-4]
    yield np.array([[0.0, -0.0, 999999.5, 99999.95, 9.999995, 0.0000999999999, 1e-4]])
    yield np.array([[9998.99999, 9999.0, 1e30, -1e-30, 5e-324, 1.0, -1.0]])


@pytest.mark.parametrize("numbers", STYLES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_byte_is_that_of_printf(rng, numbers, dtype):
    for case in cases(rng):
        values = case.astype(dtype)
        assert printed(values, numbers) == expected(values, numbers)


def test_threads_change_nothing(rng):
    values = rng.standard_normal((2000, 3)).astype(np.float32)
    words = [f"w{row}" for row in range(len(values))]
    assert printed(values, "%.6g", words, 1) == printed(values, "%.6g", words, 5)


def test_a_file_has_words_and_numbers(tmp_path):
    some = io.Embeddings(["a b", "ä"], np.array([[0.5, -1.25], [1e-7, 0.123456789]]))
    for name in ("x.vec", "x.vec.gz"):
        io.save(some, tmp_path / name, numbers="%.6g")
        written = (tmp_path / name).read_bytes()
        text = gzip.decompress(written) if name.endswith(".gz") else written
        assert text.decode() == "2 2\na b 0.5 -1.25\nä 1e-07 0.123457\n"


@pytest.mark.parametrize("numbers", ["%.7g", "%.0f", "%d", "%.6g%n", "", 6])
def test_other_styles_are_refused(tmp_path, numbers):
    with pytest.raises(ValueError, match="numbers: expected"):
        io.save(io.Embeddings(["a"], np.ones((1, 2))), tmp_path / "x.vec", numbers=numbers)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["", " ", "a\nb"])
def test_words_that_no_line_holds_are_refused(tmp_path, word):
    with pytest.raises(FormatError, match="row 0"):
        io.save(io.Embeddings([word], np.ones((1, 2))), tmp_path / "x.vec", numbers="%.6g")


def test_numbers_are_of_text_alone(tmp_path):
    with pytest.raises(ValueError, match="numbers: expected None"):
        io.save(io.Embeddings(["a"], np.ones((1, 2))), tmp_path / "x.npy", numbers="%.6g")
    with pytest.raises(FormatError, match="NaN"):
        io.save(io.Embeddings(["a"], np.array([[np.nan]])), tmp_path / "x.vec", numbers="%.6g")


@pytest.mark.parametrize("ending", ["vec", "vec.gz", "txt"])
@pytest.mark.parametrize("header", [True, False])
def test_repeated_words_can_stay(tmp_path, ending, header):
    rows = [("a", 1), ("b", 2), ("a", 3), ("c d", 4), ("b", 5), ("a", 6)]
    text = ("6 2\n" if header else "") + "".join(f"{word} {v} 0.5\n\n" for word, v in rows)
    path = tmp_path / f"x.{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    for limit in (None, 4):
        found = io.load(path, duplicates="keep", limit=limit)
        assert list(zip(found.words, found.vectors[:, 0].tolist(), strict=True)) == rows[:limit]
        assert (found.vectors[:, 1] == 0.5).all()


class TestMatrices:
    def test_there_and_back(self, tmp_path, rng):
        matrix = rng.standard_normal((3, 4))
        io.save_matrix(matrix, tmp_path / "m.vec-mat")
        np.testing.assert_allclose(io.load_matrix(tmp_path / "m.vec-mat"), matrix, atol=5.1e-5)

    def test_without_a_header(self, tmp_path, rng):
        matrix = rng.standard_normal((5, 5))
        np.savetxt(tmp_path / "fr.txt", matrix)
        np.testing.assert_array_equal(io.load_matrix(tmp_path / "fr.txt"), matrix)

    def test_two_columns_of_whole_numbers(self, tmp_path):
        (tmp_path / "m").write_text("1 0\n0 1\n")
        assert io.load_matrix(tmp_path / "m").tolist() == [[1, 0], [0, 1]]
        (tmp_path / "m").write_text("2 2\n1 0\n0 1\n")
        assert io.load_matrix(tmp_path / "m").tolist() == [[1, 0], [0, 1]]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "expected a matrix"),
            ("2 2\n", "expected a matrix"),
            ("3 2\n1 2\n3 4\n5 6\n7 8\n", "expected 3 rows"),
            ("2 3\n1 2 3\n1 2\n", "line 3: expected 3 numbers"),
            ("1 2 3\n1 x 3\n", "line 2"),
            ("1 2 3\n1 nan 3\n", "line 2: expected finite"),
            ("9999999999999 300\n0.5\n", "line 2: expected 300 numbers"),
        ],
    )
    def test_what_is_no_matrix(self, tmp_path, text, fault):
        (tmp_path / "m").write_text(text)
        with pytest.raises(FormatError, match=fault):
            io.load_matrix(tmp_path / "m")
