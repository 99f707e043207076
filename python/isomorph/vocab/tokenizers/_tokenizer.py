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
from isomorph.vocab.tokenizers import _encoding, _reading
from isomorph.vocab.tokenizers._encoding import Encoder
from isomorph.vocab.tokenizers._merging import Merging
from isomorph.vocab.tokenizers._source import Source
from isomorph.vocab.tokenizers._symbols import Symbols
from isomorph.vocab.tokenizers._templates import literals, template_tokens
from isomorph.vocab.tokenizers._trimmed import TrimmedTokenizer
from isomorph.vocab.tokenizers._usage import Usage
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

    def __init__(self, source: Source) -> None:
        self._source = source
        self._vocabulary = source.vocabulary
        self._symbols = Symbols(self._vocabulary, source.document, source.special)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read a tokenizer.

        Parameters
        ----------
        path : str or path
            A folder (its ``tokenizer.json``, or else its one SentencePiece ``.model``), or one of
            these files. What lies beside it and holds ids or tokens too, such as
            ``tokenizer_config.json``, is read with a folder and rewritten with it.

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
        """
        return cls(_reading.load(Path(path)))

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

    def usage(
        self, lines: Iterable[str], *, ignore_merges: bool = True, threads: int | None = None
    ) -> Usage:
        """Count what lines use of the vocabulary, and find what else they need.

        Parameters
        ----------
        lines : iterable of str
            The corpus; a stream is read once, in blocks.
        ignore_merges : bool, default True
            Of byte-pair encoding: whether the trimmed tokenizer may look up whole pre-tokens before
            it merges (the field of that name in tokenizer.json), so that tokens which these lines
            have as whole pre-tokens only need not keep what they are merged from. It is set only
            if every kept token comes out of its own text by merging, and then it changes nothing
            that merging gives. False: keep all that merges pass through.
        threads : int, optional
            As in :meth:`encode`.

        Returns
        -------
        Usage
            Special tokens around the lines are not counted.
        """
        counts = np.zeros(self.size, dtype=np.int64)
        inside = np.zeros(self.size, dtype=np.bool_)
        seen = words = characters = 0
        bpe = self.kind == "bpe"
        unmatched = (
            Unmatched(self._vocabulary, self._source.document, self._encoder)
            if self.kind == "wordpiece"
            else None
        )
        for block, encodings in self._encoder.blocks(
            lines, special=False, threads=threads, words=bpe
        ):
            found, beside = _encoding.counted(encodings, self.size, words=bpe)
            counts += found
            inside |= beside
            if unmatched is not None:
                unmatched.look(block, encodings)
            seen += len(block)
            words += sum(len(line.split()) for line in block)
            characters += sum(map(len, block))
        if not ignore_merges and not self._vocabulary.ignore_merges:
            inside = counts > 0
        unknown = self._vocabulary.unknown
        usage = Usage(
            counts,
            inside,
            np.zeros(self.size, dtype=np.bool_),
            seen,
            words,
            characters,
            int(counts.sum()),
            0 if unknown is None else int(counts[unknown]),
        )
        usage.needed[self._required(usage.used, usage)] = True
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
        for always in (self.special, self.bytes_, self._spoken):
            kept = np.union1d(kept, always)
        kept = self._required(kept, usage)
        if characters:
            kept = self._required(np.union1d(kept, self._characters(kept)), usage)
        return kept

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
        source, changes, removed = self._source.trimmed(kept, self._skips(kept))
        # Data that holds a dropped id then holds the unknown token, not -1, which nothing embeds.
        place = np.flatnonzero(kept == self.unknown) if self.unknown is not None else kept[:0]
        remap = Remap.from_kept(kept, self.size, dropped=int(place[0]) if len(place) else -1)
        return TrimmedTokenizer(Tokenizer(source), remap, tuple(changes), tuple(removed))

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
    def _merging(self) -> Merging:
        return Merging(self._vocabulary)

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

    def _required(self, kept: NDArray[np.int64], usage: Usage | None) -> NDArray[np.int64]:
        """Give what makes the kept tokens come out of their texts; the tokens themselves too."""
        if self.kind == "unigram":
            return self._pinned(kept)
        if self.kind != "bpe":
            return kept
        merged = kept
        if usage is not None:
            always = (self.special, self.bytes_, self._spoken)
            if self._may_skip(np.unique(np.concatenate([kept, *always]))):
                inside = usage.inside.copy()
                inside[self._spoken] = True
                merged = kept[inside[kept]]
        return np.union1d(kept, self._merging.parts(merged.tolist()))

    def _pinned(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        scores = self._vocabulary.scores
        if scores is None or (
            len(kept) and scores[kept[kept < len(scores)]].min(initial=0.0) <= (scores.min())
        ):
            return kept
        return np.union1d(kept, [int(scores.argmin())])

    def _may_skip(self, kept: NDArray[np.int64]) -> bool:
        """Whether looking up whole pre-tokens gives what merging them does, for the kept tokens."""
        vocabulary = self._vocabulary
        if vocabulary.ignore_merges:
            return True
        if vocabulary.prefix or vocabulary.suffix or not self._symbols.splits:
            # Marks are no part of the word that is looked up; unsplit, a line is one word.
            return False
        apart = {token.id for token in vocabulary.added if token.always_cut}
        return all(self._merging.makes(n) for n in kept.tolist() if n not in apart)

    def _skips(self, kept: NDArray[np.int64]) -> bool:
        """Whether the kept tokens need ``ignore_merges`` to come out as before."""
        if self.kind != "bpe" or self._vocabulary.ignore_merges:
            return False
        whole = self._merging.parts(kept.tolist())
        return len(np.setdiff1d(whole, kept)) > 0

    def _characters(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        ids, prefix = self._vocabulary.ids, self._vocabulary.prefix
        apart = {*self.special.tolist(), *self.bytes_.tolist()}
        letters = {
            letter
            for number in kept.tolist()
            if number not in apart
            for letter in self.tokens[number] or ""
        }
        spelled = (form for letter in letters for form in (letter, prefix + letter, "▁" + letter))
        found = (ids.get(form) for form in spelled)
        return _sorted({number for number in found if number is not None})


def _sorted(ids: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted(ids), dtype=np.int64)
