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
#: Of a number: what separates it, its sign, and 12 more bytes; 0 is a byte that is not written.
_WIDTH = 14
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
        lines = ended[ended != 0].tobytes().split(b"\n")[:-1]
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


def _started(values: NDArray[Any]) -> tuple[_Bytes, NDArray[np.float64]]:
    flat = values.ravel()
    cells = np.zeros((flat.size, _WIDTH), np.uint8)
    cells[:, 0] = _SPACE
    cells[np.signbit(flat), 1] = _MINUS
    return cells, np.abs(flat.astype(np.float64))


def _fixed(values: NDArray[Any], digits: int, numbers: str) -> _Bytes | None:
    """Print with a fixed number of decimals; None where a number is too large for the tables."""
    cells, sizes = _started(values)
    if not (sizes < 9_999).all():
        return None
    unit = 10**digits
    whole, doubt = _whole(sizes * unit, values.dtype == np.float32)
    before, after = np.divmod(whole, unit)
    cells[:, 2:6] = _integers()[before]
    cells[:, 6] = _POINT
    cells[:, 7 : 7 + digits] = _digits(digits)[after]
    _by_c(cells, values, np.flatnonzero(doubt), numbers)
    return cells


def _general(values: NDArray[Any], digits: int, numbers: str) -> _Bytes:
    """Print with a number of significant digits, without zeros at the end."""
    cells, sizes = _started(values)
    places = np.full(sizes.shape, -5, np.int8)
    for power in range(-4, digits + 1):
        places += sizes >= 10.0**power
    sure = np.arange(-4, digits, dtype=np.int64)
    scales = 10.0 ** (digits - 1 - np.concatenate([[0], sure, [0]]))
    # What is out of the tables' range must not overflow.
    scales[[0, -1]] = 0
    whole, doubt = _whole(sizes * scales[places + 5], values.dtype == np.float32)
    more = whole >= 10**digits
    whole[more] //= 10
    places[more] += 1
    cells[sizes == 0, 2] = _ZERO
    doubt |= ((places < -4) | (places >= digits)) & (sizes != 0)
    places[doubt] = -5
    for place in sure.tolist():
        rows = np.flatnonzero(places == place)
        if not len(rows):
            continue
        found = _stripped(digits)[whole[rows]]
        if place < 0:
            lead = 1 - place
            cells[rows, 2 : 2 + lead] = np.frombuffer(b"0." + b"0" * (-1 - place), np.uint8)
            cells[rows, 2 + lead : 2 + lead + digits] = found
        else:
            # Zeros before the point are digits.
            cells[rows, 2 : 3 + place] = np.where(
                found[:, : place + 1] == 0, _ZERO, found[:, : place + 1]
            )
            if place + 1 < digits:
                cells[rows, 3 + place] = np.where(found[:, place + 1] == 0, 0, _POINT)
                cells[rows, 4 + place : 3 + digits] = found[:, place + 1 :]
    _by_c(cells, values, np.flatnonzero(doubt), numbers)
    return cells


def _by_c(cells: _Bytes, values: NDArray[Any], rows: NDArray[np.int64], numbers: str) -> None:
    """Print the few that are left as Python prints them, which is as C does."""
    for row, value in zip(rows.tolist(), values.ravel()[rows].tolist(), strict=True):
        text = b" " + (numbers % value).encode()
        cells[row] = 0
        cells[row, : len(text)] = np.frombuffer(text, np.uint8)


@cache
def _digits(count: int) -> _Bytes:
    """Give the digits of every number that has so many."""
    numbers = np.arange(10**count)
    table = np.empty((10**count, count), np.uint8)
    for place in range(count):
        table[:, place] = _ZERO + numbers // 10 ** (count - 1 - place) % 10
    return table


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
def _integers() -> _Bytes:
    """Give the numbers up to 9,999 without zeros before."""
    table = _digits(4).copy()
    first = np.ones(len(table), bool)
    for place in range(3):
        first &= table[:, place] == _ZERO
        table[first, place] = 0
    return table
