"""What a certificate says is found here: the written files are read again, and compared."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import runtime
from isomorph.errors import CertificateError
from isomorph.vocab.checkpoints import _configs
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.checkpoints._roles import may_be_table
from isomorph.vocab.trimming._rows import NewRows

if TYPE_CHECKING:
    from isomorph.vocab.checkpoints._header import Tensor
    from isomorph.vocab.corpora import Corpus
    from isomorph.vocab.remap import Remap
    from isomorph.vocab.tokenizers import Tokenizer

#: Bytes that are compared or hashed at once.
_BLOCK = 8 << 20


@dataclass(frozen=True)
class Lines:
    """How many lines have the same tokens.

    Attributes
    ----------
    lines, same : int
        All lines, and those whose new ids are the old ones under the remap.
    first : str or None
        The first line that has others, for a message.
    """

    lines: int
    same: int
    first: str | None = None


def compare_lines(
    before: Tokenizer,
    after: Tokenizer,
    remap: Remap,
    corpus: Corpus,
    *,
    threads: int | None = None,
) -> Lines:
    """Tokenise every line with both tokenizers, special tokens included."""
    # Not `old_to_new`: a dropped token that becomes the unknown one is no unchanged token.
    lookup = np.full(remap.old_size, -1, dtype=np.int64)
    lookup[remap.new_to_old] = np.arange(remap.new_size)
    lines = same = 0
    first = None
    for _, block in corpus.blocks():
        old = before.encode(block, special=True, threads=threads)
        new = after.encode(block, special=True, threads=threads)
        for line, one, other in zip(block, old, new, strict=True):
            lines += 1
            if len(one) == len(other) and np.array_equal(lookup[one], other):
                same += 1
            elif first is None:
                first = line
    return Lines(lines, same, first)


def compare_named(before: Tokenizer, after: Tokenizer, folder: Path) -> dict[str, int]:
    """Check that special tokens, templates and padding are the tokens that they were.

    Raises
    ------
    CertificateError
        A place in the tokenizer's files that names another token, or none.
    """
    old, new = before.named(), after.named()
    for place, token in old.items():
        if place in new and new[place] != token:
            raise CertificateError(
                f"{folder}: {place}: expected the token {token!r}, as before, got {new[place]!r}"
            )
    gone = {place for place in old if place not in new and place.partition(":")[0] in _files(new)}
    if gone:
        raise CertificateError(f"{folder}: {min(gone)}: named a token before, and is gone")
    places = [place for place in old if place in new and old[place] is not None]
    return {"places": len(places), "same": len(places)}


def _files(places: Iterable[str]) -> set[str]:
    return {place.partition(":")[0] for place in places}


def compare_rows(
    before: Checkpoint, after: Checkpoint, rows: NewRows
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Compare every tensor byte for byte with what it is made from.

    Returns
    -------
    tables : list of dict
        Of each table with a row a token, with the SHA-256 of its new bytes.
    others : dict
        How many other tensors there are, and that all are as they were.

    Raises
    ------
    CertificateError
        A row, a tensor or a name that is not as it should be.
    """
    old, new = before.tensors.tensors, after.tensors.tensors
    if old.keys() != new.keys():
        odd = sorted(old.keys() ^ new.keys())[0]
        raise CertificateError(f"{after.folder.root}: tensor {odd!r} is in one model only")
    tables = {table.name: table for table in before.tables}
    described = []
    for name, tensor in old.items():
        if name not in tables:
            if (tensor.dtype, tensor.shape) != (new[name].dtype, new[name].shape):
                raise CertificateError(
                    f"{new[name].path}: tensor {name!r} has another type or shape"
                )
            _require_same(tensor, new[name], _blocks_of(tensor))
            continue
        table = tables[name]
        shape = list(table.shape)
        shape[table.axis] = rows.size
        if (tensor.dtype, shape) != (new[name].dtype, list(new[name].shape)):
            raise CertificateError(
                f"{new[name].path}: tensor {name!r}: expected {tensor.dtype} of shape {shape}, got "
                f"{new[name].dtype} of shape {list(new[name].shape)}"
            )
        digest = _require_same(tensor, new[name], _rows_of(tensor, table.axis, rows.index))
        described.append(
            {
                "name": name,
                "role": table.role,
                "dtype": tensor.dtype,
                "rows_before": table.rows,
                "rows": rows.size,
                "rows_kept": int((rows.index >= 0).sum()),
                "identical": True,
                "sha256": digest,
            }
        )
    count = len(old) - len(tables)
    return described, {"tensors": count, "identical": count}


class _Bytes:
    """The bytes of a tensor, mapped; what was looked at can be let go."""

    def __init__(self, tensor: Tensor) -> None:
        self._map: mmap.mmap | None = None
        self.data: NDArray[np.uint8] = np.empty(0, np.uint8)
        if tensor.nbytes:
            with Path(tensor.path).open("rb") as stream:
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            self.data = np.frombuffer(self._map, np.uint8, tensor.nbytes, tensor.start)

    def let_go(self) -> None:
        """Give the pages back: they stay in the system's cache, and are not this process's."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


def _blocks_of(tensor: Tensor) -> Iterable[NDArray[np.uint8]]:
    mapped = _Bytes(tensor)
    for start in range(0, len(mapped.data), _BLOCK):
        yield mapped.data[start : start + _BLOCK]
        mapped.let_go()


def _rows_of(tensor: Tensor, axis: int, index: NDArray[np.int64]) -> Iterable[NDArray[np.uint8]]:
    """Give the bytes that a tensor of these rows should have, in order."""
    if not tensor.nbytes:
        return
    mapped = _Bytes(tensor)
    outer = math.prod(tensor.shape[:axis])
    data = mapped.data.reshape(outer, tensor.shape[axis], -1)
    step = max(1, _BLOCK // data.shape[2])
    for part in data:
        for start in range(0, len(index), step):
            wanted = index[start : start + step]
            block = part[np.maximum(wanted, 0)]
            block[wanted < 0] = 0
            yield block.reshape(-1)
            mapped.let_go()


def _require_same(old: Tensor, new: Tensor, expected: Iterable[NDArray[np.uint8]]) -> str:
    """Compare what was written with what should have been; return its SHA-256."""
    mapped = _Bytes(new)
    digest = hashlib.sha256()
    at = 0
    for block in expected:
        found = mapped.data[at : at + len(block)]
        if not np.array_equal(found, block):
            raise CertificateError(
                f"{new.path}: tensor {new.name!r}: bytes {at:,} to {at + len(block):,} are not "
                f"those of {old.path}"
            )
        digest.update(found.data)
        mapped.let_go()
        at += len(block)
    if at != len(mapped.data):
        raise CertificateError(
            f"{new.path}: tensor {new.name!r}: expected {at:,} bytes, got {len(mapped.data):,}"
        )
    return digest.hexdigest()


def compare_configs(
    before: Checkpoint,
    after: Checkpoint,
    rows: NewRows,
    old_tokens: Sequence[str | None],
    new_tokens: Sequence[str | None],
) -> dict[str, int]:
    """Check that every id in a configuration names the token that it named, and every size.

    Raises
    ------
    CertificateError
        A field that does not.
    """
    size = _configs.vocabulary_size(after.config)
    if size is not None and size != rows.size:
        raise CertificateError(
            f"{after.folder.root}: config.json says {size:,} tokens, the tables have {rows.size:,}"
        )
    if len(new_tokens) > rows.size:
        raise CertificateError(
            f"{after.folder.root}: the tokenizer has {len(new_tokens):,} ids, the tables "
            f"{rows.size:,} rows"
        )
    count = 0
    for file, fields in before.id_fields.items():
        now = {field.name: field.id for field in after.id_fields.get(file, ())}
        for field in fields:
            new = now.get(field.name)
            expected = rows.renumber(field.id)
            same_token = (
                new is not None and (field.id >= len(old_tokens) or old_tokens[field.id] is None)
            ) or (
                new is not None
                and new < len(new_tokens)
                and field.id < len(old_tokens)
                and new_tokens[new] == old_tokens[field.id]
            )
            if new is None or new != expected or not same_token:
                raise CertificateError(
                    f"{after.folder.root}: {file}: {field.name}: expected {expected}, the new id "
                    f"of {field.id}, got {new}"
                )
            count += 1
    return {"ids": count, "rows": rows.size, "vocab_size": rows.size if size is None else size}


def survivors(
    before: Checkpoint, after: Checkpoint, size: int, skip: Collection[str]
) -> tuple[str, ...]:
    """Find what still has the old size of the vocabulary, by looking at every shape and number.

    Parameters
    ----------
    before, after : Checkpoint
        The model and what was written.
    size : int
        New rows of the tables.
    skip : collection of str
        Files of the tokenizer, from the root: their numbers are ids.

    Returns
    -------
    tuple of str
        A line for each tensor and each field, which may be as long by chance.
    """
    old = before.rows
    if old == size:
        return ()
    found = [
        f"{tensor.name}: shape {list(tensor.shape)} has {old:,}, as many as there were tokens; "
        "left, as its name is no table's"
        for tensor in after.tensors.tensors.values()
        if old in tensor.shape and may_be_table(tensor.name)
    ]
    for name in after.folder.others:
        file = after.folder.root / name
        if name in skip or file.suffix != ".json" or file.stat().st_size > _BLOCK:
            continue
        try:
            value = json.loads(file.read_bytes())
        except (ValueError, RecursionError):
            continue  # It is copied as it is, and not a configuration.
        found += [
            f"{name}: {field} is {old:,}, as many as there were tokens; left"
            for field in _fields_of(value, old)
        ]
    return tuple(found)


def _fields_of(value: Any, number: int, name: str = "") -> list[str]:
    """Name the fields that hold a number."""
    if isinstance(value, dict):
        inside = [(f"{name}.{key}" if name else key, entry) for key, entry in value.items()]
    elif isinstance(value, list):
        inside = [(f"{name}[{n}]", entry) for n, entry in enumerate(value)]
    else:
        same = isinstance(value, int) and not isinstance(value, bool) and value == number
        return [name] if same else []
    return [found for key, entry in inside for found in _fields_of(entry, number, key)]


def hashes(
    root: Path, names: Iterable[str], *, threads: int | None = None
) -> dict[str, dict[str, Any]]:
    """Give size and SHA-256 of files, by their names."""
    ordered = sorted(names)
    with ThreadPoolExecutor(runtime.resolve_threads(threads)) as pool:
        found = pool.map(lambda name: _hash(root / name), ordered)
        return dict(zip(ordered, found, strict=True))


def _hash(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}
