"""The wire format of protocol buffers, as much of it as a SentencePiece model takes.

Fields are kept as the bytes they came in, so that what is not known here is written unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["BYTES", "FIXED32", "VARINT", "Field", "WireError", "fields", "tagged", "varint"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1


class WireError(ValueError):
    """Bytes that are no protocol buffer; the message says where and why."""


class Field(NamedTuple):
    """One field: its number and wire type, where it begins, and its value.

    `value` is the unsigned integer of a varint, else the bytes; `raw` is all, the tag included.
    """

    number: int
    wire: int
    at: int
    value: int | bytes
    raw: bytes

    def signed(self) -> int:
        """Give a varint as the 32-bit integer that it stands for."""
        number = int(self.value) & 0xFFFFFFFF
        return number - (1 << 32) if number >> 31 else number


def fields(data: bytes, base: int = 0) -> Iterator[Field]:
    """Take a message apart; `base` is where it begins in its file.

    Raises
    ------
    WireError
        Truncated, or no protocol buffer.
    """
    at, end = 0, len(data)
    while at < end:
        begin = at
        tag, at = _read_varint(data, at, base)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(f"byte {base + begin}: expected a field, got the number {number}")
        value: int | bytes
        if wire == VARINT:
            value, at = _read_varint(data, at, base)
        else:
            if wire == BYTES:
                length, at = _read_varint(data, at, base)
            elif wire in (FIXED32, FIXED64):
                length = 4 if wire == FIXED32 else 8
            else:
                raise WireError(f"byte {base + begin}: expected a wire type, got {wire}")
            if length > end - at:
                raise WireError(
                    f"byte {base + begin}: field {number} says {length} bytes, {end - at} are left"
                )
            value = data[at : at + length]
            at += length
        yield Field(number, wire, base + begin, value, data[begin:at])


def _read_varint(data: bytes, at: int, base: int) -> tuple[int, int]:
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise WireError(f"byte {base + at}: the file ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
    raise WireError(f"byte {base + at}: a number of more than ten bytes")


def varint(value: int) -> bytes:
    """Write an integer; a negative one takes ten bytes."""
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tagged(number: int, value: int | bytes) -> bytes:
    """Write a field: an integer as a varint, bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    return varint(number << 3 | BYTES) + varint(len(value)) + value
