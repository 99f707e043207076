"""The files beside a tokenizer that say the same things, or hold ids of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import FormatError
from isomorph.vocab._changes import Change
from isomorph.vocab.tokenizers import _documents, _loading
from isomorph.vocab.tokenizers._documents import Fields
from isomorph.vocab.tokenizers._rewriting import merge_pairs
from isomorph.vocab.tokenizers._sentencepiece import SentencePieceModel, Type
from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["SideFiles"]

CONFIG = "tokenizer_config.json"
ADDED = "added_tokens.json"
MODEL_CONFIG = "config.json"
JSON_FILES = (
    *(CONFIG, "special_tokens_map.json", "added_tokens.json", "vocab.json", "chat_template.json"),
)
TEXT_FILES = ("merges.txt", "vocab.txt", "chat_template.jinja")
#: Templates by name, a file each.
TEMPLATES = "additional_chat_templates/*.jinja"
#: Vocabularies in formats of one family each, which nothing here rewrites.
OTHERS = (
    *("*.tiktoken", "*.spm", "*.model", "*.model.v*", "tekken*.json", "vocab.bpe", "encoder.json"),
    *("bpe.codes", "dict.txt", "tokenizer.vocab"),
)
MODELS = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")

#: How fields end that hold ids.
_NUMBERS = ("_token_id", "_token_ids")
_STALE = "removed: it would be stale"


@dataclass(frozen=True)
class SideFiles:
    """Files by name, as they came and, of JSON, as they were read."""

    folder: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    #: Names of files that would be stale, and of which nothing more is known.
    others: tuple[str, ...] = ()
    #: What config.json says, which names the class of the tokenizer where nothing else does.
    model: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, *, but: str) -> SideFiles:
        """Read what lies beside the file `but`."""
        files: dict[str, bytes] = {}
        documents: dict[str, Any] = {}
        named = sorted(path.relative_to(folder).as_posix() for path in folder.glob(TEMPLATES))
        for name in (*JSON_FILES, *TEXT_FILES, *MODELS, *named):
            path = folder / name
            if name == but or not path.is_file():
                continue
            files[name] = _documents.read_bytes(path)
            if name in JSON_FILES:
                documents[name] = _documents.parse(path, files[name])
                Fields(str(path), documents[name])
        others = {path.name for pattern in OTHERS for path in folder.glob(pattern)}
        named_in = folder / MODEL_CONFIG
        model = _documents.parse(named_in, named_in.read_bytes()) if named_in.is_file() else {}
        Fields(str(named_in), model)
        return cls(str(folder), files, documents, tuple(sorted(others - {but, *MODELS})), model)

    @property
    def config(self) -> dict[str, Any]:
        """What tokenizer_config.json says; empty where there is none."""
        found: dict[str, Any] = self.documents.get(CONFIG, {})
        return found

    def templates(self) -> list[Any]:
        """Give the chat templates."""
        named = (self.documents.get(name, {}) for name in (CONFIG, "chat_template.json"))
        found = [document.get("chat_template") for document in named]
        found += [
            _documents.decoded(self._name(name), content)
            for name, content in self.files.items()
            if name.endswith(".jinja")
        ]
        return found

    def special(self, tokens: Sequence[str | None]) -> set[int]:
        """Give the ids that the files name, by token or by number; of what there is not, none."""
        names = set(self._names())
        said = {number for number in self._numbers() if number < len(tokens)}
        found = {number for number in said if tokens[number] is not None}
        return found | {number for number, token in enumerate(tokens) if token in names}

    def lacking(self, tokens: Sequence[str | None]) -> tuple[str, ...]:
        """Give the tokens that the files name, and that are none of these, in their order."""
        known = set(tokens)
        names = [*self._decoder().values(), *self._names()]
        return tuple(dict.fromkeys(name for name in names if name and name not in known))

    def named(self, tokens: Sequence[str | None]) -> dict[str, str | None]:
        """Give the token that each place names, None of one that there is not."""
        known = set(tokens)
        found: dict[str, str | None] = {}

        def token(number: int | None) -> str | None:
            return tokens[number] if number is not None and number < len(tokens) else None

        for file, name, value in self._fields():
            if name.endswith(_NUMBERS):
                for place, number in enumerate(value if isinstance(value, list) else [value]):
                    found[f"{file}: {name}[{place}]"] = token(_documents.id_of(number))
            else:
                for place, content in enumerate(_contents(value)):
                    found[f"{file}: {name}[{place}]"] = content if content in known else None
        for number, content in self._decoder().items():
            found[f"{CONFIG}: added_tokens_decoder: {content}"] = token(number)
        for content, value in self.documents.get(ADDED, {}).items():
            found[f"{ADDED}: {content}"] = token(_documents.id_of(value))
        return found

    def _fields(self) -> Iterator[tuple[str, str, Any]]:
        """Give the fields that name special tokens, or have their ids."""
        for file in (CONFIG, "special_tokens_map.json"):
            for name, value in self.documents.get(file, {}).items():
                if name.endswith((*_NUMBERS, "_token", "_special_tokens")):
                    yield file, name, value

    def _names(self) -> Iterator[str]:
        for _, name, value in self._fields():
            if not name.endswith(_NUMBERS):
                yield from _contents(value)
        yield from self.documents.get(ADDED, {})

    def _numbers(self) -> Iterator[int]:
        yield from self._decoder()
        for _, name, value in self._fields():
            if name.endswith(_NUMBERS):
                values = value if isinstance(value, list) else [value]
                yield from (n for n in map(_documents.id_of, values) if n is not None)

    def _decoder(self) -> dict[int, str]:
        """Give ``added_tokens_decoder``: tokens by id, in the order of the ids."""
        decoder = self.config.get("added_tokens_decoder")
        entries = decoder.items() if isinstance(decoder, dict) else ()
        found = {
            number: next(_contents(value), "")
            for key, value in entries
            if (number := _documents.id_of(key)) is not None
        }
        return dict(sorted(found.items()))

    def _name(self, name: str) -> str:
        return str(Path(self.folder) / name)

    def trimmed(
        self,
        old: Vocabulary,
        new: Vocabulary,
        kept: NDArray[np.int64],
        document: dict[str, Any],
        *,
        ignore_merges: bool,
    ) -> tuple[SideFiles, list[Change], list[str]]:
        """Give the files for the new tokenizer, what changed, and which are to go."""
        # Tokens that libraries add come behind the others, then as before.
        beyond = len(self.lacking(old.tokens))
        renumber = np.full(old.size + beyond, -1, dtype=np.int64)
        renumber[kept] = np.arange(len(kept))
        renumber[old.size :] = len(kept) + np.arange(beyond)
        files: dict[str, bytes] = {}
        documents: dict[str, Any] = {}
        changes: list[Change] = []
        removed: list[str] = []
        for name in self.others:
            removed.append(name)
            changes.append(Change(name, "", "there", _STALE))
        for name, content in self.files.items():
            made: bytes | None = content
            if name == CONFIG:
                documents[name] = self._config(renumber, changes, ignore_merges=ignore_merges)
                made = _documents.written(documents[name])
            elif name in (ADDED, "vocab.json"):
                made = self._numbered(name, old, renumber, changes)
            elif name == "vocab.txt":
                made = self._listed(old, new, kept, changes)
            elif name == "merges.txt":
                made = self._merges(document, changes)
            elif name in MODELS:
                made = self._model(name, old, renumber, changes)
            if made is None:
                removed.append(name)
                changes.append(Change(name, "", "there", _STALE))
                continue
            if name in self.documents and name not in documents:
                documents[name] = (
                    self.documents[name] if made is content else _documents.parse(name, made)
                )
            files[name] = made
        if ignore_merges and CONFIG not in files and (named := self._generic({}, changes)):
            documents[CONFIG], files[CONFIG] = named, _documents.written(named)
        return SideFiles(self.folder, files, documents, model=self.model), changes, removed

    def _config(
        self, renumber: NDArray[np.int64], changes: list[Change], *, ignore_merges: bool
    ) -> dict[str, Any]:
        made = dict(self.documents[CONFIG])
        fields = Fields(self._name(CONFIG), made)
        if made.get("added_tokens_decoder") is not None:
            decoder = {}
            for key, value in fields.inside("added_tokens_decoder").value.items():
                number = self._id(fields, f"added_tokens_decoder[{key!r}]", key, renumber)
                if number != int(key):
                    shown = None if number < 0 else str(number)
                    changes.append(Change(CONFIG, f"added_tokens_decoder[{key}]", key, shown))
                if number >= 0:
                    decoder[str(number)] = value
            made["added_tokens_decoder"] = decoder
        for name, value in self.documents[CONFIG].items():
            if not name.endswith(_NUMBERS) or value in (None, -1):  # both say that there is none
                continue
            listed = isinstance(value, list)
            numbers = [self._id(fields, name, n, renumber) for n in (value if listed else [value])]
            numbers = [number for number in numbers if number >= 0]
            made[name] = numbers if listed else (numbers[0] if numbers else None)
            if made[name] != value:
                changes.append(Change(CONFIG, name, value, made[name]))
        return self._generic(made, changes) if ignore_merges else made

    def _generic(self, config: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
        """Name the class that does not drop ``ignore_merges``."""
        if _loading.takes_lookups(config, self.model):
            return config
        made = _loading.as_generic(config, self.model)
        for name, value in made.items():
            if name not in config or config[name] != value:
                changes.append(Change(CONFIG, name, config.get(name), value))
        return made

    @staticmethod
    def _id(fields: Fields, field: str, value: Any, renumber: NDArray[np.int64]) -> int:
        number = _documents.id_of(value)
        if number is None or number >= len(renumber):
            raise fields.wrong(field, f"an id below {len(renumber)}", value)
        return int(renumber[number])

    def _numbered(
        self, name: str, old: Vocabulary, renumber: NDArray[np.int64], changes: list[Change]
    ) -> bytes | None:
        """Renumber an object of tokens and ids, unless it contradicts the tokenizer."""
        made: dict[str, int] = {}
        given = self.documents[name]
        for token, number in given.items():
            if type(number) is not int or not 0 <= number < len(renumber):
                return None
            there = old.tokens[number] if number < old.size else None
            # An added token may be one that the tokenizer lacks, which is added when it is loaded.
            if there != token and (name != ADDED or number < old.size or token in old.tokens):
                return None
            if renumber[number] >= 0:
                made[token] = int(renumber[number])
        if len(made) != len(given) or list(made.values()) != list(given.values()):
            changes.append(Change(name, "", f"{len(given)} entries", f"{len(made)} entries"))
        return _documents.written(made)

    def _listed(
        self, old: Vocabulary, new: Vocabulary, kept: NDArray[np.int64], changes: list[Change]
    ) -> bytes | None:
        """Rewrite a list of tokens, one a line, by id."""
        text = _documents.decoded(self._name("vocab.txt"), self.files["vocab.txt"])
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        if len(lines) > old.size or tuple(lines) != old.tokens[: len(lines)]:
            return None
        tokens = [token or "" for token in new.tokens[: np.searchsorted(kept, len(lines))]]
        if len(tokens) != len(lines):
            changes.append(
                Change("vocab.txt", "", f"{len(lines)} entries", f"{len(tokens)} entries")
            )
        return ("\n".join(tokens) + "\n").encode()

    def _model(
        self, name: str, old: Vocabulary, renumber: NDArray[np.int64], changes: list[Change]
    ) -> bytes | None:
        """Leave out the pieces that the tokenizer has no longer.

        A slow tokenizer adds a fixed number to the ids of its pieces (some model families begin
        with tokens of their own). It must be the same number afterwards.
        """
        model = SentencePieceModel.parse(self._name(name), self.files[name])
        apart = (Type.CONTROL, Type.UNKNOWN)
        kept: list[int] = []
        before: set[int] = set()
        after: set[int] = set()
        for position, piece in enumerate(model.pieces):
            number = old.ids.get(piece.text)
            if piece.type not in apart:
                if number is not None:
                    before.add(number - position)
                if number is None or renumber[number] < 0:
                    continue
                after.add(int(renumber[number]) - len(kept))
            kept.append(position)
        if len(before) != 1 or not after <= before:
            return None
        made, found = model.trimmed(np.array(kept, dtype=np.int64), name)
        changes.extend(found)
        return made

    def _merges(self, document: dict[str, Any], changes: list[Change]) -> bytes | None:
        """Leave out the merges that the tokenizer has no longer."""
        name = "merges.txt"
        text = _documents.decoded(self._name(name), self.files[name])
        lines = text.replace("\r\n", "\n").split("\n")
        head = lines[:1] if lines and lines[0].startswith("#version") else []
        given = [line for line in lines[len(head) :] if line]
        stays = {f"{left} {right}" for left, right in merge_pairs(document["model"])}
        made = [line for line in given if line in stays]
        if len(made) != len(stays):
            return None
        if len(made) != len(given):
            changes.append(Change(name, "", f"{len(given)} entries", f"{len(made)} entries"))
        return ("\n".join([*head, *made]) + "\n").encode()


def _contents(value: Any) -> Iterator[str]:
    """Give the tokens that a field names: a string, an object with its content, or several."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from _contents(entry)
    elif isinstance(value, dict):
        if isinstance(value.get("content"), str):
            yield value["content"]
        else:
            yield from _contents([entry for entry in value.values() if isinstance(entry, str)])


def require_one_model(folder: Path) -> Path:
    """Give the SentencePiece model of a folder.

    Raises
    ------
    FileNotFoundError
        There is none.
    FormatError
        There are several.
    """
    named = [folder / name for name in MODELS if (folder / name).is_file()]
    found = named or sorted(folder.glob("*.model"))
    if not found:
        raise FileNotFoundError(
            f"{folder}: expected a tokenizer.json or a SentencePiece .model, found neither"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise FormatError(f"{folder}: expected one SentencePiece model, found {names}; name one")
    return found[0]
