"""NumPy files, and the words beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from isomorph import _core, _files
from isomorph._applying._kinds import Block, Sink, Target


class NpySource:
    """A matrix in a NumPy file, mapped into memory."""

    def __init__(self, name: str) -> None:
        _core.npy_header(name)  # Checked against the length of the file.
        self.name = name
        self._rows = np.load(name, mmap_mode="r", allow_pickle=False)
        self.rows, self.columns = self._rows.shape
        self.dtype = self._rows.dtype.newbyteorder("=")
        self.words = next((w for w in _files._word_lists(name) if Path(w).exists()), None)

    def blocks(self, rows: int) -> Iterator[Block]:
        """See the protocol."""
        for start in range(0, self.rows, rows):
            yield Block(start, self._rows[start : start + rows])

    def row_name(self, block: Block, row: int) -> str:
        """See the protocol."""
        number = block.start + row
        if self.words is None:
            return f"row {number}"
        with Path(self.words).open(encoding="utf-8", errors="replace", newline="\n") as lines:
            word = next(itertools.islice(lines, number, None), "").rstrip("\n")
        return f"row {number} ({word!r})"

    def ids(self) -> list[Any] | None:
        """See the protocol."""
        return None if self.words is None else _core.read_words(self.words, "strict")

    def sink(self, target: Target) -> Sink:
        """See the protocol."""
        return NpySink(target, self.rows)


class NpySink:
    """A NumPy file that is written from its first row to its last."""

    def __init__(self, target: Target, rows: int) -> None:
        self._stream = target.stream
        header = {
            "descr": np.lib.format.dtype_to_descr(target.dtype),
            "fortran_order": False,
            "shape": (rows, target.columns),
        }
        np.lib.format.write_array_header_1_0(self._stream, header)

    def write(self, block: Block) -> None:
        """See the protocol."""
        self._stream.write(block.vectors.data)

    def close(self) -> None:
        """See the protocol."""

    def abandon(self) -> None:
        """See the protocol."""
