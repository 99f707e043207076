"""Dictionary induction: which rows of two mapped spaces belong together.

One step of self-learning, as VecMap and MUSE take it; the loop around it is the caller's.
"""

from __future__ import annotations

from typing import Any

from isomorph import _arrays, _checks, runtime
from isomorph._backends import Choice, Dropout, Run
from isomorph._dlpack import served
from isomorph._progress import Progress
from isomorph._results import Pairs

__all__ = ["induce_dictionary"]

_DIRECTIONS = {
    "union": "both",
    "intersection": "both",
    "forward": "forward",
    "backward": "backward",
}


@served
def induce_dictionary(
    source: Any,
    target: Any,
    *,
    direction: str = "union",
    method: str = "csls",
    neighborhood: int = 10,
    keep: float = 1.0,
    seed: int = 0,
    step: int = 0,
    max_rank: int | None = None,
    threshold: float | None = None,
    min_size: int = 0,
    max_size: int | None = None,
    unique: bool = False,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Pairs:
    r"""Induce a dictionary from two mapped spaces: for each row its best partner on the other side.

    The forward direction has a pair for each source row, the backward one for each target row:

    .. math:: t(i) = \arg\max_j\, b_{ij}\,\bigl(2\cos(x_i, y_j) - r_t(j)\bigr), \qquad
              s(j) = \arg\max_i\, b'_{ij}\,\bigl(2\cos(x_i, y_j) - r_s(i)\bigr)

    with the radii of :func:`isomorph.csls_radii` and independent :math:`b_{ij}, b'_{ij}`, each 1
    with probability `keep` and 0 otherwise. The row's own radius does not change its maximum, so
    without dropout this is the best partner by CSLS; ties go to the lower row.

    Parameters
    ----------
    source : array of shape (n, d)
        Rows already mapped into the space of `target`. See :func:`isomorph.topk` for types.
    target : array of shape (m, d)
        The other side.
    direction : {"union", "forward", "backward", "intersection"}, default "union"
        * ``"forward"`` (MUSE's ``S2T``), ``"backward"`` (``T2S``): the pairs of one direction;
        * ``"union"``: those of both, first all of the forward direction, then all of the backward
          one. What both found is there twice and counts twice in a fit, as in VecMap; with
          ``unique=True`` once, as in MUSE's ``S2T|T2S``;
        * ``"intersection"``: what both directions found (``S2T&T2S``).
    method : {"csls", "nn"}, default "csls"
        ``"nn"`` compares cosines, without radii.
    neighborhood : int, default 10
        K of the radii, at most min(n, m); 0 means no radii, as ``method="nn"`` does.
    keep : float, default 1.0
        Probability that a pair takes part; 1 means that all do. See Notes.
    seed, step : int, default 0
        What is drawn is a function of (seed, step, direction, i, j) alone: give each iteration a
        step of its own. 0 to 2^64 - 1 and 0 to 2^32 - 1.
    max_rank : int, optional
        Only pairs of which both rows are among the first `max_rank` of their side. Each row still
        chooses from all of the other side (VecMap's cutoff is the same as giving fewer rows).
        MUSE's ``dico_max_rank`` R lets one row more through on the side that is chosen from.
    threshold : float, optional
        Only pairs whose confidence, the best score of the row less the second best, is above this.
        MUSE's ``dico_threshold``, whose 0 stands for no threshold.
    min_size : int, default 0
        So many of the most confident pairs of each direction stay whatever the threshold.
    max_size : int, optional
        At most so many pairs of each direction stay, the most confident.
    unique : bool, default False
        Whether a union has what both directions found only once.
    check_finite, threads, progress
        As in :func:`isomorph.topk`. With ``check_finite=False`` rows that are not finite are in no
        pair.

    Returns
    -------
    Pairs
        ``source`` and ``target`` rows (int64), the forward direction by source row, then the
        backward direction by target row; ``scores``, the CSLS score of each pair (its cosine for
        ``"nn"``), or, for a dropped pair, what it counted as. May be empty.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError
        As :func:`isomorph.topk`.
    ValueError
        A parameter out of its range.

    Notes
    -----
    Dropout follows VecMap: what is dropped does not leave, its value becomes 0, and what is kept
    is not rescaled. So where all kept values of a row are negative, a dropped pair wins, that of
    the lowest row; its CSLS score counts as :math:`0 - r_s(i)` (forward) or :math:`0 - r_t(j)`.
    Scores are compared as they are returned: with both radii subtracted and rounded once. VecMap
    draws from one sequential generator, so single runs differ from its runs.

    The draws are Philox4x32-10 (Salmon et al., 2011), one block a pair: the same on every machine,
    number of threads and backend. Drawing for all n x m pairs would cost more than the search; the
    result is as if it were done. Large sides: the one pass of :func:`isomorph.csls_both` draws for
    what passes its filter, some hundred pairs a row. Small ones: each row draws for its C best
    candidates, at most 64, so many that one row of 500 has none that is kept; such rows draw for
    all their pairs and score those kept.

    O(n m d), one pass or, for small sides, two. Peak extra memory: that of
    :func:`isomorph.csls_both` (for small sides with k = C).

    References
    ----------
    Artetxe, Labaka and Agirre, "A robust self-learning method for fully unsupervised cross-lingual
    mappings of word embeddings", ACL 2018. Conneau et al., "Word translation without parallel
    data", ICLR 2018. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.eye(3, dtype=np.float32)
    >>> pairs = iso.induce_dictionary(x, x[[1, 2, 0]], neighborhood=1, unique=True)
    >>> pairs.source.tolist(), pairs.target.tolist()
    ([0, 1, 2], [2, 0, 1])
    """
    selection = max_rank, threshold, min_size, max_size, unique
    pairs, _ = _induced(
        (source, target),
        (direction, method, neighborhood),
        (keep, seed, step),
        selection,
        (check_finite, threads, progress),
    )
    return pairs


def induce_with_largest(
    source: Any,
    target: Any,
    *,
    direction: str,
    method: str,
    neighborhood: int,
    keep: float,
    seed: int,
    step: int,
    threads: int,
) -> tuple[Pairs, list[Any]]:
    """Induce, and give the largest cosine of each row for each of the sides that choose.

    What a search knows anyway; dropped pairs count, a row that is not finite has ``-inf``.
    """
    return _induced(
        (source, target),
        (direction, method, neighborhood),
        (keep, seed, step),
        (None, None, 0, None, False),
        (False, threads, None),
        largest=True,
    )


def _induced(
    sides: tuple[Any, Any],
    how: tuple[str, str, int],
    drawn: tuple[float, int, int],
    selection: tuple[int | None, float | None, int, int | None, bool],
    running: tuple[bool, int | None, Progress],
    *,
    largest: bool = False,
) -> tuple[Pairs, list[Any]]:
    direction, method, neighborhood = how
    _checks.one_of("direction", direction, tuple(_DIRECTIONS))
    _checks.one_of("method", method, ("csls", "nn"))
    arguments = _arrays.Arguments(source=sides[0], target=sides[1])
    arguments.require_not_empty()
    arguments.require_same_columns("source", "target")
    if method == "nn":
        neighborhood = 0
    fewest = min(arguments.shapes["source"][0], arguments.shapes["target"][0])
    neighborhood = _checks.integer("neighborhood", neighborhood, 0, fewest)
    keep, seed, step = drawn
    dropout = Dropout(
        _checks.number("keep", keep, above=0, most=1),
        _checks.integer("seed", seed, 0, 2**64 - 1),
        _checks.integer("step", step, 0, 2**32 - 1),
    )
    max_rank, threshold, min_size, max_size, unique = selection
    chosen = _Chosen(
        max_rank=_count("max_rank", max_rank),
        threshold=None if threshold is None else _checks.number("threshold", threshold),
        min_size=_checks.integer("min_size", min_size, 0, _arrays.MAX_ROWS),
        max_size=_count("max_size", max_size),
        xp=arguments.array_namespace(),
    )
    check_finite, threads, progress = running
    run = Run(runtime.resolve_threads(threads), progress)
    ready = arguments.ready(check_finite=check_finite)
    x, y = ready.arrays
    choices = ready.backend.induce(
        x,
        y,
        neighborhood,
        _DIRECTIONS[direction],
        dropout,
        second=chosen.needs_second,
        largest=largest,
        run=run,
    )
    # Without radii the core compares twice the cosine.
    halved = neighborhood == 0
    there, back = (
        None if choice is None else chosen.of(choice, halved=halved) for choice in choices
    )
    pairs = chosen.combined(there, back, direction, unique=bool(unique))
    return pairs, [choice.largest for choice in choices if choice is not None]


class _Chosen:
    """What rows chose, and which of it stays."""

    def __init__(
        self,
        *,
        max_rank: int | None,
        threshold: float | None,
        min_size: int,
        max_size: int | None,
        xp: Any,
    ) -> None:
        self.max_rank, self.threshold = max_rank, threshold
        self.min_size, self.max_size = min_size, max_size
        self.xp = xp

    @property
    def needs_second(self) -> bool:
        return self.threshold is not None or self.max_size is not None

    def of(self, choice: Choice, *, halved: bool) -> tuple[Any, Any, Any]:
        """Give the partner of each row, its score, and whether the pair stays."""
        xp = self.xp
        partners, scores, seconds = choice.partners, choice.scores, choice.seconds
        if halved:
            scores, seconds = scores / 2, seconds / 2
        stays = partners >= 0
        if self.max_rank is not None:
            rows = xp.arange(partners.shape[0], dtype=xp.int64, device=_device(partners))
            stays = stays & (rows < self.max_rank) & (partners < self.max_rank)
        if self.needs_second:
            stays = stays & self._confident(stays, scores, seconds)
        return partners, scores, stays

    def _confident(self, stays: Any, scores: Any, seconds: Any) -> Any:
        xp = self.xp
        infinite, zero = xp.full_like(scores, float("inf")), xp.zeros_like(scores)
        alone = xp.isinf(seconds)
        gap = xp.where(stays, scores, zero) - xp.where(alone, zero, seconds)
        gap = xp.where(stays, xp.where(alone, infinite, gap), -infinite)
        # Most confident first, then by row: the place of each row in that order.
        place = xp.argsort(xp.argsort(-gap, stable=True), stable=True)
        passes = xp.ones_like(stays)
        if self.threshold is not None:
            # Finite gaps are below 8; what float32 cannot hold must not reach the comparison.
            threshold = min(max(self.threshold, -100.0), 100.0)
            passes = (gap > threshold) | (place < self.min_size)
        return passes if self.max_size is None else passes & (place < self.max_size)

    def combined(self, there: Any, back: Any, direction: str, *, unique: bool) -> Pairs:
        """Put the directions together."""
        xp = self.xp
        if direction == "intersection":
            there, back = (*there[:2], there[2] & self._returns(there, back)), None
        elif direction == "union" and unique:
            back = (*back[:2], back[2] & ~self._returns(back, there))
        parts = []
        for side, forward in ((there, True), (back, False)):
            if side is None:
                continue
            partners, scores, stays = side
            rows = xp.nonzero(stays)[0]
            found = (rows, xp.take(partners, rows))
            parts.append((*(found if forward else found[::-1]), xp.take(scores, rows)))
        if len(parts) == 1:
            return Pairs(*parts[0])
        return Pairs(*(xp.concat(columns) for columns in zip(*parts, strict=True)))

    def _returns(self, one: Any, other: Any) -> Any:
        """Tell, for each row of `one`, whether its pair stays in `other`, too."""
        xp = self.xp
        partners = one[0]
        rows = xp.arange(partners.shape[0], dtype=xp.int64, device=_device(partners))
        known = xp.where(partners >= 0, partners, xp.zeros_like(partners))
        return (partners >= 0) & xp.take(other[2], known) & (xp.take(other[0], known) == rows)


def _device(array: Any) -> Any:
    return getattr(array, "device", None)


def _count(name: str, value: Any) -> int | None:
    return None if value is None else _checks.integer(name, value, 1, _arrays.MAX_ROWS)
