"""Two files of vectors and a dictionary, evaluated as the published programs would."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph._progress import Progress
from isomorph.metrics.conventions import Convention, resolve
from isomorph.metrics.intervals import check_bootstrap
from isomorph.metrics.retrieval import WordTranslation, word_translation
from isomorph.neighbors import csls_radii

if TYPE_CHECKING:
    from isomorph.align import Alignment, LinearMap
    from isomorph.io import Embeddings

__all__ = ["FileEvaluation", "evaluate_files", "load_as"]

#: What MUSE writes into the first coordinate of an all-zero vector.
_ZERO_ROW_VALUE = 0.01
#: Rows that are moved at once.
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class FileEvaluation:
    """The same files under several conventions; iterates over its results.

    Attributes
    ----------
    results : dict of (convention, method) to WordTranslation
        In the order asked for.
    rows : dict of convention to (source rows, target rows)
        How many words each convention loads.
    """

    results: dict[tuple[str, str], WordTranslation]
    rows: dict[str, tuple[int, int]]

    def __iter__(self) -> Iterator[WordTranslation]:
        return iter(self.results.values())

    def __getitem__(self, key: tuple[str, str]) -> WordTranslation:
        return self.results[key]

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain Python values: convention, then method."""
        plain: dict[str, Any] = {}
        for (convention, method), result in self.results.items():
            rows = dict(zip(("source_rows", "target_rows"), self.rows[convention], strict=True))
            plain.setdefault(convention, rows)[method] = result.as_dict()
        return plain

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def evaluate_files(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    dictionary: str | os.PathLike[str],
    *,
    conventions: str | Convention | Sequence[str | Convention] = ("vecmap", "muse", "fasttext"),
    methods: Sequence[str] = ("nn", "csls"),
    map: LinearMap | Alignment | None = None,  # noqa: A002 - the field's word for it
    neighborhood: int = 10,
    at: Sequence[int] = (1, 5, 10),
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    interval: str = "bootstrap",
    errors: str = "strict",
    threads: int | None = None,
    progress: Progress = None,
) -> FileEvaluation:
    """Evaluate mapped vectors under published conventions, side by side.

    Each convention decides how the files are read (duplicates, case, limit, zero rows) and how
    words out of vocabulary count: see :class:`Convention`.

    Parameters
    ----------
    source, target : path
        Vectors, see :func:`isomorph.io.load`: in one space already, or brought there by `map`.
    dictionary : path
        Test pairs, see :func:`isomorph.io.load_dictionary`.
    conventions : str, Convention or sequence of them
        Under which to evaluate; all three by default.
    methods : sequence of {"nn", "csls"}, default both
        Retrieval.
    map : LinearMap or Alignment, optional
        Applied after loading.
    neighborhood, at, confidence, resamples, seed, interval
        See :func:`word_translation`.
    errors : {"strict", "replace"}, default "strict"
        What to do with bytes that are not UTF-8.
    threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    FileEvaluation
        A :class:`WordTranslation` for every convention and method; ``print`` shows one a line.

    Raises
    ------
    FormatError, DictionaryError, OSError
        From reading.
    ValueError
        A parameter out of range.

    Notes
    -----
    Where two conventions read the same rows, radii are computed once. Peak memory: two readings
    of both files. Differences that remain from the published programs: VecMap and fastText keep
    the other rows of a repeated word as candidates, here a word has one row; MUSE refuses a
    dictionary that is not in lower case, here it is lower-cased; rows of the wrong length, which
    MUSE skips, are errors here.
    """
    check_bootstrap(confidence, resamples, seed)
    rules = [
        resolve(convention)
        for convention in (
            [conventions] if isinstance(conventions, str | Convention) else conventions
        )
    ]
    if not rules or not methods:
        raise ValueError("conventions, methods: expected at least one of each")
    from isomorph import io

    results: dict[tuple[str, str], WordTranslation] = {}
    rows: dict[str, tuple[int, int]] = {}
    before: _Loaded | None = None
    for rule in rules:
        loaded = _Loaded(
            load_as(source, rule, errors=errors, threads=threads, progress=progress),
            load_as(target, rule, errors=errors, threads=threads, progress=progress),
        )
        if before is not None and loaded.same_rows(before):
            loaded = before
        else:
            loaded.bring_together(map, threads)
        before = loaded
        pairs = io.load_dictionary(
            dictionary, loaded.source, loaded.target, lowercase=rule.lowercase, errors=errors
        )
        rows[rule.name] = (len(loaded.source), len(loaded.target))
        for method in methods:
            radii = (
                loaded.csls_radii(neighborhood, threads, progress)
                if method == "csls"
                else (None, None)
            )
            results[rule.name, method] = word_translation(
                loaded.mapped[0],
                loaded.mapped[1],
                pairs,
                method=method,
                convention=rule,
                neighborhood=neighborhood,
                at=at,
                confidence=confidence,
                resamples=resamples,
                seed=seed,
                interval=interval,
                source_radii=radii[0],
                target_radii=radii[1],
                threads=threads,
                progress=progress,
            )
    return FileEvaluation(results, rows)


def load_as(
    path: str | os.PathLike[str],
    convention: str | Convention,
    *,
    errors: str = "strict",
    threads: int | None = None,
    progress: Progress = None,
) -> Embeddings:
    """Load vectors as a convention says: duplicates, case, limit, all-zero rows.

    Parameters
    ----------
    path : path
        See :func:`isomorph.io.load`.
    convention : str or Convention
        Whose.
    errors, threads, progress
        As in :func:`isomorph.io.load`.
    """
    from isomorph import io

    rule = resolve(convention)
    options: dict[str, Any] = {
        "duplicates": rule.duplicates,
        "errors": errors,
        "threads": threads,
        "progress": progress,
    }
    loaded = io.load(path, limit=rule.limit, **options)
    if rule.lowercase:
        loaded = _lowercased(path, rule, loaded, options)
    if rule.zero_rows == "first-axis":
        zero = ~loaded.vectors.any(axis=1)
        loaded.vectors[zero, 0] = _ZERO_ROW_VALUE
    return loaded


def _lowercased(
    path: str | os.PathLike[str], rule: Convention, loaded: Embeddings, options: dict[str, Any]
) -> Embeddings:
    """Lower-case the words and keep one row of each, `rule.limit` words if there are as many."""
    from isomorph import io

    limit, asked = rule.limit, rule.limit
    while True:
        lowered = [word.lower() for word in loaded.words]
        kept = _one_row_each(lowered, rule.duplicates)
        if limit is None or asked is None or len(kept) >= limit:
            break
        # The limit counts words after lower-casing: read on until there are enough, or no more.
        asked *= 2
        more = io.load(path, limit=asked, **options)
        if len(more) == len(loaded):
            break
        loaded = more
    rows = np.asarray(kept[:limit], dtype=np.int64)
    return io.Embeddings([lowered[row] for row in rows], _moved_up(loaded.vectors, rows))


def _moved_up(vectors: Any, rows: Any) -> Any:
    """Give some rows, in ascending order, in the place of the first: without a second array."""
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        # No row moves down, so none is written over before it is read.
        vectors[start : start + len(part)] = vectors[part]
    return vectors[: len(rows)]


def _one_row_each(words: list[str], which: str) -> list[int]:
    rows: dict[str, int] = {}
    for row, word in enumerate(words):
        if which == "last" or word not in rows:
            rows[word] = row
    return sorted(rows.values())


class _Loaded:
    """Both sides as one convention reads them, mapped, and their radii once asked for."""

    def __init__(self, source: Embeddings, target: Embeddings) -> None:
        self.source, self.target = source, target
        self.mapped: tuple[Any, Any] = (source.vectors, target.vectors)
        self._radii: tuple[Any, Any] | None = None

    def same_rows(self, other: _Loaded) -> bool:
        return all(
            list(mine.words) == list(theirs.words) and np.array_equal(mine.vectors, theirs.vectors)
            for mine, theirs in ((self.source, other.source), (self.target, other.target))
        )

    def bring_together(self, by: LinearMap | Alignment | None, threads: int | None) -> None:
        from isomorph.align import Alignment

        if by is None:
            return
        alignment = by if isinstance(by, Alignment) else Alignment(None, by, None)
        self.mapped = (
            alignment.apply_source(self.source.vectors, threads=threads),
            alignment.apply_target(self.target.vectors, threads=threads),
        )

    def csls_radii(
        self, neighborhood: int, threads: int | None, progress: Progress
    ) -> tuple[Any, Any]:
        if self._radii is None:
            self._radii = csls_radii(
                *self.mapped, neighborhood=neighborhood, threads=threads, progress=progress
            )
        return self._radii
