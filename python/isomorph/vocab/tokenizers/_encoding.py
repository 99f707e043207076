"""Text to ids by the `tokenizers` library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import runtime
from isomorph._extras import require
from isomorph.errors import DTypeError, FormatError

__all__ = ["Encoder", "counted"]

#: Lines and characters that are handed to the library at once: bounds on what is held.
_LINES = 8192
_CHARACTERS = 1 << 22


class Encoder:
    """A tokenizer of the library, without its padding, truncation and dropout."""

    def __init__(
        self,
        file: str,
        document: dict[str, Any],
        content: bytes | None = None,
        prepare: Callable[[str], str] | None = None,
    ) -> None:
        library = require("tokenizers", extra="vocab", purpose="encoding text")
        plain = content or json.dumps(document, ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )
        try:
            self._tokenizer = library.Tokenizer.from_buffer(plain)
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            if document["model"].get("dropout") is not None:
                self._tokenizer.model.dropout = None
        except BaseException as error:
            # The library's panics are no Exception.
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            raise FormatError(
                f"{file}: the tokenizers library cannot use it: {_first_line(error)}"
            ) from None
        self._file = file
        self._prepare = prepare

    def require_ids(self, tokens: Sequence[str | None]) -> None:
        """Raise unless the library gives each token the id that the file does."""
        for token, number in self._tokenizer.get_vocab(with_added_tokens=True).items():
            if number >= len(tokens) or tokens[number] != token:
                raise FormatError(
                    f"{self._file}: the tokenizers library gives {token!r} the id {number}, which "
                    "the file does not"
                )

    def words(self, line: str) -> list[str]:
        """Give the pre-tokens of a line, normalised; of added tokens nothing is known here."""
        plain = line.encode("utf-8", "replace").decode("utf-8")
        if (normalizer := self._tokenizer.normalizer) is not None:
            plain = normalizer.normalize_str(plain)
        if (splitter := self._tokenizer.pre_tokenizer) is None:
            return [plain]
        return [word for word, _ in splitter.pre_tokenize_str(plain)]

    def texts(self, line: str, number: int) -> list[str]:
        """Give the parts of a line that an id stands for, where it comes out."""
        found = self._tokenizer.encode(line, add_special_tokens=False)
        places = zip(found.ids, found.offsets, strict=True)
        return [line[begin:end] for one, (begin, end) in places if one == number]

    def blocks(
        self,
        lines: Iterable[str],
        *,
        special: bool,
        threads: int | None,
        words: bool = False,
    ) -> Iterator[tuple[list[str], list[Any]]]:
        """Encode lines a block at a time: the lines, and the library's encodings of them.

        With `words` the encodings know the pre-token of each token; the quick way leaves that out.
        """
        name = "encode_batch" if words else "encode_batch_fast"
        batch = getattr(self._tokenizer, name, self._tokenizer.encode_batch)
        workers = runtime.resolve_threads(threads)
        for block in _blocks(lines):
            plain = block if self._prepare is None else list(map(self._prepare, block))
            try:
                if workers == 1:
                    encode = self._tokenizer.encode
                    encodings = [encode(line, add_special_tokens=special) for line in plain]
                else:
                    encodings = batch(plain, add_special_tokens=special)
            except Exception as error:
                raise FormatError(
                    f"{self._file}: the tokenizers library failed on a line: {_first_line(error)}"
                ) from None
            yield block, encodings


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    if isinstance(lines, str | bytes):
        raise DTypeError("lines: expected a list or a stream of lines, got a single string")
    block: list[str] = []
    held = 0
    for position, line in enumerate(lines):
        if not isinstance(line, str):
            raise DTypeError(
                f"lines: expected lines as str, got {type(line).__name__} at {position}"
            )
        try:
            line.encode("utf-8")
        except UnicodeEncodeError:
            # Of what no encoding can hold the library takes nothing.
            line = line.encode("utf-8", "replace").decode("utf-8")
        block.append(line)
        held += len(line)
        if len(block) >= _LINES or held >= _CHARACTERS:
            yield block
            block, held = [], 0
    if block:
        yield block


def ids_of(encodings: Sequence[Any]) -> list[NDArray[np.int32]]:
    """Give each line's ids."""
    return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]


def counted(
    encodings: Sequence[Any], size: int, *, words: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Count the ids of encodings; with `words`, also which stood beside others of a pre-token."""
    lists = [encoding.ids for encoding in encodings]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    total = int(lengths.sum())
    ids = np.fromiter((number for line in lists for number in line), np.int64, total)
    counts = np.bincount(ids, minlength=size)
    inside = np.zeros(size, dtype=np.bool_)
    if words and total > 1:
        places = np.fromiter(
            (-1 if word is None else word for encoding in encodings for word in encoding.word_ids),
            np.int64,
            total,
        )
        line = np.repeat(np.arange(len(lists)), lengths)
        beside = (places[1:] == places[:-1]) & (line[1:] == line[:-1])
        inside[ids[1:][beside]] = True
        inside[ids[:-1][beside]] = True
    return counts, inside
