"""Words and vectors in the files of other programs, read: fastText, word2vec, gensim, MUSE, faiss.

What a header claims is compared with the size of the file before anything is allocated for it, and
nothing in a file is run.
"""

from __future__ import annotations

import io as streams
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isomorph import _pickles, _torch_files
from isomorph.errors import FormatError

Vectors = NDArray[Any]
Words = list[str]
_FASTTEXT = 793_712_314
#: Versions of fastText's models that have been: 11 from 2017, 12 since.
_VERSIONS = (11, 12)
#: Of a word, and of a line that is a header: more is another kind of file.
_LONGEST = 2**16
#: What faiss writes at the beginning of flat indexes, and what follows the vectors' count.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error)
_FLAT = {b"IxFI": 0, b"IxF2": 1, b"IxFl": None}


def kind_of(name: str) -> str | None:
    """Give the format of another program that a name says, or None."""
    for kind, suffixes in _SUFFIXES.items():
        if name.endswith(suffixes):
            return kind
    return None


def read(name: str, kind: str, limit: int | None, words: Any, errors: str) -> tuple[Words, Vectors]:
    """Read words and vectors, the first `limit` rows of them."""
    found, vectors = _READERS[kind](name, limit, words, errors)
    return found[:limit], vectors[:limit]


class _File:
    """A file that knows how much of it is left."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name, self.stream = name, stream
        self.left = os.fstat(stream.fileno()).st_size

    def fault(self, text: str) -> FormatError:
        return FormatError(f"{self.name}: {text}")

    def take(self, count: int, what: str) -> bytes:
        if count < 0 or count > self.left:
            raise self.fault(f"{what}: expected {count:,} bytes, {self.left:,} are left")
        self.left -= count
        data = self.stream.read(count)
        if len(data) != count:
            raise self.fault(f"{what}: the file ends in the middle")
        return data

    def numbers(self, code: str, what: str) -> tuple[Any, ...]:
        return struct.unpack(code, self.take(struct.calcsize(code), what))

    def until(self, end: bytes, what: str) -> bytes:
        """Read text up to a byte, which is taken, too."""
        found = bytearray()
        while (one := self.take(1, what)) != end:
            found += one
            if len(found) > _LONGEST:
                raise self.fault(f"{what}: more than {_LONGEST:,} bytes")
        return bytes(found)

    def _require_rows(self, rows: int, columns: int, what: str) -> None:
        if rows < 0 or columns < 1 or rows * columns * 4 > self.left:
            raise self.fault(f"{what}: {rows:,} rows of {columns:,} values in {self.left:,} bytes")

    def mapped(self, rows: int, columns: int, what: str) -> Vectors:
        """Give rows of float32 as they lie in the file: n-grams have millions, words need few."""
        self._require_rows(rows, columns, what)
        at = self.stream.tell()
        return np.memmap(self.name, "<f4", "r", at, (rows, columns))

    def matrix(self, rows: int, columns: int, what: str) -> NDArray[np.float32]:
        """Read rows of float32."""
        self._require_rows(rows, columns, what)
        values = np.empty((rows, columns), np.float32)
        self.left -= values.nbytes
        if self.stream.readinto(values.data) != values.nbytes:  # type: ignore[attr-defined]
            raise self.fault(f"{what}: the file ends in the middle")
        return values


def _text(file: _File, data: bytes, errors: str) -> str:
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise file.fault(f"the word {data!r}: not valid UTF-8: {error.reason}") from None


def _binary(name: str, limit: int | None, _words: Any, errors: str) -> tuple[Words, Vectors]:
    """Read fastText's model, or word2vec's binary format."""
    with Path(name).open("rb") as stream:
        file = _File(name, stream)
        start = stream.read(4)
        stream.seek(0)
        if start == struct.pack("<i", _FASTTEXT):
            return _fasttext(file, limit, errors)
        return _word2vec(file, limit, errors)


def _fasttext(file: _File, limit: int | None, errors: str) -> tuple[Words, Vectors]:
    """Read the words of a model, and their vectors: the mean of the word's row and its n-grams'."""
    _, version = file.numbers("<ii", "header")
    if version not in _VERSIONS:
        raise file.fault(f"expected version 11 or 12 of fastText's models, got {version}")
    settings = file.numbers("<12id", "settings")
    dim, model, bucket, shortest, longest = (settings[i] for i in (0, 7, 8, 9, 10))
    if version == 11 and model == 3:
        longest = 0  # Supervised models had no n-grams of letters then.
    size, count, labels, _, pruned = file.numbers("<iiiqq", "dictionary")
    if dim < 1 or bucket < 0 or min(size, count, labels) < 0 or count + labels != size:
        raise file.fault(f"expected a dictionary of {size:,} entries, got {count:,} + {labels:,}")
    entries = []
    for row in range(size):
        entry = file.until(b"\0", f"word {row}")
        _, kind = file.numbers("<qb", f"word {row}")
        if kind == 0:
            entries.append(_text(file, entry, errors))
    if len(entries) != count:
        raise file.fault(f"expected {count:,} words, got {len(entries):,}")
    moved: dict[int, int] | None = None
    if pruned >= 0:
        pairs = np.frombuffer(file.take(8 * pruned, "pruned n-grams"), "<i4").reshape(-1, 2)
        moved = dict(pairs.tolist())
    (quantised,) = file.numbers("<?", "quantisation")
    if quantised:
        raise file.fault("a quantised model (.ftz); expected one that is not, as 'fasttext' trains")
    rows, columns = file.numbers("<qq", "vectors")
    if columns != dim or rows < count:
        raise file.fault(f"expected {count:,} vectors of {dim}, got {rows:,} of {columns:,}")
    table = file.mapped(rows, dim, "vectors")
    kept = entries[:limit]
    vectors = np.empty((len(kept), dim), np.float32)
    for row, word in enumerate(kept):
        used = [row]
        # The end of a sentence has no n-grams.
        if longest > 0 and bucket > 0 and word != "</s>":
            grams = [code % bucket for code in ngrams(word, shortest, longest)]
            if moved is not None:
                grams = [moved[gram] for gram in grams if gram in moved]
            used += [count + gram for gram in grams]
        if max(used) >= rows or min(used) < 0:
            raise file.fault(f"word {word!r}: an n-gram beyond the {rows:,} vectors")
        vectors[row] = table[used].mean(axis=0, dtype=np.float64)
    return kept, vectors


def ngrams(word: str, shortest: int, longest: int) -> list[int]:
    """Give fastText's hashes of the n-grams of letters of a word between "<" and ">"."""
    letters = [letter.encode("utf-8", "replace") for letter in f"<{word}>"]
    found = []
    for start in range(len(letters)):
        code = 2_166_136_261
        for count, letter in enumerate(letters[start : start + longest], start=1):
            for byte in letter:
                # FNV-1a, of bytes that fastText takes as signed.
                code = ((code ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16_777_619) % 2**32
            alone = count == 1 and (start == 0 or start == len(letters) - 1)
            if count >= shortest and not alone:
                found.append(code)
    return found


def _word2vec(file: _File, limit: int | None, errors: str) -> tuple[Words, Vectors]:
    """Read a header "n d", then each word, a space, and d values of float32."""
    header = file.until(b"\n", "header").split()
    if len(header) != 2 or not all(field.isdigit() and len(field) < 19 for field in header):
        raise file.fault(
            "expected a model of fastText, or word2vec's binary format with 'n d' first"
        )
    rows, columns = (int(field) for field in header)
    # A word has a byte, and a space.
    if not columns or rows * (4 * columns + 2) > file.left:
        raise file.fault(
            f"expected {rows:,} rows of {columns:,} values, {file.left:,} bytes are left"
        )
    count = rows if limit is None else min(limit, rows)
    words, vectors = [], np.empty((count, columns), np.float32)
    for row in range(count):
        word = file.until(b" ", f"row {row}").lstrip(b"\n")
        words.append(_text(file, word, errors))
        vectors[row] = np.frombuffer(file.take(4 * columns, f"row {row}"), "<f4")
    return words, vectors


def _torch(name: str, _limit: int | None, _words: Any, _errors: str) -> tuple[Words, Vectors]:
    return _torch_files.as_words(name, _torch_files.load(name))


def _npz(name: str, _limit: int | None, _words: Any, errors: str) -> tuple[Words, Vectors]:
    """Read the arrays ``words``, of text, and ``vectors``."""
    found = {}
    with Path(name).open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                for part in ("words", "vectors"):
                    found[part] = _npz_array(name, archive, part)
        except FormatError:
            raise
        except (OSError, EOFError, RuntimeError, ValueError, *_DAMAGE) as error:
            raise FormatError(f"{name}: a damaged archive: {error}") from None
    vectors = found["vectors"]
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or found["words"].shape != vectors.shape[:1]:
        raise FormatError(
            f"{name}: expected 'vectors' of shape (n, d) and 'words' of shape (n,), got "
            f"{vectors.shape} of {vectors.dtype} and {found['words'].shape}"
        )
    listed = found["words"].tolist()
    if found["words"].dtype.kind == "S":
        try:
            listed = [word.decode("utf-8", errors) for word in listed]
        except UnicodeDecodeError as error:
            raise FormatError(f"{name}: 'words': not valid UTF-8: {error.reason}") from None
    return listed, _widened(vectors)


def _npz_array(name: str, archive: zipfile.ZipFile, part: str) -> Vectors:
    try:
        info = archive.getinfo(f"{part}.npy")
    except KeyError:
        raise FormatError(
            f"{name}: expected arrays 'words' and 'vectors', got "
            f"{', '.join(archive.namelist()[:4]) or 'none'}"
        ) from None
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise FormatError(f"{name}: '{part}': an array of version {version}")
        reading = np.lib.format.read_array_header_1_0
        if version == (2, 0):
            reading = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reading(stream)
        if dtype.kind not in ("US" if part == "words" else "f"):
            raise FormatError(f"{name}: '{part}': an array of {dtype}")
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if size > info.file_size:
            raise FormatError(
                f"{name}: '{part}': expected {size:,} bytes, got {info.file_size:,} with the header"
            )
        # What is compressed may claim any size: it is read in pieces until there is no more.
        data = _pieces(stream, size)
    if len(data) != size:
        raise FormatError(f"{name}: '{part}': expected {size:,} bytes, got {len(data):,}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _pieces(stream: Any, size: int) -> bytes:
    found = streams.BytesIO()
    while found.tell() < size:
        piece = stream.read(min(2**24, size - found.tell()))
        if not piece:
            break
        found.write(piece)
    return found.getvalue()


def _gensim(name: str, _limit: int | None, _words: Any, _errors: str) -> tuple[Words, Vectors]:
    """Read ``KeyedVectors.save``: a pickle, and large arrays in ``.npy`` files beside it."""
    data = Path(name).read_bytes()
    if not data.startswith(b"\x80"):
        raise FormatError(f"{name}: expected what KeyedVectors.save of gensim wrote, got no pickle")
    try:
        found = _pickles.Reader(name, data).read()
    except RecursionError:
        raise FormatError(f"{name}: a pickle of things within things without end") from None
    state = found.state if isinstance(found, _pickles.Record) else {}
    keys = state.get("index_to_key", state.get("index2word"))
    if not isinstance(keys, list) or not all(isinstance(word, str) for word in keys):
        raise FormatError(f"{name}: expected KeyedVectors of gensim, with words")
    values = state.get("vectors", state.get("syn0"))
    if isinstance(values, _pickles.Array):
        vectors = _torch_files.array_of(name, values)
    else:
        vectors = _beside(name)
    if vectors.ndim != 2 or len(vectors) != len(keys) or vectors.dtype.kind != "f":
        raise FormatError(
            f"{name}: expected a vector for each of {len(keys):,} words, got {vectors.dtype} of "
            f"shape {vectors.shape}"
        )
    return keys, _widened(vectors)


def _beside(name: str) -> Vectors:
    from isomorph import _core

    for ending in (".vectors.npy", ".syn0.npy"):
        if Path(name + ending).is_file():
            found: Vectors = _core.read_npy(name + ending, limit=None, progress=None)
            return found
    raise FileNotFoundError(2, "the vectors of this file are expected there", f"{name}.vectors.npy")


def _faiss(name: str, _limit: int | None, words: Any, errors: str) -> tuple[Words, Vectors]:
    """Read a flat index: its vectors; their words are given, or in a list beside it."""
    from isomorph import _core

    with Path(name).open("rb") as stream:
        file = _File(name, stream)
        code = file.take(4, "header")
        if code not in _FLAT:
            raise file.fault(
                f"expected a flat index of faiss (IndexFlatIP, IndexFlatL2), got {code!r}"
            )
        columns, rows = file.numbers("<iq", "header")
        # Two numbers that are not used any more, whether it is trained, and the metric.
        *_, metric = file.numbers("<qq?i", "header")
        if metric not in (0, 1) or _FLAT[code] not in (None, metric):
            raise file.fault(f"expected products or Euclidean distances, got metric {metric}")
        (values,) = file.numbers("<Q", "header")
        if rows < 0 or columns < 1 or values != rows * columns:
            raise file.fault(f"{rows:,} rows of {columns:,} values are not {values:,}")
        vectors = file.matrix(rows, columns, "vectors")
        if file.left:
            raise file.fault(f"{file.left:,} bytes behind the vectors")
    if words is None:
        words = f"{name}.words.txt"
    listed = words
    if isinstance(words, str | os.PathLike):
        listed = _core.read_words(os.fspath(words), errors)
    if len(listed) != rows:
        raise FormatError(f"{name}: expected {rows:,} words, one for each row, got {len(listed):,}")
    return list(listed), vectors


def _widened(vectors: Vectors) -> Vectors:
    narrow = vectors.dtype.itemsize < 4
    return np.array(vectors, np.float32 if narrow else vectors.dtype.newbyteorder("="), order="C")


_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "binary": (".bin",),
    "torch": (".pth", ".pt"),
    "npz": (".npz",),
    "gensim": (".kv", ".wordvectors", ".keyedvectors"),
    "faiss": (".faiss", ".index"),
}
_READERS: Mapping[str, Callable[..., tuple[Words, Vectors]]] = {
    "binary": _binary,
    "torch": _torch,
    "npz": _npz,
    "gensim": _gensim,
    "faiss": _faiss,
}
#: Formats whose words are in a file beside them.
WITHOUT_WORDS: Sequence[str] = ("faiss",)
