"""What tokens stand for, whatever mark a vocabulary has for the beginning of a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from isomorph import _checks
from isomorph.errors import DTypeError
from isomorph.vocab._mixing import checks

#: Whether a token begins a word, and its text. A byte that is no text on its own is a lone
#: surrogate, as Python's "surrogateescape" has it.
Form = tuple[bool, str]

#: Marks that vocabularies have: at the start of what begins a word (SentencePiece, byte-level BPE),
#: at the start of what does not (WordPiece), at the end of what ends one; "": words without marks.
MARKS = ("▁", "Ġ", "##", "</w>", "")

#: A mark is taken for one when a hundredth of the tokens have it.
_SHARE = 100


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, with what they stand for.

    Attributes
    ----------
    tokens : tuple of str or None
        By id.
    marks : str
        One of `MARKS`.
    special : frozenset of int
        Ids that stand for no text, where they are known.
    """

    tokens: tuple[str | None, ...]
    marks: str
    special: frozenset[int] = frozenset()

    @cached_property
    def forms(self) -> list[Form | None]:
        """What each token stands for; None for special ones, known or in brackets, and for none."""
        read = _READERS[self.marks]
        return [
            None if token is None or number in self.special or _bracketed(token) else read(token)
            for number, token in enumerate(self.tokens)
        ]

    def __len__(self) -> int:
        return len(self.tokens)


def vocabulary(name: str, given: Any, marks: str | None = None) -> Vocabulary:
    """Read a list of tokens, or a tokenizer: anything with ``tokens`` and perhaps ``special``.

    Parameters
    ----------
    name : str
        Of the argument, for errors.
    given : sequence of (str or None), or Tokenizer
        Tokens by id.
    marks : str, optional
        One of `MARKS`; by default the one that most tokens have.
    """
    if isinstance(given, Vocabulary):
        return given
    if marks is not None:
        _checks.one_of(f"{name}: marks", marks, MARKS)
    tokens = given if isinstance(given, Sequence) else getattr(given, "tokens", given)
    known = checks.tokens(name, tokens, len(tokens) if isinstance(tokens, Sequence) else 0)
    if known is None:
        raise DTypeError(f"{name}: expected a list of tokens or a tokenizer, got None")
    special = getattr(given, "special", ())
    return Vocabulary(
        known,
        _detected(known) if marks is None else marks,
        frozenset(np.asarray(special, dtype=np.int64).tolist()),
    )


def _detected(tokens: Sequence[str | None]) -> str:
    counts = {
        mark: sum(
            token is not None
            and len(token) > len(mark)
            and (token.endswith(mark) if mark == "</w>" else token.startswith(mark))
            for token in tokens
        )
        for mark in MARKS[:-1]
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] * _SHARE >= max(len(tokens), 1) else ""


def _bracketed(token: str) -> bool:
    """Whether a token is written as special tokens are, and no byte."""
    inside = token[1:-1].removeprefix("/").strip("|")
    ends = token[:1] + token[-1:]
    return (
        ends in ("<>", "[]")
        and inside.isascii()
        and inside.replace("_", "a").isalnum()
        and not (token.startswith("<0x") and len(token) == 6)
    )


def _sentencepiece(token: str) -> Form:
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            byte = bytes.fromhex(token[3:5])
        except ValueError:
            byte = b""
        # The byte of an ASCII character has a token of its own beside the character's.
        if byte >= b"\x80":
            return False, byte.decode("utf-8", "surrogateescape")
    starts = token.startswith("▁")
    return starts, token[starts:].replace("▁", " ")


def _byte_level(token: str) -> Form:
    table = _byte_alphabet()
    try:
        text = bytes(table[character] for character in token).decode("utf-8", "surrogateescape")
    except KeyError:
        # Not written in the alphabet: a token that was added as it is.
        text = token
    starts = text.startswith(" ")
    return starts, text[starts:]


def _wordpiece(token: str) -> Form:
    continues = token.startswith("##") and len(token) > 2
    return not continues, token[2 * continues :]


def _word_end(token: str) -> Form:
    ends = token.endswith("</w>")
    return ends, token.removesuffix("</w>")


_READERS: dict[str, Callable[[str], Form]] = {
    "▁": _sentencepiece,
    "Ġ": _byte_level,
    "##": _wordpiece,
    "</w>": _word_end,
    "": lambda token: (True, token),
}


@cache
def _byte_alphabet() -> dict[str, int]:
    """Give the byte that each character of byte-level BPE stands for.

    The visible characters of Latin-1 stand for themselves, the other bytes, in order, for the
    characters from U+0100 on.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {
        chr(0x100 + place): byte for place, byte in enumerate(others)
    }
