"""The files of a tokenizer, of either format, and the same with fewer tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab._changes import Change
from isomorph.vocab.tokenizers import _charsmap, _conversion, _documents, _rewriting, _vocabulary
from isomorph.vocab.tokenizers._encoding import Encoder
from isomorph.vocab.tokenizers._sentencepiece import SentencePieceModel, bytes_of
from isomorph.vocab.tokenizers._side_files import SideFiles
from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["JsonSource", "SentencePieceSource", "Source"]


class Source(Protocol):
    """What a tokenizer was read from."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def format(self) -> str:
        """The file's format."""

    @property
    def document(self) -> dict[str, Any]:
        """A tokenizer.json, as it is or converted, that the library encodes with."""

    @property
    def vocabulary(self) -> Vocabulary:
        """What the document says of tokens."""

    @property
    def side(self) -> SideFiles:
        """What lies beside the file."""

    @property
    def tokens(self) -> tuple[str | None, ...]:
        """The tokens as the files spell them."""

    @property
    def special(self) -> set[int]:
        """Ids that the files name."""

    def named(self) -> dict[str, str | None]:
        """Give the token that each place in the files names."""

    def encoder(self) -> Encoder:
        """Give the library's tokenizer."""

    def trimmed(
        self, kept: NDArray[np.int64], ignore_merges: bool
    ) -> tuple[Source, list[Change], list[str]]:
        """Give the files of the kept ids, what changed, and which files are left out."""

    def files(self) -> dict[str, bytes]:
        """Give what is to be written, by name."""


@dataclass(frozen=True)
class JsonSource:
    """A tokenizer.json, and what lies beside it."""

    path: Path
    document: dict[str, Any]
    vocabulary: Vocabulary
    side: SideFiles
    #: The file as it came, if nothing was changed.
    content: bytes | None = None
    format: str = "tokenizer.json"

    @classmethod
    def read(cls, path: Path, side: SideFiles) -> JsonSource:
        """Read and validate a file."""
        content = _documents.read_bytes(path)
        document = _documents.parse(path, content)
        vocabulary = _vocabulary.read(str(path), document)
        source = cls(path, document, vocabulary, side, content)
        source.special  # noqa: B018 - the ids that fields name are validated by being read
        return source

    @property
    def tokens(self) -> tuple[str | None, ...]:
        """The tokens as the file spells them."""
        return self.vocabulary.tokens

    @cached_property
    def special(self) -> set[int]:
        """The ids that the post-processor and the padding name."""
        return _rewriting.named_ids(str(self.path), self.document, self.vocabulary)

    def named(self) -> dict[str, str | None]:
        """Give the token that each place in the files names."""
        places = _rewriting.places_of_ids(self.path.name, self.document)
        own: dict[str, str | None] = {name: self.tokens[n] for name, n in places.items()}
        return own | self.side.named(self.tokens)

    def encoder(self) -> Encoder:
        """Give the library's tokenizer, checked to number the tokens as the file does."""
        made = Encoder(str(self.path), self.document, self.content)
        made.require_ids(self.vocabulary.tokens)
        return made

    def trimmed(
        self, kept: NDArray[np.int64], ignore_merges: bool
    ) -> tuple[JsonSource, list[Change], list[str]]:
        """Give the files of the kept ids, what changed, and which files are left out."""
        name = self.path.name
        document, changes = _rewriting.rewrite(
            name, self.document, self.vocabulary, kept, ignore_merges=ignore_merges
        )
        vocabulary = _vocabulary.read(str(self.path), document)
        side, others, removed = self.side.trimmed(
            self.vocabulary, vocabulary, kept, document, ignore_merges=ignore_merges
        )
        source = JsonSource(self.path, document, vocabulary, side)
        return source, [*changes, *others], removed

    def files(self) -> dict[str, bytes]:
        """Give what is to be written, by name."""
        content = self.content or _documents.written(self.document)
        return {self.path.name: content, **self.side.files}


@dataclass(frozen=True)
class SentencePieceSource:
    """A SentencePiece model, and what lies beside it."""

    path: Path
    content: bytes
    model: SentencePieceModel
    document: dict[str, Any]
    vocabulary: Vocabulary
    symbols: dict[str, str]
    side: SideFiles
    format: str = "sentencepiece"

    @classmethod
    def read(cls, path: Path, side: SideFiles) -> SentencePieceSource:
        """Read and validate a file."""
        return cls._of(path, _documents.read_bytes(path), side)

    @classmethod
    def _of(cls, path: Path, content: bytes, side: SideFiles) -> SentencePieceSource:
        model = SentencePieceModel.parse(str(path), content)
        document, vocabulary, symbols = _conversion.converted(model)
        return cls(path, content, model, document, vocabulary, symbols, side)

    @property
    def tokens(self) -> tuple[str | None, ...]:
        """The pieces."""
        return self.vocabulary.tokens

    @cached_property
    def special(self) -> set[int]:
        """The ids of control, unknown and user-defined pieces."""
        return self.model.special()

    def named(self) -> dict[str, str | None]:
        """Give the token that each place in the files names."""
        places = self.model.named()
        own = {f"{self.path.name}: {name}": self.tokens[n] for name, n in places.items()}
        return own | self.side.named(self.tokens)

    def encoder(self) -> Encoder:
        """Give the library's tokenizer."""
        name = str(self.path)
        charsmap = bytes_of(self.model.normalizer, 2)
        prepare = _charsmap.preparation(name, charsmap, self.symbols)
        return Encoder(name, self.document, prepare=prepare)

    def trimmed(
        self,
        kept: NDArray[np.int64],
        ignore_merges: bool,  # noqa: ARG002 - there is none
    ) -> tuple[SentencePieceSource, list[Change], list[str]]:
        """Give the files of the kept ids, what changed, and which files are left out."""
        content, changes = self.model.trimmed(kept, self.path.name)
        source = self._of(self.path, content, self.side)
        side, others, removed = self.side.trimmed(
            self.vocabulary, source.vocabulary, kept, source.document, ignore_merges=False
        )
        return replace(source, side=side), [*changes, *others], removed

    def files(self) -> dict[str, bytes]:
        """Give what is to be written, by name."""
        return {self.path.name: self.content, **self.side.files}
