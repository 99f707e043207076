"""Text of vectors with numbers as C prints them: ``%.6g``, ``%.5f`` and the like, but quickly.

Other programs write so, and files are compared with theirs byte by byte. A number is a whole number
of its last digit; that is rounded once, and its digits are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import FormatError

_Bytes = NDArray[np.uint8]
_Eights = NDArray[np.uint64]
#: Of a number: what separates it, its sign and what is before its digits, 8 bytes; then 8 more, for
#: its digits. Both are looked up as one integer. 0 is a byte that is not written.
_WIDTH = 16
_SPACE, _MINUS, _POINT, _ZERO = b" -.0"
_ROWS = 512
#: In float64 a product may be rounded across a tie: nearer to one than this, C decides.
_DOUBT = 1e-6
#: Digits for which there are tables.
_MOST = 6


def style_of(numbers: str) -> tuple[str, int]:
    """Give conversion and digits of ``%.6g``, or raise ValueError."""
    found = re.fullmatch(r"%\.([1-6])([fg])", numbers) if isinstance(numbers, str) else None
    if found is None:
        raise ValueError(f"numbers: expected '%.Nf' or '%.Ng' with N from 1 to 6, got {numbers!r}")
    return found[2], int(found[1])


def write_rows(
    stream: BinaryIO, words: Sequence[str] | None, values: NDArray[Any], numbers: str, threads: int
) -> None:
    """Write a header and a line a row: the word, if there are words, and its numbers."""
    rows, columns = values.shape
    stream.write(b"%d %d\n" % (rows, columns))
    with ThreadPoolExecutor(threads) as pool:
        work = partial(_block, words, values, numbers)
        stream.writelines(_a_few_ahead(pool, work, range(0, rows, _ROWS), 2 * threads))


def require_writable(name: str, words: Sequence[str]) -> None:
    """Refuse words that a line cannot hold."""
    for row, word in enumerate(words):
        if not word.strip(" \t") or "\n" in word:
            fault = "has a line feed" if "\n" in word else "is empty"
            raise FormatError(f"{name}: cannot be written: row {row}: the word {word!r} {fault}")


def _a_few_ahead(pool: ThreadPoolExecutor, work: Any, starts: range, few: int) -> Iterator[bytes]:
    """Give results in their order, without holding all of them."""
    waiting = [pool.submit(work, start) for start in starts[:few]]
    for start in starts[few:]:
        yield waiting.pop(0).result()
        waiting.append(pool.submit(work, start))
    for last in waiting:
        yield last.result()


def _block(words: Sequence[str] | None, values: NDArray[Any], numbers: str, start: int) -> bytes:
    part = values[start : start + _ROWS]
    kind, digits = style_of(numbers)
    cells = (_general if kind == "g" else _fixed)(part, digits, numbers)
    if cells is None:
        lines = [
            b"".join(b" " + (numbers % value).encode() for value in row) for row in part.tolist()
        ]
    else:
        ended = np.full((len(part), part.shape[1] * _WIDTH + 1), ord("\n"), np.uint8)
        ended[:, :-1] = cells.reshape(len(part), -1)
        lines = ended.tobytes().translate(None, b"\0").split(b"\n")[:-1]
    if words is None:
        return b"".join(line[1:] + b"\n" for line in lines)
    named = zip(words[start : start + _ROWS], lines, strict=True)
    return b"".join(word.encode("utf-8", "surrogateescape") + line + b"\n" for word, line in named)


def _whole(scaled: NDArray[np.float64], exact: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Round to whole numbers, ties to even as C; and tell where that is not sure."""
    whole = np.rint(scaled)
    doubt = np.zeros(scaled.shape, bool)
    if not exact:
        doubt = np.abs(np.abs(scaled - whole) - 0.5) < _DOUBT
    return whole.astype(np.int64), doubt


def _fixed(values: NDArray[Any], digits: int, numbers: str) -> _Bytes | None:
    """Print with a fixed number of decimals; None where a number is too large for the tables."""
    flat = values.ravel()
    sizes = np.abs(flat.astype(np.float64))
    if not (sizes < 9_999).all():
        return None
    unit = 10**digits
    whole, doubt = _whole(sizes * unit, values.dtype == np.float32)
    before, after = np.divmod(whole, unit)
    cells = np.empty((flat.size, 2), np.uint64)
    cells[:, 0] = _integers()[np.signbit(flat).astype(np.int64), before]
    cells[:, 1] = _digit_eights(digits)[after]
    found = cells.view(np.uint8)
    _by_c(found, values, np.flatnonzero(doubt), numbers)
    return found


def _general(values: NDArray[Any], digits: int, numbers: str) -> _Bytes:
    """Print with a number of significant digits, without zeros at the end."""
    flat = values.ravel()
    sizes = np.abs(flat.astype(np.float64))
    places = np.full(sizes.shape, -5, np.int8)
    for power in range(-4, digits + 1):
        places += sizes >= 10.0**power
    scales = 10.0 ** (digits - 1 - np.arange(-5.0, digits + 1))
    # What is out of the tables' range must not overflow.
    scales[[0, -1]] = 0
    whole, doubt = _whole(sizes * scales[places + 5], values.dtype == np.float32)
    more = whole >= 10**digits
    whole[more] //= 10
    places[more] += 1
    cells = np.empty((flat.size, 2), np.uint64)
    cells[:, 0] = _leads()[np.signbit(flat).astype(np.int64), np.clip(places, -4, 0) + 4]
    cells[:, 1] = _stripped_eights(digits)[whole]
    found = cells.view(np.uint8)
    for place in range(digits):
        rows = np.flatnonzero(places == place)
        if len(rows):
            found[rows, 2 : 2 + digits + 1] = _pointed(_stripped(digits)[whole[rows]], place)
            found[rows, 3 + digits :] = 0
    found[sizes == 0, 2] = _ZERO
    found[sizes == 0, 3:] = 0
    doubt |= ((places < -4) | (places >= digits)) & (sizes != 0)
    _by_c(found, values, np.flatnonzero(doubt), numbers)
    return found


def _pointed(digits: _Bytes, place: int) -> _Bytes:
    """Put the point behind the digit at a place; zeros before it are digits, too."""
    before, after = digits[:, : place + 1], digits[:, place + 1 :]
    before = np.where(before == 0, np.uint8(_ZERO), before)
    point = np.zeros((len(digits), 1), np.uint8)
    if after.shape[1]:
        point[after[:, 0] != 0] = _POINT
    return np.concatenate([before, point, after], axis=1)


def _by_c(cells: _Bytes, values: NDArray[Any], rows: NDArray[np.int64], numbers: str) -> None:
    """Print the few that are left as Python prints them, which is as C does."""
    for row, value in zip(rows.tolist(), values.ravel()[rows].tolist(), strict=True):
        text = b" " + (numbers % value).encode()
        cells[row] = 0
        cells[row, : len(text)] = np.frombuffer(text, np.uint8)


def _eights(table: _Bytes) -> _Eights:
    """Give rows of up to eight bytes as one integer each."""
    padded = np.zeros((len(table), 8), np.uint8)
    padded[:, : table.shape[1]] = table
    eights: _Eights = padded.view(np.uint64)[:, 0]
    return eights


@cache
def _leads() -> _Eights:
    """Give what is before the digits, by sign and by place, -4 to -1; 0 has the sign alone."""
    rows = []
    for sign in (b"", b"-"):
        zeros = [b"0." + b"0" * count for count in (3, 2, 1, 0)]
        rows += [b" " + sign + lead for lead in [*zeros, b""]]
    # Without a sign there is a byte that is not written.
    padded = [row[:1] + (b"" if row[1:2] == b"-" else bytes(1)) + row[1:] for row in rows]
    table = np.frombuffer(b"".join(row.ljust(8, bytes(1)) for row in padded), np.uint8)
    return _eights(table.reshape(-1, 8)).reshape(2, 5)


@cache
def _digits(count: int) -> _Bytes:
    """Give the digits of every number that has so many."""
    numbers = np.arange(10**count)
    table = np.empty((10**count, count), np.uint8)
    for place in range(count):
        table[:, place] = _ZERO + numbers // 10 ** (count - 1 - place) % 10
    return table


@cache
def _digit_eights(count: int) -> _Eights:
    """Give the same as integers."""
    return _eights(_digits(count))


@cache
def _stripped(count: int) -> _Bytes:
    """Give the same without zeros at the end."""
    table = _digits(count).copy()
    last = np.ones(len(table), bool)
    for place in reversed(range(count)):
        last &= table[:, place] == _ZERO
        table[last, place] = 0
    return table


@cache
def _stripped_eights(count: int) -> _Eights:
    """Give the same as integers."""
    return _eights(_stripped(count))


@cache
def _integers() -> _Eights:
    """Give what is before the decimals, by sign and number up to 9,999."""
    table = np.zeros((2, 10**4, 8), np.uint8)
    table[:, :, 0], table[1, :, 1], table[:, :, 6] = _SPACE, _MINUS, _POINT
    digits = _digits(4).copy()
    first = np.ones(len(digits), bool)
    for place in range(3):
        first &= digits[:, place] == _ZERO
        digits[first, place] = 0
    table[:, :, 2:6] = digits
    return _eights(table.reshape(-1, 8)).reshape(2, -1)
