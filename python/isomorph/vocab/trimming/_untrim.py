"""The way back: a trimmed model with its original ids."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph._folders import appearing_folder
from isomorph._progress import Progress
from isomorph.errors import FormatError
from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.checkpoints._parts import Made, Rows
from isomorph.vocab.checkpoints._roles import TokenTable
from isomorph.vocab.checkpoints._shards import Tensors
from isomorph.vocab.checkpoints._tables import STORED
from isomorph.vocab.tokenizers._side_files import JSON_FILES, MODELS, TEXT_FILES
from isomorph.vocab.trimming import _card
from isomorph.vocab.trimming._paths import require_apart
from isomorph.vocab.trimming._undo import Undo

DROPPED = ("unknown", "zero")


@dataclass(frozen=True)
class Untrimmed:
    """What :func:`untrim` wrote.

    Attributes
    ----------
    path : Path
        The folder.
    rows : int
        Rows of the tables, as before the trim.
    restored : int
        Those that the trimmed model has.
    filled : int
        Those that it dropped: from the original model, or made by `rule`.
    rule : str
        ``"original"``, ``"unknown"`` (copies of the row of the unknown token) or ``"zero"``.
    files : tuple of str
        Files that are byte for byte those before the trim.
    """

    path: Path
    rows: int
    restored: int
    filled: int
    rule: str
    files: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "path": str(self.path),
            "rows": self.rows,
            "restored": self.restored,
            "filled": self.filled,
            "rule": self.rule,
            "files": list(self.files),
        }

    def __str__(self) -> str:
        rules = {
            "original": "from the original model",
            "unknown": "copies of the row of the unknown token",
            "zero": "zeros",
        }
        return (
            f"{self.rows:,} rows with their original ids: {self.restored:,} of the trimmed model, "
            f"{self.filled:,} {rules[self.rule]}"
        )


def untrim(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    original: str | os.PathLike[str] | None = None,
    undo: str | os.PathLike[str] | None = None,
    dropped: str = "unknown",
    tables: Mapping[str, str | None] | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Untrimmed:
    """Give a trimmed model its original token ids again, also after it was trained further.

    The tokenizer's files become byte for byte what they were, ids in configurations are numbered
    back, and each row of the tables goes where it came from. Rows that the trim dropped come from
    the original model where that is given; with it, a model that was not trained since is bit for
    bit the original.

    Parameters
    ----------
    folder : path
        A model that :func:`trim` wrote, or one that was trained from it.
    out : path
        The folder to write, which appears whole or not at all.
    original : path or str, optional
        The model before the trim: where the dropped rows come from.
    undo : path, optional
        The folder that :func:`trim` wrote, or its undo file, where `folder` has none: libraries
        that save a trained model do not copy it.
    dropped : {"unknown", "zero"}, default "unknown"
        Without `original`: each dropped row is a copy of the row of the unknown token, so that
        such a token means as much, and is predicted as rarely. A tokenizer without an unknown
        token has zeros instead, as with "zero".
    tables : mapping of str to str or None, optional
        As in :func:`trim`.
    memory : int or str, optional
        Bytes to hold at once; about 32 MB.
    threads : int, optional
        See :mod:`isomorph.runtime`.
    progress : bool or callable, optional
        True, or a callable that is told (done, total).

    Returns
    -------
    Untrimmed

    Raises
    ------
    FormatError
        No undo file, one of another model, damaged files.
    ValueError
        `out` inside a model; an unknown rule.
    FileExistsError
        `out` has something in it.

    Notes
    -----
    Files that the trim left out (pickled or exported weights) do not come back.
    """
    rule = _checks.one_of("dropped", dropped, DROPPED)
    checkpoint = Checkpoint.open(folder, tables=tables)
    found = Undo.load(checkpoint.folder.root if undo is None else undo)
    rows = found.rows
    if checkpoint.folder.module != found.module:
        raise FormatError(
            f"{folder}: expected the transformer in {found.module or 'the folder itself'}, where "
            f"the trim left it, got {checkpoint.folder.module or 'the folder itself'}"
        )
    if checkpoint.rows != rows.size:
        raise FormatError(
            f"{folder}: expected the {rows.size:,} rows that the trim left, got "
            f"{checkpoint.rows:,}: tokens were added or removed since"
        )
    require_apart(Path(out), checkpoint.folder.root)
    source = rows.new_of_old()
    plan: dict[str, Rows | Made] = {}
    if original is not None:
        rule = "original"
        base = Checkpoint.open(original, tables=tables, leave_out=("*.onnx*", "*.gguf"))
        if base.rows != rows.old_size:
            raise FormatError(
                f"{original}: expected the {rows.old_size:,} rows of the model that was trimmed, "
                f"got {base.rows:,}"
            )
        plan.update(_from_both(checkpoint, base, rows.index))
    else:
        unknown = None if found.unknown is None else int(source[found.unknown])
        if unknown is None or unknown < 0:
            rule = "zero"
        filler = -1 if rule == "zero" or unknown is None else unknown
        plan.update(checkpoint.gather(np.where(source < 0, filler, source)))
    edited = checkpoint.edited(rows.old_size, lambda new: _old_id(rows.index, new))
    with appearing_folder(Path(out)) as draft:
        restored = _restore(checkpoint, found, draft)
        checkpoint.write(
            draft,
            plan,
            edited,
            skip={*restored, *_newer(checkpoint, found), _folder.CARD},
            memory=memory,
            progress=progress,
            threads=threads,
        )
        _put_card(checkpoint, found, draft)
    kept = int((source >= 0).sum())
    return Untrimmed(
        Path(out), rows.old_size, kept, rows.old_size - kept, rule, tuple(sorted(restored))
    )


def _old_id(index: NDArray[np.int64], new: int) -> int | None:
    old = int(index[new])
    return old if old >= 0 else None


def _from_both(
    checkpoint: Checkpoint, base: Checkpoint, index: NDArray[np.int64]
) -> dict[str, Made]:
    """Take the tables of the original, with the rows of the trimmed model in their places."""
    there = np.flatnonzero(index >= 0)
    found = {}
    for table in checkpoint.tables:
        old = base.tensors.tensors.get(table.name)
        shape = list(table.shape)
        shape[table.axis] = base.rows
        if old is None or (old.dtype, list(old.shape)) != (table.dtype, shape):
            came = "none" if old is None else f"{old.dtype} of shape {list(old.shape)}"
            raise FormatError(
                f"{base.folder.root}: expected {table.name} as {table.dtype} of shape {shape}, as "
                f"in the trimmed model, got {came}"
            )
        made = _merged(checkpoint.tensors, base.tensors, table, there, index[there])
        found[table.name] = Made(tuple(shape), table.dtype, made)
    return found


def _merged(
    trimmed: Tensors,
    base: Tensors,
    table: TokenTable,
    new: NDArray[np.int64],
    old: NDArray[np.int64],
) -> Callable[[int, int], NDArray[Any]]:
    """Give rows `start` to `stop` of a table of the original, those that were kept replaced."""
    originals, ours = _mapped(base, table), _mapped(trimmed, table)
    order = np.argsort(old)
    places, rows = old[order], new[order]

    def make(start: int, stop: int) -> NDArray[Any]:
        block = np.array(originals[start:stop])
        if table.axis == 0:
            first, last = np.searchsorted(places, (start, stop))
            block[places[first:last] - start] = ours[rows[first:last]]
        else:
            along = np.moveaxis(block, table.axis, 0)
            along[places] = np.moveaxis(ours[start:stop], table.axis, 0)[rows]
        return block

    return make


def _mapped(tensors: Tensors, table: TokenTable) -> NDArray[Any]:
    """Map a table, of a type that NumPy does not have as its bytes: no value is looked at."""
    tensor = tensors.tensors[table.name]
    return np.memmap(
        tensor.path, np.dtype(STORED.get(tensor.dtype, "u1")), "r", tensor.start, tensor.shape
    )


def _restore(checkpoint: Checkpoint, undo: Undo, out: Path) -> set[str]:
    """Write the original files, but for configurations that were changed since the trim."""
    restored = set()
    for name in undo.original:
        file = checkpoint.folder.root / name
        changed = name in checkpoint.configs and hashlib.sha256(
            file.read_bytes()
        ).hexdigest() != undo.written.get(name)
        if changed or name == _folder.CARD:
            continue
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(undo.restore(name))
        restored.add(name)
    return restored


def _newer(checkpoint: Checkpoint, undo: Undo) -> set[str]:
    """Name files of the vocabulary that the original did not have: of the trimmed ids."""
    vocabulary = {checkpoint.folder.relative(name) for name in (*JSON_FILES, *TEXT_FILES, *MODELS)}
    return vocabulary - {*undo.files, "tokenizer_config.json"}


def _put_card(checkpoint: Checkpoint, undo: Undo, out: Path) -> None:
    """Write the model card without the section of the trim."""
    card = checkpoint.folder.root / _folder.CARD
    if not card.is_file():
        return
    text = _card.without(_card.read(card))
    data = text.encode("utf-8", "surrogateescape")
    if _folder.CARD in undo.original:
        original = undo.restore(_folder.CARD)
        before = _card.without(original.decode("utf-8", "surrogateescape"))
        if text.rstrip() == before.rstrip():
            data = original
    if data:
        (out / _folder.CARD).write_bytes(data)
