"""A tokenizer with fewer tokens, ready to be written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from isomorph._atomic import appearing
from isomorph.vocab._changes import Change
from isomorph.vocab.remap import Remap

if TYPE_CHECKING:
    from isomorph.vocab.tokenizers._tokenizer import Tokenizer

__all__ = ["TrimmedTokenizer"]


@dataclass(frozen=True, eq=False)
class TrimmedTokenizer:
    """What :meth:`Tokenizer.keep` makes.

    Attributes
    ----------
    tokenizer : Tokenizer
        The new tokenizer; it encodes before anything is written.
    remap : Remap
        From the old ids to the new ones; the order is kept. A dropped id becomes the unknown
        token, or -1 where the tokenizer has none.
    changes : tuple of Change
        Every field that is other than before, file by file.
    removed : tuple of str
        Files that lay beside the tokenizer, say the same things and would be stale, and could not
        be rewritten; :meth:`save` does not write them, and whoever copies a folder leaves them out.
    """

    tokenizer: Tokenizer
    remap: Remap
    changes: tuple[Change, ...]
    removed: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that :meth:`save` writes."""
        return tuple(self.tokenizer._source.files())

    def save(self, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write the tokenizer and the files beside it into a folder, each atomically.

        Returns
        -------
        tuple of Path
            What was written. Files that the tokenizer does not consist of are left alone.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for name, content in self.tokenizer._source.files().items():
            (target / name).parent.mkdir(exist_ok=True)
            with appearing(target / name) as stream:
                stream.write(content)
            written.append(target / name)
        return tuple(written)

    def __repr__(self) -> str:
        return f"TrimmedTokenizer({self.remap.new_size} of {self.remap.old_size} ids)"
