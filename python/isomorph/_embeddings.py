"""Words with their vectors: what files hold and vocabularies are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from isomorph._results import Unpackable
from isomorph.errors import DTypeError, ShapeError


@dataclass(frozen=True, eq=False)
class Embeddings(Unpackable):
    """Words and their vectors; unpacks as ``words, vectors = embeddings``.

    Attributes
    ----------
    words : sequence of str
        One for each row.
    vectors : array of shape (n, d)
        Row i belongs to ``words[i]``.

    Raises
    ------
    ShapeError
        If `vectors` is not a matrix, or the number of words is another than that of rows.
    """

    words: Sequence[str]
    vectors: Any
    _unpacks: ClassVar[tuple[str, ...]] = ("words", "vectors")

    def __post_init__(self) -> None:
        shape = tuple(getattr(self.vectors, "shape", ()))
        if len(shape) != 2:
            raise ShapeError(f"vectors: expected a matrix, got shape {shape}")
        if isinstance(self.words, str) or len(self.words) != shape[0]:
            got = "one string" if isinstance(self.words, str) else f"{len(self.words):,}"
            raise ShapeError(f"words: expected {shape[0]:,} words, one for each row, got {got}")

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word, the first one of a repeated word. Built when first used."""
        rows = range(len(self.words) - 1, -1, -1)
        return dict(zip(reversed(self.words), rows, strict=True))

    def take(self, rows: Any) -> Embeddings:
        """Return the embeddings of the given rows, in the given order.

        Parameters
        ----------
        rows : array_like of int, or bool of shape (n,)
            Row numbers, or a mask.
        """
        rows = np.asarray(rows)
        if rows.dtype == np.bool_:
            if rows.shape != (len(self),):
                raise ShapeError(f"rows: expected a mask of shape ({len(self)},), got {rows.shape}")
            rows = np.flatnonzero(rows)
        elif rows.size == 0:
            rows = rows.astype(np.int64)
        if rows.ndim != 1:
            raise ShapeError(f"rows: expected one dimension, got shape {rows.shape}")
        if not np.issubdtype(rows.dtype, np.integer):
            raise DTypeError(f"rows: expected integers or a mask, got {rows.dtype}")
        return Embeddings([self.words[row] for row in rows.tolist()], self.vectors[rows])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __repr__(self) -> str:
        rows, dimension = self.vectors.shape
        first = ", ".join(repr(word) for word in self.words[:4])
        more = ", ..." if rows > 4 else ""
        dtype = getattr(self.vectors, "dtype", "")
        return f"Embeddings({rows:,} words x {dimension}, {dtype}: {first}{more})"
