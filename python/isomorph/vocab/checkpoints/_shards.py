"""The safetensors files of a model: one, or several with an index of which tensor is where."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isomorph.errors import FormatError
from isomorph.vocab.checkpoints._header import Header, Tensor, read_header
from isomorph.vocab.checkpoints._tables import Table

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_INDEX_SUFFIX = ".index.json"


@dataclass(frozen=True)
class Tensors:
    """The tensors of a model, opened and not read.

    Attributes
    ----------
    folder : Path
        Where the files are.
    index_name : str or None
        The name of the index file; None for a single file.
    index : dict
        What it says.
    headers : dict of str to Header
        Of each file, by its name in the folder.
    tensors : dict of str to Tensor
        All tensors by their names, in the order of the files.
    """

    folder: Path
    index_name: str | None
    index: dict[str, Any]
    headers: dict[str, Header]
    tensors: dict[str, Tensor]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Tensors:
        """Open a model's folder, a safetensors file, or the index of several.

        Raises
        ------
        FormatError
            No such files in the folder; an index that does not fit its files.
        """
        place = Path(path)
        if place.is_dir():
            place = _found_in(place)
        if not place.name.endswith(_INDEX_SUFFIX):
            header = read_header(place)
            return cls(place.parent, None, {}, {place.name: header}, dict(header.tensors))
        index, names = _read_index(place)
        headers = {name: read_header(place.parent / name) for name in names}
        tensors: dict[str, Tensor] = {}
        for file, header in headers.items():
            for name, tensor in header.tensors.items():
                # A tensor that the index does not know is nobody's, but stays where it is.
                if index["weight_map"].get(name, file) == file:
                    tensors.setdefault(name, tensor)
        for name, file in index["weight_map"].items():
            if name not in headers[file].tensors:
                raise FormatError(f"{place}: weight_map says that {name!r} is in {file}: it is not")
        return cls(place.parent, place.name, index, headers, tensors)

    def table(self, name: str) -> Table:
        """Open one tensor by its rows."""
        if name not in self.tensors:
            raise FormatError(f"{self.folder}: there is no tensor {name!r}")
        return Table(self.tensors[name])


def _found_in(folder: Path) -> Path:
    """Find what to open in a model's folder."""
    for name in (INDEX, SINGLE):
        if (folder / name).is_file():
            return folder / name
    others = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.suffix in (".bin", ".pt", ".pth", ".onnx", ".gguf", ".h5", ".msgpack")
    )
    has = f"; it has {', '.join(others[:4])}: save the model as safetensors first" if others else ""
    raise FormatError(f"{folder}: expected {SINGLE} or {INDEX}{has}")


def _read_index(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the index, and name its files in order."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON: {error}") from None
    where = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(where, dict) or not where:
        raise FormatError(f"{path}: expected a weight_map of tensors to files")
    for name, file in where.items():
        # A file elsewhere is none of this model.
        if not isinstance(file, str) or Path(file).name != file or file in ("", ".", ".."):
            raise FormatError(f"{path}: {name!r}: expected the name of a file beside it: {file!r}")
    if not isinstance(index.get("metadata", {}), dict):
        raise FormatError(f"{path}: expected metadata to be an object")
    return index, sorted(set(where.values()))
