"""What a kind of file has to offer to have a map applied to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import DTypeError, FormatError

FLOATS = ("float16", "float32", "float64")

#: Endings of names, and the kinds of files.
KINDS = {
    ".npy": "npy",
    ".safetensors": "safetensors",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".vec": "text",
    ".txt": "text",
    ".vec.gz": "text",
    ".txt.gz": "text",
}
#: Kinds of which one can be written from the other: all columns go along.
FAMILIES = {"parquet": "table", "arrow": "table"}


@dataclass(slots=True)
class Block:
    """Some rows of a file.

    Attributes
    ----------
    start : int
        The number of the first row.
    vectors : ndarray of shape (r, d)
        float16, float32 or float64.
    rest : object
        What else the file says of these rows.
    """

    start: int
    vectors: NDArray[Any]
    rest: Any = None


@dataclass(frozen=True, slots=True)
class Target:
    """A file to write.

    Attributes
    ----------
    name : str
        What it will be called.
    stream : BinaryIO
        Where it is written to until then.
    columns : int
        Of its vectors.
    dtype : numpy.dtype
        Of their values.
    """

    name: str
    stream: BinaryIO
    columns: int
    dtype: np.dtype[Any]


class Source(Protocol):
    """A file that is read in blocks; `words` is the word list beside it, if there is one."""

    name: str
    rows: int
    columns: int
    dtype: np.dtype[Any]
    words: str | None

    def blocks(self, rows: int) -> Iterator[Block]:
        """Go through the file, at most so many rows at a time."""
        ...

    def row_name(self, block: Block, row: int) -> str:
        """Name a row of a block for a message."""
        ...

    def ids(self) -> list[Any] | None:
        """Read what names the rows, if anything does."""
        ...

    def sink(self, target: Target) -> Sink:
        """Begin a file of the same rows with other vectors."""
        ...


class Sink(Protocol):
    """A file that is written in blocks."""

    def write(self, block: Block) -> None:
        """Write the rows of a block, whose vectors are the new ones."""
        ...

    def close(self) -> None:
        """Write what comes last."""
        ...

    def abandon(self) -> None:
        """Let go of the stream; what was not closed is not finished."""
        ...


def kind_of(argument: str, name: str) -> str:
    """Return the kind of a file from its name."""
    for ending in sorted(KINDS, key=len, reverse=True):
        if name.lower().endswith(ending):
            return KINDS[ending]
    raise ValueError(f"{argument}: expected a name that ends with {', '.join(KINDS)}, got {name!r}")


def open_source(
    name: str, column: str | None, ids: str | None, wanted: int, threads: int | None = None
) -> Source:
    """Open a file with vectors of `wanted` columns, or of any number where that is 0."""
    kind = kind_of("source", name)
    if kind == "npy":
        from isomorph._applying._npy import NpySource

        refuse(kind, column=column, ids=ids)
        return NpySource(name)
    if kind == "safetensors":
        from isomorph._applying._safetensors import SafetensorsSource

        refuse(kind, ids=ids)
        return SafetensorsSource(name, column, wanted)
    if kind == "text":
        from isomorph._applying._text import TextSource

        refuse(kind, column=column, ids=ids)
        return TextSource(name, threads)
    from isomorph._applying._arrow import open_table

    return open_table(name, kind, column, ids, wanted)


def refuse(kind: str, **given: str | None) -> None:
    """Refuse options that a kind of file has no use for."""
    for option, value in given.items():
        if value is not None:
            raise ValueError(f"{option}: expected None for a {kind} file, got {value!r}")


def require_same_family(source: str, destination: str) -> None:
    """Refuse to write a kind of file that cannot hold what the source has."""
    one, other = kind_of("source", source), kind_of("destination", destination)
    if FAMILIES.get(one, one) != FAMILIES.get(other, other):
        raise ValueError(
            f"destination: expected a {' or '.join(_endings(one))} file, as {source} is, got "
            f"{os.fspath(destination)!r}; 'isomorph convert' changes formats"
        )


def _endings(kind: str) -> list[str]:
    family = FAMILIES.get(kind, kind)
    return [end for end, other in KINDS.items() if FAMILIES.get(other, other) == family]


def float_type(dtype: Any) -> np.dtype[Any]:
    """Check the type that is asked for."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"dtype: expected float16, float32 or float64, got {dtype!r}") from None
    if found.name not in FLOATS:
        raise DTypeError(f"dtype: expected float16, float32 or float64, got {found}")
    return found


def column_of(name: str, found: dict[str, int], column: str | None, wanted: int, what: str) -> str:
    """Choose the vectors of a file: those that are named, or the only ones that fit.

    `found` has what holds vectors, with their columns (0: not known); any fit where `wanted` is 0.
    """
    if column is not None:
        if column not in found:
            listed = ", ".join(map(repr, found)) or "none"
            raise FormatError(
                f"{name}: expected vectors in the {what} {column!r}; those that have some: {listed}"
            )
        return column
    fits = {key for key, columns in found.items() if not wanted or columns in (0, wanted)}
    fitting = [key for key in found if not fits or key in fits]
    if len(fitting) == 1:
        return fitting[0]
    if not found:
        raise FormatError(f"{name}: expected a {what} of floating point vectors, got none")
    raise ValueError(
        f"column: expected the name of a {what}: {name} has vectors in "
        f"{', '.join(map(repr, fitting))}"
    )
