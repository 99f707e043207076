"""Safetensors files: one tensor is mapped, the others and the metadata are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, _files
from isomorph._applying._kinds import Block, Sink, Target, column_of
from isomorph.errors import FormatError

#: Types of tensors that are read, and what they are given as.
_READ = {"F16": "float16", "BF16": "float32", "F32": "float32", "F64": "float64"}
_WRITTEN = {"float16": "F16", "float32": "F32", "float64": "F64"}
#: Bytes that are copied at once.
_COPIED = 1 << 22


class SafetensorsSource:
    """A matrix among the tensors of a file, mapped into memory."""

    words: str | None = None

    def __init__(self, name: str, tensor: str | None, wanted: int) -> None:
        # Checks names, shapes, types and extents against each other and the length of the file.
        tensors, self._metadata = _core.safetensors_header(name)
        matrices = {
            key: shape[1] for key, kind, shape in tensors if len(shape) == 2 and kind in _READ
        }
        self.name, self._tensor = name, column_of(name, matrices, tensor, wanted, "tensor")
        with Path(name).open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        self._first, self._header = 8 + length, header
        entry = header[self._tensor]
        self.rows, self.columns = (int(number) for number in entry["shape"])
        self._kind = entry["dtype"]
        self.dtype = np.dtype(_READ[self._kind])
        stored = "<u2" if self._kind == "BF16" else self.dtype.newbyteorder("<")
        shape = (self.rows, self.columns)
        self._rows: NDArray[Any] = (
            np.memmap(name, stored, "r", self._first + entry["data_offsets"][0], shape)
            if self.rows and self.columns
            else np.empty(shape, stored)
        )

    def blocks(self, rows: int) -> Iterator[Block]:
        """See the protocol."""
        for start in range(0, self.rows, rows):
            block = self._rows[start : start + rows]
            if self._kind == "BF16":
                # The upper half of a float32.
                block = (block.astype(np.uint32) << 16).view(np.float32)
            yield Block(start, block)

    def row_name(self, block: Block, row: int) -> str:
        """See the protocol."""
        return f"tensor {self._tensor!r}, row {block.start + row}"

    def ids(self) -> list[Any] | None:
        """See the protocol."""
        if "words" not in self._header or "format" not in self._metadata:
            return None
        return list(_files.read_safetensors(self.name, ["words"], None)[0])

    def sink(self, target: Target) -> Sink:
        """See the protocol."""
        entries = {
            name: {"dtype": entry["dtype"], "shape": entry["shape"]}
            for name, entry in self._header.items()
        }
        lengths = {
            name: entry["data_offsets"][1] - entry["data_offsets"][0]
            for name, entry in self._header.items()
        }
        shape = [self.rows, target.columns]
        entries[self._tensor] = {"dtype": _WRITTEN[target.dtype.name], "shape": shape}
        lengths[self._tensor] = math.prod(shape) * target.dtype.itemsize

        def order(name: str) -> tuple[int, str]:
            # Wide values first: then all of them lie at multiples of their width.
            count = math.prod(entries[name]["shape"])
            return (-(lengths[name] // count) if count else 0, name)

        names, start = sorted(entries, key=order), 0
        for name in names:
            entries[name]["data_offsets"] = [start, start + lengths[name]]
            start += lengths[name]
        header: dict[str, Any] = {name: entries[name] for name in names}
        if self._metadata:
            header = {"__metadata__": dict(self._metadata), **header}
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        stream = target.stream
        stream.write(len(text).to_bytes(8, "little") + text)
        at = names.index(self._tensor)
        self._copy(stream, names[:at])
        return SafetensorsSink(self, stream, names[at + 1 :])

    def _copy(self, stream: BinaryIO, names: list[str]) -> None:
        """Copy tensors as they are."""
        with Path(self.name).open("rb") as original:
            for name in names:
                start, stop = self._header[name]["data_offsets"]
                original.seek(self._first + start)
                left = stop - start
                while left:
                    piece = original.read(min(left, _COPIED))
                    if not piece:
                        raise FormatError(f"{self.name}: tensor {name!r}: the file ends within it")
                    stream.write(piece)
                    left -= len(piece)


class SafetensorsSink:
    """A file whose header is written, with the tensors that come before the mapped one."""

    def __init__(self, source: SafetensorsSource, stream: BinaryIO, after: list[str]) -> None:
        self._source, self._stream, self._after = source, stream, after

    def write(self, block: Block) -> None:
        """See the protocol."""
        little = block.vectors.dtype.newbyteorder("<")
        self._stream.write(block.vectors.astype(little, copy=False).data)

    def close(self) -> None:
        """See the protocol."""
        self._source._copy(self._stream, self._after)

    def abandon(self) -> None:
        """See the protocol."""
