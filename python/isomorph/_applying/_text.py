"""Text files of word vectors, which are read whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from isomorph import _core, io, runtime
from isomorph._applying._kinds import Block, Sink, Target, float_type


class TextSource:
    """Words and vectors of a text file."""

    words: str | None = None

    def __init__(self, name: str, threads: int | None = None) -> None:
        self.name, self._threads = name, threads
        self._words, self._vectors = io.load(name, threads=threads)
        self.rows, self.columns = self._vectors.shape
        self.dtype = self._vectors.dtype

    def blocks(self, rows: int) -> Iterator[Block]:
        """See the protocol."""
        for start in range(0, self.rows, rows):
            yield Block(start, self._vectors[start : start + rows])

    def row_name(self, block: Block, row: int) -> str:
        """See the protocol."""
        return f"row {block.start + row} ({self._words[block.start + row]!r})"

    def ids(self) -> list[Any] | None:
        """See the protocol."""
        return list(self._words)

    def sink(self, target: Target) -> Sink:
        """See the protocol."""
        if target.dtype != float_type("float32"):
            raise ValueError(f"dtype: text is written from float32, got {target.dtype}")
        return TextSink(target, list(self._words), self.rows, self._threads)


class TextSink:
    """A text file that is written when all rows are there."""

    def __init__(self, target: Target, words: list[str], rows: int, threads: int | None) -> None:
        self._words, self._stream, self._threads = words, target.stream, threads
        self._gzip = target.name.endswith(".gz")
        self._vectors = np.empty((rows, target.columns), np.float32)

    def write(self, block: Block) -> None:
        """See the protocol."""
        self._vectors[block.start : block.start + len(block.vectors)] = block.vectors

    def close(self) -> None:
        """See the protocol."""
        _core.write_text(
            # The core, too, writes beside and renames: onto the draft, which is renamed in turn.
            self._stream.name,
            self._words,
            self._vectors,
            gzip=self._gzip,
            threads=runtime.resolve_threads(self._threads),
            progress=None,
        )

    def abandon(self) -> None:
        """See the protocol."""
