"""Checkpoints rewritten: each tensor copied, its rows gathered, made anew, or left out."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomorph import _core, _memory, runtime
from isomorph._atomic import appearing
from isomorph._progress import Progress, reporting
from isomorph.errors import RemapError
from isomorph.vocab.checkpoints._header import BITS, encode_header
from isomorph.vocab.checkpoints._parts import Drop, Job, Made, MadePart, Part, Rows, part_of
from isomorph.vocab.checkpoints._shards import Tensors
from isomorph.vocab.checkpoints._tables import Table, open_table

__all__ = ["Drop", "Made", "Rewritten", "Rows", "Table", "Tensors", "open_table", "rewrite"]

#: Bytes that are held at once where no budget is given.
_BLOCK = 32 << 20


@dataclass(frozen=True)
class Rewritten:
    """What was written.

    Attributes
    ----------
    files : tuple of str
        The safetensors files, in order, without the index.
    index : str or None
        The index file, if there is one.
    total_size : int
        Bytes of all tensors.
    parameters : int
        Values of all tensors.
    """

    files: tuple[str, ...]
    index: str | None
    total_size: int
    parameters: int


def rewrite(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    plan: Mapping[str, Rows | Made | Drop],
    *,
    memory: int | str | None = None,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = None,
    threads: int | None = None,
) -> Rewritten:
    """Write a checkpoint again, some of its tensors with other rows.

    A tensor that the plan does not name is copied bit by bit, whatever its type. Files appear under
    their names when all of them are complete; until then, and after an error, what was there is
    as it was.

    Parameters
    ----------
    source : path
        A model's folder, a safetensors file, or the ``.index.json`` of several.
    target : path
        Where to write: a folder if `source` is one, else a file (or an existing folder, for the
        same name). Never the source itself.
    plan : mapping of str to Rows, Made or Drop
        What becomes of the tensors, by name.
    memory : int or str, optional
        How many bytes to hold at once, besides a row, or what ``make`` returns. About 32 MB.
    metadata : mapping of str to str, optional
        Entries to add to the metadata of each file; the others stay.
    progress : bool or callable, optional
        Told of bytes written and to be written.
    threads : int, optional
        See :mod:`isomorph.runtime`.

    Returns
    -------
    Rewritten
        The files, their size.

    Raises
    ------
    FormatError
        A source that is damaged; a row that is not a whole number of bytes.
    RemapError
        A plan that names what is not there, rows out of range.
    ShapeError, DTypeError, NonFiniteError
        Rows that are made and do not fit.
    OSError
        A full disk, among others.

    Notes
    -----
    Reads the rows that are kept and writes them: O(bytes). An index file's ``total_size``,
    ``total_parameters`` (where there is one) and ``weight_map`` are rewritten; a file without
    tensors is not written.
    """
    opened = Tensors.open(source)
    budget = max(_memory.parse(memory) or _BLOCK, 1 << 16)
    folder, single = _destination(source, opened, target)
    files = _files(opened, plan)
    entries = [(file, name, made) for file, parts in files.items() for name, made in parts]
    workers = runtime.resolve_threads(threads)
    total = sum(part.nbytes for _, _, part in entries)
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / opened.index_name if opened.index_name else None
    with ExitStack() as stack:
        # The index appears last: until then the new files are nobody's.
        stream = stack.enter_context(appearing(index)) if index else None
        report = stack.enter_context(reporting(progress, "rewriting tensors"))
        job = _job(budget, workers, report, total)
        written: dict[str, _core.TensorFile] = {}
        for file, parts in files.items():
            name = str(folder / (single or file))
            kept = {**opened.headers[file].metadata, **(metadata or {})}
            described = ((name, part.dtype, part.shape, part.nbytes) for name, part in parts)
            written[name] = _core.TensorFile(name, encode_header(described, kept))
            stack.callback(written[name].abandon)
            for _, part in parts:
                part.write(written[name], job)
            written[name].finish()
        parameters = sum(math.prod(part.shape) for _, _, part in entries)
        if stream is not None:
            where = {name: file for file, name, _ in entries if _listed(opened, name, plan)}
            stream.write(_index(opened, where, total, parameters))
            # A disk that is full says so while nothing has appeared.
            stream.flush()
        for complete in written.values():
            complete.commit()
    return Rewritten(tuple(written), str(index) if index else None, total, parameters)


def _job(budget: int, threads: int, report: Callable[[int, int], object] | None, total: int) -> Job:
    """Say how bytes are moved, where `total` of them are to be written."""
    done = 0

    def advance(piece: int) -> None:
        nonlocal done
        done += piece
        if report is not None:
            report(done, total)

    def watch() -> Callable[[int, int], object] | None:
        before = done
        return None if report is None else lambda part, _: report(before + part, total)

    return Job(budget, threads, advance, watch)


def _listed(opened: Tensors, name: str, plan: Mapping[str, Any]) -> bool:
    """Whether the index names a tensor."""
    return name in opened.index["weight_map"] or (name in plan and name not in opened.tensors)


def _index(opened: Tensors, where: dict[str, str], total: int, parameters: int) -> bytes:
    """Give the index of the files that are written."""
    about = dict(opened.index.get("metadata", {}))
    about["total_size"] = total
    if "total_parameters" in about:
        about["total_parameters"] = parameters
    index = {**opened.index, "metadata": about, "weight_map": dict(sorted(where.items()))}
    return (json.dumps(index, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _destination(
    source: str | os.PathLike[str], opened: Tensors, target: str | os.PathLike[str]
) -> tuple[Path, str | None]:
    """Give the folder to write to, and the name of a single file."""
    place = Path(target)
    if Path(source).is_dir() or place.is_dir():
        folder, single = place, None
    elif opened.index_name is None:
        folder, single = place.parent, place.name
    elif place.name == opened.index_name:
        folder, single = place.parent, None
    else:
        raise ValueError(f"target: expected a folder, or its {opened.index_name}, got {place}")
    originals = {os.path.realpath(opened.folder / name) for name in opened.headers}
    if originals & {os.path.realpath(folder / (single or name)) for name in opened.headers}:
        raise ValueError(f"target: expected another place than that of the source, got {place}")
    return folder, single


def _files(
    opened: Tensors, plan: Mapping[str, Rows | Made | Drop]
) -> dict[str, list[tuple[str, Part]]]:
    """Say what each file gets, in order; files that get nothing are left out."""
    files: dict[str, list[tuple[str, Part]]] = {
        file: [
            (name, part)
            for name, tensor in header.tensors.items()
            if (part := part_of(tensor, plan.get(name))) is not None
        ]
        for file, header in opened.headers.items()
    }
    for name, wanted in plan.items():
        if name in opened.tensors:
            continue
        if not isinstance(wanted, Made):
            raise RemapError(f"plan: {opened.folder} has no tensor {name!r}")
        files[_file_of(opened, name, wanted)].append((name, MadePart(name, wanted)))
    for parts in files.values():
        # Wide values first: then all of them lie at multiples of their width.
        parts.sort(key=lambda entry: -max(8, BITS.get(entry[1].dtype, 8)))
    return {file: parts for file, parts in files.items() if parts or len(files) == 1}


def _file_of(opened: Tensors, name: str, made: Made) -> str:
    if made.beside is None:
        return list(opened.headers)[-1]
    for file, header in opened.headers.items():
        if made.beside in header.tensors:
            return file
    raise RemapError(f"plan: {name!r}: beside: there is no tensor {made.beside!r}")
