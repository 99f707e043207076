"""SentencePiece models: the pieces and settings of a `.model`, and the same with fewer pieces."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import FormatError
from isomorph.vocab._changes import Change
from isomorph.vocab.tokenizers import _protobuf
from isomorph.vocab.tokenizers._protobuf import BYTES, FIXED32, VARINT, Field, tagged

__all__ = ["Piece", "SentencePieceModel", "Type"]

PIECES, TRAINER, NORMALIZER, SELF_TEST = 1, 2, 3, 4
_KINDS = {1: "unigram", 2: "bpe"}


class Type(IntEnum):
    """What a piece is."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


#: Fields of the trainer's settings that hold ids, their names and what they are if not said.
_IDS = {40: ("unk_id", 0), 41: ("bos_id", 1), 42: ("eos_id", 2), 43: ("pad_id", -1)}
_VOCAB_SIZE = 4
#: Kinds that are refused: no tokenizer.json says the same.
_OTHER_KINDS = {3: " (word), which is not trimmed", 4: " (char), which is not trimmed"}


class Piece(NamedTuple):
    """A piece of the vocabulary, and the bytes that say so."""

    text: str
    score: float
    type: Type
    raw: bytes


@dataclass(frozen=True)
class SentencePieceModel:
    """A model file: its pieces by id, and everything else as it came.

    `kind` is ``"unigram"`` or ``"bpe"``. `layout` has each field of the file in order, None
    standing for a piece.
    """

    file: str
    pieces: tuple[Piece, ...]
    layout: tuple[bytes | None, ...]
    trainer: dict[int, Field]
    normalizer: dict[int, Field]
    kind: str

    @classmethod
    def parse(cls, file: str, content: bytes) -> SentencePieceModel:
        """Read and validate a model.

        Raises
        ------
        FormatError
            Naming the file and the byte, or the piece or setting.
        """
        try:
            return cls._parsed(file, content)
        except _protobuf.WireError as error:
            raise FormatError(f"{file}: expected a SentencePiece model: {error}") from None

    @classmethod
    def _parsed(cls, file: str, content: bytes) -> SentencePieceModel:
        pieces: list[Piece] = []
        layout: list[bytes | None] = []
        settings: dict[int, dict[int, Field]] = {TRAINER: {}, NORMALIZER: {}}
        for field in _protobuf.fields(content):
            if field.number == PIECES:
                pieces.append(_piece(file, len(pieces), field))
                layout.append(None)
                continue
            layout.append(field.raw)
            if field.number in settings:
                inner = _bytes(file, "trainer_spec or normalizer_spec", field)
                # Of a field that comes twice the last counts, of messages too.
                start = field.at + len(field.raw) - len(inner)
                settings[field.number].update(
                    (one.number, one) for one in _protobuf.fields(inner, start)
                )
        _require_sound(file, pieces)
        trainer = settings[TRAINER]
        number = _integer(file, "trainer_spec.model_type", trainer.get(3), 1)
        if number not in _KINDS:
            raise FormatError(
                f"{file}: trainer_spec.model_type: expected 1 (unigram) or 2 (bpe), got {number}"
                f"{_OTHER_KINDS.get(number, '')}"
            )
        for which, (name, absent) in _IDS.items():
            value = _integer(file, f"trainer_spec.{name}", trainer.get(which), absent)
            if which in trainer and not -1 <= value < len(pieces):
                raise FormatError(
                    f"{file}: trainer_spec.{name}: expected an id below {len(pieces)} or -1, got "
                    f"{value}"
                )
        if value_of(trainer, 35, 0) and sum(p.type is Type.BYTE for p in pieces) != 256:
            raise FormatError(
                f"{file}: trainer_spec.byte_fallback: expected 256 pieces of bytes, got "
                f"{sum(p.type is Type.BYTE for p in pieces)}"
            )
        return cls(
            file, tuple(pieces), tuple(layout), trainer, settings[NORMALIZER], _KINDS[number]
        )

    def special(self) -> set[int]:
        """Give the ids of pieces that are no text of the corpus."""
        apart = (Type.UNKNOWN, Type.CONTROL, Type.USER_DEFINED)
        found = {number for number, piece in enumerate(self.pieces) if piece.type in apart}
        named = (value_of(self.trainer, which, -1) for which in _IDS)
        return found | {number for number in named if number >= 0}

    def named(self) -> dict[str, int]:
        """Give the ids that the settings name, by their names."""
        return {f"trainer_spec.{name}": number for _, name, number in self._said()}

    def _said(self) -> list[tuple[int, str, int]]:
        """List the ids that the settings say, or mean where they are silent."""
        found = []
        for which, (name, absent) in _IDS.items():
            number = value_of(self.trainer, which, absent)
            there = 0 <= number < len(self.pieces)
            if which in self.trainer or (there and self.pieces[number].type is not Type.NORMAL):
                found.append((which, name, number))
        return [entry for entry in found if entry[2] >= 0]

    def trimmed(self, kept: NDArray[np.int64], file: str) -> tuple[bytes, list[Change]]:
        """Give the model of the kept ids (ascending), and what is other in it.

        The kept pieces and every field that is not known here stay byte for byte. Self-test data
        goes: its samples name pieces, and a model that fails them is not loaded.
        """
        renumber = np.full(len(self.pieces), -1, dtype=np.int64)
        renumber[kept] = np.arange(len(kept))
        changes: list[Change] = []
        if len(kept) != len(self.pieces):
            changes.append(
                Change(file, "pieces", f"{len(self.pieces)} entries", f"{len(kept)} entries")
            )
        out: list[bytes] = []
        stays = iter((renumber >= 0).tolist())
        pieces = iter(self.pieces)
        for raw in self.layout:
            if raw is None:
                piece = next(pieces)
                if next(stays):
                    out.append(piece.raw)
                continue
            field = next(_protobuf.fields(raw))
            if field.number == SELF_TEST and field.value and len(kept) != len(self.pieces):
                changes.append(Change(file, "self_test_data", "there", None))
            elif field.number == TRAINER:
                out.append(tagged(TRAINER, self._trainer(field, renumber, file, changes)))
            else:
                out.append(raw)
        return b"".join(out), changes

    def _trainer(
        self, field: Field, renumber: NDArray[np.int64], file: str, changes: list[Change]
    ) -> bytes:
        size = int((renumber >= 0).sum())
        given = value_of(self.trainer, _VOCAB_SIZE, 8000)
        # A model that was padded, or cut short, says another size than it has: then so will ours.
        wanted = {_VOCAB_SIZE: ("vocab_size", given, given - len(self.pieces) + size)}
        for which, name, old in self._said():
            wanted[which] = (name, old, int(renumber[old]))
        out: list[bytes] = []
        for one in _protobuf.fields(_bytes(self.file, "trainer_spec", field)):
            if one.number in wanted:
                out.append(tagged(one.number, wanted[one.number][2]))
            else:
                out.append(one.raw)
        for which, (name, old, new) in wanted.items():
            if old != new:
                changes.append(Change(file, f"trainer_spec.{name}", old, new))
                if which not in self.trainer:
                    out.append(tagged(which, new))
        return b"".join(out)


def value_of(settings: dict[int, Field], number: int, absent: int) -> int:
    """Give an integer or a truth value of settings."""
    field = settings.get(number)
    return absent if field is None or field.wire != VARINT else field.signed()


def bytes_of(settings: dict[int, Field], number: int) -> bytes:
    """Give a string of settings."""
    field = settings.get(number)
    return field.value if field is not None and isinstance(field.value, bytes) else b""


def _bytes(file: str, name: str, field: Field) -> bytes:
    if field.wire != BYTES or not isinstance(field.value, bytes):
        raise FormatError(f"{file}: {name}: expected a message, got wire type {field.wire}")
    return field.value


def _integer(file: str, name: str, field: Field | None, absent: int) -> int:
    if field is None:
        return absent
    if field.wire != VARINT:
        raise FormatError(f"{file}: {name}: expected an integer, got wire type {field.wire}")
    return field.signed()


_TYPES = {int(one): one for one in Type}
_SCORE = struct.Struct("<f")


def _piece(file: str, position: int, field: Field) -> Piece:
    where = f"pieces[{position}]"
    inner = _bytes(file, where, field)
    text, score, kind = b"", 0.0, 1
    for one in _protobuf.fields(inner, field.at + len(field.raw) - len(inner)):
        if one.number == 1:
            text = _bytes(file, f"{where}.piece", one)
        elif one.number == 2:
            if one.wire != FIXED32 or not isinstance(one.value, bytes):
                raise FormatError(f"{file}: {where}.score: expected a float")
            (score,) = _SCORE.unpack(one.value)
        elif one.number == 3:
            kind = _integer(file, f"{where}.type", one, 1)
    try:
        spelled = text.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{file}: {where}.piece: expected UTF-8, got {text[:40]!r}") from None
    if not spelled:
        raise FormatError(f"{file}: {where}.piece: expected a piece, got none")
    if not math.isfinite(score):
        raise FormatError(f"{file}: {where}.score: expected a finite number, got {score}")
    if (known := _TYPES.get(kind)) is None:
        raise FormatError(f"{file}: {where}.type: expected 1 to 6, got {kind}")
    return Piece(spelled, score, known, field.raw)


def _require_sound(file: str, pieces: list[Piece]) -> None:
    seen: dict[str, int] = {}
    unknown: list[int] = []
    for position, piece in enumerate(pieces):
        if (first := seen.setdefault(piece.text, position)) != position:
            raise FormatError(
                f"{file}: pieces[{position}].piece: expected each piece once, got {piece.text!r}, "
                f"which pieces[{first}] is"
            )
        if piece.type is Type.UNKNOWN:
            unknown.append(position)
    if not pieces:
        raise FormatError(f"{file}: expected a SentencePiece model, got one without pieces")
    if len(unknown) != 1:
        raise FormatError(
            f"{file}: pieces: expected one of the type UNKNOWN, got {len(unknown) or 'none'}"
        )
