"""What a token stands for: its text without marks, whether it begins a word, what is special."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["Symbols", "byte_characters"]

SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")

#: Tokens that mean something to a model whether or not the file lists them as added.
_SPECIAL = re.compile(
    r"""(?:
      <(?:s|/s|pad|unk|mask|cls|sep|bos|eos|S|CLS|SEP|MASK)>
    | \[(?:PAD|UNK|CLS|SEP|MASK|BOS|EOS)\]
    | ▁?<extra_id_[0-9]+>
    | <\|[^|<>]+\|>
    )\Z""",
    re.VERBOSE,
)


@cache
def byte_characters() -> dict[str, int]:
    """Give the 256 characters that byte-level tokenizers write bytes as."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in shown}
    for byte in range(256):
        if byte not in table.values():
            table[chr(256 + len(table) - len(shown))] = byte
    return table


class Symbols:
    """How the tokens of a tokenizer are spelled."""

    def __init__(self, vocabulary: Vocabulary, document: dict[str, Any], named: set[int]) -> None:
        self._vocabulary = vocabulary
        #: Whether text is split before the model sees it.
        self.splits = document.get("pre_tokenizer") is not None
        self.byte_level = any(
            _has_type(document.get(part), "ByteLevel")
            for part in ("pre_tokenizer", "decoder", "normalizer")
        )
        #: Whether merging leaves out characters without a token, as there is none for the unknown.
        self.drops = not self._spells_all(document)
        self._literal = {token.id for token in vocabulary.added} | named
        if vocabulary.unknown is not None:
            self._literal.add(vocabulary.unknown)

    def _spells_all(self, document: dict[str, Any]) -> bool:
        vocabulary = self._vocabulary
        early = (document.get(part) for part in ("pre_tokenizer", "normalizer"))
        if any(_has_type(step, "ByteLevel") for step in early):
            marks = byte_characters()
            return vocabulary.unknown is not None or all(c in vocabulary.ids for c in marks)
        fallen = vocabulary.byte_fallback and len(self.bytes_()) == 256
        return vocabulary.unknown is not None or fallen

    def bytes_(self) -> list[int]:
        """Give the ids of the byte alphabet."""
        ids = self._vocabulary.ids
        if self.byte_level:
            return sorted(ids[c] for c in byte_characters() if c in ids)
        named = (ids.get(f"<0x{byte:02X}>") for byte in range(256))
        return sorted(number for number in named if number is not None)

    def special(self) -> set[int]:
        """Give the ids of what is no text: added, unknown, and by its spelling."""
        found = set(self._literal)
        found.update(
            number
            for number, token in enumerate(self._vocabulary.tokens)
            if token is not None and token[:1] in "<[▁" and _SPECIAL.match(token)
        )
        return found

    def text(self, token: int) -> str | None:
        """Give what a token stands for, or None if that is no text by itself."""
        spelled = self._vocabulary.tokens[token]
        if spelled is None or token in self._literal:
            return spelled
        if self.byte_level:
            return _decoded(spelled)
        if byte := _BYTE.match(spelled):
            number = int(byte.group(1), 16)
            return chr(number) if number < 0x80 else None
        prefix, suffix = self._vocabulary.prefix, self._vocabulary.suffix
        if prefix and len(spelled) > len(prefix):
            spelled = spelled.removeprefix(prefix)
        if suffix:
            spelled = spelled.removesuffix(suffix)
        return spelled.removeprefix(SPACE).replace(SPACE, " ")

    def starts_word(self, token: int) -> bool:
        """Whether the token can only, or may, be where a word begins."""
        spelled = self._vocabulary.tokens[token]
        if spelled is None or token in self._literal:
            return False
        if self.byte_level:
            return spelled.startswith("Ġ")
        if self._vocabulary.kind == "wordpiece":
            return not spelled.startswith(self._vocabulary.prefix)
        if self.spaced:
            return spelled.startswith(SPACE)
        return not self._vocabulary.prefix or not spelled.startswith(self._vocabulary.prefix)

    @property
    def spaced(self) -> bool:
        """Whether blanks are written into the tokens."""
        return SPACE in self._vocabulary.ids or any(
            token.startswith(SPACE) for token in self._vocabulary.ids
        )


def _decoded(spelled: str) -> str | None:
    table = byte_characters()
    try:
        raw = bytes(table[character] for character in spelled)
    except KeyError:
        return spelled
    try:
        return raw.removeprefix(b" ").decode("utf-8")
    except UnicodeDecodeError:
        return None


def _has_type(step: Any, name: str) -> bool:
    """Whether a normalizer, pre-tokenizer or decoder is, or has in it, a step of this type."""
    waiting = [step]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if value.get("type") == name:
                return True
            waiting.extend(entry for entry in value.values() if isinstance(entry, list | dict))
    return False
