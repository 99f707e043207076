"""The main job as one call: two vocabularies and a dictionary in; a map and honest figures out.

The command line and the HTML report are thin layers over :func:`align_vocabularies`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import neighbors, runtime
from isomorph._checks import one_of
from isomorph._progress import Progress
from isomorph._results import Coverage, Pairs
from isomorph.errors import DictionaryError

if TYPE_CHECKING:
    from isomorph._pictures import PicturedPairs
    from isomorph.align import Alignment
    from isomorph.io import Embeddings
    from isomorph.metrics import Hubness, Isometry, Verdict, WordTranslation

__all__ = ["AlignmentReport", "SampleWord", "align_vocabularies", "peak_memory"]

METHODS = ("nn", "csls")
_KS = (1, 5, 10)
_Path = str | PathLike[str]
_Candidates = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class SampleWord:
    """What one word is near to, with scores, best first.

    Attributes
    ----------
    word : str
        A source word of the test dictionary (of the training dictionary, where there is no test).
    translations : tuple of str
        What the dictionary says.
    before : tuple of (str, float)
        Nearest target words before the spaces were aligned; empty if the dimensions differ.
    nn, csls : tuple of (str, float)
        Nearest after alignment, by cosine and by CSLS.
    """

    word: str
    translations: tuple[str, ...]
    before: _Candidates
    nn: _Candidates
    csls: _Candidates


@dataclass(frozen=True, slots=True, eq=False)
class AlignmentReport:
    """Everything that :func:`align_vocabularies` found.

    Attributes
    ----------
    alignment : Alignment
        The fitted transforms of both sides and the map between them: what one saves.
    train : Coverage
        How much of the training dictionary both vocabularies hold.
    translation : mapping of str to WordTranslation
        Precision on the test dictionary for ``"nn"`` and ``"csls"``; empty without a test.
    verdict : Verdict or None
        Whether CSLS helps, decided on folds of the training dictionary alone.
    hubness : mapping of str to Hubness
        How evenly the targets are used, for ``"before"`` (if both sides have the same dimension),
        ``"nn"`` and ``"csls"``; counted over the first `hubness_rows` source words.
    singular_values : array of shape (min(d, e),), or None
        Of the cross-moment of the training pairs, as :func:`isomorph.procrustes` scales them:
        their sum is the correlation of the mapped pairs. None for maps that are not orthogonal.
    samples : tuple of SampleWord
        Neighbours of a few words, spread evenly over the frequency range.
    rows, columns : tuple of int
        Words and dimensions of source and target.
    settings : mapping
        Chain, neighbourhood, seed and the rest of what decides the figures.
    seconds : mapping of str to float
        Wall time by stage, in the order in which they ran.
    peak_memory : int or None
        Largest resident size of the process so far, in bytes, where the system tells it.
    isometry : Isometry or None
        How alike the spaces were before a map was fitted; None with fewer than three pairs of
        different words.
    pictured : PicturedPairs or None
        Some pairs with their vectors, for a picture.
    """

    alignment: Alignment
    train: Coverage | None
    translation: Mapping[str, WordTranslation]
    verdict: Verdict | None
    hubness: Mapping[str, Hubness]
    hubness_rows: int
    singular_values: Any
    samples: tuple[SampleWord, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]
    settings: Mapping[str, Any]
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int | None = None
    isometry: Isometry | None = None
    pictured: PicturedPairs | None = None

    @property
    def tested(self) -> Coverage | None:
        """How much of the test dictionary both vocabularies hold."""
        return next((result.coverage for result in self.translation.values()), None)


class Stages:
    """Names and times the steps of a long job, and tells whoever watches."""

    def __init__(self, watch: Callable[[str], object] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._watch = watch

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as the stage `name`."""
        if self._watch is not None:
            self._watch(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def align_vocabularies(
    source: Embeddings | _Path,
    target: Embeddings | _Path,
    train: Pairs | _Path,
    test: Pairs | _Path | None = None,
    *,
    method: str = "procrustes",
    chain: str = "unit center unit",
    neighborhood: int = 10,
    reverse: bool = False,
    verdict: bool = True,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    samples: int = 12,
    hubness_rows: int = 20_000,
    threads: int | None = None,
    progress: Progress = None,
    stage: Callable[[str], object] | None = None,
) -> AlignmentReport:
    r"""Align two vocabularies on a dictionary, measure the result, and say what to trust.

    Both sides go through `chain`, fitted on each side alone. With the rows :math:`X, Y` of the
    training pairs, the map is that of `method`, by default the orthogonal (for different
    dimensions: semi-orthogonal)

    .. math:: \hat W = \arg\min_W |X W - Y|_F

    and retrieval is measured by nearest neighbours (NN) and by CSLS over the whole vocabularies.
    Whether CSLS helps is decided before the test dictionary is opened, on folds of the training
    dictionary.

    Parameters
    ----------
    source, target : Embeddings or path
        Words with vectors, or a file that :func:`isomorph.io.load` reads. The dimensions may
        differ.
    train : Pairs or path
        Rows that translate each other, or a dictionary file.
    test : Pairs or path, optional
        The same for the test; read only after the verdict.
    method : str, default "procrustes"
        Of :func:`isomorph.fit_map`; "auto" compares methods on folds of the training dictionary,
        over both vocabularies, and the map's ``selection`` tells how they did.
    chain : str, default "unit center unit"
        Steps of :mod:`isomorph.transforms`.
    neighborhood : int, default 10
        K of the CSLS radii.
    reverse : bool, default False
        The dictionary files have the target word first.
    verdict : bool, default True
        Whether to decide on CSLS; costs a fit and a retrieval for each of five folds. A
        dictionary of a single source word has no verdict.
    confidence, resamples, seed
        Of the bootstrap intervals.
    samples : int, default 12
        Words whose neighbours are kept to be looked at.
    hubness_rows : int, default 20,000
        Source words, most frequent first, over which the k-occurrence of targets is counted.
    threads, progress
        As everywhere; the answer does not depend on them.
    stage : callable, optional
        Called with the name of each stage as it begins.

    Returns
    -------
    AlignmentReport

    Raises
    ------
    DictionaryError
        No pair of a dictionary is in the vocabularies.
    FormatError, OSError
        A file is broken or missing.
    ShapeError, DTypeError, NonFiniteError, ValueError
        From the arrays and options, with the argument named.

    Notes
    -----
    O(n m d) for each pass over the cosines: one for the radii, a few more for the verdict and
    hubness. Peak memory: two copies of each side's vectors and the neighbour lists.
    """
    run: dict[str, Any] = {"threads": threads, "progress": progress}
    timed = Stages(stage)
    from isomorph import align, io, metrics, transforms
    from isomorph._pictures import isometry_or_none, pictured
    from isomorph.align._methods import METHODS as KNOWN
    from isomorph.align._named import Fit

    one_of("method", method, tuple(KNOWN))
    if not isinstance(source, io.Embeddings):
        with timed("reading"):
            source = io.load(source, **run)
    if not isinstance(target, io.Embeddings):
        with timed("reading"):
            target = io.load(target, **run)
    with timed("training dictionary"):
        train = _pairs(train, source, target, reverse)
    with timed("normalising"):
        steps = transforms.Chain.parse(chain)
        source_transform, x = steps.fit_apply(source.vectors, threads=threads)
        target_transform, y = steps.fit_apply(target.vectors, threads=threads)
    with timed("isometry"):
        alike = isometry_or_none(x, y, train, confidence, seed, threads)
    pairs = x[train.source], y[train.target]
    spaces = {"source_space": x, "target_space": y}
    fit = Fit(method, {**spaces, "neighborhood": neighborhood, "seed": seed}, threads)
    if method == "auto":
        with timed("choosing the method"):
            fitted, fit = fit.chosen(*pairs, progress)
    decision = None
    if verdict and (words := len(np.unique(train.source))) >= 2:
        with timed("verdict on CSLS"):
            decision = metrics.csls_verdict(
                x,
                y,
                train,
                folds=min(5, words),
                source_chain=None,
                target_chain=None,
                fit=fit,
                confidence=confidence,
                resamples=resamples,
                neighborhood=neighborhood,
                seed=seed,
                **run,
            )
    with timed("fitting the map"):
        if method != "auto":
            fitted = fit(*pairs)
        mapped = fitted(x, threads=threads)
    with timed("CSLS radii"):
        radii = neighbors.csls_radii(mapped, y, neighborhood=neighborhood, **run)
    translation = {}
    if test is not None:
        with timed("test dictionary"):
            test = _pairs(test, source, target, reverse)
        for method in METHODS:
            with timed(f"precision, {method.upper()}"):
                translation[method] = metrics.word_translation(
                    mapped,
                    y,
                    test,
                    method=method,
                    neighborhood=neighborhood,
                    at=[k for k in _KS if k <= len(y)],
                    confidence=confidence,
                    resamples=resamples,
                    seed=seed,
                    source_radii=radii[0],
                    target_radii=radii[1],
                    **run,
                )
    with timed("hubness"):
        hubs = metrics.hubness_by_method(
            x,
            mapped,
            y,
            min(10, len(y)),
            rows=hubness_rows,
            source_radii=radii[0],
            target_radii=radii[1],
            words=target.words,
            **run,
        )
    retrieval = _Retrieval(x, mapped, y, radii, run)
    with timed("sample words"):
        shown = _sample_words(
            test if test is not None else train, samples, source, target, retrieval
        )
        seen = pictured(test if test is not None else train, (source, target), x, y, mapped)
    return AlignmentReport(
        alignment=align.Alignment(source_transform, fitted, target_transform),
        train=train.coverage,
        translation=translation,
        verdict=decision,
        hubness=hubs,
        hubness_rows=min(hubness_rows, len(x)),
        singular_values=fitted.singular_values if fitted.orthogonal else None,
        samples=shown,
        rows=(len(x), len(y)),
        columns=(x.shape[1], y.shape[1]),
        settings={
            "chain": chain,
            "method": fitted.method,
            "neighborhood": neighborhood,
            "confidence": confidence,
            "resamples": resamples,
            "seed": seed,
            "training_pairs": len(train),
            "threads": runtime.resolve_threads(threads),
        },
        seconds=timed.seconds,
        peak_memory=peak_memory(),
        isometry=alike,
        pictured=seen,
    )


@dataclass(frozen=True, slots=True)
class _Retrieval:
    """Neighbours of source rows, before and after alignment."""

    unaligned: Any
    mapped: Any
    target: Any
    radii: tuple[Any, Any]
    run: dict[str, Any]

    def __call__(self, rows: Any, k: int) -> dict[str, Any]:
        found = {}
        if self.unaligned.shape[1] == self.target.shape[1]:
            found["before"] = neighbors.topk(self.unaligned[rows], self.target, k, **self.run)
        found["nn"] = neighbors.topk(self.mapped[rows], self.target, k, **self.run)
        found["csls"] = neighbors.csls(
            self.mapped[rows],
            self.target,
            k,
            source_radii=self.radii[0][rows],
            target_radii=self.radii[1],
            **self.run,
        )
        return found


def _pairs(given: Pairs | _Path, source: Embeddings, target: Embeddings, reverse: bool) -> Pairs:
    from isomorph import io

    if not isinstance(given, Pairs):
        return io.load_dictionary(given, source, target, reverse=reverse)
    if not len(given):
        raise DictionaryError("pairs: expected at least one, got none")
    return given


def _sample_words(
    pairs: Pairs, count: int, source: Embeddings, target: Embeddings, retrieval: _Retrieval
) -> tuple[SampleWord, ...]:
    known = np.unique(pairs.source)
    if count < 1 or not len(known):
        return ()
    rows = known[np.unique(np.linspace(0, len(known) - 1, min(count, len(known))).astype(int))]
    found = retrieval(rows, min(5, len(target.words)))

    def candidates(method: str, number: int) -> _Candidates:
        if method not in found:
            return ()
        listed = found[method]
        return tuple(
            (target.words[int(index)], float(score))
            for index, score in zip(listed.indices[number], listed.scores[number], strict=True)
        )

    return tuple(
        SampleWord(
            source.words[int(row)],
            tuple(target.words[int(t)] for t in pairs.target[pairs.source == row]),
            *(candidates(method, number) for method in ("before", "nn", "csls")),
        )
        for number, row in enumerate(rows)
    )


def peak_memory() -> int | None:
    """Return the largest resident size that this process had, in bytes; None where unknown."""
    try:  # Linux starts ru_maxrss of a child at what its parent had; this is the process's own
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.split("VmHWM:", 1)[1].split(None, 1)[0]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
