"""PyTorch's files (``.pth``), read and written without PyTorch, and without running them.

A file of PyTorch 1.6 or later is a ZIP archive, not compressed: a pickle that describes objects,
and the storages that tensors are parts of. An older file is five pickles and the storages.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph._atomic import appearing
from isomorph._pickles import Array, Name, Reader, Record, Tensor
from isomorph.errors import DTypeError, FormatError

_STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}
_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY = 1001
#: Of a description: a vocabulary takes some tens of bytes a word.
_LARGEST_PICKLE = 2**30


def load(path: str) -> Any:
    """Read a file: dicts, lists and text as they are, tensors and arrays as NumPy's.

    Raises
    ------
    FormatError
        Whatever is wrong with the file: no archive, a pickle that calls something, sizes that do
        not agree. Nothing large is allocated before sizes are compared with the file's.
    """
    try:
        with Path(path).open("rb") as stream:
            zipped = stream.read(4) == b"PK\x03\x04"
        if zipped:
            return _Archive(path).load()
        data = Path(path).read_bytes()
        if not data.startswith(b"\x80"):
            raise FormatError(f"{path}: expected a file of PyTorch, got neither archive nor pickle")
        return _legacy(path, data)
    except RecursionError:
        raise FormatError(f"{path}: a pickle of things within things without end") from None


def as_array(path: str, value: Any) -> NDArray[Any]:
    """Give the one matrix of a file: a tensor, or an array."""
    if not isinstance(value, np.ndarray) or value.ndim != 2:
        raise FormatError(f"{path}: expected a matrix, got {_named(value)}")
    return value


def as_words(path: str, value: Any) -> tuple[list[str], NDArray[Any]]:
    """Give words and vectors of a file that MUSE exported: ``{"dico": ..., "vectors": ...}``."""
    found = value if isinstance(value, Mapping) else {}
    words, vectors = found.get("dico"), found.get("vectors")
    words = words.state if isinstance(words, Record) else words
    words = words.get("id2word") if isinstance(words, Mapping) else words
    if not isinstance(vectors, np.ndarray) or not isinstance(words, Mapping | list):
        raise FormatError(
            f"{path}: expected 'dico' and 'vectors', as MUSE exports, got {_named(value)}"
        )
    listed: list[Any] = (
        words if isinstance(words, list) else [words.get(row) for row in range(len(words))]
    )
    named = len(listed) == len(vectors) and all(type(word) is str for word in listed)
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not named:
        raise FormatError(
            f"{path}: expected a word for each row of 'vectors', of shape {vectors.shape}, got "
            f"{len(listed):,}"
        )
    return listed, vectors.astype(np.float32) if vectors.itemsize == 2 else vectors


def _named(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, list(value)[:4])) or 'nothing'}"
    return f"an object of {value.name}" if isinstance(value, Record) else type(value).__name__


class _Archive:
    """A file of PyTorch 1.6 or later."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = Path(path).stat().st_size

    def load(self) -> Any:
        try:
            with zipfile.ZipFile(self.path) as self.zip:
                pickles = [name for name in self.zip.namelist() if name.endswith("data.pkl")]
                if len(pickles) != 1:
                    raise FormatError(
                        f"{self.path}: expected an archive of PyTorch with one 'data.pkl', got "
                        f"{len(pickles)}"
                    )
                self.folder = pickles[0].removesuffix("data.pkl")
                self._require_order()
                data = self._entry(pickles[0], _LARGEST_PICKLE)
                found = Reader(self.path, data).read()
                return _resolved(self.path, found, self._storage)
        except (FormatError, RecursionError):
            raise
        except (
            zipfile.BadZipFile,
            struct.error,
            OSError,
            RuntimeError,
            ValueError,
            EOFError,
        ) as error:
            raise FormatError(f"{self.path}: a damaged archive: {error}") from None

    def _require_order(self) -> None:
        name = f"{self.folder}byteorder"
        if name in self.zip.namelist() and self._entry(name, 16) != b"little":
            raise FormatError(f"{self.path}: expected little-endian values")

    def _entry(self, name: str, most: int) -> bytes:
        try:
            info = self.zip.getinfo(name)
        except KeyError:
            raise FormatError(f"{self.path}: expected an entry {name!r}, got none") from None
        if info.compress_type != zipfile.ZIP_STORED:
            raise FormatError(f"{self.path}: entry {name!r}: expected one that is not compressed")
        if info.file_size > min(most, self.size) or info.compress_size != info.file_size:
            raise FormatError(
                f"{self.path}: entry {name!r}: {info.file_size:,} bytes are more than there may be"
            )
        return self.zip.read(info)

    def _storage(self, key: str, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        name = f"{self.folder}data/{key}"
        data = self._entry(name, self.size)
        if len(data) != count * dtype.itemsize:
            raise FormatError(
                f"{self.path}: entry {name!r}: expected {count:,} values of {dtype}, got "
                f"{len(data):,} bytes"
            )
        return np.frombuffer(data, dtype)


def _legacy(path: str, data: bytes) -> Any:
    """Read a file as PyTorch wrote them before 1.6, or one that is a plain pickle."""
    reader = Reader(path, data)
    first = reader.read()
    if first != _MAGIC:
        return _resolved(path, first, _no_storage(path))
    parts = []
    for _ in range(4):
        reader = Reader(path, data, reader.position)
        parts.append(reader.read())
    version, _, found, keys = parts
    if version != _LEGACY or not isinstance(keys, list):
        raise FormatError(
            f"{path}: expected version {_LEGACY} of PyTorch's old files, got {version}"
        )
    kinds: dict[str, tuple[np.dtype[Any], int]] = {}
    _walk(path, found, lambda key, dtype, count: kinds.setdefault(key, (dtype, count)))
    storages = {}
    at = reader.position
    for key in keys:
        if not isinstance(key, str) or key not in kinds:
            raise FormatError(f"{path}: expected a tensor of storage {key!r}, got none")
        dtype, count = kinds[key]
        end = at + 8 + count * dtype.itemsize
        if end > len(data) or struct.unpack("<q", data[at : at + 8])[0] != count:
            raise FormatError(f"{path}: storage {key!r}: expected {count:,} values, got others")
        storages[key] = np.frombuffer(data[at + 8 : end], dtype)
        at = end

    def storage(key: str, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        if key not in storages or storages[key].size != count:
            raise FormatError(f"{path}: storage {key!r}: expected {count:,} values, got others")
        return storages[key].view(dtype)

    return _resolved(path, found, storage)


def _no_storage(path: str) -> Callable[..., NDArray[Any]]:
    def storage(key: str, *_rest: Any) -> NDArray[Any]:
        raise FormatError(f"{path}: expected storage {key!r} behind the pickle, got none")

    return storage


def _named_storage(path: str, storage: Any) -> tuple[str, np.dtype[Any], int]:
    """Read what a pickle says of a storage: its type, its name and how many values it has."""
    parts = storage[1] if isinstance(storage, tuple) and storage[:1] == ("persistent",) else None
    if not isinstance(parts, tuple) or len(parts) < 5 or parts[0] != "storage":
        raise FormatError(f"{path}: a tensor without a storage")
    _, kind, key, _, count = parts[:5]
    dtype = _STORAGES.get(kind.name) if isinstance(kind, Name) else None
    known = dtype is not None and isinstance(key, str) and isinstance(count, int)
    if dtype is None or not known or count < 0:
        raise FormatError(f"{path}: expected a storage of real numbers, got {kind}")
    return key, dtype, count


def _walk(path: str, value: Any, told: Callable[[str, np.dtype[Any], int], object]) -> None:
    for found in _members(value):
        if isinstance(found, Tensor):
            told(*_named_storage(path, found.storage))


def _members(value: Any) -> list[Any]:
    """Give a value and what it holds, two levels deep: files of maps and vectors have no more."""
    found = [value]
    for _ in range(2):
        inner: list[Any] = []
        for one in found:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list | tuple) and len(one) < 1000:
                inner += one
        found = [*found, *inner]
    return found


def _resolved(path: str, value: Any, storage: Callable[..., NDArray[Any]], depth: int = 0) -> Any:
    if isinstance(value, Tensor):
        return _tensor(path, value, storage)
    if isinstance(value, Array):
        return array_of(path, value)
    if isinstance(value, dict) and depth < 2:
        return {
            key: _resolved(path, one, storage, depth + 1) if _holds_arrays(one) else one
            for key, one in value.items()
        }
    return value


def _holds_arrays(value: Any) -> bool:
    return isinstance(value, Tensor | Array | dict)


def _tensor(path: str, tensor: Tensor, storage: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    key, dtype, count = _named_storage(path, tensor.storage)
    size, stride = tensor.size, tensor.stride
    if len(size) != len(stride) or min((*size, *stride, tensor.offset), default=0) < 0:
        raise FormatError(f"{path}: a tensor of size {size} and stride {stride}")
    last: int = tensor.offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # Strides of zero would make much of little.
    wanted: int = math.prod(size)
    if wanted > count or (wanted and last >= count):
        raise FormatError(
            f"{path}: a tensor of size {size} in a storage of {count:,} values, at "
            f"{tensor.offset:,}"
        )
    values = storage(key, dtype, count)
    if not wanted:
        return np.zeros(size, dtype)
    steps = [step * dtype.itemsize for step in stride]
    part = np.lib.stride_tricks.as_strided(values[tensor.offset :], size, steps)
    copied = np.array(part)
    if dtype == np.dtype("<u2"):
        # bfloat16 is the upper half of float32.
        return (copied.astype(np.uint32) << 16).view(np.float32)
    return copied


def array_of(path: str, array: Array) -> NDArray[Any]:
    """Give an array of NumPy from its description."""
    shape = array.shape
    try:
        dtype = np.dtype(array.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in "fiu" or not isinstance(shape, tuple):
        raise FormatError(f"{path}: expected an array of numbers, got one of type {array.dtype!r}")
    sizes_fit = len(shape) < 8 and all(isinstance(n, int) and n >= 0 for n in shape)
    if not sizes_fit or math.prod(shape) * dtype.itemsize != len(array.data):
        raise FormatError(
            f"{path}: an array of shape {shape} and type {dtype} in {len(array.data):,} bytes"
        )
    values = np.frombuffer(array.data, dtype).reshape(shape, order="F" if array.fortran else "C")
    return np.array(values, dtype=dtype.newbyteorder("="), order="C")


def save(path: str, value: Any) -> None:
    """Write dicts, lists, text, integers and arrays of float32 or float64 as ``torch.save`` does.

    ``torch.load`` reads the file, with ``weights_only=True``, too.
    """
    pickled = _Pickler()
    data = pickled.dump(value)
    with appearing(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", b"little")
        for key, array in enumerate(pickled.storages):
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", b"3\n")


class _Pickler:
    """Writes the opcodes of protocol 2 that PyTorch's files need."""

    def __init__(self) -> None:
        self.storages: list[NDArray[Any]] = []
        self.parts: list[bytes] = []

    def dump(self, value: Any) -> bytes:
        self.parts = [b"\x80\x02"]
        self._any(value)
        return b"".join([*self.parts, b"."])

    def _any(self, value: Any) -> None:
        add = self.parts.append
        if isinstance(value, str):
            text = value.encode("utf-8", "replace")
            add(b"X" + struct.pack("<I", len(text)) + text)
        elif isinstance(value, bool):
            add(b"\x88" if value else b"\x89")
        elif isinstance(value, int):
            short = -(2**31) <= value < 2**31
            add(
                b"J" + struct.pack("<i", value) if short else b"\x8a\x08" + struct.pack("<q", value)
            )
        elif isinstance(value, dict):
            add(b"}(")
            for key, one in value.items():
                self._any(key)
                self._any(one)
            add(b"u")
        elif isinstance(value, list | tuple):
            add(b"](" if isinstance(value, list) else b"(")
            for one in value:
                self._any(one)
            add(b"e" if isinstance(value, list) else b"t")
        elif isinstance(value, np.ndarray) and value.dtype in (np.float32, np.float64):
            self._array(value)
        else:
            raise DTypeError(f"value: expected text, numbers, dicts and arrays, got {type(value)}")

    def _array(self, value: NDArray[Any]) -> None:
        values = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        key = str(len(self.storages))
        self.storages.append(values.reshape(-1))
        kind = b"FloatStorage" if values.dtype.itemsize == 4 else b"DoubleStorage"
        add = self.parts.append
        add(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        self._any("storage")
        add(b"ctorch\n" + kind + b"\n")
        strides = tuple(step // values.itemsize for step in values.strides)
        for known in (key, "cpu", values.size):
            self._any(known)
        add(b"tQ")
        for view in (0, values.shape, strides, False):
            self._any(view)
        add(b"ccollections\nOrderedDict\n)RtR")
