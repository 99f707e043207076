"""What the command lines of other programs share: their files read and written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _files, io, transforms
from isomorph.errors import FormatError

Rows = NDArray[np.int64]


@contextmanager
def readable(path: str | None, encoding: str = "utf-8") -> Iterator[str]:
    """Give a path to text in UTF-8: of a file, or of standard input where `path` is None or "-".

    Text in another encoding is written anew, in a folder that goes when the block ends.
    """
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8", "ascii", "us-ascii")
    if path not in (None, "-") and plain:
        yield str(path)
        return
    with TemporaryDirectory(prefix="isomorph-") as folder:
        copy = Path(folder, "input.txt")
        if path in (None, "-"):
            with copy.open("wb") as stream:
                shutil.copyfileobj(sys.stdin.buffer, stream)
        else:
            copy = Path(str(path))
        if not plain:
            try:
                text = copy.read_text(encoding)
            except LookupError:
                raise ValueError(f"encoding: Python knows none of the name {encoding!r}") from None
            except UnicodeError as error:
                raise FormatError(f"{path or 'standard input'}: {error}") from None
            copy = Path(folder, "utf8.txt")
            copy.write_text(text, encoding="utf-8", newline="")
        yield str(copy)


def read(path: str, *, duplicates: str = "first", encoding: str = "utf-8", **options: Any) -> Any:
    """Read vectors as these programs do: bytes that are no text do not stop them."""
    with readable(path, encoding) as name:
        return io.load(name, duplicates=duplicates, errors="replace", **options)


def rows_of(words: Any, duplicates: str) -> dict[str, int]:
    """Give the row that a word stands for: of a repeated one the first or the last."""
    if duplicates == "last":
        return {word: row for row, word in enumerate(words)}
    return {words[row]: row for row in range(len(words) - 1, -1, -1)}


class Lexicon:
    """The pairs of a dictionary file.

    Attributes
    ----------
    source, target : arrays of int64
        Rows of the pairs that both vocabularies have, in the order of the file.
    missing : list of (str, str)
        The other pairs.
    total : int
        Pairs of the file.
    sources : int
        Distinct source words of the file.
    not_lower : str or None
        The first word that is not in lower case, where `lowercase` makes them so.
    """

    def __init__(
        self,
        path: str,
        source: dict[str, int],
        target: dict[str, int],
        *,
        lowercase: bool = False,
        skip_short: bool = False,
    ) -> None:
        self.not_lower: str | None = None
        found: list[tuple[int, int]] = []
        self.missing: list[tuple[str, str]] = []
        self.total = 0
        words = set()
        for _, left, right in _files.read_pairs(path, "replace", skip_short=skip_short):
            if lowercase:
                for word in (left, right):
                    if self.not_lower is None and word != word.lower():
                        self.not_lower = word
                left, right = left.lower(), right.lower()
            self.total += 1
            words.add(left)
            rows = source.get(left), target.get(right)
            if rows[0] is None or rows[1] is None:
                self.missing.append((left, right))
            else:
                found.append((rows[0], rows[1]))
        if not self.total:
            raise FormatError(f"{path}: expected pairs of words, one a line, got none")
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        self.source: Rows = np.ascontiguousarray(pairs[:, 0])
        self.target: Rows = np.ascontiguousarray(pairs[:, 1])
        self.sources = len(words)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def queries(self) -> Rows:
        """The distinct source rows, in the order of the file."""
        rows, first = np.unique(self.source, return_index=True)
        return rows[np.argsort(first)]

    @property
    def coverage(self) -> float:
        """The share of the source words that have a pair."""
        return len(self.queries) / self.sources

    def right(self, queries: Rows, answers: Rows) -> NDArray[np.bool_]:
        """Tell for each query whether its answer is one of its translations."""
        width = int(max(self.target.max(initial=0), answers.max(initial=0))) + 1
        return np.isin(queries * width + answers, self.source * width + self.target)


def chained(steps: str, vectors: Any, threads: int | None) -> Any:
    """Give vectors after the steps of a chain."""
    return transforms.Chain.parse(steps).fit_apply(vectors, threads=threads)[1]
