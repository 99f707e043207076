"""Words that WordPiece cannot spell: what it takes of them before it gives up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isomorph.vocab.tokenizers._encoding import Encoder
from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["Unmatched"]


class Unmatched:
    """The tokens that stay so that what was unknown stays unknown.

    From the left the longest token that fits is taken; where none fits, the whole word is unknown.
    Without a token that was taken on the way a shorter one would be, and the rest might fit. So
    what such words take before nothing fits is kept, though it never comes out.
    """

    def __init__(self, vocabulary: Vocabulary, document: dict[str, Any], encoder: Encoder) -> None:
        self._vocabulary = vocabulary
        self._encoder = encoder
        limit = document["model"].get("max_input_chars_per_word", 100)
        self._longest = limit if isinstance(limit, int) else 100
        self._seen: set[str] = set()
        self.taken: set[int] = set()

    def look(self, lines: Sequence[str], encodings: Sequence[Any]) -> None:
        """Look at the words of the lines that have an unknown token."""
        unknown = self._vocabulary.unknown
        if unknown is None:
            return
        for line, encoding in zip(lines, encodings, strict=True):
            if unknown in encoding.ids:
                # A word also begins and ends where an added token was cut out.
                for text in (line, *self._encoder.texts(line, unknown)):
                    for word in self._encoder.words(text):
                        if word not in self._seen:
                            self._seen.add(word)
                            self._spell(word)

    def _spell(self, word: str) -> None:
        if len(word) > self._longest:
            return
        ids, prefix = self._vocabulary.ids, self._vocabulary.prefix
        taken: list[int] = []
        begin = 0
        while begin < len(word):
            for end in range(len(word), begin, -1):
                number = ids.get((prefix if begin else "") + word[begin:end])
                if number is not None:
                    taken.append(number)
                    begin = end
                    break
            else:
                self.taken.update(taken)
                return
