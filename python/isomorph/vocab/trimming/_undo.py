"""The undo file: what a trim changed, and what it takes to number everything as before."""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _core, _formats
from isomorph._atomic import appearing
from isomorph.errors import FormatError
from isomorph.vocab.checkpoints import _folder
from isomorph.vocab.checkpoints._checkpoint import Checkpoint
from isomorph.vocab.remap import Remap
from isomorph.vocab.trimming._rows import NewRows

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers import Tokenizer

_FORMAT = "isomorph.undo"
_VERSION = 1
UNDO = f"{_folder.OWN}/undo.safetensors"
ORIGINAL = f"{_folder.OWN}/original"


@dataclass(frozen=True, eq=False)
class Undo:
    """What is needed to give a trimmed model its old ids again.

    Attributes
    ----------
    folder : Path
        Where ``isomorph/undo.safetensors`` and the original files are.
    rows : NewRows
        Where each row is from.
    unknown : int or None
        The old id of the unknown token.
    old_tokens : int
        How many ids the old tokenizer has.
    tables : dict of str to str
        The role of each table with a row a token.
    module : str
        The sub-folder of the transformer.
    files : tuple of str
        All files of the original but for weights.
    written : dict of str to str
        SHA-256 of the files that the trim wrote in place of `original` ones, by name.
    original : dict of str to str
        SHA-256 of the files that were changed or removed, by name; they are kept packed beside the
        undo file.
    """

    folder: Path
    rows: NewRows
    unknown: int | None
    old_tokens: int
    tables: dict[str, str]
    module: str
    files: tuple[str, ...]
    written: dict[str, str]
    original: dict[str, str]

    @property
    def remap(self) -> Remap:
        """The remap of the tokenizer's ids, as the plan of the trim had it."""
        kept = self.rows.index[: self.rows.tokens]
        unknown = None if self.unknown is None else self.rows.renumber(self.unknown)
        return Remap.from_kept(kept, self.old_tokens, dropped=-1 if unknown is None else unknown)

    def restore(self, name: str) -> bytes:
        """Give the bytes of an original file.

        Raises
        ------
        FormatError
            Not those that the trim kept.
        """
        file = self.folder / ORIGINAL / f"{name}.gz"
        try:
            data = gzip.decompress(file.read_bytes())
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"{file}: damaged gzip data: {error}") from None
        if hashlib.sha256(data).hexdigest() != self.original[name]:
            raise FormatError(f"{file}: its bytes are not those that the trim kept")
        return data

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Undo:
        """Read what :func:`save` wrote; the folder of the model, or the file.

        Raises
        ------
        FormatError
            Not such a file.
        FileNotFoundError
            Nothing there.
        """
        file = Path(path)
        if file.is_dir():
            file = file / UNDO
        if not file.is_file():
            raise FileNotFoundError(
                2, "expected the undo file of a trim: is this a model that isomorph trimmed?",
                str(file),
            )  # fmt: skip
        tensors, metadata = _core.read_safetensors(os.fspath(file))
        _formats.require(file, metadata, _FORMAT, newest=_VERSION)
        try:
            about = json.loads(metadata["about"])
            index = tensors["new_to_old"]
            rows = NewRows(index, about["tokens"], about["reserved"], about["old_rows"])
            undo = cls(
                file.parent.parent,
                rows,
                about["unknown"],
                about["old_tokens"],
                about["tables"],
                about["module"],
                tuple(about["files"]),
                about["written"],
                about["original"],
            )
            for name in undo.original:
                _require_inside(name)
            rows.new_of_old()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise FormatError(f"{file}: expected an undo file, {error!r} is amiss") from None
        return undo


def save(out: Path, checkpoint: Checkpoint, rows: NewRows, tokenizer: Tokenizer) -> None:
    """Write the undo file of a model into its new folder, which is complete but for this.

    Original files other than weights that are not the same now are kept, packed; the model card,
    which will change, too.
    """
    root = checkpoint.folder.root
    written: dict[str, str] = {}
    original: dict[str, str] = {}
    for name in checkpoint.folder.others:
        now = out / name
        if name != _folder.CARD and now.is_file() and filecmp.cmp(root / name, now, shallow=False):
            continue  # Block by block: what is copied may be large.
        old = (root / name).read_bytes()
        new = now.read_bytes() if now.is_file() else None
        original[name] = hashlib.sha256(old).hexdigest()
        if new is not None and name != _folder.CARD:
            written[name] = hashlib.sha256(new).hexdigest()
        file = out / ORIGINAL / f"{name}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        with appearing(file) as stream:
            # No time in it: the same trim gives the same bytes.
            stream.write(gzip.compress(old, mtime=0))
    about: dict[str, Any] = {
        "tokens": rows.tokens,
        "reserved": rows.reserved,
        "old_rows": rows.old_size,
        "unknown": tokenizer.unknown,
        "old_tokens": tokenizer.size,
        "tables": {table.name: table.role for table in checkpoint.tables},
        "module": checkpoint.folder.module,
        "files": list(checkpoint.folder.others),
        "written": written,
        "original": original,
    }
    index: NDArray[np.int64] = np.ascontiguousarray(rows.index)
    (out / UNDO).parent.mkdir(parents=True, exist_ok=True)
    _core.write_safetensors(
        os.fspath(out / UNDO),
        {"new_to_old": index},
        {
            **_formats.described(_FORMAT, _VERSION),
            "about": json.dumps(about, ensure_ascii=False, sort_keys=True),
        },
    )


def _require_inside(name: str) -> None:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise ValueError(name)
