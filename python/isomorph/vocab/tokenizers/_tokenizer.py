"""A tokenizer: its tokens, what it makes of text, and the same with fewer tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _checks
from isomorph.errors import DTypeError, RemapError, ShapeError
from isomorph.vocab.remap import Remap
from isomorph.vocab.tokenizers import _encoding, _loading, _reading
from isomorph.vocab.tokenizers._closing import Closing
from isomorph.vocab.tokenizers._encoding import Encoder
from isomorph.vocab.tokenizers._source import Source
from isomorph.vocab.tokenizers._symbols import Symbols
from isomorph.vocab.tokenizers._templates import blanks_around, literals, template_tokens
from isomorph.vocab.tokenizers._trimmed import TrimmedTokenizer
from isomorph.vocab.tokenizers._usage import Usage, counted
from isomorph.vocab.tokenizers._wordpiece import Unmatched

__all__ = ["Tokenizer"]


class Tokenizer:
    """What a model's tokenizer says, read from its files; made by :meth:`load`.

    Reading needs no library. Encoding is done by the `tokenizers` library
    (``pip install 'isomorph[vocab]'``), a SentencePiece model being converted to it in memory.

    Notes
    -----
    What a trim keeps, so that counted text gives the same tokens afterwards: WordPiece takes the
    longest token that fits, so the used ones are enough, and those that a word takes of which the
    rest cannot be spelled. Unigram takes the path of the best sum of
    scores, where an unknown character scores the lowest piece's less 10: a lowest piece stays.
    Byte-pair encoding applies merges in their order; no merge crosses a boundary between two tokens
    of the outcome, so those applied in a text are those that each of its distinct tokens, encoded
    by itself, applies: their products stay.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from isomorph.vocab import Tokenizer
    >>> model = {"type": "BPE", "vocab": {"d": 0, "o": 1, "g": 2, "og": 3, "do": 4, "dog": 5},
    ...          "merges": ["d o", "o g", "do g"]}
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "tokenizer.json").write_text(json.dumps({"model": model}))
    >>> tokenizer = Tokenizer.load(folder)
    >>> usage = tokenizer.usage(["dog"])
    >>> usage.used.tolist(), usage.kept.tolist()
    ([5], [0, 1, 2, 4, 5])
    >>> trimmed = tokenizer.keep(usage.used, usage)
    >>> trimmed.tokenizer.tokens
    ('d', 'o', 'g', 'do', 'dog')
    >>> trimmed.remap.ids(tokenizer.encode(["dog"])[0]), trimmed.tokenizer.encode(["dog"])[0]
    (array([4], dtype=int32), array([4], dtype=int32))
    """

    def __init__(self, source: Source, ignore_merges: bool | None = None) -> None:
        self._source = source
        self._asked = ignore_merges
        self._vocabulary = source.vocabulary
        self._symbols = Symbols(self._vocabulary, source.document, source.special)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, ignore_merges: bool | None = None) -> Tokenizer:
        """Read a tokenizer.

        Parameters
        ----------
        path : str or path
            A folder (its ``tokenizer.json``, or else its one SentencePiece ``.model``), or one of
            these files. What lies beside it and holds ids or tokens too, such as
            ``tokenizer_config.json``, is read with a folder and rewritten with it.
        ignore_merges : bool, optional
            Of byte-pair encoding: whether a trimmed tokenizer may look up whole pre-tokens before
            it merges (the field of that name in tokenizer.json), so that tokens which a text has as
            whole pre-tokens only need not keep what they are merged from. It is set only if every
            kept token comes out of its own text by merging, and then it changes nothing that
            merging gives. But classes of model families of `transformers` drop it when they load a
            tokenizer. None: where the files name a class that does not, or belong to no model.
            True: always, and ``tokenizer_config.json`` then names
            ``PreTrainedTokenizerFast``. False: never; all that merges pass through stays.

        Returns
        -------
        Tokenizer
            O(size) time and memory: about a second for 250,000 tokens.

        Raises
        ------
        FormatError
            Not such a file, or one that contradicts itself: the message names file and field.
        FileNotFoundError
            Nothing there, or a folder without a tokenizer.
        ValueError
            `ignore_merges` of a model whose tokenizer is always loaded by a class that drops it.
        """
        source = _reading.load(Path(path))
        if ignore_merges and (kind := _loading.own_class(source.side.model)) is not None:
            raise ValueError(
                f"ignore_merges: {source.path.parent}: a model of the type {kind!r} is loaded with "
                "a class that drops it, whatever the files name; without it, all that merges pass "
                "through is kept"
            )
        return cls(source, ignore_merges)

    @property
    def kind(self) -> str:
        """The model's kind: ``"wordpiece"``, ``"unigram"``, ``"bpe"`` or ``"wordlevel"``."""
        return self._vocabulary.kind

    @property
    def format(self) -> str:
        """The file's format: ``"tokenizer.json"`` or ``"sentencepiece"``."""
        return self._source.format

    @property
    def size(self) -> int:
        """One more than the largest id, added tokens included."""
        return self._vocabulary.size

    @property
    def tokens(self) -> tuple[str | None, ...]:
        """The tokens by id, as the files spell them; None where no token has the id."""
        return self._source.tokens

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token, if there is one."""
        return self._vocabulary.unknown

    @cached_property
    def special(self) -> NDArray[np.int64]:
        """The ids that are no text: special, control, unknown, added, named by other fields."""
        found = self._symbols.special() | self._source.side.special(self.tokens)
        found |= template_tokens(self._source.side.templates(), self._vocabulary)
        return _sorted(found)

    @cached_property
    def bytes_(self) -> NDArray[np.int64]:
        """The ids of the byte alphabet: of byte-level characters, or ``<0x00>`` to ``<0xFF>``."""
        return _sorted(self._symbols.bytes_())

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"Tokenizer({self.kind}, {self.size} ids, {self._source.path})"

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Where files say different things of what a word is, a sentence each."""
        side = self._source.side
        return tuple(_loading.disagreements(self._source.document, side.config, side.model))

    @property
    def blanks_around(self) -> tuple[tuple[str, str], ...]:
        """What chat templates put before and after a message, of blanks; nothing without one."""
        return blanks_around(self._source.side.templates())

    @property
    def lacking(self) -> tuple[str, ...]:
        """Tokens that files beside it name, and that it has not: libraries add them at the end."""
        return self._source.side.lacking(self.tokens)

    def named(self) -> dict[str, str | None]:
        """Give the token that each place in the files names, by id or by itself.

        None of those that it has not. A trim changes the ids and keeps what this gives.
        """
        return self._source.named()

    def text(self, token: int) -> str | None:
        """Give what a token stands for: marks removed, bytes decoded; None if that is no text."""
        return self._symbols.text(_checks.integer("token", token, 0, self.size - 1))

    def starts_word(self, token: int) -> bool:
        """Whether a token is where words begin, as its marks have it.

        Of tokens whose marks do not say (word ends are marked, or nothing is) it may be.
        """
        return self._symbols.starts_word(_checks.integer("token", token, 0, self.size - 1))

    def encode(
        self, lines: Iterable[str], *, special: bool = False, threads: int | None = None
    ) -> list[NDArray[np.int32]]:
        """Encode lines: the ids of each.

        Parameters
        ----------
        lines : iterable of str
            The lines.
        special : bool, default False
            With the tokens that the post-processor puts around a line.
        threads : int, optional
            1: on this thread. More: on the library's own threads, as many as it takes.

        Returns
        -------
        list of ndarray of int32
            Without padding, and not truncated whatever the file says.
        """
        found: list[NDArray[np.int32]] = []
        for _, encodings in self._encoder.blocks(lines, special=special, threads=threads):
            found.extend(_encoding.ids_of(encodings))
        return found

    def usage(self, lines: Iterable[str], *, threads: int | None = None) -> Usage:
        """Count what lines use of the vocabulary, and find what else they need.

        Parameters
        ----------
        lines : iterable of str
            The corpus; a stream is read once, in blocks.
        threads : int, optional
            As in :meth:`encode`.

        Returns
        -------
        Usage
            Special tokens around the lines are not counted.
        """
        unmatched = (
            Unmatched(self._vocabulary, self._source.document, self._encoder)
            if self.kind == "wordpiece"
            else None
        )
        usage = counted(self._encoder, lines, self._vocabulary, unmatched, threads)
        usage.needed[self._closing.required(usage.used, usage)] = True
        if unmatched is not None:
            usage.needed[list(unmatched.taken)] = True
        usage.needed[usage.used] = False
        return usage

    def closure(
        self,
        ids: Sequence[int] | NDArray[Any],
        usage: Usage | None = None,
        *,
        characters: bool = True,
    ) -> NDArray[np.int64]:
        """Give ids together with all that must stay with them.

        That is special tokens, the byte alphabet, what chat templates spell out; of byte-pair
        encoding what the tokens are merged from; of Unigram a piece of the lowest score, from which
        the score of the unknown is taken; and the single characters of the tokens.

        Parameters
        ----------
        ids : sequence of int
            Ids to keep.
        usage : Usage, optional
            Where the ids come from. Tokens of byte-pair encoding that are always a whole pre-token
            there need not be merged, where ``ignore_merges`` may be set (see :meth:`keep`).
        characters : bool, default True
            With the single characters of the tokens that the vocabulary has, at the start of a
            word and within, so that other words of the same letters need no unknown token.

        Returns
        -------
        ndarray of int64
            Ascending. ``closure(closure(ids)) == closure(ids)``.
        """
        kept = self._checked(ids)
        if usage is not None and len(usage.counts) != self.size:
            raise ShapeError(
                f"usage: expected that of {self.size} ids, got one of {len(usage.counts)}"
            )
        if usage is not None:
            kept = np.union1d(kept, np.nonzero(usage.needed)[0]) if self.kind != "bpe" else kept
        return self._closing.closure(kept, usage, characters=characters)

    def keep(
        self, ids: Sequence[int] | NDArray[Any], usage: Usage | None = None
    ) -> TrimmedTokenizer:
        """Make the tokenizer of some of the ids, numbered anew in the same order.

        Parameters
        ----------
        ids : sequence of int
            What to keep; ``closure(ids, usage, characters=False)`` is kept.
        usage : Usage, optional
            As in :meth:`closure`.

        Returns
        -------
        TrimmedTokenizer
            The new tokenizer, the remap of the ids, and every field that changed. Lines of `usage`
            have the same tokens if all that they use is kept. O(size) time and memory.

        Raises
        ------
        RemapError
            Ids that no token has.
        FormatError
            A file beside the tokenizer that holds ids which are none.
        """
        kept = self.closure(ids, usage, characters=False)
        source, changes, removed = self._source.trimmed(kept, self._closing.skips(kept))
        # Data that holds a dropped id then holds the unknown token, not -1, which nothing embeds.
        place = np.flatnonzero(kept == self.unknown) if self.unknown is not None else kept[:0]
        remap = Remap.from_kept(kept, self.size, dropped=int(place[0]) if len(place) else -1)
        return TrimmedTokenizer(
            Tokenizer(source, self._asked), remap, tuple(changes), tuple(removed)
        )

    @cached_property
    def _encoder(self) -> Encoder:
        return self._source.encoder()

    @cached_property
    def _spoken(self) -> NDArray[np.int64]:
        """The ids of the text that chat templates put between the turns."""
        if not (spoken := literals(self._source.side.templates())):
            return _sorted(())
        return np.unique(np.concatenate([_sorted(()), *self.encode(spoken, threads=1)]))

    @cached_property
    def _closing(self) -> Closing:
        source = self._source
        looks_up = _loading.takes_lookups(source.side.config, source.side.model)
        if self._asked is not None:
            looks_up = self._asked
        always = [self.special, self.bytes_, self._spoken]
        return Closing(self._vocabulary, self._symbols, always, self._spoken, looks_up=looks_up)

    def _checked(self, ids: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
        kept = np.asarray(ids)
        if kept.size == 0:
            return np.empty(0, dtype=np.int64)
        if kept.dtype.kind not in "iu" or kept.ndim != 1:
            raise DTypeError(f"ids: expected a list of integers, got {kept.dtype}")
        kept = np.unique(kept).astype(np.int64)
        if kept[0] < 0 or kept[-1] >= self.size:
            bad = int(kept[0] if kept[0] < 0 else kept[-1])
            raise RemapError(f"ids: expected ids below {self.size}, got {bad}")
        lacking = [number for number in kept.tolist() if self.tokens[number] is None]
        if lacking:
            raise RemapError(f"ids: no token has the id {lacking[0]}")
        return kept


def _sorted(ids: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted(ids), dtype=np.int64)
