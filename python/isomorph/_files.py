"""What :mod:`isomorph.io` needs to know about each format: names, pieces, checks."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isomorph import _core, _formats, _printing, runtime
from isomorph._atomic import appearing
from isomorph.errors import DTypeError, FormatError

PathLike: TypeAlias = str | os.PathLike[str]
Format: TypeAlias = Literal["text", "npy", "safetensors"]
_Report: TypeAlias = Any

_KIND = "isomorph.embeddings"
_VERSION = 1
_TEXT_SUFFIXES = (".vec", ".txt", ".vec.gz", ".txt.gz")
_FLOATS = ("float16", "float32", "float64")


def format_of(name: str) -> Format:
    """Return the format that is read from a file of this name."""
    if name.endswith(".npy"):
        return "npy"
    return "safetensors" if name.endswith(".safetensors") else "text"


def format_to_write(name: str, wanted: Format | None) -> Format:
    """Return the format to write; a suffix that says none is refused, not guessed."""
    if wanted is not None:
        if wanted not in ("text", "npy", "safetensors"):
            raise ValueError(f"format: expected 'text', 'npy' or 'safetensors', got {wanted!r}")
        return wanted
    if name.endswith((".npy", ".safetensors")):
        return format_of(name)
    if name.endswith(_TEXT_SUFFIXES):
        return "text"
    raise ValueError(
        f"path: expected a name that ends with .npy, .safetensors, {', '.join(_TEXT_SUFFIXES)}, "
        f"or a format= beside it, got {name!r}"
    )


def _word_lists(name: str) -> list[str]:
    """Where the words of an npy file may be, the most specific name first."""
    stem = name.removesuffix(".npy")
    short = stem.removesuffix(next((f".{f}" for f in _FLOATS if stem.endswith(f".{f}")), ""))
    return list(dict.fromkeys((f"{stem}.words.txt", f"{short}.words.txt")))


def words_path(name: str) -> str:
    """Return the word list that is written beside an npy file."""
    return _word_lists(name)[-1]


def words_of(name: str, words: PathLike | Sequence[str] | None, errors: str) -> tuple[Any, str]:
    """Return the words of an npy file, and where they are from."""
    if words is not None and not isinstance(words, str | os.PathLike):
        return list(words), "words"
    candidates = [os.fspath(words)] if words is not None else _word_lists(name)
    for candidate in candidates:
        if words is not None or Path(candidate).exists():
            return _core.read_words(candidate, errors), candidate
    if not Path(name).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    reason = f"no word list for {name}: expected it there, or words=..."
    raise FileNotFoundError(errno.ENOENT, reason, candidates[-1])


def read_npy(
    name: str,
    words: PathLike | Sequence[str] | None,
    limit: int | None,
    errors: str,
    report: _Report,
) -> tuple[list[str], str, NDArray[Any]]:
    """Return words, where they are from, and vectors."""
    found, origin = words_of(name, words, errors)
    rows = _core.npy_header(name)[0]
    if len(found) != rows:
        raise FormatError(
            f"{origin}: expected {rows:,} words, one for each row of {name}, got {len(found):,}"
        )
    vectors = _core.read_npy(name, limit=limit, progress=report)
    return found[: len(vectors)], origin, vectors


def read_every_row(
    name: str, options: dict[str, Any], report: _Report
) -> tuple[list[str], NDArray[Any]]:
    """Read text with all rows of a word that comes several times."""
    found, vectors, rows = _core.read_text(name, duplicates="first", progress=report, **options)
    if rows == len(found):
        return found, vectors
    # The reader has one row a word: the others are read again, each under a name of its own.
    known: set[str] = set()
    words: list[str] = []
    places, lines = [], []
    for word, line in _lines_of(name, vectors.shape[1], options):
        if word in known:
            places.append(len(words))
            lines.append(b"%d %s\n" % (len(places), line))
        known.add(word)
        words.append(word)
    with tempfile.TemporaryDirectory(prefix="isomorph-") as folder:
        again = Path(folder, "repeated.vec")
        again.write_bytes(b"".join(lines))
        others = _core.read_text(
            str(again), duplicates="error", progress=None,
            **{**options, "limit": None, "header": False},
        )[1]  # fmt: skip
    every = np.empty((len(words), vectors.shape[1]), vectors.dtype)
    first = np.ones(len(words), bool)
    first[places] = False
    every[first], every[~first] = vectors, others
    return words, every


def _lines_of(name: str, columns: int, options: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the word of each row, and its numbers as they are written."""
    header = _core.text_header(name, options["header"])
    opened = gzip.open if header[2] else open
    left = options["limit"]
    with opened(name, "rb") as stream:
        # Without a header the number of rows is not known.
        if header[0] is not None:
            stream.readline()
        for line in stream:
            parts = line.rsplit(None, columns)
            if not parts:
                continue
            if left is not None:
                if left == 0:
                    return
                left -= 1
            word = parts[0].strip(b" \t").decode("utf-8", options["errors"])
            yield word, b" ".join(parts[1:])


def write_printed(
    name: str,
    kind: Format,
    words: list[str],
    vectors: Any,
    numbers: str,
    dtype: DTypeLike | None,
    threads: int | None,
) -> None:
    """Write text with numbers as C prints them."""
    if kind != "text" or dtype is not None:
        raise ValueError(
            f"numbers: expected None for {'a dtype' if kind == 'text' else f'a {kind} file'}"
        )
    _printing.style_of(numbers)
    array = np.asarray(vectors)
    if array.dtype.name not in _FLOATS:
        raise DTypeError(f"vectors: expected float16, float32 or float64, got {array.dtype}")
    values = np.ascontiguousarray(array, np.float64 if array.dtype.itemsize == 8 else np.float32)
    workers = runtime.resolve_threads(threads)
    check_finite(name, words, values, workers)
    _printing.require_writable(name, words)
    with appearing(name) as stream, contextlib.ExitStack() as stack:
        sink: Any = stream
        if name.endswith(".gz"):
            sink = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        _printing.write_rows(sink, words, values, numbers, workers)


def safetensors_header(name: str) -> tuple[tuple[int, int], str, dict[str, str]]:
    """Return shape and type of the vectors, and the metadata."""
    tensors, metadata = _core.safetensors_header(name)
    _formats.require(name, metadata, _KIND, newest=_VERSION)
    found = {tensor: (dtype, shape) for tensor, dtype, shape in tensors}
    dtype, shape = found.get("vectors", ("", []))
    if len(shape) != 2 or dtype not in ("F16", "BF16", "F32", "F64"):
        raise FormatError(
            f"{name}: expected a tensor 'vectors' of shape (n, d) and floating point, "
            f"got {f'{dtype} of shape {tuple(shape)}' if dtype else 'none'}"
        )
    dtype, words = found.get("words", ("", []))
    if dtype != "U8" or len(words) != 1:
        raise FormatError(f"{name}: expected a tensor 'words' of bytes")
    return cast(tuple[int, int], tuple(shape)), found["vectors"][0], metadata


def read_safetensors(name: str, tensors: list[str], report: _Report) -> tuple[list[str], Any]:
    """Return words and, if `tensors` has them, vectors."""
    (rows, _), _, _ = safetensors_header(name)
    arrays, _ = _core.read_safetensors(name, progress=report, names=tensors)
    try:
        text = arrays["words"].tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{name}: tensor 'words': not valid UTF-8: {error}") from None
    words = text.split("\n")
    # Each word ends with a line feed, so nothing follows the last.
    if words.pop() or len(words) != rows:
        raise FormatError(
            f"{name}: tensor 'words': expected {rows:,} words, one for each row of 'vectors' and "
            f"each followed by a line feed, got {len(words):,}"
        )
    return words, arrays.get("vectors")


def write_safetensors(
    name: str, words: list[str], values: NDArray[Any], metadata: Mapping[str, str]
) -> None:
    """Write words and vectors in one file."""
    if taken := {"format", "format_version"} & metadata.keys():
        raise ValueError(f"metadata: {', '.join(sorted(taken))} are set by isomorph itself")
    for row, word in enumerate(words):
        if "\n" in word:
            raise FormatError(
                f"{name}: cannot be written: row {row}: the word {word!r} has a line feed"
            )
    text = "".join(f"{word}\n" for word in words).encode("utf-8")
    tensors = {"vectors": values, "words": np.frombuffer(text, dtype=np.uint8)}
    entries = _formats.described(_KIND, _VERSION) | dict(metadata)
    _core.write_safetensors(name, tensors, entries)


def values_to_write(
    name: str, kind: Format, words: list[str], vectors: Any, dtype: DTypeLike | None
) -> NDArray[Any]:
    """Return the values in the type of the file, C-contiguous and finite."""
    wanted = None if dtype is None else np.dtype(dtype)
    if kind == "text":
        if wanted not in (None, np.dtype(np.float32)):
            raise ValueError(f"dtype: text is written from float32, got {wanted}")
        wanted = np.dtype(np.float32)
    elif wanted is None and kind == "npy":
        stem = name.removesuffix(".npy")
        wanted = next((np.dtype(f) for f in _FLOATS if stem.endswith(f".{f}")), None)
    if wanted is not None and wanted.name not in _FLOATS:
        raise ValueError(f"dtype: expected float16, float32 or float64, got {wanted}")
    array = np.asarray(vectors)
    if array.dtype.name not in _FLOATS:
        raise DTypeError(f"vectors: expected float16, float32 or float64, got {array.dtype}")
    with np.errstate(over="ignore", under="ignore"):
        values = np.ascontiguousarray(array, dtype=wanted).astype(
            (wanted or array.dtype).newbyteorder("="), copy=False
        )
    check_finite(name, words, values, 1)
    return values


def check_finite(name: str, words: Sequence[str], values: NDArray[Any], threads: int) -> None:
    """Refuse a row with a NaN or an infinity."""
    if values.dtype == np.float16:
        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
        bad = int(rows[0]) if rows.size else None
    else:
        bad = _core.first_nonfinite_row(values, threads)
    if bad is not None:
        raise FormatError(
            f"{name}: row {bad}, word {words[bad]!r}: expected finite values of {values.dtype}, "
            "got a NaN or an infinity"
        )


def read_pairs(
    name: str, errors: str, *, skip_short: bool = False
) -> Iterator[tuple[int, str, str]]:
    """Yield line number, left and right word of each line of a dictionary.

    With `skip_short` lines of one word are passed over.
    """
    for number, line in enumerate(_core.read_words(name, errors), start=1):
        text = line.strip(" \t")
        if not text:
            continue
        separator = "\t" if "\t" in text else " "
        fields = [field for part in text.split(separator) if (field := part.strip(" "))]
        if len(fields) < 2 and skip_short:
            continue
        if len(fields) != 2:
            kind = "tabs" if separator == "\t" else "spaces"
            advice = "; put a tab between entries of several words" if separator == " " else ""
            raise FormatError(
                f"{name}: line {number}: expected two entries separated by {kind}, "
                f"got {len(fields)}: {text[:60]!r}{advice}"
            )
        yield number, fields[0], fields[1]
