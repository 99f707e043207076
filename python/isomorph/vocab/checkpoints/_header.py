"""The header of a safetensors file: what it says of each tensor, checked before anything is read.

:mod:`isomorph.io` reads tensors that NumPy can hold. Here tensors are moved, not understood, so a
type that nobody knows yet is as good as any other; all else is checked as strictly.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from isomorph.errors import FormatError

#: Bytes of the number that says how long the header is.
_PREFIX = 8
#: The format's own limit on the header.
_MAX_HEADER = 100_000_000
_MAX_BYTES = 2**62
METADATA = "__metadata__"

#: Half of a character, which JSON can spell and no file can hold.
_SURROGATE = re.compile("[\ud800-\udfff]")

#: Bits of a value, by the format's names of types.
BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8"), 8),
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a header says of one tensor.

    Attributes
    ----------
    name, dtype, shape
        As the header writes them.
    path : str
        The file.
    start, stop : int
        Where its bytes lie, from the beginning of the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: str
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return self.stop - self.start

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int | None:
        """Bits of a value; of a type that is not known, what its bytes say, if they say it."""
        if (known := BITS.get(self.dtype)) is not None:
            return known
        whole = self.count and self.nbytes * 8 % self.count == 0
        return self.nbytes * 8 // self.count if whole else None


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file in the order of their bytes, and its metadata."""

    path: str
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read and check the header of a safetensors file.

    Raises
    ------
    FormatError
        Cut short, a header longer than the file, no JSON, names twice, shapes that do not fit
        their bytes, bytes that overlap, leave a gap or end elsewhere than the file.
    OSError
        As the system says.
    """
    name = os.fspath(path)
    require_regular(name)
    with Path(name).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        prefix = stream.read(_PREFIX)
        if len(prefix) < _PREFIX:
            _refuse(name, 0, f"expected {_PREFIX} bytes with the header's length, got {size}")
        length = int.from_bytes(prefix, "little")
        if length > min(_MAX_HEADER, size - _PREFIX):
            _refuse(
                name,
                0,
                f"the header should be {length} bytes long, but the file has {size - _PREFIX} more "
                f"and the format allows {_MAX_HEADER}",
            )
        text = stream.read(length)
    entries = _parse(name, text)
    metadata = entries.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        _refuse(name, _PREFIX, f"expected {METADATA} to map strings to strings")
    first = _PREFIX + length
    found = [_tensor(name, first, key, entry) for key, entry in entries.items()]
    found.sort(key=lambda tensor: (tensor.start, tensor.stop))
    _require_adjacent(name, found, first, size)
    return Header(name, {tensor.name: tensor for tensor in found}, metadata)


def require_regular(name: str) -> None:
    """Refuse a pipe and the like: to open it would be to wait for its other end."""
    mode = Path(name).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FormatError(f"{name}: not a regular file; copy its contents into one first")


def encode_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...], int]], metadata: Mapping[str, str]
) -> bytes:
    """Give the bytes that a file begins with, for tensors (name, type, shape, bytes) in order.

    The same tensors and metadata give the same bytes; the tensors begin at a multiple of 8.
    """
    header: dict[str, Any] = {METADATA: dict(sorted(metadata.items()))} if metadata else {}
    start = 0
    for name, dtype, shape, nbytes in tensors:
        offsets = [start, start + nbytes]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        start += nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % _PREFIX)
    return len(text).to_bytes(_PREFIX, "little") + text


def _refuse(name: str, offset: int, reason: str) -> NoReturn:
    raise FormatError(f"{name}: byte {offset}: not a valid safetensors file: {reason}")


def _parse(name: str, text: bytes) -> dict[str, Any]:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = [key for key, _ in pairs]
            again = next(key for key in names if names.count(key) > 1)
            _refuse(name, _PREFIX, f"{again!r} is there twice")
        return entries

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=distinct)
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        _refuse(name, _PREFIX, f"the header is not valid: {error}")
    if not isinstance(header, dict):
        _refuse(name, _PREFIX, "the header is not a JSON object")
    if b"\\u" in text and _SURROGATE.search(json.dumps(header, ensure_ascii=False)):
        _refuse(name, _PREFIX, "a name or a text in the header is not valid Unicode")
    return header


def _tensor(name: str, first: int, key: str, entry: Any) -> Tensor:
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        _refuse(name, _PREFIX, f"tensor {key!r}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not _are_sizes(shape):
        _refuse(
            name, _PREFIX, f"tensor {key!r}: expected a type and a shape, got {dtype!r}, {shape!r}"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _refuse(
            name,
            _PREFIX,
            f"tensor {key!r}: expected data_offsets of a begin and an end, got {offsets!r}",
        )
    nbytes = offsets[1] - offsets[0]
    # A zero hides what no array can have.
    extent = math.prod(size for size in shape if size)
    count = 0 if 0 in shape else extent
    if extent > _MAX_BYTES:
        _refuse(name, _PREFIX, f"tensor {key!r} has the impossible shape {shape!r}")
    bits = BITS.get(dtype)
    if bits is not None and count * bits != nbytes * 8:
        _refuse(
            name,
            _PREFIX,
            f"tensor {key!r}: {dtype} of shape {shape!r} takes {count * bits / 8:.15g} bytes, its "
            f"data_offsets say {nbytes}",
        )
    return Tensor(key, dtype, tuple(shape), name, first + offsets[0], first + offsets[1])


def _are_sizes(values: Any) -> bool:
    """Whether these are sizes or places that a file can have."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= _MAX_BYTES for value in values
    )


def _require_adjacent(name: str, found: list[Tensor], first: int, size: int) -> None:
    """Refuse tensors that overlap, or leave bytes that are no tensor's."""
    end = first
    for tensor in found:
        if tensor.start != end:
            what = "overlaps what is before it" if tensor.start < end else "leaves a gap before it"
            _refuse(
                name,
                _PREFIX,
                f"tensor {tensor.name!r} {what}: expected it to begin at byte {end - first} of the "
                f"tensors, got {tensor.start - first}",
            )
        end = tensor.stop
    if end != size:
        _refuse(
            name, min(end, size), f"the header describes a file of {end} bytes, this one has {size}"
        )
