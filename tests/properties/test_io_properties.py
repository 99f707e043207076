"""Every number is np.float32(float(text)); every table comes back; nothing depends on threads."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isomorph import io
from isomorph.errors import FormatError

DIGITS = st.text("0123456789", max_size=25)


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """Texts of the shape of a number, some beyond float32, some not numbers at all."""
    point = draw(st.sampled_from(["", "."]))
    exponent = draw(st.just("") | st.integers(-420, 420).map(lambda e: f"e{e}") | st.just("E+07"))
    return draw(st.sampled_from(["", "-", "+"])) + draw(DIGITS) + point + draw(DIGITS) + exponent


NUMBERS = (
    decimals()
    | st.floats(width=32).map(repr)
    | st.floats().map(repr)
    | st.floats(-10, 10).map(lambda x: f"{x:.6g}")
    | st.floats(-10, 10).map(lambda x: f"{x:.4f}")
    # Next to the middle of two float32 values, where rounding once is not rounding twice.
    | st.floats(1, 2, width=32).map(lambda x: f"{x + 2.0**-24:.60f}")
    | st.sampled_from(
        ["nan", "inf", "-Infinity", "0x10", "1_0", "1e", ".", "-", "1e-400", "-0", "٣"]
    )
)


def expected(text: str) -> np.float32 | None:
    """What Python makes of the text, None where it is refused: not ASCII decimal, not finite."""
    if "_" in text or not text.isascii():
        return None
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            value = np.float32(float(text))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def read(text: bytes, threads: int | None = None) -> io.Embeddings:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.vec")
        path.write_bytes(text)
        return io.load(path, threads=threads)


@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_every_number_is_what_python_makes_of_it(texts: list[str]) -> None:
    values = [expected(text) for text in texts]
    good = [text for text, value in zip(texts, values, strict=True) if value is not None]
    if good:
        vectors = read(f"1 {len(good)}\nw {' '.join(good)}\n".encode()).vectors
        wanted = np.array([value for value in values if value is not None], np.float32)
        assert vectors.tobytes() == wanted.tobytes()
    for text, value in zip(texts, values, strict=True):
        if value is None and text:
            with pytest.raises(FormatError, match=r"x\.vec: line 2: "):
                read(f"1 2\nw 1 {text}\n".encode())


FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(exclude_characters=" \t\n", exclude_categories=["Cs"]), min_size=1)


@given(
    st.lists(WORDS, unique=True, max_size=30),
    st.integers(1, 12),
    st.sampled_from(["x.vec", "x.vec.gz", "x.safetensors"]),
    st.data(),
)
def test_what_is_saved_is_loaded(
    words: list[str], dimension: int, name: str, data: st.DataObject
) -> None:
    rows = st.lists(FINITE, min_size=dimension, max_size=dimension)
    values = data.draw(st.lists(rows, min_size=len(words), max_size=len(words)))
    vectors = np.array(values, np.float32).reshape(len(words), dimension)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        io.save(io.Embeddings(words, vectors), path)
        loaded = io.load(path)
    assert loaded.words == words
    assert loaded.vectors.tobytes() == vectors.tobytes()


LINES = st.lists(
    st.sampled_from(
        ["a 1 2", "b 3 4 ", "c\t5\t6", "", " ", "d 7", "e 7 x", "a 8 9", "f g 1 2", "h 1 2 3"]
    ),
    max_size=12,
)


def outcome(text: bytes, threads: int) -> object:
    try:
        words, vectors = read(text, threads)
    except FormatError as error:
        return str(error).split("x.vec", 1)[1]
    return words, vectors.tobytes()


@given(LINES, st.sampled_from(["", "2 2\n", "4 2\n"]))
def test_the_outcome_does_not_depend_on_threads(lines: list[str], header: str) -> None:
    text = (header + "\n".join(lines)).encode()
    outcomes = [outcome(text, threads) for threads in (1, 2, 3, 7)]
    assert outcomes.count(outcomes[0]) == 4


@given(st.binary(max_size=200), st.sampled_from(["x.vec", "x.npy", "x.safetensors"]))
def test_any_bytes_are_a_table_or_a_named_error(data: bytes, name: str) -> None:
    heads = {"x.npy": b"\x93NUMPY\x01\x00", "x.safetensors": b"", "x.vec": b""}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(heads[name] + data)
        try:
            loaded = io.load(path, words=["w"] if name == "x.npy" else None)
        except FormatError:
            return
    assert np.isfinite(loaded.vectors).all()
