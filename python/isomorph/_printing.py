"""Text of vectors with numbers as C prints them: ``%.6g``, ``%.5f`` and the like, but quickly.

Other programs write so, and files are compared with theirs byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isomorph import _core
from isomorph.errors import FormatError

_ROWS = 512


class _Sink(Protocol):
    """What rows are written to."""

    def write(self, data: bytes, /) -> object: ...

    def writelines(self, several: Iterable[bytes], /) -> object: ...


def style_of(numbers: str) -> tuple[str, int]:
    """Give conversion and digits of ``%.6g``, or raise ValueError."""
    found = re.fullmatch(r"%\.([1-6])([fg])", numbers) if isinstance(numbers, str) else None
    if found is None:
        raise ValueError(f"numbers: expected '%.Nf' or '%.Ng' with N from 1 to 6, got {numbers!r}")
    return found[2], int(found[1])


def write_rows(
    stream: _Sink, words: Sequence[str] | None, values: NDArray[Any], numbers: str, threads: int
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
    kind, digits = style_of(numbers)
    part = np.ascontiguousarray(values[start : start + _ROWS])
    lines = _core.print_numbers(part, kind == "g", digits).split(b"\n")[:-1]
    if words is None:
        return b"".join(line[1:] + b"\n" for line in lines)
    named = zip(words[start : start + _ROWS], lines, strict=True)
    return b"".join(word.encode("utf-8", "surrogateescape") + line + b"\n" for word, line in named)
