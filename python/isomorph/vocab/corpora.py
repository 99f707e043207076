"""Lines of text by language, read from files as often as asked, in bounded memory.

Text with one line feed a line, the same packed by gzip, and JSON lines, of which each record's text
is one line, whole: tokens may span its line feeds. A file is read a block at a time; whatever is
not what it claims to be is an error that names the file, the line and the byte.
"""

from __future__ import annotations

import codecs
import errno
import glob
import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from isomorph import _checks
from isomorph.errors import DTypeError, FormatError

__all__ = ["Corpus", "lines"]

PathLike: TypeAlias = str | os.PathLike[str]
Files: TypeAlias = PathLike | Sequence[PathLike | tuple[str, PathLike]]

#: Bytes of the longest line that is read; a longer one is hardly a line.
LONGEST = 16 << 20
#: Characters of the lines that are handed over together.
BLOCK = 4 << 20

#: What text without a language is called beside text that has one.
UNNAMED = "(corpus)"

_JSON = (".jsonl", ".ndjson", ".json")
_ERRORS = ("strict", "replace")
#: What other files begin with.
_FOREIGN = (
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"\xfd7zXZ\x00", "packed by xz"),
    (b"BZh", "packed by bzip2"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
)


@dataclass(frozen=True)
class Corpus:
    """Text by language, to be read as often as it is needed.

    Make one with :meth:`from_files`, :meth:`from_lines` or :meth:`from_words`, and join several
    with ``+``.

    Attributes
    ----------
    parts : tuple of (str, part)
        The language of each part, ``""`` where none was named, and a file or a list of lines.
    field : str or None
        The field of JSON lines that holds the text.
    errors : str
        ``"strict"`` or ``"replace"``: what becomes of bytes that are not UTF-8.
    """

    parts: tuple[tuple[str, Path | tuple[str, ...]], ...]
    field: str | None = None
    errors: str = "strict"

    @classmethod
    def from_files(
        cls,
        files: Files,
        *,
        language: str = "",
        field: str | None = None,
        errors: str = "strict",
    ) -> Corpus:
        """Name the files of a corpus; each is looked up now, and read later.

        Parameters
        ----------
        files : path, or sequence of paths or of (language, path)
            Text, ``.gz`` of it, or JSON lines (``.jsonl``, ``.ndjson``, ``.json``). ``*``, ``?``,
            ``[...]`` and ``**`` in a string stand for what they match, in alphabetical order. A
            file that is named twice for the same language is read once.
        language : str, default ""
            Of the files that are not given as (language, path).
        field : str, optional
            The files are JSON lines, with the text in this field. Without it, only those with a
            suffix of JSON are, and the field is ``"text"``. A text with line feeds is one line,
            whole, as a model is given it.
        errors : {"strict", "replace"}, default "strict"
            Bytes that are not UTF-8 are an error, or U+FFFD each.

        Returns
        -------
        Corpus

        Raises
        ------
        FileNotFoundError
            A file that is not there, or a pattern that matches none.
        FormatError
            A folder.
        """
        _checks.one_of("errors", errors, _ERRORS)
        listed = [files] if isinstance(files, str | os.PathLike) else list(files)
        parts: dict[tuple[str, Path], None] = {}
        for entry in listed:
            label, path = entry if isinstance(entry, tuple) else (language, entry)
            for found in _matching(path):
                parts[_label(label), found] = None
        return cls(tuple(parts), field, errors)

    @classmethod
    def from_lines(cls, lines: Iterable[str], *, language: str = "") -> Corpus:
        """Take texts that are in memory; one with line feeds in it is one line, whole.

        The end of a single line, as files give lines, is left out.
        """
        if isinstance(lines, str | bytes):
            raise DTypeError("lines: expected a list of lines, got a single string")
        kept = tuple(lines)
        for position, line in enumerate(kept):
            if not isinstance(line, str):
                raise DTypeError(
                    f"lines: expected str, got {type(line).__name__} at position {position}"
                )
        return cls(((_label(language), kept),))

    @classmethod
    def from_words(cls, words: Any, *, language: str = "") -> Corpus:
        """Take a list of words, or the words of embeddings: each is a line, seen once."""
        return cls.from_lines(getattr(words, "words", words), language=language)

    def __add__(self, other: Corpus) -> Corpus:
        if not isinstance(other, Corpus):
            return NotImplemented
        if (self.field, self.errors) != (other.field, other.errors) and self._files_of(other):
            raise ValueError(
                "corpora that are joined must read their files alike: got field and errors "
                f"{(self.field, self.errors)} and {(other.field, other.errors)}"
            )
        source = self if any(isinstance(part, Path) for _, part in self.parts) else other
        return Corpus(self.parts + other.parts, source.field, source.errors)

    def _files_of(self, other: Corpus) -> bool:
        return all(any(isinstance(part, Path) for _, part in side.parts) for side in (self, other))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in the order in which they were named; ``""`` is text without one."""
        return tuple(dict.fromkeys(language for language, _ in self.parts))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order in which they are read."""
        return tuple(part for _, part in self.parts if isinstance(part, Path))

    def __str__(self) -> str:
        names = [str(part) for part in self.files[:3]]
        more = len(self.files) - len(names)
        memory = sum(len(part) for _, part in self.parts if not isinstance(part, Path))
        return ", ".join(
            names
            + ([f"{more:,} more files"] if more else [])
            + ([f"{memory:,} lines in memory"] if memory else [])
        )

    def lines(self, language: str | None = None) -> Iterator[str]:
        """Read the lines, and texts of records, of one language if it is named, but blank ones.

        Raises
        ------
        FormatError
            Naming file, line and byte.
        """
        for label, part in self.parts:
            if language is None or label == language:
                yield from self._read(part)

    def blocks(self, characters: int = BLOCK) -> Iterator[tuple[str, list[str]]]:
        """Read language and lines, some millions of characters at a time.

        Raises
        ------
        FormatError
            Naming file, line and byte; or when a language has no text at all.
        """
        seen = dict.fromkeys(self.languages, False)
        for label, part in self.parts:
            block: list[str] = []
            size = 0
            for line in self._read(part):
                block.append(line)
                size += len(line)
                if size >= characters:
                    yield label, block
                    block, size = [], 0
                    seen[label] = True
            if block:
                yield label, block
                seen[label] = True
        if empty := [label for label, some in seen.items() if not some]:
            named = f"language {empty[0]!r}: " if empty[0] else ""
            parts = Corpus(tuple(part for part in self.parts if part[0] == empty[0]))
            raise FormatError(f"corpus: {named}expected text, got only blank lines in {parts}")
        if not seen:
            raise FormatError("corpus: expected files or lines, got none")

    def _read(self, part: Path | tuple[str, ...]) -> Iterator[str]:
        if isinstance(part, Path):
            yield from _file(part, self.field, self.errors)
            return
        for text in part:
            if text and not text.isspace():
                yield text if "\n" in text[:-1] else text.rstrip("\r\n")


def lines(files: Files, *, field: str | None = None, errors: str = "strict") -> Iterator[str]:
    r"""Read the lines of text files; see :meth:`Corpus.from_files`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from isomorph.vocab import corpora
    >>> _ = Path("two.txt").write_text("one line\n\nand another\n")
    >>> list(corpora.lines("*.txt"))
    ['one line', 'and another']
    """
    return Corpus.from_files(files, field=field, errors=errors).lines()


def as_corpus(
    corpus: Any,
    languages: Any = None,
    *,
    field: str | None = None,
    errors: str = "strict",
) -> Corpus | None:
    """Make one corpus of what a call was given: files without and with a language, words."""
    parts = [] if corpus is None else [_one(corpus, "", field, errors)]
    if languages is not None:
        if not isinstance(languages, Mapping):
            raise ValueError(
                f"languages: expected text of each, as {{'fr': ['fr.txt']}}, got {languages!r}; a "
                "language is known by its text: a corpus or a word list. Without one only scripts "
                "can be told apart: scripts=['Cyrillic']; French and Finnish are both Latin"
            )
        if not languages:
            raise ValueError("languages: expected at least one with its text, got none")
        for label, given in languages.items():
            if not _label(label):
                raise ValueError("languages: expected a name for each, got an empty one")
            parts.append(_one(given, label, field, errors))
    whole: Corpus | None = None
    for part in parts:
        whole = part if whole is None else whole + part
    if whole is not None and len(whole.languages) > 1 and "" in whole.languages:
        # Beside named text, that without a name needs one: in tables, weights and errors.
        named = tuple((label or UNNAMED, part) for label, part in whole.parts)
        whole = Corpus(named, whole.field, whole.errors)
    return whole


def _one(given: Any, label: str, field: str | None, errors: str) -> Corpus:
    if isinstance(given, Corpus):
        if not label:
            return given
        return Corpus(tuple((label, part) for _, part in given.parts), given.field, given.errors)
    if hasattr(given, "words"):
        return Corpus.from_words(given, language=label)
    if isinstance(given, Mapping):
        raise DTypeError("corpus: text by language is given as languages={'fr': ['fr.txt']}")
    if not isinstance(given, str | os.PathLike | Sequence):
        raise DTypeError(
            f"corpus: expected files, a Corpus or embeddings, got {type(given).__name__}; lines in "
            "memory are given as isomorph.vocab.Corpus.from_lines(lines)"
        )
    return Corpus.from_files(given, language=label, field=field, errors=errors)


def _label(label: Any) -> str:
    if not isinstance(label, str):
        raise DTypeError(f"language: expected a name as str, got {label!r}")
    return label


def _matching(path: Any) -> list[Path]:
    if not isinstance(path, str | os.PathLike):
        raise DTypeError(f"corpus: expected paths of files, got {type(path).__name__}")
    exact = Path(os.fspath(path))
    if exact.is_dir():
        raise FormatError(f"{exact}: is a folder; name its files, as '{exact}/*.txt'")
    if exact.exists():
        return [_readable(exact)]
    name = os.fspath(path)
    if not glob.has_magic(name):
        # A name with blanks is hardly one: someone gave a sentence.
        hint = "; lines in memory are given as Corpus.from_lines(lines)" if " " in name else ""
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT) + hint, name)
    found = sorted(Path(match) for match in glob.glob(name, recursive=True))  # noqa: PTH207
    found = [_readable(match) for match in found if not match.is_dir()]
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no file matches the pattern", name)
    return found


def _readable(path: Path) -> Path:
    if not path.is_file():
        what = "a pipe" if path.is_fifo() else "no regular file"
        raise FormatError(
            f"{path}: is {what}; a corpus is read several times: save it to a file and name that"
        )
    return path


def _file(path: Path, field: str | None, errors: str) -> Iterator[str]:
    if field is None and path.name.removesuffix(".gz").endswith(_JSON):
        field = "text"
    with path.open("rb") as plain:
        head = plain.read(8)
        plain.seek(0)
        for magic, what in _FOREIGN:
            if head.startswith(magic):
                raise FormatError(
                    f"{path}: expected text, JSON lines or .gz of these, got a file that is "
                    f"{what}; unpack or convert it first"
                )
        packed = head.startswith(b"\x1f\x8b")
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if packed else plain
        yield from _decoded(path, stream, field, errors)


def _decoded(path: Path, stream: BinaryIO, field: str | None, errors: str) -> Iterator[str]:
    number = offset = 0
    while raw := _next(path, stream, number):
        number += 1
        if len(raw) > LONGEST:
            raise FormatError(
                f"{path}: line {number}: expected at most {LONGEST >> 20} MiB, got more; one "
                "line feed a sentence or paragraph makes it a corpus of lines"
            )
        size = len(raw)
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        try:
            text = raw.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            at = offset + error.start + size - len(raw)
            where = f"{path}: line {number}, byte {at}: expected UTF-8, got the byte"
            raise FormatError(
                f"{where} 0x{raw[error.start]:02x}; {_instead(raw, number)}"
            ) from None
        offset += size
        if text.isspace() or not text:
            continue
        if field is None:
            yield text.rstrip("\r\n")
        else:
            record = _text_of(path, number, text, field)
            if record and not record.isspace():
                yield record


def _next(path: Path, stream: BinaryIO, number: int) -> bytes:
    try:
        return stream.readline(LONGEST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path}: after line {number}: damaged gzip data: {error}") from None


def _instead(raw: bytes, number: int) -> str:
    if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "the file begins as UTF-16 does: convert it first (iconv -f UTF-16 -t UTF-8)"
    return "errors='replace' reads it all the same"


def _text_of(path: Path, number: int, line: str, field: str) -> str:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: line {number}: expected one JSON object: {error}") from None
    if not isinstance(entry, dict):
        raise FormatError(
            f"{path}: line {number}: expected a JSON object with the field {field!r}, got "
            f"{type(entry).__name__}"
        )
    if field not in entry:
        names = ", ".join(repr(name) for name in list(entry)[:8]) or "none"
        raise FormatError(
            f"{path}: line {number}: expected the field {field!r}, got {names}; name another with "
            "field="
        )
    text = entry[field]
    if not isinstance(text, str):
        raise FormatError(
            f"{path}: line {number}: field {field!r}: expected a string, got {type(text).__name__}"
        )
    # "\ud800" is legal JSON, and no text.
    return text.encode("utf-8", "replace").decode("utf-8")
