"""The small frozen results that functions return; they also unpack in the order given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar


class Unpackable:
    """Lets a dataclass unpack: ``scores, indices = topk(...)``, in the order of ``_unpacks``."""

    __slots__ = ()
    _unpacks: ClassVar[tuple[str, ...]]

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self._unpacks)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors(Unpackable):
    """The best ``k`` corpus rows of each query: score descending, then index ascending.

    Attributes
    ----------
    scores : array of shape (n, k)
        In the type of the input.
    indices : array of int64, shape (n, k)
        Rows of the corpus. With ``check_finite=False``, -1 (and score -inf) where fewer than ``k``
        rows were finite.
    metric : str
        What the scores mean: ``"cosine"``, ``"dot"``, ``"l2"`` (the negated squared distance),
        ``"csls"``, or the name of a hubness reduction.
    """

    scores: Any
    indices: Any
    metric: str = "cosine"
    _unpacks: ClassVar[tuple[str, ...]] = ("scores", "indices")

    @property
    def distances(self) -> Any:
        """Euclidean distances, for ``metric="l2"``."""
        if self.metric != "l2":
            raise ValueError(f"distances: expected a result of metric 'l2', got {self.metric!r}")
        return abs(self.scores) ** 0.5


@dataclass(frozen=True, slots=True, eq=False)
class CSLS(Unpackable):
    """Both directions of CSLS retrieval and the radii that they share.

    Attributes
    ----------
    forward, backward : Neighbors
        The targets of each source and the sources of each target.
    source_radii, target_radii : array of shape (n,), (m,)
        Mean cosine of each row to its nearest rows of the other side.
    proved : tuple of float, optional
        The shares of sources and of targets whose answer the single pass settled; the others took
        a second look at a part of the other side. None where the work was not done in one pass.
        The answer is exact either way.
    """

    forward: Neighbors
    backward: Neighbors
    source_radii: Any
    target_radii: Any
    proved: tuple[float, float] | None = None
    _unpacks: ClassVar[tuple[str, ...]] = ("forward", "backward", "source_radii", "target_radii")


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a dictionary the vocabularies hold.

    Attributes
    ----------
    sources_found, sources_total : int
        Distinct source words with at least one usable pair, and all distinct source words of the
        dictionary (the denominator of fastText's accuracy).
    pairs_found, pairs_total : int
        The same for pairs.
    """

    sources_found: int
    sources_total: int
    pairs_found: int
    pairs_total: int

    @property
    def fraction(self) -> float:
        """Share of the dictionary's source words that can be used."""
        return self.sources_found / self.sources_total if self.sources_total else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Pairs(Unpackable):
    """Rows that belong together: row ``source[i]`` of one side, row ``target[i]`` of the other.

    Attributes
    ----------
    source, target : array of int64, shape (p,)
        Row numbers.
    scores : array of shape (p,), optional
        The score of each pair, where the pairs were retrieved.
    coverage : Coverage, optional
        Where the pairs were read from a dictionary.
    """

    source: Any
    target: Any
    scores: Any = None
    coverage: Coverage | None = None
    _unpacks: ClassVar[tuple[str, ...]] = ("source", "target", "scores")

    def __iter__(self) -> Iterator[Any]:
        return iter((self.source, self.target) + (() if self.scores is None else (self.scores,)))

    def __len__(self) -> int:
        return int(self.source.shape[0])
