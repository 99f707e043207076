"""The functions of VecMap's ``embeddings.py``: files of vectors, steps in place.

Scripts have ``import embeddings``; ``from isomorph.compat import embeddings`` stands in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isomorph import _printing, runtime, transforms
from isomorph.errors import FormatError

__all__ = [
    "length_normalize",
    "length_normalize_dimensionwise",
    "mean_center",
    "mean_center_embeddingwise",
    "normalize",
    "read",
    "write",
]


def read(
    file: TextIO,
    threshold: int = 0,
    vocabulary: Collection[str] | None = None,
    dtype: DTypeLike = "float",
) -> tuple[list[str], NDArray[Any]]:
    r"""Read words and vectors from text that is open: a header "n d", then words and numbers.

    Parameters
    ----------
    file : text stream
        At its start.
    threshold : int, default 0
        Read so many rows; 0: all.
    vocabulary : collection of str, optional
        Keep these words only.
    dtype : dtype, default float64
        Of the vectors.

    Returns
    -------
    words : list of str
        All rows', repeated words too.
    matrix : array of shape (n, d)
        Their vectors.

    Raises
    ------
    FormatError
        A line that is not what the header says.

    Notes
    -----
    O(n d). :func:`isomorph.io.load` reads files some twenty times faster.

    Examples
    --------
    >>> from io import StringIO
    >>> from isomorph.compat import embeddings
    >>> words, matrix = embeddings.read(StringIO("2 2\na 3 4\nb 0 1\n"))
    >>> words, matrix.tolist()
    (['a', 'b'], [[3.0, 4.0], [0.0, 1.0]])
    """
    header = file.readline().split()
    if len(header) != 2 or not all(field.isdecimal() for field in header):
        raise FormatError(f"line 1: expected the numbers of rows and columns, got {header[:4]}")
    count, columns = map(int, header)
    count = min(count, threshold) if threshold > 0 else count
    words: list[str] = []
    rows: list[NDArray[Any]] = []
    for number in range(2, count + 2):
        word, _, numbers = file.readline().rstrip("\n").partition(" ")
        fields = numbers.split()
        if len(fields) != columns:
            raise FormatError(
                f"line {number}: expected a word and {columns} numbers, got {len(fields)} numbers"
            )
        if vocabulary is not None and word not in vocabulary:
            continue
        words.append(word)
        try:
            rows.append(np.array(fields, dtype=dtype))
        except ValueError as error:
            raise FormatError(f"line {number}: {error}") from None
    return words, np.array(rows, dtype=dtype).reshape(-1, columns)


def write(words: Sequence[str], matrix: NDArray[Any], file: TextIO) -> None:
    """Write what :func:`read` reads, numbers as ``%.6g``, to text that is open."""
    values = np.ascontiguousarray(matrix, np.float64 if matrix.dtype == np.float64 else np.float32)
    threads = runtime.resolve_threads(None)
    _printing.write_rows(_Decoded(file), words, values, "%.6g", threads)


def length_normalize(matrix: NDArray[Any]) -> None:
    """Divide each row by its length, in place; a row of zeros stays."""
    matrix[...] = transforms.unit(matrix)


def mean_center(matrix: NDArray[Any]) -> None:
    """Subtract the mean of each column, in place."""
    matrix[...] = transforms.centre(matrix)


def length_normalize_dimensionwise(matrix: NDArray[Any]) -> None:
    """Divide each column by its length, in place; a column of zeros stays."""
    matrix[...] = transforms.unitdim(matrix)


def mean_center_embeddingwise(matrix: NDArray[Any]) -> None:
    """Subtract from each row the mean of its numbers, in place."""
    matrix[...] = transforms.centeremb(matrix)


_ACTIONS = {
    "unit": length_normalize,
    "center": mean_center,
    "unitdim": length_normalize_dimensionwise,
    "centeremb": mean_center_embeddingwise,
}


def normalize(matrix: NDArray[Any], actions: Iterable[str]) -> None:
    """Do unit, center, unitdim and centeremb in the order that is given, in place.

    Other actions, such as "none", do nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from isomorph.compat import embeddings
    >>> x = np.array([[3.0, 4.0], [0.0, 2.0]])
    >>> embeddings.normalize(x, ["unit"])
    >>> x.round(6).tolist()
    [[0.6, 0.8], [0.0, 1.0]]
    """
    for action in actions:
        if action in _ACTIONS:
            _ACTIONS[action](matrix)


class _Decoded:
    """A text stream that takes bytes of UTF-8."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        self.file.write(data.decode("utf-8", "surrogateescape"))

    def writelines(self, several: Iterable[bytes]) -> None:
        for data in several:
            self.write(data)
