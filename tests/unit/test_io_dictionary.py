"""Dictionaries: lines to pairs of rows, with what was found."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from isomorph import io
from isomorph.errors import DictionaryError, FormatError

SOURCE = ["cat", "dog", "new york", "Cat"]
TARGET = ["chat", "chien", "New York", "minou"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "d.tsv"


def rows(pairs: io.Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))


@pytest.mark.parametrize(
    "text",
    ["cat chat\ndog chien\n", "cat\tchat\ndog\tchien", " cat   chat \r\n\r\n\n dog\t\tchien\t\n"],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_spaces_tabs_and_blank_lines(path: Path, text: str, compressed: bool) -> None:
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    pairs = io.load_dictionary(path, SOURCE, TARGET)
    assert rows(pairs) == [(0, 0), (1, 1)]
    assert pairs.source.dtype == pairs.target.dtype == np.int64


def test_tabs_let_entries_hold_spaces(path: Path) -> None:
    path.write_text("new york\tNew York\n")
    assert rows(io.load_dictionary(path, SOURCE, TARGET)) == [(2, 2)]


def test_other_white_space_belongs_to_the_words(path: Path) -> None:
    path.write_text("a\u00a0b c\u2028\n", encoding="utf-8")
    assert rows(io.load_dictionary(path, ["a\u00a0b"], ["c\u2028"])) == [(0, 0)]


def test_several_translations_and_coverage(path: Path) -> None:
    path.write_text("cat chat\ncat minou\ncat matou\nfish poisson\ndog chien\ncat chat\n")
    pairs = io.load_dictionary(path, SOURCE, TARGET)
    assert rows(pairs) == [(0, 0), (0, 3), (1, 1), (0, 0)]
    coverage = pairs.coverage
    assert coverage is not None
    assert (coverage.sources_found, coverage.sources_total) == (2, 3)
    assert (coverage.pairs_found, coverage.pairs_total) == (4, 6)


def test_vocabularies_of_any_kind(path: Path) -> None:
    path.write_text("cat chat\n")
    table = io.Embeddings(["x", "cat", "cat"], np.zeros((3, 1)))
    for source in (table, table.words, tuple(table.words), table.index):
        assert rows(io.load_dictionary(path, source, {"chat": 7})) == [(1, 7)]
    for bad in ("cat", None, 3):
        with pytest.raises(TypeError, match="source"):
            io.load_dictionary(path, bad, TARGET)  # type: ignore[arg-type]


def test_lowercase_and_reverse(path: Path) -> None:
    path.write_text("CHAT Cat\n")
    assert rows(io.load_dictionary(path, SOURCE, TARGET, lowercase=True, reverse=True)) == [(0, 0)]
    with pytest.raises(DictionaryError):
        io.load_dictionary(path, SOURCE, TARGET, reverse=True)


@pytest.mark.parametrize(
    "line", ["one", "one two three", "one\ttwo\tthree", "one\t", "\tone", "a b\tc\td"]
)
def test_a_line_without_two_entries(path: Path, line: str) -> None:
    path.write_text(f"cat chat\n\n{line}\n")
    with pytest.raises(FormatError, match=r"d\.tsv: line 3: expected two entries"):
        io.load_dictionary(path, SOURCE, TARGET)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_no_pair_at_all(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(FormatError, match="got none"):
        io.load_dictionary(path, SOURCE, TARGET)


def test_no_known_word(path: Path) -> None:
    path.write_text("fish poisson\ncat xyz\n")
    with pytest.raises(DictionaryError, match=r"2 of 2 pairs .* 'fish' on line 1.* in source;"):
        io.load_dictionary(path, SOURCE, TARGET)


def test_oov_error(path: Path) -> None:
    path.write_text("cat chat\ndog xyz\n")
    assert len(io.load_dictionary(path, SOURCE, TARGET)) == 1
    with pytest.raises(DictionaryError, match=r"1 of 2 pairs .* 'xyz' on line 2.* in target"):
        io.load_dictionary(path, SOURCE, TARGET, oov="error")
    with pytest.raises(ValueError, match="oov"):
        io.load_dictionary(path, SOURCE, TARGET, oov="ignore")


def test_invalid_utf8_names_its_line(path: Path) -> None:
    path.write_bytes(b"cat chat\ncat \xff\n")
    with pytest.raises(FormatError, match="line 2: not valid UTF-8"):
        io.load_dictionary(path, SOURCE, TARGET)
    assert len(io.load_dictionary(path, SOURCE, TARGET, errors="replace")) == 1


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        io.load_dictionary(tmp_path / "none", SOURCE, TARGET)


@pytest.mark.parametrize(
    ("pair", "test_sources", "reversed_sources"),
    [("fr", (1377, 1500), (2301, 2448)), ("fi", (1270, 1500), (2238, 2705))],
)
def test_the_development_dictionaries(
    shared_data: Path, pair: str, test_sources: tuple[int, int], reversed_sources: tuple[int, int]
) -> None:
    vectors = shared_data / "vectors"
    english, other = (io.load(vectors / f"{name}.float16.npy") for name in ("en", pair))
    file = shared_data / "dictionaries" / f"muse.en-{pair}.test.tsv"
    forward = io.load_dictionary(file, english, other).coverage
    backward = io.load_dictionary(file, other, english, reverse=True).coverage
    assert forward is not None
    assert backward is not None
    assert (forward.sources_found, forward.sources_total) == test_sources
    assert (backward.sources_found, backward.sources_total) == reversed_sources
