"""Words in, translations with scores out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from isomorph._progress import Progress
from isomorph._results import Unpackable
from isomorph.errors import DTypeError, ShapeError, UnknownWordError
from isomorph.metrics._host import mean_of_best, take_rows, to_numpy
from isomorph.neighbors import csls, csls_radii, topk

if TYPE_CHECKING:
    from isomorph.align import Alignment, LinearMap
    from isomorph.io import Embeddings

__all__ = ["Translation", "Translations", "translate"]

#: Words of the vocabulary that are searched for near spellings.
_HINT_POOL = 200_000
#: Unknown words that a message names.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Translation(Unpackable):
    """One word's translations, best first; unpacks as ``word, targets, scores``."""

    word: str
    targets: tuple[str, ...]
    scores: tuple[float, ...]
    _unpacks: ClassVar[tuple[str, ...]] = ("word", "targets", "scores")

    @property
    def best(self) -> str:
        """The first translation."""
        return self.targets[0]


@dataclass(frozen=True, slots=True)
class Translations:
    """The translations of several words, in the order asked; ``print`` shows a table.

    Attributes
    ----------
    entries : tuple of Translation
        One a known word.
    unknown : dict of str to tuple of str
        Words that are not in the vocabulary (``unknown="skip"``), with near spellings that are.
    method : {"csls", "nn"}
        What the scores are.
    """

    entries: tuple[Translation, ...]
    unknown: dict[str, tuple[str, ...]]
    method: str

    def __iter__(self) -> Iterator[Translation]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: int | str) -> Translation:
        if isinstance(key, str):
            for entry in self.entries:
                if entry.word == key:
                    return entry
            raise KeyError(key)
        return self.entries[key]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain Python values."""
        return {
            "method": self.method,
            "translations": {
                entry.word: [
                    {"word": word, "score": score}
                    for word, score in zip(entry.targets, entry.scores, strict=True)
                ]
                for entry in self.entries
            },
            "unknown": {word: list(hints) for word, hints in self.unknown.items()},
        }

    def __str__(self) -> str:
        # Cells of a terminal, not characters: wide and combining ones are measured as they show.
        from rich.cells import cell_len

        blocks = []
        for entry in self.entries:
            width = max(map(cell_len, entry.targets))
            lines = [
                f"  {rank:>2}  {word}{' ' * (width - cell_len(word))}  {score:7.4f}"
                for rank, (word, score) in enumerate(
                    zip(entry.targets, entry.scores, strict=True), start=1
                )
            ]
            blocks.append("\n".join([entry.word, *lines]))
        for word, hints in self.unknown.items():
            near = f"; near: {', '.join(hints)}" if hints else ""
            blocks.append(f"{word}\n  not in the vocabulary{near}")
        return "\n".join(blocks)


def translate(
    map: LinearMap | Alignment | None,  # noqa: A002 - the field's word for it
    source: Embeddings,
    target: Embeddings,
    words: str | Sequence[str],
    *,
    k: int = 10,
    method: str = "csls",
    neighborhood: int = 10,
    source_radii: Any = None,
    target_radii: Any = None,
    unknown: str = "error",
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Translations:
    r"""Translate words: the `k` target words that are nearest after mapping.

    Parameters
    ----------
    map : LinearMap, Alignment or None
        Brings source vectors to the target's space; an alignment transforms both sides as it was
        fitted to. None: they are in one space already.
    source, target : Embeddings
        Words and vectors of both vocabularies, as loaded.
    words : str or sequence of str
        What to translate. A word is looked up as it is, case included.
    k : int, default 10
        Translations a word.
    method : {"csls", "nn"}, default "csls"
        Score: :math:`2\cos - r_s - r_t` or :math:`\cos`. Where CSLS hurts
        (:func:`isomorph.metrics.csls_verdict`), take "nn".
    neighborhood : int, default 10
        K of the radii, for CSLS.
    source_radii : array of shape (n,), optional
        Radii of the whole source vocabulary, from :func:`isomorph.csls_radii` on mapped vectors.
    target_radii : array of shape (m,), optional
        Of the whole target vocabulary. With these alone a call is quick: of the source only the
        words asked for are mapped, and their own radii cost a look at the targets.
    unknown : {"error", "skip"}, default "error"
        Words that are not in the source vocabulary: refuse all, or list them in the result.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    Translations
        Iterates over ``Translation(word, targets, scores)``; scores descend.

    Raises
    ------
    UnknownWordError
        A word that is not in the vocabulary, with near spellings; with ``unknown="skip"`` if none
        of the words is.
    ValueError, ShapeError, DTypeError, NonFiniteError
        As in :func:`isomorph.csls`.

    Notes
    -----
    O(q m d) for q words; CSLS without `target_radii` adds the pass over all scores of
    :func:`isomorph.csls_radii`, O(n m d), and a mapped copy of the source.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rows = np.eye(3, dtype=np.float32)
    >>> english = iso.io.Embeddings(["cat", "dog", "bird"], rows)
    >>> french = iso.io.Embeddings(["oiseau", "chat", "chien"], rows[[2, 0, 1]])
    >>> print(iso.translate(None, english, french, ["cat"], k=2, method="nn"))
    cat
       1  chat     1.0000
       2  oiseau   0.0000
    """
    if method not in ("nn", "csls"):
        raise ValueError(f"method: expected 'csls' or 'nn', got {method!r}")
    if unknown not in ("error", "skip"):
        raise ValueError(f"unknown: expected 'error' or 'skip', got {unknown!r}")
    asked = _asked(words)
    known, missing = _look_up(asked, source, unknown)
    options: dict[str, Any] = {
        "check_finite": check_finite,
        "threads": threads,
        "progress": progress,
    }
    rows = np.array([source.index[word] for word in known], dtype=np.int64)
    plain: dict[str, Any] = {"check_finite": check_finite, "threads": threads}
    to_source, to_target = _sides(map, plain)
    y = to_target(target.vectors)
    if method == "nn":
        found = topk(to_source(take_rows(source.vectors, rows)), y, k, **options)
    else:
        if target_radii is None:
            mapped = to_source(source.vectors)
            computed = csls_radii(mapped, y, neighborhood=neighborhood, **options)
            queries, target_radii = take_rows(mapped, rows), computed[1]
            own = take_rows(computed[0] if source_radii is None else source_radii, rows)
        else:
            queries = to_source(take_rows(source.vectors, rows))
            if source_radii is None:
                own = mean_of_best(topk(queries, y, neighborhood, **plain).scores)
            else:
                if tuple(source_radii.shape) != (len(source),):
                    raise ShapeError(
                        f"source_radii: expected shape ({len(source)},), one a word of source, got "
                        f"{tuple(source_radii.shape)}"
                    )
                own = take_rows(source_radii, rows)
        found = csls(queries, y, k, source_radii=own, target_radii=target_radii, **options)
    scores, indices = to_numpy(found.scores), to_numpy(found.indices)
    entries = tuple(
        Translation(
            word,
            tuple(target.words[i] for i in row.tolist() if i >= 0),
            tuple(score for score, i in zip(values.tolist(), row.tolist(), strict=True) if i >= 0),
        )
        for word, row, values in zip(known, indices, scores, strict=True)
    )
    return Translations(entries, missing, method)


def _asked(words: str | Sequence[str]) -> list[str]:
    asked = [words] if isinstance(words, str) else list(words)
    for word in asked:
        if not isinstance(word, str):
            raise DTypeError(f"words: expected words as str, got {type(word).__name__}")
    if not asked:
        raise ValueError("words: expected at least one word")
    return asked


def _look_up(
    asked: list[str], source: Embeddings, unknown: str
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    known = [word for word in asked if word in source.index]
    missing = list(dict.fromkeys(word for word in asked if word not in source.index))
    named = missing[:_NAMED] if unknown == "error" or not known else missing
    hints = {word: near_spellings(word, source) for word in named}
    if missing and (unknown == "error" or not known):
        said = ", ".join(
            f"{word!r}" + (f" (near: {', '.join(near)})" if near else "")
            for word, near in hints.items()
        )
        more = f" and {len(missing) - len(named)} more" if len(missing) > len(named) else ""
        raise UnknownWordError(f"words: not in the source vocabulary: {said}{more}")
    return known, hints


def near_spellings(word: str, source: Embeddings, *, n: int = 3) -> tuple[str, ...]:
    """Words of the vocabulary that `word` may be meant as: other case first, then near ones."""
    return near_words(word, source.words, n=n)


def near_words(word: str, words: Sequence[str], *, n: int = 3) -> tuple[str, ...]:
    """Words of a list that `word` may be meant as: other case first, then near ones."""
    import difflib

    folded = word.casefold()
    pool = words[:_HINT_POOL]
    same = [other for other in pool if other.casefold() == folded][:n]
    # Comparing is slow: only with words of about the length that share the first or last letter.
    candidates = [
        other
        for other in pool
        if other and word and abs(len(other) - len(word)) <= 2
        if other[0] == word[0] or other[-1] == word[-1]
    ]
    near = difflib.get_close_matches(word, candidates, n=n, cutoff=0.75)
    return tuple(dict.fromkeys([*same, *near]))[:n]


def _sides(map: LinearMap | Alignment | None, options: dict[str, Any]) -> tuple[Any, Any]:  # noqa: A002
    """Give what is done to source vectors, and to target vectors."""
    from isomorph.align import Alignment

    if isinstance(map, Alignment):
        return (
            lambda x: map.apply_source(x, **options),
            lambda y: map.apply_target(y, **options),
        )
    same = lambda y: y  # noqa: E731
    if map is None:
        return same, same
    if getattr(map, "stack", None) is not None:
        raise ShapeError("map: expected one map, got a stack of them")
    return (lambda x: map.apply(x, **options)), same
