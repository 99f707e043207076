"""Token ids in files, renumbered block by block."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isomorph import _memory, runtime
from isomorph._applying._kinds import KINDS
from isomorph._atomic import appearing
from isomorph._files import PathLike
from isomorph._memory import Memory
from isomorph._progress import Progress, reporting
from isomorph._results import Unpackable
from isomorph.errors import DTypeError, FormatError, RemapError
from isomorph.vocab._renumber import Policy, Renumberer, Unknown, output_type
from isomorph.vocab.checkpoints._header import require_regular
from isomorph.vocab.remap import Remap

__all__ = ["RemappedFile", "remap_file"]

#: Bytes of the blocks where no budget is given, and of the smallest that are worth a call.
_BLOCK, _FEWEST = 32 << 20, 1 << 16

_NOWHERE = (
    "the remap has no new id for such ids: give it one, as Remap.from_kept(..., dropped=3), or "
    "write -1 by unknown='dropped'"
)


@dataclass(frozen=True, slots=True)
class RemappedFile(Unpackable):
    """What was written; unpacks as ``path, ids``.

    Attributes
    ----------
    path : str
        The file.
    ids : int
        How many were renumbered.
    dropped : int
        How many of them had no new id of their own and became ``remap.dropped``.
    dtype : str
        The type of the new ids; of several columns the first one's.
    """

    path: str
    ids: int
    dropped: int
    dtype: str
    _unpacks: ClassVar[tuple[str, ...]] = ("path", "ids")


class Work:
    """One run: what is asked for, and what has been done."""

    def __init__(
        self,
        source: str,
        remap: Remap,
        policy: Policy,
        dtype: DTypeLike | None,
        block: int,
        threads: int,
    ) -> None:
        self.source, self.block = source, block
        self._remap, self._policy, self._dtype, self._threads = remap, policy, dtype, threads
        self._known: dict[np.dtype[Any], Renumberer] = {}
        self.ids = self.dropped = 0
        self.dtype = ""

    def output(self, own: np.dtype[Any]) -> np.dtype[Any]:
        """Give the type that ids of a type come out in."""
        if own.kind not in "iu":
            raise DTypeError(f"{self.source}: expected integer ids, got {own}")
        new = output_type(own, self._dtype)
        self.dtype = self.dtype or new.name
        return new

    def __call__(self, ids: NDArray[Any], where: Callable[[int], str]) -> NDArray[Any]:
        """Renumber a block of ids; `where` names an entry of it by its place."""
        new = self.output(ids.dtype)
        native = np.require(ids, ids.dtype.newbyteorder("="), ["C", "A"])
        if (work := self._known.get(native.dtype)) is None:
            work = Renumberer(self._remap, self._policy, native.dtype, new)
            self._known[native.dtype] = work
        out = np.empty(native.shape, work.new)
        if (refused := work(native, out, self._threads)) is not None:
            place, value = refused
            raise RemapError(f"{self.source}: {work.complaint(value, where(place))}")
        self.ids += native.size
        self.dropped += work.count_dropped(native, out)
        return out.astype(new, copy=False)


def remap_file(
    source: PathLike,
    target: PathLike,
    remap: Remap | PathLike,
    *,
    columns: str | Sequence[str] | None = None,
    stored: DTypeLike | None = None,
    dtype: DTypeLike | None = None,
    unknown: Unknown = "raise",
    ignore: int | Iterable[int] = (),
    strict: bool = False,
    memory: Memory = None,
    threads: int | None = None,
    progress: Progress = None,
) -> RemappedFile:
    """Renumber the token ids of a file, which may be larger than memory, and write a file like it.

    All else in the file is kept: other columns, other tensors, metadata, shapes, memory order.

    ==========================================  ================================================
    file                                        ids
    ==========================================  ================================================
    ``.npy``                                    the array, of any shape
    ``.bin`` or any other, with ``stored=``     all of it, numbers of one type and nothing else
    ``.safetensors``                            tensors of integers
    ``.parquet``, ``.pq``; ``.arrow``,          columns of integers, or of lists of them, nested
    ``.feather``, ``.ipc``, ``.arrows``         or not; needs pyarrow (``isomorph[parquet]``)
    ==========================================  ================================================

    Parameters
    ----------
    source, target : path
        The file to read and the file to write, of the same kind (Parquet and Arrow may be
        exchanged), not the same file. `target` appears whole or not at all.
    remap : Remap, or path of one that was saved
        Old ids to new ones.
    columns : str or sequence of str, optional
        The columns or tensors that hold ids. Must be given where several hold integers: an
        ``attention_mask`` looks like ids, too.
    stored : data-type, optional
        The type of the numbers in a file without a header, as ``"uint16"`` or ``"<u4"``.
    dtype : data-type, optional
        The type of the new ids. Default: as they were. A smaller vocabulary often fits a smaller
        type: 250,000 ids need uint32, 60,000 fit uint16.
    unknown, ignore, strict
        What happens to values that have no new id: see :meth:`Remap.ids`. ``ignore=-100`` is for
        labels. A model embeds no -1: where ``remap.dropped`` is -1, an id that was not kept is an
        error, too, and ``unknown="dropped"`` writes -1 all the same.
    memory : int or str, optional
        What a block may take. About 32 MB. No byte of the result depends on it, but in Parquet
        and Arrow files how rows are grouped does.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the result depends on it.
    progress : bool or callable, optional
        Told of the ids, bytes or rows that are done, and of all.

    Returns
    -------
    RemappedFile
        The path, how many ids there were, and how many of them became `dropped`.

    Raises
    ------
    RemapError
        A value that may not be there: the message names the file, the column and the entry.
    FormatError
        A file that is damaged, or cut short within a number; no column, or several that fit.
    DTypeError
        Ids that are not integers.
    OSError
        As the system says: a full disk. `target` is then as it was.

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib
    >>> from isomorph.vocab import Remap, remap_file
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> np.array([3, 1, 4, 3], dtype=np.uint32).tofile(folder / "train.bin")
    >>> remap = Remap.from_kept([0, 3, 1], 5, dropped=0)
    >>> done = remap_file(
    ...     folder / "train.bin", folder / "small.bin", remap, stored="uint32", dtype="uint16"
    ... )
    >>> done.ids, done.dropped
    (4, 1)
    >>> np.fromfile(folder / "small.bin", dtype=np.uint16)
    array([1, 2, 0, 1], dtype=uint16)
    """
    name, place = os.fspath(source), os.fspath(target)
    kind, other = _kind("source", name, stored), _kind("target", place, stored)
    if kind != other and {kind, other} != {"parquet", "arrow"}:
        raise ValueError(f"target: expected a file of the kind of {name}, {kind}, got {place}")
    if os.path.realpath(name) == os.path.realpath(place):
        raise ValueError(f"target: expected another file than the source, {name}")
    require_regular(name)
    found = remap if isinstance(remap, Remap) else Remap.load(remap)
    if kind in ("npy", "raw") and columns is not None:
        raise ValueError(f"columns: expected none for a file of one array, got {columns!r}")
    wanted = None if columns is None else [columns] if isinstance(columns, str) else list(columns)
    policy = Policy.of(found, unknown, ignore, strict)
    if found.dropped < 0 and unknown != "dropped" and not policy.strict:
        policy = replace(policy, strict=True, why=_NOWHERE)
    block = max(_memory.parse(memory) or _BLOCK, _FEWEST) // 3
    work = Work(name, found, policy, dtype, block, runtime.resolve_threads(threads))
    with reporting(progress, "renumbering ids") as report:
        if kind == "npy":
            _npy(work, place, report)
        elif kind == "raw":
            _raw(work, place, np.dtype(stored), report)
        elif kind == "safetensors":
            _safetensors(work, place, wanted, report)
        else:
            from isomorph.vocab import _dataset_tables

            _dataset_tables.renumber_table(work, place, kind, wanted, report)
    return RemappedFile(place, work.ids, work.dropped, work.dtype)


def choose(name: str, what: str, found: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Give the columns that hold ids: those that are asked for, or the only one there is."""
    if wanted is None:
        if len(found) == 1:
            return list(found)
        has = ", ".join(map(repr, found)) or "none"
        raise FormatError(
            f"{name}: expected columns= to name the {what}s with ids; integers: {has}"
        )
    for one in wanted:
        if one not in found:
            has = ", ".join(map(repr, found)) or "none"
            raise FormatError(f"{name}: expected a {what} {one!r} of integers, the file has {has}")
    return list(dict.fromkeys(wanted))


_Report = Callable[[int, int], object] | None


def _kind(argument: str, name: str, stored: DTypeLike | None) -> str:
    if stored is not None:
        return "raw"
    kind = next((kind for end, kind in KINDS.items() if name.lower().endswith(end)), None)
    if kind in (None, "text"):
        raise ValueError(
            f"{argument}: expected a name that ends with .npy, .safetensors, .parquet or .arrow, "
            f"or stored= with the type of the numbers of a file without a header, got {name!r}"
        )
    assert kind is not None
    return kind


def _flat(
    work: Work,
    stream: Any,
    stored: tuple[int, int, np.dtype[Any]],
    where: Callable[[int], str],
    report: _Report,
) -> None:
    """Write the new ids of what is `stored`: from which byte on, how many, of which type."""
    offset, count, dtype = stored
    step = max(1, work.block // dtype.itemsize)
    # Read, not mapped: pages of a mapping would count as memory of this process.
    with Path(work.source).open("rb") as original:
        original.seek(offset)
        for start in range(0, count, step):
            part = np.fromfile(original, dtype, min(step, count - start))
            if len(part) < min(step, count - start):
                end = start + len(part)
                raise FormatError(f"{work.source}: the file ends at entry {end} of {count}")
            stream.write(work(part, partial(_further, where, start)).data)
            if report is not None:
                report(start + len(part), count)


def _further(where: Callable[[int], str], start: int, place: int) -> str:
    return where(start + place)


def _npy(work: Work, target: str, report: _Report) -> None:
    try:
        ids = np.load(work.source, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FormatError(f"{work.source}: expected an array of integers: {error}") from None
    if not isinstance(ids, np.ndarray):
        raise FormatError(f"{work.source}: expected one array, got an archive of several")
    order: Literal["C", "F"] = "C" if ids.flags.c_contiguous else "F"
    header = {
        "descr": np.lib.format.dtype_to_descr(work.output(ids.dtype)),
        "fortran_order": order == "F",
        "shape": ids.shape,
    }

    def where(place: int) -> str:
        entry = tuple(int(at) for at in np.unravel_index(place, ids.shape, order=order))
        return f"entry {entry[0] if len(entry) == 1 else entry}"

    with appearing(target) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        _flat(work, stream, (getattr(ids, "offset", 0), ids.size, ids.dtype), where, report)


def _raw(work: Work, target: str, stored: np.dtype[Any], report: _Report) -> None:
    size = Path(work.source).stat().st_size
    work.output(stored)
    if size % stored.itemsize:
        raise FormatError(
            f"{work.source}: expected whole numbers of {stored.itemsize} bytes ({stored}), the "
            f"file has {size} bytes"
        )
    with appearing(target) as stream:
        count = size // stored.itemsize
        _flat(work, stream, (0, count, stored), lambda place: f"entry {place}", report)


def _safetensors(work: Work, target: str, wanted: Sequence[str] | None, report: _Report) -> None:
    from isomorph.vocab.checkpoints._tables import STORED
    from isomorph.vocab.checkpoints._tensors import Made, Tensors, rewrite

    opened = Tensors.open(work.source)
    integers = [
        name
        for name, tensor in opened.tensors.items()
        if tensor.dtype[0] in "IU" and tensor.dtype in STORED
    ]
    names = {np.dtype(kind): name for name, kind in STORED.items() if name[0] in "IU"}
    plan = {}
    for name in choose(work.source, "tensor", integers, wanted):
        table = opened.table(name)
        if not table.shape:
            raise FormatError(f"{work.source}: tensor {name!r} is a single value")
        new = work.output(table.dtype).newbyteorder("<")
        plan[name] = Made(table.shape, names[new], _maker(work, table))
    rewrite(work.source, target, plan, memory=work.block, progress=report, threads=work._threads)


def _maker(work: Work, table: Any) -> Callable[[int, int], NDArray[Any]]:
    def make(start: int, stop: int) -> NDArray[Any]:
        block = table[start:stop]

        def where(place: int) -> str:
            row, *rest = (int(at) for at in np.unravel_index(place, block.shape))
            entry = (start + row, *rest) if rest else start + row
            return f"entry {entry} of tensor {table.name!r}"

        return work(block, where)

    return make
