"""How merges make a token: which of them byte-pair encoding really applies.

Byte-pair encoding merges, again and again, the adjacent pair of the lowest rank, the leftmost of
equals. No merge ever crosses a boundary between two tokens of the outcome: it would have made one
token of both. So what happens within a token's characters is what happens to these characters
alone, in the same order, and the merges that a corpus applies are those of its distinct tokens,
each encoded by itself. That is a trace of the corpus, exact, at the cost of its vocabulary.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from isomorph.vocab.tokenizers._vocabulary import Vocabulary

__all__ = ["Merging"]

#: Up to so many symbols the pairs are looked through; a heap is quicker for more.
_SHORT = 24


class Merging:
    """The merges of a vocabulary, and what each token comes from."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        # Of a pair that is listed twice the library knows the later place.
        self._rules: dict[tuple[int, int], tuple[int, int]] = {
            (left, right): (rank, product)
            for (left, right, product), rank in zip(
                vocabulary.merges.tolist(), vocabulary.ranks.tolist(), strict=True
            )
        }
        self._by_product: dict[int, list[tuple[int, int]]] | None = None
        self._split: dict[int, tuple[int, int] | None] = {}

    def start(self, token: str) -> list[int] | None:
        """Give the symbols that a token starts as, or None where a character has no id."""
        vocabulary = self._vocabulary
        prefix, suffix, ids = vocabulary.prefix, vocabulary.suffix, vocabulary.ids
        if not prefix and not suffix:
            try:
                return [ids[character] for character in token]
            except KeyError:
                return None
        first = not (prefix and token.startswith(prefix) and len(token) > len(prefix))
        body = token if first else token[len(prefix) :]
        last = bool(suffix) and body.endswith(suffix) and len(body) > len(suffix)
        characters = list(body[: -len(suffix)] if last else body)
        for position in range(len(characters)):
            if prefix and not (first and position == 0):
                characters[position] = prefix + characters[position]
        if last:
            characters[-1] += suffix
        try:
            return [ids[character] for character in characters]
        except KeyError:
            return None

    def encode(
        self, symbols: list[int], record: set[tuple[int, int, int]] | None = None
    ) -> list[int]:
        """Merge symbols as byte-pair encoding does; `record` takes (left, right, product)."""
        if len(symbols) > _SHORT:
            return self._encode_long(symbols, record)
        symbols = list(symbols)
        rules = self._rules
        while len(symbols) > 1:
            best, at, made = -1, -1, -1
            for position in range(len(symbols) - 1):
                rule = rules.get((symbols[position], symbols[position + 1]))
                if rule is not None and (at < 0 or rule[0] < best):
                    (best, made), at = rule, position
            if at < 0:
                break
            if record is not None:
                record.add((symbols[at], symbols[at + 1], made))
            symbols[at : at + 2] = [made]
        return symbols

    def _encode_long(
        self, symbols: list[int], record: set[tuple[int, int, int]] | None
    ) -> list[int]:
        rules, count = self._rules, len(symbols)
        symbols = list(symbols)
        following = [*range(1, count), -1]
        before = list(range(-1, count - 1))
        waiting = []

        def offer(at: int) -> None:
            if at >= 0 and (right := following[at]) >= 0:
                rule = rules.get((symbols[at], symbols[right]))
                if rule is not None:
                    waiting.append((rule[0], at, symbols[at], symbols[right], rule[1]))

        for position in range(count - 1):
            offer(position)
        heapq.heapify(waiting)
        while waiting:
            _, at, left, right, made = heapq.heappop(waiting)
            other = following[at]
            if other < 0 or symbols[at] != left or symbols[other] != right:
                continue  # one of the two has been merged since
            if record is not None:
                record.add((left, right, made))
            symbols[at], symbols[other] = made, -1
            following[at] = following[other]
            if following[at] >= 0:
                before[following[at]] = at
            for changed in (before[at], at):
                length = len(waiting)
                offer(changed)
                if len(waiting) > length:
                    heapq.heappush(waiting, waiting.pop())
        return [symbol for symbol in symbols if symbol >= 0]

    def sides(self, token: int) -> tuple[int, int] | None:
        """Give the two tokens whose merge makes this one when it is encoded by itself.

        None for a single symbol, and for a token that encoding its own characters does not give.
        """
        if token not in self._split:
            self._split[token] = self._last(token)
        return self._split[token]

    def _last(self, token: int) -> tuple[int, int] | None:
        text = self._vocabulary.tokens[token]
        symbols = None if text is None else self.start(text)
        if symbols is None or len(symbols) < 2:
            return None
        record: set[tuple[int, int, int]] = set()
        if self.encode(symbols, record) != [token]:
            return None
        return next((left, right) for left, right, product in record if product == token)

    def makes(self, token: int) -> bool:
        """Whether encoding the token's own characters gives the token."""
        text = self._vocabulary.tokens[token]
        if text is None or self._vocabulary.ids.get(text) != token:
            return False
        return self.sides(token) is not None or self.start(text) == [token]

    def parts(self, tokens: Iterable[int]) -> NDArray[np.int64]:
        """Give all that the tokens are merged from, step by step; the tokens themselves included.

        A token that its own characters do not give, but that came out of a text all the same,
        takes everything that any of its merges could be made of.
        """
        found: set[int] = set()
        waiting = list(tokens)
        while waiting:
            token = waiting.pop()
            if token in found:
                continue
            found.add(token)
            if (sides := self.sides(token)) is not None:
                waiting.extend(sides)
            elif not self.makes(token):
                for pair in self._sources(token):
                    waiting.extend(pair)
        return np.array(sorted(found), dtype=np.int64)

    def _sources(self, token: int) -> list[tuple[int, int]]:
        if self._by_product is None:
            self._by_product = {}
            for (left, right), (_, product) in self._rules.items():
                self._by_product.setdefault(product, []).append((left, right))
        return self._by_product.get(token, [])
