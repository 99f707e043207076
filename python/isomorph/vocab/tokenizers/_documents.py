"""JSON files of others, read with every doubt and written as they came."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isomorph.errors import FormatError

#: Lists and objects of more entries than this are written one entry a line.
_LONG = 64


class _RepeatedError(ValueError):
    """A key that an object has twice."""


def read_bytes(path: Path) -> bytes:
    """Read a file; a folder of that name is no file."""
    if path.is_dir():
        raise FormatError(f"{path}: expected a file, got a folder")
    return path.read_bytes()


def decoded(path: str | os.PathLike[str], content: bytes) -> str:
    """Give the text of a file that must be UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{os.fspath(path)}: expected UTF-8, got byte 0x{content[error.start]:02x} at byte "
            f"{error.start}"
        ) from None


def parse(path: str | os.PathLike[str], content: bytes) -> Any:
    """Give what a JSON file says.

    Raises
    ------
    FormatError
        Not UTF-8, not JSON, or an object that has a key twice (of which readers take either).
    """
    name = os.fspath(path)
    try:
        return json.loads(decoded(path, content), object_pairs_hook=_distinct)
    except _RepeatedError as error:
        raise FormatError(f"{name}: the key {error} comes twice in one object") from None
    except RecursionError:
        raise FormatError(f"{name}: expected JSON, got lists nested too deep to be read") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"{name}: line {error.lineno}: expected JSON: {error.msg}") from None
    except ValueError as error:
        raise FormatError(f"{name}: expected JSON: {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedError(repr(key))
            seen.add(key)
    return made


def written(document: Any) -> bytes:
    """Give a document as JSON: indented by two, what is long one entry a line."""
    out = io.StringIO()
    _write(document, "", out.write)
    out.write("\n")
    # Half of a surrogate pair, which UTF-8 cannot hold, is written as JSON's own \\udXXX.
    return out.getvalue().encode("utf-8", "backslashreplace")


_line = json.JSONEncoder(ensure_ascii=False).encode


def _flat(entries: Any, indent: str) -> str:
    """Give scalars in a list or an object, one entry a line, by the quick encoder alone."""
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",\n" + indent, ": "))
    text = encoder.encode(entries)
    return f"{text[0]}\n{indent}{text[1:-1]}\n{indent[:-2]}{text[-1]}"


def _write(value: Any, indent: str, write: Callable[[str], Any]) -> None:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        if len(value) > _LONG and not any(isinstance(e, dict | list) for e in value.values()):
            write(_flat(value, inner))
            return
        write("{\n")
        for position, (key, entry) in enumerate(value.items()):
            write((",\n" if position else "") + f"{inner}{_line(key)}: ")
            _write(entry, inner, write)
        write(f"\n{indent}}}")
    elif isinstance(value, list) and value:
        if len(value) > _LONG and not any(isinstance(e, dict | list) for e in value):
            write(_flat(value, inner))
            return
        if len(value) > _LONG:
            write("[\n" + ",\n".join(inner + _line(entry) for entry in value) + f"\n{indent}]")
            return
        write("[\n")
        for position, entry in enumerate(value):
            write((",\n" if position else "") + inner)
            _write(entry, inner, write)
        write(f"\n{indent}]")
    else:
        write(_line(value))


class Fields:
    """An object of a file, whose fields are asked for by name and checked."""

    def __init__(self, file: str, value: Any, where: str = "") -> None:
        self.file, self.where = file, where
        if not isinstance(value, dict):
            raise self.wrong("", "an object", value)
        self.value: dict[str, Any] = value

    def wrong(self, field: str, expected: str, got: Any) -> FormatError:
        """Give the error that names the file and the field."""
        shown = repr(got)
        shown = shown if len(shown) <= 80 else shown[:79] + "…"
        path = self.path(field)
        return FormatError(f"{self.file}: {path}{path and ': '}expected {expected}, got {shown}")

    def path(self, field: str) -> str:
        """Give the path of a field from the top of the file."""
        joint = "." if self.where and field and not field.startswith("[") else ""
        return f"{self.where}{joint}{field}"

    def inside(self, field: str) -> Fields:
        """Give the object that a field holds."""
        if not isinstance(value := self.value.get(field), dict):
            raise self.wrong(field, "an object", value)
        return Fields(self.file, value, self.path(field))

    def text(self, field: str) -> str | None:
        """Give a string, or None where there is none."""
        value = self.value.get(field)
        if value is not None:
            require_text(self, field, value)
        return value

    def flag(self, field: str) -> bool:
        """Give a truth value; none is false."""
        value = self.value.get(field)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(field, "true or false", value)
        return bool(value)

    def entries(self, field: str) -> list[Any]:
        """Give a list; none is an empty one."""
        value = self.value.get(field)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(field, "a list", value)
        return value


def require_text(fields: Fields, field: str, value: Any) -> str:
    """Require a string that UTF-8 can hold."""
    if not isinstance(value, str):
        raise fields.wrong(field, "a string", value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise fields.wrong(field, "characters, not half of a surrogate pair", value) from None
    return value


def require_id(fields: Fields, field: str, value: Any, below: int | None = None) -> int:
    """Require an id: an integer from 0, below a size if one is given."""
    limit = 2**32 - 2 if below is None else below
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        wanted = "an id" if below is None else f"an id below {below}"
        raise fields.wrong(field, wanted, value)
    return value


def id_of(value: Any) -> int | None:
    """Give the id that a number, or a key that spells one, is; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 11:
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**32 else None
