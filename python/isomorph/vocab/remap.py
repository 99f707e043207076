"""A remap: which old ids a smaller vocabulary keeps, in which order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isomorph import _checks, _core, _formats, runtime
from isomorph._distributed import distributed
from isomorph._dlpack import served
from isomorph.errors import DTypeError, FormatError, RemapError, ShapeError
from isomorph.vocab import _gather
from isomorph.vocab._ids import as_ids, require_distinct, require_range
from isomorph.vocab._renumber import Policy, Unknown, renumber

if TYPE_CHECKING:
    from isomorph.io import Embeddings

__all__ = ["Remap"]

_FORMAT = "isomorph.remap"
_VERSION = 1
_MAX_SIZE = 2**32 - 2


@dataclass(frozen=True, eq=False)
class Remap:
    """The rows that a new vocabulary takes from an old one, and where each old id went.

    Make one with :meth:`from_kept`, :func:`isomorph.vocab.prune` or :meth:`load`. A remap is
    data only: the same one renumbers words, embedding rows, an output layer, its biases and ids.

    Attributes
    ----------
    new_to_old : ndarray of int64, shape (new_size,)
        The old id of each new id. Read-only.
    old_size : int
        How many ids the old vocabulary has.
    dropped : int
        What :meth:`ids` gives for an old id that was not kept: -1, or a new id such as that of the
        unknown token.
    """

    new_to_old: NDArray[np.int64]
    old_size: int
    dropped: int = -1
    _old_to_new: NDArray[np.int64] = field(init=False, repr=False)
    _tables: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = _checks.integer("old_size", self.old_size)
        if not 0 <= size <= _MAX_SIZE:
            raise RemapError(f"old_size: expected 0 to {_MAX_SIZE}, got {size}")
        kept = as_ids("kept_old_ids", self.new_to_old)
        if kept.ndim != 1:
            raise ShapeError(f"kept_old_ids: expected one dimension, got shape {kept.shape}")
        require_range("kept_old_ids", kept, size, "the old vocabulary")
        # An unsigned 64-bit id has been found to fit by now.
        kept = np.array(kept, dtype=np.int64, order="C")
        require_distinct(kept)
        dropped = _checks.integer("dropped", self.dropped)
        if not -1 <= dropped < max(len(kept), 0):
            raise RemapError(
                f"dropped: expected -1 or a new id below {len(kept)}, got {dropped}; it says what "
                "an old id that was not kept becomes"
            )
        old_to_new = np.full(size, dropped, dtype=np.int64)
        old_to_new[kept] = np.arange(len(kept), dtype=np.int64)
        kept.flags.writeable = old_to_new.flags.writeable = False
        for name, value in (
            ("new_to_old", kept),
            ("old_size", size),
            ("dropped", dropped),
            ("_old_to_new", old_to_new),
            ("_tables", {}),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def from_kept(
        cls, kept_old_ids: Sequence[int] | NDArray[Any], old_size: int, *, dropped: int = -1
    ) -> Remap:
        """Make the remap that keeps the given old ids, in the given order.

        Parameters
        ----------
        kept_old_ids : sequence of int, shape (n,)
            ``kept_old_ids[new]`` is the old id of ``new``. No id twice.
        old_size : int
            How many ids the old vocabulary has.
        dropped : int, default -1
            What an old id that is not kept becomes: -1, or a new id (the unknown token's).

        Returns
        -------
        Remap
            O(old_size) time and memory: 8 bytes an old and a new id.

        Raises
        ------
        RemapError
            An id twice, negative, or not below `old_size`; `dropped` no new id.
        DTypeError
            Ids that are not integers.
        ShapeError
            More than one dimension.

        Examples
        --------
        >>> from isomorph.vocab import Remap
        >>> remap = Remap.from_kept([0, 3, 1], 5, dropped=0)
        >>> remap.ids([3, 4, 1]).tolist()
        [1, 0, 2]
        """
        return cls(kept_old_ids, old_size, dropped)  # type: ignore[arg-type]

    @property
    def old_to_new(self) -> NDArray[np.int64]:
        """The new id of each old id, `dropped` where there is none; shape (old_size,)."""
        return self._old_to_new

    @property
    def new_size(self) -> int:
        """How many ids were kept."""
        return int(self.new_to_old.shape[0])

    def __len__(self) -> int:
        return self.new_size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remap):
            return NotImplemented
        return (
            self.old_size == other.old_size
            and self.dropped == other.dropped
            and bool(np.array_equal(self.new_to_old, other.new_to_old))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Remap({self.new_size} of {self.old_size} ids, dropped={self.dropped})"

    @distributed("_rows.gather")
    def gather(self, rows: Any, *, out: Any = None, threads: int | None = None) -> Any:
        """Take the kept rows of anything that has one row per old id: bit for bit, type kept.

        Parameters
        ----------
        rows : array of shape (old_size, ...), Table, or sequence
            An embedding table, an output layer, a bias, of any array library and type (float16,
            bfloat16, complex and records, too), in any memory order, memory-mapped or not; a
            :func:`table of a safetensors file <isomorph.vocab.open_table>`, of which the kept rows
            are read and no others; or a list or tuple, such as the words.
        out : ndarray of shape (new_size, ...), optional
            Where to put the rows of a NumPy array or a table: of its type, writable, with memory
            of its own.
        threads : int, optional
            See :mod:`isomorph.runtime`.

        Returns
        -------
        array or sequence
            Shape (new_size, ...), of the same library, type, device and memory order; a list gives
            a list. `out` if it was given.

        Raises
        ------
        ShapeError
            When the number of rows is not `old_size`, or `out` has another shape.
        DTypeError
            When `rows` has no rows, or `out` is of another type.
        ValueError
            When `out` is read-only or overlaps `rows`.

        Notes
        -----
        O(bytes of the result), and no memory beside it.

        Examples
        --------
        >>> import numpy as np
        >>> from isomorph.vocab import Remap
        >>> remap = Remap.from_kept([2, 0], 3)
        >>> remap.gather(np.array([[0.5, 1], [2, 3], [4, 5]], dtype=np.float16))
        array([[4. , 5. ],
               [0.5, 1. ]], dtype=float16)
        >>> remap.gather(["a", "b", "c"])
        ['c', 'a']
        """
        if isinstance(rows, list | tuple):
            self._require_rows(len(rows))
            _refuse_out(out)
            kept = [rows[old] for old in self.new_to_old.tolist()]
            return kept if isinstance(rows, list) else tuple(kept)
        shape = getattr(rows, "shape", None)
        if shape is None or len(shape) == 0:
            raise DTypeError(f"rows: expected an array or a list, got {type(rows).__name__}")
        self._require_rows(int(shape[0]))
        if isinstance(rows, np.ndarray):
            return _gather.gather(rows, self.new_to_old, out, runtime.resolve_threads(threads))
        if hasattr(rows, "take_rows"):
            return rows.take_rows(self.new_to_old, out=out, threads=threads)
        import array_api_compat

        _refuse_out(out)
        xp = array_api_compat.array_namespace(rows)
        # A copy: torch warns of memory that must not be written to.
        index = xp.asarray(self.new_to_old.copy(), device=array_api_compat.device(rows))
        return xp.take(rows, index, axis=0)

    @distributed("_rows.ids")
    @served
    def ids(
        self,
        tokens: Any,
        *,
        out: NDArray[Any] | None = None,
        in_place: bool = False,
        unknown: Unknown = "raise",
        ignore: int | Iterable[int] = (),
        strict: bool = False,
        dtype: DTypeLike | None = None,
        threads: int | None = None,
    ) -> Any:
        """Renumber old ids; those that were not kept become `dropped`.

        Parameters
        ----------
        tokens : int array or sequence of any shape
            Old ids, from 0 to ``old_size - 1``, of any integer type.
        out : array of int, optional
            Where to put the new ids: of the shape of `tokens`; `tokens` itself, or memory of its
            own.
        in_place : bool, default False
            Change `tokens`, an array of NumPy or torch, and return it. After an error it is as it
            was.
        unknown : {"raise", "dropped", "keep"}, default "raise"
            What happens to a value that is no old id, below 0 or not below `old_size`: an error
            that names it and its place; the id `dropped`; or nothing.
        ignore : int or iterable of int, optional
            Values that are no ids and stay as they are: -100 for the labels that losses leave out.
        strict : bool, default False
            Whether an old id that was not kept is an error, instead of becoming `dropped`.
        dtype : data-type, optional
            The type of the new ids. That of `tokens` if not given, int64 for a list, that of `out`
            if there is one. A smaller vocabulary often fits a smaller type, such as uint16.
        threads : int, optional
            See :mod:`isomorph.runtime`.

        Returns
        -------
        array of int, same shape
            New ids, of the library of `tokens`; `tokens` itself or `out` where asked.

        Raises
        ------
        RemapError
            A value that is no id, an id whose new one does not fit the type (as -1 does not fit an
            unsigned one), with `strict` one that was not kept; the first of them is named. An
            `ignore` that is an id.
        DTypeError
            Anything but integers.
        ShapeError
            `out` of another shape.
        ValueError
            `out` that is read-only or overlaps a part of `tokens`.

        Notes
        -----
        One look at all ids, then one pass: O(ids). A table of `old_size` ids of the new type is
        kept for the next call. Where memory is not contiguous or of foreign byte order, a copy of
        `tokens` is made.

        Examples
        --------
        >>> import numpy as np
        >>> from isomorph.vocab import Remap
        >>> remap = Remap.from_kept([0, 3, 1], 5, dropped=0)
        >>> labels = np.array([[3, 1, -100], [4, 0, 3]], dtype=np.int32)
        >>> remap.ids(labels, ignore=-100)
        array([[   1,    2, -100],
               [   0,    0,    1]], dtype=int32)
        >>> remap.ids(labels[1], dtype=np.uint8)
        array([0, 0, 1], dtype=uint8)
        """
        return renumber(
            self,
            tokens,
            out=out,
            in_place=in_place,
            policy=Policy.of(self, unknown, ignore, strict),
            dtype=dtype,
            threads=runtime.resolve_threads(threads),
        )

    def apply(self, embeddings: Embeddings) -> Embeddings:
        """Give the embeddings of the kept words, in the new order.

        Raises
        ------
        ShapeError
            When `embeddings` does not have `old_size` rows.
        """
        self._require_rows(len(embeddings))
        return embeddings.take(self.new_to_old)

    def then(self, other: Remap) -> Remap:
        """Compose: first this remap, then `other` on its result.

        An old id that either of them drops becomes what `other` makes of a dropped id.

        Raises
        ------
        RemapError
            When `other` does not start where this one ends.
        """
        if other.old_size != self.new_size:
            raise RemapError(
                f"then: expected a remap of {self.new_size} ids, which this one keeps, got one of "
                f"{other.old_size}"
            )
        return Remap(self.new_to_old[other.new_to_old], self.old_size, other.dropped)

    def compose(self, other: Remap) -> Remap:
        """Compose as functions do: `other` first, then this. ``a.compose(b) == b.then(a)``."""
        return other.then(self)

    def inverse(self) -> Remap:
        """Give the remap back to the old ids, which exists when no id was dropped.

        Raises
        ------
        RemapError
            When ids were dropped: their rows are gone. :meth:`scatter` puts the kept ones back.
        """
        if self.new_size != self.old_size:
            raise RemapError(
                f"inverse: {self.old_size - self.new_size} of {self.old_size} ids were dropped, so "
                "there is no way back for them; scatter() puts the kept rows back into a table"
            )
        return Remap(self._old_to_new, self.new_size, self.dropped)

    def scatter(self, rows: NDArray[Any], into: NDArray[Any]) -> NDArray[Any]:
        """Put rows of the new vocabulary back into a copy of a table of the old one.

        Parameters
        ----------
        rows : ndarray of shape (new_size, ...)
            Rows by new id.
        into : ndarray of shape (old_size, ...)
            Where the rows of dropped ids come from; its type is the result's.

        Returns
        -------
        ndarray of shape (old_size, ...)
            A new array. ``scatter(gather(table), table)`` equals ``table``, bit for bit.
        """
        if len(rows) != self.new_size:
            raise ShapeError(f"rows: expected {self.new_size} rows, got {len(rows)}")
        if len(into) != self.old_size:
            raise ShapeError(f"into: expected {self.old_size} rows, got {len(into)}")
        if rows.dtype != into.dtype:
            raise DTypeError(f"rows: expected the type of into, {into.dtype}, got {rows.dtype}")
        out = np.array(into, copy=True)
        out[self.new_to_old] = rows
        return out

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, atomically: ``new_to_old`` and the two numbers beside it."""
        _core.write_safetensors(
            os.fspath(path),
            {"new_to_old": np.array(self.new_to_old)},
            {
                **_formats.described(_FORMAT, _VERSION),
                "old_size": str(self.old_size),
                "dropped": str(self.dropped),
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Remap:
        """Read what :meth:`save` wrote, or the remap of a trimmed model.

        Parameters
        ----------
        path : path
            The file; or the folder of a model that :func:`isomorph.vocab.trim` wrote.

        Raises
        ------
        FormatError
            Not such a file, or of a later format version.
        FileNotFoundError
            Nothing there, or a model that was not trimmed.
        RemapError
            Ids that do not fit together.
        """
        name = os.fspath(path)
        if Path(path).is_dir():
            from isomorph.vocab.trimming._undo import Undo

            return Undo.load(path).remap
        tensors, metadata = _core.read_safetensors(name)
        _formats.require(name, metadata, _FORMAT, newest=_VERSION)
        if "new_to_old" not in tensors:
            raise FormatError(f"{name}: expected a remap written by Remap.save")
        try:
            old_size, dropped = int(metadata["old_size"]), int(metadata["dropped"])
        except (KeyError, ValueError):
            raise FormatError(
                f"{name}: expected the integers old_size and dropped in the metadata"
            ) from None
        return cls(tensors["new_to_old"], old_size, dropped)

    def _table(self, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Give the bits of the new ids in a type, and which of them it does not hold."""
        found: tuple[NDArray[Any], NDArray[np.bool_] | None] | None
        if (found := self._tables.get(dtype.str)) is None:
            new, limits = self._old_to_new, np.iinfo(dtype)
            unfit = (new < limits.min) | (new > limits.max)
            bits = new.astype(dtype).view(f"u{dtype.itemsize}")
            found = self._tables[dtype.str] = (bits, unfit if unfit.any() else None)
        return found

    def _lost(self) -> NDArray[np.bool_]:
        """Say which old ids were not kept."""
        lost = np.ones(self.old_size, np.bool_)
        lost[self.new_to_old] = False
        return lost

    def _require_rows(self, rows: int) -> None:
        if rows != self.old_size:
            raise ShapeError(f"expected {self.old_size} rows, one an old id, got {rows}")


def _refuse_out(out: Any) -> None:
    if out is not None:
        raise DTypeError("out: expected rows in a NumPy array or a table to put there")
