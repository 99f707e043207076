"""Whether two spaces are alike enough for a linear map, before any map is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays, runtime
from isomorph._checks import integer
from isomorph._dlpack import served
from isomorph._progress import Progress, reporting
from isomorph._results import Pairs
from isomorph.errors import DictionaryError, ShapeError
from isomorph.metrics import _structure
from isomorph.metrics._host import pair_rows, take_rows
from isomorph.metrics.intervals import (
    Interval,
    check_bootstrap,
    percentile_interval,
    permutation,
)
from isomorph.transforms import Chain

__all__ = ["Isometry", "isometry"]

#: Relational similarity from which spaces count as alike, and below which as different.
ALIKE, DIFFERENT = 0.4, 0.22
#: Eigenvalue distance, as part of that to spaces without structure, from which they are different.
NO_COMMON_SHAPE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Isometry:
    """How alike two spaces are, and what to expect of a map between them.

    Attributes
    ----------
    verdict : {"alike", "partly alike", "different", "undetermined"}
        What ``.explanation`` says in words; see :func:`isometry` for how it is decided.
    relational_similarity : float or None
        Pearson's correlation of the cosines among source words with those among their
        translations: 1 for an isometry, 0 for spaces that have nothing to do with each other. None
        without pairs.
    relational_interval : Interval or None
        Percentile bootstrap over words.
    words : int
        Source words that it was measured on.
    eigenvalue_distance : float
        Sum of squared differences of the largest eigenvalues of the two graph Laplacians.
    eigenvalue_share : float
        The same as part of what it is, on average of both sides, to a space of random directions: 0
        for an isometry, about 2 where one side has no more shape than that and the other has.
    gromov_hausdorff : float
        Bottleneck distance of the scales at which components join.
    gromov_hausdorff_share : float
        As part of that to random directions.
    singular_value_gap : float
        Sum of squared differences of the logarithms of the singular values.
    condition : float
        Harmonic mean of the effective condition numbers of both sides.
    rows, eigenvalues : int
        Rows a side in graph and tree, and how many eigenvalues were compared.
    source_singular_values, target_singular_values : ndarray of float64
        Of all rows after the chain, divided by the root of their number, descending.
    source_eigenvalues, target_eigenvalues : ndarray of float64, shape (rows,)
        Of the graph Laplacians, descending.
    """

    verdict: str
    relational_similarity: float | None
    relational_interval: Interval | None
    words: int
    eigenvalue_distance: float
    eigenvalue_share: float
    gromov_hausdorff: float
    gromov_hausdorff_share: float
    singular_value_gap: float
    condition: float
    rows: int
    eigenvalues: int
    source_singular_values: NDArray[np.float64]
    target_singular_values: NDArray[np.float64]
    source_eigenvalues: NDArray[np.float64]
    target_eigenvalues: NDArray[np.float64]

    @property
    def explanation(self) -> str:
        """The verdict, its grounds and its limits, in a few sentences."""
        shape = (
            f"The neighbourhoods of the first {self.rows:,} rows differ by "
            f"{self.eigenvalue_share:.0%} of what they differ from random directions."
        )
        if self.relational_similarity is None or self.relational_interval is None:
            if self.verdict == "different":
                return (
                    f"Different: {shape} A linear map can bring little together. With seed pairs "
                    "this could be measured instead of guessed."
                )
            return (
                f"Undetermined: {shape} That does not speak against a map, nor for one: spaces of "
                "words that have nothing in common can have the same shape. Give seed pairs."
            )
        low, high = self.relational_interval
        found = (
            f"Cosines among {self.words:,} words and among their translations correlate with "
            f"{self.relational_similarity:.2f} ({100 * self.relational_interval.confidence:g} % "
            f"interval {low:.2f} to {high:.2f})."
        )
        said = {
            "alike": "Alike: a linear map should do well.",
            "partly alike": "Partly alike: a linear map will find many translations, not most.",
            "different": "Different: expect a linear map to find a third of the translations or "
            "fewer; are these the right pairs, and enough text behind both spaces?",
            "undetermined": "Undetermined: more pairs would tell.",
        }[self.verdict]
        if high < ALIKE / 4:
            said = "Different: the pairs relate nothing to nothing; they may be the wrong ones."
        return f"{said} {found} {shape}"

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain Python values, the spectra left out."""
        interval = self.relational_interval
        return {
            "verdict": self.verdict,
            "relational_similarity": self.relational_similarity,
            "relational_interval": None if interval is None else list(interval),
            **{
                name: getattr(self, name)
                for name in (
                    "words",
                    "eigenvalue_distance",
                    "eigenvalue_share",
                    "gromov_hausdorff",
                    "gromov_hausdorff_share",
                    "singular_value_gap",
                    "condition",
                    "rows",
                    "eigenvalues",
                )
            },
        }


@served
def isometry(
    source: Any,
    target: Any,
    pairs: Pairs | tuple[Any, Any] | None = None,
    *,
    rows: int = 2000,
    neighbors: int = 10,
    words: int = 1000,
    chain: str = "unit centre unit",
    confidence: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Isometry:
    r"""Measure how far two spaces are from being one space turned.

    * Relational similarity, of seed pairs :math:`(x_i, y_i)`: Pearson's correlation over
      :math:`i < j` of :math:`\cos(x_i, x_j)` with :math:`\cos(y_i, y_j)`.
    * Eigenvalue distance :math:`\sum_{i \le k} (\lambda_i - \mu_i)^2` of the Laplacians of the
      graphs that join each row with its nearest ones; k is the smaller number of eigenvalues that
      make up 90 % of their sum.
    * Gromov-Hausdorff distance, bounded from below by the bottleneck distance of the persistence
      diagrams of connected components, whose deaths are the lengths of the minimum spanning tree.
    * Singular value gap :math:`\sum_i (\log \sigma_i - \log \tau_i)^2`, and effective condition
      number :math:`\sigma_1 / \sigma_r`, :math:`r = \lfloor \exp H(\sigma / \sum \sigma) \rfloor`.

    An isometry (a rotation, reflection, other order of the words) has correlation 1 and distances
    0. To give the distances a scale, they are also measured to random directions of the same
    number.

    Parameters
    ----------
    source : array of shape (n, d)
        The vocabulary, most frequent words first. Not mapped: that is the point.
    target : array of shape (m, e)
        The other; e may differ from d.
    pairs : Pairs or (source rows, target rows), optional
        Translations; of several of one source word the first counts, of several sources of one
        target, too. Without pairs there is no relational similarity, and the verdict is
        "different" or "undetermined".
    rows : int, default 2000
        So many first rows of each side (at most n and m) make graph and tree.
    neighbors : int, default 10
        Of each row in the graph.
    words : int, default 1000
        At most so many pairs, drawn at random, make the relational similarity.
    chain : str, default "unit centre unit"
        What is done to each side first, as one would before fitting a map; see
        :class:`isomorph.transforms.Chain`. "none" leaves it.
    confidence, resamples, seed
        Of the interval, see :func:`bootstrap_mean`; the seed also draws pairs and the random
        directions.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    Isometry
        ``.explanation`` says it in words.

    Raises
    ------
    DictionaryError
        Fewer than three pairs of different words.
    ShapeError
        Fewer than two rows a side.
    DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.topk`.

    Notes
    -----
    **The verdict.** With pairs: "alike" if the interval of the relational similarity is above 0.4,
    "different" if it is below 0.22, "partly alike" if its low end is between the two, else
    "undetermined". Without: "different" if the eigenvalue share is above 0.3.
    These limits rest on seven pairs of real spaces and their controls, listed with the accuracy of
    their maps in the documentation (how-to/are-my-spaces-alike): relational similarity ordered them
    by accuracy but for three of 21 comparisons, the others did worse. They are no substitute for
    held-out pairs (:func:`csls_verdict`, :func:`word_translation`), which measure what one wants to
    know.

    Cost: O(n d^2) for singular values, O(rows^3) for eigenvalues (some 3 s of one core a side for
    2,000 rows), O(resamples words^2). Memory: a copy of both sides, some six matrices of rows x
    rows and of words x words in float64.

    References
    ----------
    A. Søgaard, S. Ruder, I. Vulić, "On the limitations of unsupervised bilingual dictionary
    induction", ACL 2018: eigenvalues; B. Patra et al., "Bilingual lexicon induction with
    semi-supervision in non-isometric embedding spaces", ACL 2019: Gromov-Hausdorff; H. Dubossarsky
    et al., "The secret is in the spectra", EMNLP 2020: singular values; I. Vulić, S. Ruder, A.
    Søgaard, "Are all good word vector spaces isomorphic?", EMNLP 2020: relational similarity.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((300, 8)) * np.arange(1, 9)
    >>> turn = iso.linalg.polar(rng.standard_normal((8, 8))).r
    >>> found = iso.metrics.isometry(x, x @ turn, (np.arange(300), np.arange(300)))
    >>> found.verdict, round(found.relational_similarity, 6), round(found.eigenvalue_share, 6)
    ('alike', 1.0, 0.0)
    """
    check_bootstrap(confidence, resamples, seed)
    arguments = _arrays.Arguments(source=source, target=target)
    arguments.require_not_empty()
    counts = [shape[0] for shape in arguments.shapes.values()]
    for name, count in zip(arguments.shapes, counts, strict=True):
        if count < 2:
            raise ShapeError(f"{name}: expected at least 2 rows, got {count}")
    first = min(integer("rows", rows, 2), *counts)
    nearest = integer("neighbors", neighbors, 1)
    nearest = min(nearest, first - 1)
    most = integer("words", words, 3)
    chosen = None if pairs is None else _one_to_one(pairs, counts, most, seed)
    steps = Chain.parse("" if chain == "none" else chain)
    number = runtime.resolve_threads(threads)
    parts = 5 + (chosen is not None)
    with reporting(progress, "isometry") as report:
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            if report is not None:
                report(done, parts)

        ready = arguments.ready(check_finite=check_finite).arrays
        sides, shapes = [], []
        for side in ready:
            sides.append(steps.fit_apply(side, check_finite=False, threads=number)[1])
            shapes.append(_structure.structure(sides[-1], first, nearest, number))
            step()
        for columns in sorted({int(side.shape[1]) for side in sides}):
            shapes.append(_random_directions(first, columns, nearest, seed, number))
        step()
        spectra = _structure.eigenvalues([each.laplacian for each in shapes], number)
        step()
        similarity, interval = None, None
        if chosen is not None:
            left, right = (
                _structure.gram(_unit(take_rows(side, taken), number), number)
                for side, taken in zip(sides, chosen, strict=True)
            )
            similarity, again = _structure.relation(left, right, resamples, seed, number)
            interval = percentile_interval(again, confidence)
            step()
        distance, k = _structure.eigenvalue_distance(*spectra[:2])
        apart = _structure.bottleneck(shapes[0].deaths, shapes[1].deaths)
        # With one number of columns both sides have the same control.
        to_random = [
            (
                _structure.eigenvalue_distance(spectra[i], spectra[control])[0],
                _structure.bottleneck(shapes[i].deaths, shapes[control].deaths),
            )
            for i, control in ((0, _control(sides, 0)), (1, _control(sides, 1)))
        ]
        shares = [
            value / scale if (scale := (to_random[0][which] + to_random[1][which]) / 2) > 0 else 0.0
            for which, value in enumerate((distance, apart))
        ]
        spread = [each.singular_values for each in shapes[:2]]
        conditions = [_structure.effective_condition(values) for values in spread]
        step()
    return Isometry(
        verdict=_verdict(similarity, interval, shares[0]),
        relational_similarity=similarity,
        relational_interval=interval,
        words=0 if chosen is None else len(chosen[0]),
        eigenvalue_distance=distance,
        eigenvalue_share=shares[0],
        gromov_hausdorff=apart,
        gromov_hausdorff_share=shares[1],
        singular_value_gap=_structure.singular_value_gap(*spread),
        condition=2 / sum(1 / each for each in conditions),
        rows=first,
        eigenvalues=k,
        source_singular_values=spread[0],
        target_singular_values=spread[1],
        source_eigenvalues=spectra[0],
        target_eigenvalues=spectra[1],
    )


def _one_to_one(
    pairs: Pairs | tuple[Any, Any], counts: list[int], most: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give pairs of which no two share a word, drawn at random."""
    source, target = pair_rows(pairs, *counts)
    for side in (0, 1):
        kept = np.sort(np.unique((source, target)[side], return_index=True)[1])
        source, target = source[kept], target[kept]
    if len(source) < 3:
        raise DictionaryError(
            f"pairs: expected at least 3 pairs of different words, got {len(source)}"
        )
    drawn = np.sort(permutation(len(source), seed)[:most])
    return source[drawn], target[drawn]


def _random_directions(
    first: int, columns: int, nearest: int, seed: int, threads: int
) -> _structure.Structure:
    normal = np.random.Generator(np.random.Philox(key=seed)).standard_normal((first, columns))
    rows = _unit(normal, threads)
    return _structure.structure(rows, first, nearest, threads, spectrum=False)


def _control(sides: list[Any], side: int) -> int:
    """Tell where among the structures the random directions of a side are."""
    columns = sorted({int(each.shape[1]) for each in sides})
    return 2 + columns.index(int(sides[side].shape[1]))


def _unit(rows: Any, threads: int) -> Any:
    return Chain(("unit",)).fit_apply(rows, check_finite=False, threads=threads)[1]


def _verdict(similarity: float | None, interval: Interval | None, share: float) -> str:
    if similarity is None or interval is None:
        return "different" if share > NO_COMMON_SHAPE else "undetermined"
    low, high = interval
    if low >= ALIKE:
        return "alike"
    if high < DIFFERENT:
        return "different"
    return "partly alike" if low >= DIFFERENT else "undetermined"
