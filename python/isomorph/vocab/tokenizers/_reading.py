"""Which files of a folder make the tokenizer."""

from __future__ import annotations

from pathlib import Path

from isomorph.vocab.tokenizers._side_files import SideFiles, require_one_model
from isomorph.vocab.tokenizers._source import JsonSource, Source

__all__ = ["load"]


def load(path: Path) -> Source:
    """Read a folder or one of its files."""
    if path.is_dir():
        named = path / "tokenizer.json"
        path = named if named.is_file() else require_one_model(path)
        side = SideFiles.read(path.parent, but=path.name)
    else:
        side = SideFiles()
    if path.suffix == ".json":
        return JsonSource.read(path, side)
    raise NotImplementedError
