"""Hubness: targets that are neighbours of far too many queries, and those of none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isomorph import _arrays
from isomorph._checks import integer
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Neighbors, Unpackable
from isomorph.errors import DTypeError, ShapeError
from isomorph.metrics._host import to_numpy
from isomorph.neighbors import csls, csls_radii, topk

__all__ = ["Hub", "Hubness", "hubness", "hubness_by_method"]


@dataclass(frozen=True, slots=True)
class Hub(Unpackable):
    """A target that many queries have among their neighbours; unpacks as ``row, word, count``."""

    row: int
    word: str | None
    count: int
    _unpacks: ClassVar[tuple[str, ...]] = ("row", "word", "count")


@dataclass(frozen=True, slots=True, eq=False)
class Hubness:
    r"""How unevenly targets occur among the k nearest neighbours of the queries.

    Attributes
    ----------
    k, queries, targets : int
        Neighbours a query, number of queries, number of targets.
    counts : ndarray of int64, shape (targets,)
        :math:`N_k`: how many queries have the target among their k neighbours.
    skewness : float
        Third standardised moment of the counts (population form); 0 if all are the same. For
        random directions in few dimensions near 0, for word vectors typically 2 to 10.
    robin_hood : float
        Share of all neighbour places that would have to move for every target to have the same
        count: 0 when all are equal, near 1 when a few targets have all.
    antihubs : float
        Share of targets that are nobody's neighbour; ``antihub_rows`` has which.
    hub_share : float
        Share of all neighbour places that are held by hubs: targets with at least twice the mean
        count (within one set, of as many queries as targets, with :math:`N_k \ge 2 k`).
    hubs : tuple of Hub
        The largest, by count descending, then row ascending.
    """

    k: int
    queries: int
    targets: int
    counts: NDArray[np.int64]
    skewness: float
    robin_hood: float
    antihubs: float
    hub_share: float
    hubs: tuple[Hub, ...]

    @property
    def antihub_rows(self) -> NDArray[np.int64]:
        """The targets that are nobody's neighbour, ascending."""
        return np.nonzero(self.counts == 0)[0].astype(np.int64)

    def explain(self) -> str:
        """Say in a few sentences what the figures mean, the largest hubs by name."""
        mean = self.counts.sum() / self.targets
        lines = [
            f"Each of {self.queries:,} queries has {self.k} neighbours among {self.targets:,} "
            f"targets, {mean:.3g} queries a target if they were spread evenly.",
            f"{self.antihubs:.0%} of the targets are nobody's neighbour; {self.robin_hood:.0%} of "
            "the places would have to move to make all counts equal; targets with twice their "
            f"share or more hold {self.hub_share:.0%} of the places; skewness {self.skewness:.2f}.",
        ]
        if self.hubs:
            named = ", ".join(
                f"{hub.word if hub.word is not None else f'row {hub.row}'} ({hub.count:,})"
                for hub in self.hubs[:5]
            )
            lines.append(f"Largest hubs: {named}.")
        lines.append(
            "This describes; it does not decide whether CSLS helps: spaces of the same skewness "
            "differ in that. metrics.csls_verdict measures it on the training dictionary."
        )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain Python values, the counts left out."""
        return {
            "k": self.k,
            "queries": self.queries,
            "targets": self.targets,
            "skewness": self.skewness,
            "robin_hood": self.robin_hood,
            "antihubs": self.antihubs,
            "hub_share": self.hub_share,
            "hubs": [dict(zip(hub._unpacks, hub, strict=True)) for hub in self.hubs],
        }


def hubness(
    indices: Neighbors | Any,
    n_targets: int,
    *,
    words: Sequence[str] | None = None,
    top: int = 10,
) -> Hubness:
    r"""Measure hubness from retrieved neighbours.

    With :math:`N_k(t)` the number of queries that have target t among their k neighbours, and m
    targets with mean count :math:`\mu` and variance :math:`\sigma^2`:

    * skewness :math:`\frac1m \sum_t (N_k(t) - \mu)^3 / \sigma^3`;
    * Robin Hood index :math:`\sum_t |N_k(t) - \mu| / (2 \sum_t N_k(t))`;
    * antihubs :math:`|\{t : N_k(t) = 0\}| / m`;
    * hub share :math:`\sum_{t : N_k(t) \ge 2 \mu} N_k(t) / \sum_t N_k(t)`.

    Parameters
    ----------
    indices : Neighbors, or int array of shape (n, k)
        What :func:`isomorph.topk` or :func:`isomorph.csls` returned. Entries of -1 (none found)
        are left out.
    n_targets : int
        How many targets there were to choose from.
    words : sequence of str, optional
        The targets' words, to name the hubs.
    top : int, default 10
        How many hubs to list.

    Returns
    -------
    Hubness
        See there; ``.explain()`` puts it in words.

    Raises
    ------
    ShapeError
        `indices` not of two dimensions or empty; `words` of another length.
    DTypeError
        `indices` not integers.
    ValueError
        An index out of range, `n_targets` or `top` too small.

    Notes
    -----
    O(n k + m log m); 8 bytes a target. M. Radovanović, A. Nanopoulos, M. Ivanović, *Hubs in
    space*, JMLR 2010; Robin Hood index: R. Feldbauer et al., *Fast approximate hubness
    reduction*, 2018; hubs as those of twice the mean: A. Flexer, D. Schnitzer, *Choosing lp norms
    in high-dimensional spaces based on hub analysis*, 2015.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> result = iso.metrics.hubness(np.array([[0], [0], [1]]), 3, words=["a", "b", "c"])
    >>> result.hubs[0], round(result.antihubs, 3)
    (Hub(row=0, word='a', count=2), 0.333)
    """
    array = to_numpy(indices.indices if isinstance(indices, Neighbors) else indices)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"indices: expected integers, got {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(f"indices: expected shape (queries, k), got {array.shape}")
    if n_targets < 1:
        raise ValueError(f"n_targets: expected 1 or more, got {n_targets}")
    if top < 0:
        raise ValueError(f"top: expected 0 or more, got {top}")
    if words is not None and len(words) != n_targets:
        raise ShapeError(f"words: expected {n_targets} words, one a target, got {len(words)}")
    if int(array.min()) < -1 or int(array.max()) >= n_targets:
        raise ValueError(
            f"indices: expected -1 to {n_targets - 1}, got {array.min()} to {array.max()}"
        )
    found = array[array >= 0].astype(np.int64)
    counts = np.bincount(found, minlength=n_targets).astype(np.int64)
    centred = counts - len(found) / n_targets
    # Twice the mean or more, in integers: no target is a hub by rounding.
    popular = (counts * n_targets >= 2 * len(found)) & (counts > 0)
    spread = float(np.sqrt(np.mean(centred**2)))
    order = np.argsort(-counts, kind="stable")[:top]
    return Hubness(
        k=array.shape[1],
        queries=array.shape[0],
        targets=n_targets,
        counts=counts,
        skewness=float(np.mean(centred**3)) / spread**3 if spread > 0 else 0.0,
        robin_hood=float(np.abs(centred).sum()) / (2 * len(found)) if len(found) else 0.0,
        antihubs=float(np.mean(counts == 0)),
        hub_share=float(counts[popular].sum()) / len(found) if len(found) else 0.0,
        hubs=tuple(
            Hub(int(row), None if words is None else words[row], int(counts[row]))
            for row in order
            if counts[row] > 0
        ),
    )


@served
def hubness_by_method(
    source: Any,
    mapped: Any,
    target: Any,
    k: int = 10,
    *,
    rows: int | None = 20_000,
    neighborhood: int = 10,
    source_radii: Any = None,
    target_radii: Any = None,
    words: Sequence[str] | None = None,
    top: int = 10,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> dict[str, Hubness]:
    """Measure hubness before and after mapping: by cosine before, by cosine and by CSLS after.

    Parameters
    ----------
    source : array of shape (n, d)
        The source vocabulary as it was, in the chain's state that was mapped.
    mapped : array of shape (n, e)
        The same rows in the space of `target`.
    target : array of shape (m, e)
        Every row is a candidate.
    k : int, default 10
        Neighbours a query, at most m.
    rows : int, optional, default 20,000
        So many first rows of the source are the queries; None: all.
    neighborhood : int, default 10
        K of the radii.
    source_radii, target_radii : array of shape (n,) and (m,), optional
        Of the whole vocabularies, mapped, if you have them; computed otherwise.
    words, top
        As for :func:`hubness`.
    check_finite, threads, progress
        As in :func:`isomorph.topk`.

    Returns
    -------
    dict of str to Hubness
        Under ``"before"`` (absent where d and e differ), ``"nn"`` and ``"csls"``;
        :func:`isomorph.plot.hubness` draws it.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError, ValueError
        As in :func:`isomorph.topk`; another number of rows in `mapped` than in `source`.

    Notes
    -----
    A pass over the n x m cosines for the radii, and three over those of the queries. Memory: the
    neighbours of the queries.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.random.default_rng(0).standard_normal((50, 6))
    >>> turned = x[:, ::-1]
    >>> found = iso.metrics.hubness_by_method(x, turned, turned, 1)
    >>> found["before"].antihubs > found["nn"].antihubs == found["csls"].antihubs == 0
    True
    """
    arguments = _arrays.Arguments(source=source, mapped=mapped, target=target)
    arguments.require_not_empty()
    arguments.require_same_columns("mapped", "target")
    n, d = arguments.shapes["source"]
    m, e = arguments.shapes["target"]
    if arguments.shapes["mapped"][0] != n:
        raise ShapeError(
            f"mapped: expected {n} rows as in source, got shape {arguments.shapes['mapped']}"
        )
    k = integer("k", k, 1, m, of="rows of target")
    count = n if rows is None else min(n, integer("rows", rows, 1))
    source, mapped, target = arguments.ready(check_finite=check_finite).arrays
    run: dict[str, Any] = {"check_finite": False, "threads": threads, "progress": progress}
    if source_radii is None or target_radii is None:
        computed = csls_radii(mapped, target, neighborhood=neighborhood, **run)
        source_radii = computed[0] if source_radii is None else source_radii
        target_radii = computed[1] if target_radii is None else target_radii
    found = {}
    if d == e:
        found["before"] = topk(source[:count, ...], target, k, **run)
    found["nn"] = topk(mapped[:count, ...], target, k, **run)
    radii = {"source_radii": source_radii[:count], "target_radii": target_radii}
    found["csls"] = csls(mapped[:count, ...], target, k, **radii, **run)
    return {method: hubness(each, m, words=words, top=top) for method, each in found.items()}
