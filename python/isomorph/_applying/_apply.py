"""Apply a map to a file, block by block."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isomorph import _core, _memory, runtime, transforms
from isomorph._applying import _kinds
from isomorph._atomic import appearing
from isomorph._bridge import Bridge
from isomorph._files import PathLike, _word_lists
from isomorph._memory import Memory
from isomorph._progress import Progress, reporting
from isomorph._results import Unpackable
from isomorph.align import Alignment, LinearMap, _files
from isomorph.errors import MemoryBudgetError, NonFiniteError, ShapeError

#: Rows of the smallest block that is worth a call.
_FEWEST = 64


@dataclass(frozen=True, slots=True)
class Applied(Unpackable):
    """What was written; unpacks as ``path, rows``.

    Attributes
    ----------
    path : str
        The file.
    rows, columns : int
        Of its vectors.
    dtype : str
        Of their values.
    """

    path: str
    rows: int
    columns: int
    dtype: str
    _unpacks: ClassVar[tuple[str, ...]] = ("path", "rows")


def apply_file(
    map: LinearMap | Alignment | Bridge | PathLike,  # noqa: A002 - the field's word for it
    source: PathLike,
    destination: PathLike,
    *,
    column: str | None = None,
    ids: str | None = None,
    dtype: DTypeLike | None = None,
    inverse: bool = False,
    normalize: bool = False,
    side: str = "source",
    check_finite: bool = True,
    memory: Memory = "256MB",
    threads: int | None = None,
    progress: Progress = None,
) -> Applied:
    r"""Map the vectors of a file, which may be larger than memory, and write a file like it.

    Everything else in the file is kept: the other columns of a table, the other tensors and the
    metadata of a safetensors file, the words beside an ``.npy`` file. Rows keep their order.

    =========================================  =================================================
    file                                       vectors
    =========================================  =================================================
    ``.npy``                                   the matrix; ``IN.words.txt`` goes along if there
    ``.safetensors``                           a tensor of shape (n, d); bfloat16 gives float32
    ``.parquet``, ``.pq``; ``.arrow``,         a column of lists of floats, fixed-size or of one
    ``.feather``, ``.ipc``, ``.arrows``        length; needs pyarrow (``isomorph[parquet]``)
    ``.vec``, ``.txt`` (also ``.gz``)          word vectors; read whole, repeated words once
    =========================================  =================================================

    Parameters
    ----------
    map : LinearMap, Alignment, Bridge, or path of one that was saved
        A single map, not a stack.
    source, destination : path
        The file to read and the file to write, of the same kind (Parquet and Arrow may be
        exchanged), not the same file. `destination` appears whole or not at all. A word list
        beside an ``.npy`` destination is replaced with it, or removed where `source` has none.
    column : str, optional
        The column or tensor with the vectors. Default: the only one that fits.
    ids : str, optional
        The column that names rows in messages. Default: ``id``, if there is one, and the like.
    dtype : {"float16", "float32", "float64"}, optional
        Of the values written. Default: as they were.
    inverse : bool, default False
        Apply the inverse map; see :meth:`LinearMap.inverse`.
    normalize : bool, default False
        Scale rows to length 1; zero rows stay. A bridge made so does it anyway.
    side : {"source", "target"}, default "source"
        Whose transform and map of an Alignment.
    check_finite : bool, default True
        Refuse NaN and infinities, naming the row.
    memory : int or str, default "256MB"
        What blocks may take, in bytes or as ``"2GB"``. No value of the result depends on it; in
        Parquet and Arrow files how rows are grouped does.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the result depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``, in rows.

    Returns
    -------
    Applied
        Rows, columns and type of what was written.

    Raises
    ------
    FormatError
        What is wrong with the file, named; a vector that is missing.
    ShapeError
        Vectors of another length than the map takes; a stack of maps.
    NonFiniteError
        NaN or infinity, with the row and its id; a value that overflows `dtype`.
    ValueError
        `source` and `destination` are the same file or of different kinds; an inverse that does
        not exist.
    MemoryBudgetError
        `memory` is too little for 64 rows.
    ImportError
        A Parquet or an Arrow file without pyarrow.
    OSError
        As from `open`; a full disk. Nothing of `destination` stays then.

    Notes
    -----
    O(n d e), one read and one write. Memory: `memory` and some megabytes; Parquet besides what
    its row groups take while they are decoded.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> np.save(folder / "old.npy", np.ones((5, 3), np.float32))
    >>> iso.apply_file(iso.LinearMap(2 * np.eye(3)), folder / "old.npy", folder / "new.npy").rows
    5
    >>> np.load(folder / "new.npy")[0].tolist()
    [2.0, 2.0, 2.0]
    """
    name, target = os.fspath(source), os.fspath(destination)
    _kinds.require_same_family(name, target)
    if Path(target).exists() and Path(target).samefile(name):
        raise ValueError(
            f"destination: expected another file than source, got {target!r}; a store is not "
            "written over while it is read"
        )
    budget = _memory.parse(memory)
    wanted = None if dtype is None else _kinds.float_type(dtype)
    step = _Step.of(map, inverse=inverse, normalize=normalize, side=side)
    opened = _kinds.open_source(name, column, ids, step.source_dim, threads)
    if opened.columns != step.source_dim:
        raise ShapeError(
            f"{name}: expected vectors of {step.source_dim} columns, which is what the map takes, "
            f"got {opened.columns}"
        )
    written = wanted or opened.dtype
    workers = runtime.resolve_threads(threads)
    count = _block_rows(budget, opened.dtype, step, written)
    with ExitStack() as stack, reporting(progress, f"apply to {Path(name).name}") as report:
        # Entered first, so that they appear last: words are not changed beside vectors that are
        # not.
        if target.lower().endswith(".npy"):
            stack.enter_context(_words_beside(target, opened.words))
        stream = stack.enter_context(appearing(target))
        sink = opened.sink(_kinds.Target(target, stream, step.target_dim, written))
        # Before the stream closes, whatever happens.
        stack.callback(sink.abandon)
        done = 0
        for block in opened.blocks(count):
            if check_finite:
                _require_finite(opened, block, block.vectors, workers, "")
            mapped = step(block.vectors, workers)
            with np.errstate(over="ignore", under="ignore"):
                values = np.ascontiguousarray(mapped, dtype=written)
            if check_finite:
                _require_finite(opened, block, values, workers, f", once mapped, as {written}")
            sink.write(replace(block, vectors=values))
            done += len(values)
            if report is not None:
                report(done, opened.rows)
        sink.close()
    return Applied(target, done, step.target_dim, written.name)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is done to each block."""

    chain: Any
    map: LinearMap
    normalize: bool

    @classmethod
    def of(cls, given: Any, *, inverse: bool, normalize: bool, side: str) -> _Step:
        if side not in ("source", "target"):
            raise ValueError(f"side: expected 'source' or 'target', got {side!r}")
        found = _files.load_any(given) if isinstance(given, str | os.PathLike) else given
        chain = None
        if isinstance(found, Bridge):
            normalize, found = normalize or found.normalize, found.map
        if isinstance(found, Alignment):
            chain = getattr(found, f"{side}_transform")
            found = found.map if side == "source" else found.target_map
            if found is None:
                raise ValueError(
                    "side: the target of this alignment has no map: its transform is all there is"
                )
        elif side == "target":
            raise ValueError("side: expected 'source' for anything but an Alignment")
        if not isinstance(found, LinearMap):
            raise TypeError(
                "map: expected a LinearMap, an Alignment, a Bridge or a path, got "
                f"{type(found).__name__}"
            )
        if found.stack is not None:
            raise ShapeError(f"map: expected a single map, got a stack of {found.stack}")
        if inverse and chain is not None:
            raise ValueError(
                "inverse: expected False, as the alignment's transform cannot be undone"
            )
        return cls(chain, found.inverse() if inverse else found, normalize)

    @property
    def source_dim(self) -> int:
        """Columns that come in."""
        return self.map.source_dim

    @property
    def target_dim(self) -> int:
        """Columns that go out."""
        return self.map.target_dim

    def __call__(self, rows: NDArray[Any], threads: int) -> Any:
        if self.chain is not None:
            rows = self.chain.apply(rows, check_finite=False, threads=threads)
        mapped = self.map.apply(rows, check_finite=False, threads=threads)
        if self.normalize:
            mapped = transforms.unit(mapped, check_finite=False, threads=threads)
        return mapped


@contextmanager
def _words_beside(target: str, source: str | None) -> Iterator[None]:
    """Give an npy file the word list of another, or none, when the block succeeds.

    Only the list of the most specific name is written or removed: one of a shorter name may belong
    to another file, as that of emb.npy lies beside emb.float16.npy.
    """
    own, *shared = _word_lists(target)
    if source is None and (others := [name for name in shared if Path(name).exists()]):
        raise ValueError(
            f"destination: {others[0]} would be taken for the words of {target}, whose source has "
            "none; give it another name"
        )
    with ExitStack() as stack:
        if source is not None:
            copy = stack.enter_context(appearing(own))
            with Path(source).open("rb") as words:
                shutil.copyfileobj(words, copy)
        yield
    if source is None:
        # It was of other vectors: a reader would take it for these.
        Path(own).unlink(missing_ok=True)


def _block_rows(
    budget: int | None, read: np.dtype[Any], step: _Step, written: np.dtype[Any]
) -> int:
    """Give the rows of a block that fits the budget."""
    computed = max(4, read.itemsize)
    copies = 2 if step.chain is not None else 1
    row = step.source_dim * (read.itemsize + copies * computed)
    row += step.target_dim * ((2 if step.normalize else 1) * computed + written.itemsize)
    if budget is None:
        return 1 << 16
    if budget < _FEWEST * row:
        raise MemoryBudgetError(
            f"memory: expected at least {_FEWEST * row:,} bytes for blocks of {_FEWEST} rows of "
            f"{step.source_dim} columns, got {budget:,}"
        )
    return budget // row


def _require_finite(
    source: _kinds.Source, block: _kinds.Block, values: NDArray[Any], threads: int, when: str
) -> None:
    """Refuse a row with a NaN or an infinity, by its number and id."""
    if values.dtype == np.float16:
        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
        bad = int(rows[0]) if rows.size else None
    else:
        native = np.require(values, values.dtype.newbyteorder("="), ["C", "A"])
        bad = _core.first_nonfinite_row(native, threads)
    if bad is not None:
        raise NonFiniteError(
            f"{source.name}: {source.row_name(block, bad)} has a NaN or an infinity{when}; repair "
            "or drop such rows"
        )
