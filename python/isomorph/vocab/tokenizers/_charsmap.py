"""What SentencePiece does to characters before anything else: its precompiled character map.

The map is a double array (of byte strings that share their endings) and what each string is
replaced by. From left to right the longest string at a place is replaced, and what was made is not
looked at again. The `tokenizers` library goes by grapheme clusters, with other answers where marks
are written apart; so it is done here, and the library gets the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from isomorph.errors import FormatError

__all__ = ["CharacterMap", "preparation"]

#: More beginnings of characters than Unicode's maps have; a file that has more is hostile.
_MOST = 1 << 16


def preparation(file: str, charsmap: bytes, symbols: dict[str, str]) -> Callable[[str], str] | None:
    """Give the function that maps the characters of a line, or None if nothing is mapped.

    `symbols` are strings that no step looks into, and what they become: of several at a place the
    longest, and before the map.
    """
    mapped = CharacterMap(file, charsmap).apply if charsmap else None
    if not symbols:
        return mapped
    longest_first = sorted(symbols, key=lambda symbol: (-len(symbol), symbol))
    apart = re.compile("|".join(map(re.escape, longest_first)))

    def prepared(line: str) -> str:
        # A stand-in is a character that no map has.
        line = apart.sub(lambda match: symbols[match.group()], line)
        return line if mapped is None else mapped(line)

    return prepared


class CharacterMap:
    """A character map, applied as SentencePiece does.

    Raises
    ------
    FormatError
        Truncated, or no double array.
    """

    def __init__(self, file: str, content: bytes) -> None:
        self._file = file
        size = int.from_bytes(content[:4], "little")
        if len(content) < 4 or size % 4 or size == 0 or size > len(content) - 4:
            raise self._wrong(f"a trie of {size} bytes", f"{len(content)} bytes in all")
        units = np.frombuffer(content, "<u4", size // 4, 4).astype(np.int64)
        self._strings = content[4 + size :]
        self._units = units
        self._offsets = (units >> 10) << ((units & 1 << 9) >> 6)
        self._labels = units & (1 << 31 | 0xFF)
        self._unit_list: list[int] = units.tolist()
        characters, nodes, leaves = self._characters(self._offsets[:1])
        self._single = {
            ord(character): self._replacement(leaf)
            for character, leaf in zip(characters, leaves.tolist(), strict=True)
            if leaf >= 0
        }
        # Of strings of several characters the second must be there: rare, so looked for first.
        later, _, _ = self._characters(np.unique(nodes))
        several = "".join(map(re.escape, sorted(set(later))))
        self._several = re.compile(f"[{several}]") if several else None

    def apply(self, line: str) -> str:
        """Map the characters of a line."""
        if self._several is None or self._several.search(line) is None:
            return line.translate(self._single)
        data = line.encode("utf-8")
        out: list[str] = []
        at = 0
        while at < len(data):
            length, leaf = self._longest(data, at)
            if length:
                out.append(self._replacement(leaf))
            else:
                first = data[at]
                length = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
                out.append(data[at : at + length].decode("utf-8"))
            at += length
        return "".join(out)

    def _longest(self, data: bytes, at: int) -> tuple[int, int]:
        """Give the length of the longest string at a place, and where its value is."""
        units = self._unit_list
        node = (units[0] >> 10) << ((units[0] & 1 << 9) >> 6)
        best = (0, -1)
        for position in range(at, len(data)):
            node ^= data[position]
            if node >= len(units) or units[node] & (1 << 31 | 0xFF) != data[position]:
                break
            unit = units[node]
            node ^= (unit >> 10) << ((unit & 1 << 9) >> 6)
            if unit >> 8 & 1:
                best = (position + 1 - at, node)
        return best

    def _characters(
        self, nodes: NDArray[np.int64]
    ) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
        """Give the characters that lead on from nodes, where to, and where their values are."""
        letters = np.arange(1, 256, dtype=np.int64)
        spelled = [b""] * len(nodes)
        found: list[str] = []
        ends: list[NDArray[np.int64]] = []
        leaves: list[NDArray[np.int64]] = []
        for _ in range(4):
            if len(nodes) > _MOST:
                raise self._wrong(f"at most {_MOST} characters", f"{len(nodes)} beginnings")
            places = nodes[:, None] ^ letters
            inside = places < len(self._units)
            hit = inside & (self._labels[np.where(inside, places, 0)] == letters)
            rows, columns = np.nonzero(hit)
            at = places[rows, columns]
            spelled = [
                spelled[row] + bytes([letter])
                for row, letter in zip(rows.tolist(), (columns + 1).tolist(), strict=True)
            ]
            nodes = at ^ self._offsets[at]
            texts = [_character(piece) for piece in spelled]
            whole = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
            found.extend(text for text in texts if text is not None)
            ends.append(nodes[whole])
            leaf = (self._units[at[whole]] >> 8 & 1).astype(np.bool_)
            leaves.append(np.where(leaf, nodes[whole], -1))
            nodes = nodes[~whole]
            spelled = [piece for piece, text in zip(spelled, texts, strict=True) if text is None]
        if spelled:
            raise self._wrong("strings of UTF-8", repr(spelled[0]))
        return found, np.concatenate(ends), np.concatenate(leaves)

    def _replacement(self, leaf: int) -> str:
        if leaf >= len(self._unit_list):
            raise self._wrong("a trie of its size", f"one that leads to {leaf}")
        begin = self._unit_list[leaf] & 0x7FFFFFFF
        end = self._strings.find(b"\0", begin)
        if begin > len(self._strings) or end < 0:
            raise self._wrong("a replacement for each string", f"none at byte {begin}")
        try:
            return self._strings[begin:end].decode("utf-8")
        except UnicodeDecodeError:
            raise self._wrong("replacements of UTF-8", f"none at byte {begin}") from None

    def _wrong(self, expected: str, got: str) -> FormatError:
        where = f"{self._file}: normalizer_spec.precompiled_charsmap"
        return FormatError(f"{where}: expected {expected}, got {got}")


def _character(piece: bytes) -> str | None:
    """Give the one character that bytes are, or None if they are no whole one."""
    try:
        text = piece.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text
