"""Exact nearest neighbours and CSLS across two spaces, ties by index, never an n x m matrix.

A pair of rows has one score, the *canonical* one: products accumulated in float64 in one fixed
order, rounded once to the type of the input. Every path, thread count and instruction set returns
the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from isomorph import _arrays, _checks, _memory, _planning, _streaming, runtime
from isomorph._backends import Run
from isomorph._distributed import distributed
from isomorph._dlpack import served
from isomorph._memory import Memory
from isomorph._progress import Progress
from isomorph._results import CSLS, Neighbors, Pairs
from isomorph.errors import DTypeError, NonFiniteError, ShapeError

__all__ = ["csls", "csls_both", "csls_radii", "mutual_nearest", "topk"]

_METRICS = ("cosine", "dot", "l2")


@distributed("_neighbors.topk")
@served
def topk(
    queries: Any,
    corpus: Any,
    k: int = 10,
    *,
    metric: str = "cosine",
    exclude_self: bool = False,
    check_finite: bool = True,
    threads: int | None = None,
    memory: Memory = None,
    progress: Progress = None,
) -> Neighbors:
    r"""Find the `k` best corpus rows of every query row, exactly.

    For each query :math:`x_i` the `k` rows :math:`y_j` with the largest score

    * ``"cosine"``: :math:`\langle x_i, y_j\rangle / (|x_i||y_j|)`, 0 where a row is zero;
    * ``"dot"``: :math:`\langle x_i, y_j\rangle`;
    * ``"l2"``: :math:`-|x_i - y_j|^2`

    by score descending, then index ascending.

    Parameters
    ----------
    queries : array of shape (n, d)
        float32 or float64, computed in its own type; float16 and bfloat16 are widened to float32.
    corpus : array of shape (m, d), or Index
        Mixed types promote as in NumPy. An :class:`isomorph.Index` is prepared already. Either
        side may be the path of a ``.npy`` file, which is mapped and read as it is needed.
    k : int, default 10
        From 1 to m (to m - 1 with `exclude_self`).
    metric : {"cosine", "dot", "l2"}, default "cosine"
        What the score is.
    exclude_self : bool, default False
        Leave corpus row i out for query i: neighbours within one set. Needs n = m.
    check_finite : bool, default True
        Refuse NaN and infinities. If False, rows that have any are never selected, and select
        nothing themselves (index -1, score -inf).
    threads : int, optional
        See :mod:`isomorph.runtime`. The answer does not depend on it.
    memory : int or str, optional
        Bytes (or ``"500MB"``, ``"2GB"``) that the call may allocate beside its inputs and its
        result: both sides are then searched in pairs of blocks. The answer does not depend on it.
        For NumPy arrays and files.
    progress : bool or callable, optional
        True for a bar on standard error, after an estimate of a long search's time, or a callable
        of ``(done, total)``.

    Returns
    -------
    Neighbors
        ``scores`` (n, k) in the type of the input and ``indices`` (n, k), int64.

    Raises
    ------
    ShapeError
        Empty arrays, different numbers of columns, more than 2^32 - 2 rows.
    DTypeError
        Not an array or path of a ``.npy`` file, or not of floating point.
    NonFiniteError
        NaN or infinity, with the argument and the first bad row.
    ValueError
        `k` or `metric` out of range, or a score that overflows the type.
    FormatError
        A ``.npy`` file that is none, is cut short, or has no matrix of floating point.
    MemoryBudgetError
        `memory` is too small for the smallest blocks; the message says what would do.

    Notes
    -----
    O(n m d) multiplications in a fused multiply-and-select pass, which only filters: its error is
    part of the threshold, and what passes is scored canonically. Large searches filter by 7-bit
    integer codes of the rows, others in the type of the rows; the choice, by shape and by a probe
    of the first queries, changes no byte of the answer. Peak extra memory: codes of both sides,
    d + 80 bytes a row (or, without codes, a packed block of 32 MiB a side), 32 MiB of candidate
    lists, and the result (12 bytes x k a query in float32, 16 in float64). Sets of thousands of
    nearly equal rows take several times longer, since many pass the filter.

    With `memory`, blocks of both sides are as large as fits: a row of a block takes d + 64 bytes of
    codes or d values (at most 32 MiB of these a side), 120 of norms and bounds, d values where
    it has to be copied (another type or layout), and, if it selects, 8 (k + max(k, 64)) bytes of
    lists (16 in float64) and 28 k of answers (40); a third more for gaps between them, and 8 MiB.
    The corpus is read once for each block of queries. A score that overflows is refused when it is
    among the best of its block.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> corpus = np.eye(3, dtype=np.float32)
    >>> scores, indices = iso.topk(corpus[:1], corpus, k=2)
    >>> indices.tolist(), scores.tolist()
    ([[0, 1]], [[1.0, 0.0]])
    """
    queries, corpus = _streaming.open_rows(queries=queries, corpus=corpus)
    arguments, k = topk_arguments(queries, corpus, k, metric, exclude_self)
    if (budget := _budget(arguments, memory)) is not None:
        needs = _streaming.needs_of(arguments, k)
        if needs.whole() > budget:
            run = Run(runtime.resolve_threads(threads), progress)
            stream = _streaming.open_stream(
                arguments, needs, budget, 1, run, check_finite=check_finite
            )
            found = _streaming.topk(stream, k, metric, bool(exclude_self))
            return Neighbors(*found, metric)
    ready = arguments.ready(check_finite=check_finite)
    left, right = ready.indexes
    run = Run(
        runtime.resolve_threads(threads),
        progress,
        (left if left is not None and metric == left[0] == "cosine" else None, right),
    )
    x, y = ready.arrays
    _announce(
        arguments,
        run,
        lambda i, j: (
            lambda: ready.backend.topk(x[:i], y[:j], min(k, j), metric, False, Run(run.threads))
        ),
    )
    scores, indices = ready.backend.topk(x, y, k, metric, bool(exclude_self), run)
    return Neighbors(scores, indices, metric)


@distributed("_neighbors.csls_radii")
@served
def csls_radii(
    source: Any,
    target: Any,
    *,
    neighborhood: int = 10,
    check_finite: bool = True,
    threads: int | None = None,
    memory: Memory = None,
    progress: Progress = None,
) -> tuple[Any, Any]:
    r"""Mean cosine of every row to its nearest rows of the other side, both sides in one pass.

    .. math:: r_s(i) = \frac1K \sum_{j \in N_K(i)} \cos(x_i, y_j), \qquad
              r_t(j) = \frac1K \sum_{i \in N_K(j)} \cos(x_i, y_j)

    Parameters
    ----------
    source : array of shape (n, d)
        See :func:`topk` for types.
    target : array of shape (m, d)
        The other side.
    neighborhood : int, default 10
        K, from 1 to min(n, m).
    check_finite, threads, memory, progress
        As in :func:`topk`.

    Returns
    -------
    source_radii : array of shape (n,)
        In the type of the input; accumulated in float64 from the largest cosine down.
    target_radii : array of shape (m,)
        The same for the other side.

    Notes
    -----
    One pass over the n x m cosines, O(n m d), of which none is stored: each is compared with the
    row's and with the column's current K-th best. Peak extra memory: codes as in :func:`topk`, and
    8 bytes x (K + max(K, 64)) for each row of both sides, 16 in float64.

    References
    ----------
    Conneau et al., "Word translation without parallel data", ICLR 2018, section 2.3.
    """
    source, target = _streaming.open_rows(source=source, target=target)
    arguments, neighborhood = csls_arguments(source, target, neighborhood)
    if (budget := _budget(arguments, memory)) is not None:
        kept = arguments.shapes["target"][0] * neighborhood
        needs = _streaming.needs_of(arguments, neighborhood, both=True, kept=kept)
        if needs.whole() > budget:
            run = Run(runtime.resolve_threads(threads), progress)
            stream = _streaming.open_stream(
                arguments, needs, budget, 1, run, check_finite=check_finite
            )
            return _streaming.csls_radii(stream, neighborhood)
    ready = arguments.ready(check_finite=check_finite)
    run = Run(runtime.resolve_threads(threads), progress, ready.indexes)
    x, y = ready.arrays
    _announce_csls(arguments, ready, neighborhood, run)
    return ready.backend.csls_radii(x, y, neighborhood, run)


@distributed("_neighbors.csls")
@served
def csls(
    source: Any,
    target: Any,
    k: int = 1,
    *,
    neighborhood: int = 10,
    source_radii: Any = None,
    target_radii: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    memory: Memory = None,
    progress: Progress = None,
) -> Neighbors:
    r"""Find the `k` best target rows of every source row by cross-domain similarity local scaling.

    .. math:: \mathrm{CSLS}(i, j) = 2 \cos(x_i, y_j) - r_s(i) - r_t(j)

    with the radii of :func:`csls_radii`. It takes from hubs (targets near to everything) what they
    have too much; whether that helps depends on the data: see
    :func:`isomorph.metrics.csls_verdict`.

    Parameters
    ----------
    source : array of shape (n, d)
        See :func:`topk` for types.
    target : array of shape (m, d)
        The other side.
    k : int, default 1
        From 1 to m.
    neighborhood : int, default 10
        K of the radii, where they are not given.
    source_radii : array of shape (n,), optional
        Radii of the rows of `source`. Give those of the whole vocabularies, from
        :func:`csls_radii`, when `source` is only a part of one.
    target_radii : array of shape (m,), optional
        Radii of the rows of `target`.
    check_finite, threads, memory, progress
        As in :func:`topk`.

    Returns
    -------
    Neighbors
        ``scores`` and ``indices``, (n, k), by score descending, then index ascending.

    Notes
    -----
    The score is computed in float64 from the cosine and the radii, all in the output type, and
    rounded once. O(n m d). Where both radii are missing, large sides (1,280 rows and more, `k` and
    `neighborhood` up to 100) take one pass and a look back at what it could not prove, others two;
    with radii given, one. Memory as for :func:`csls_radii`, and 16 bytes x max(32, 4 k) for each
    row of both sides.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> x = np.array([[1, 0], [0, 1]], dtype=np.float32)
    >>> iso.csls(x, x[::-1], neighborhood=1).indices.tolist()
    [[1], [0]]
    """
    source, target = _streaming.open_rows(source=source, target=target)
    both_given = _both(source_radii, target_radii)
    arguments, neighborhood = csls_arguments(source, target, neighborhood, both_given=both_given)
    k = csls_count(arguments, k)
    check_radii(arguments, source_radii, target_radii)
    if (budget := _budget(arguments, memory)) is not None:
        given = source_radii, target_radii
        how = Run(runtime.resolve_threads(threads), progress)
        streamed = _streaming.csls_within(
            arguments, k, neighborhood, False, given, budget, how, check_finite=check_finite
        )
        if streamed is not None:
            return Neighbors(*streamed.forward, "csls")
    ready = arguments.ready(check_finite=check_finite)
    run = Run(runtime.resolve_threads(threads), progress, ready.indexes)
    x, y = ready.arrays
    _announce_csls(arguments, ready, 1 if both_given else neighborhood, run)
    if source_radii is None and target_radii is None:
        found = ready.backend.csls_from_rows(x, y, k, neighborhood, False, run)
        return Neighbors(*found.forward, "csls")
    radii = _radii(ready, neighborhood, source_radii, target_radii, run)
    return Neighbors(*ready.backend.csls(x, y, k, *radii, run), "csls")


@distributed("_neighbors.csls_both")
@served
def csls_both(
    source: Any,
    target: Any,
    k: int = 1,
    *,
    neighborhood: int = 10,
    source_radii: Any = None,
    target_radii: Any = None,
    check_finite: bool = True,
    threads: int | None = None,
    memory: Memory = None,
    progress: Progress = None,
) -> CSLS:
    """Retrieve by CSLS in both directions: source to target and target to source.

    Parameters
    ----------
    source, target, k, neighborhood, source_radii, target_radii
        As in :func:`csls`; `k` at most min(n, m).
    check_finite, threads, memory, progress
        As in :func:`topk`.

    Returns
    -------
    CSLS
        ``forward`` (n, k), ``backward`` (m, k), ``source_radii`` (n,), ``target_radii`` (m,).

    Notes
    -----
    Radii and both directions come from the same pass where :func:`csls` needs one; else it is
    O(n m d) for the radii that are missing and O(n m d) for the two answers together. `proved`
    tells what the one pass settled.
    """
    source, target = _streaming.open_rows(source=source, target=target)
    both_given = _both(source_radii, target_radii)
    arguments, neighborhood = csls_arguments(source, target, neighborhood, both_given=both_given)
    k = csls_count(arguments, k, both=True)
    check_radii(arguments, source_radii, target_radii)
    if (budget := _budget(arguments, memory)) is not None:
        given = source_radii, target_radii
        how = Run(runtime.resolve_threads(threads), progress)
        streamed = _streaming.csls_within(
            arguments, k, neighborhood, True, given, budget, how, check_finite=check_finite
        )
        if streamed is not None:
            there, back = (
                Neighbors(a, b, "csls") for a, b in (streamed.forward, streamed.backward)
            )
            return CSLS(there, back, *streamed.radii)
    ready = arguments.ready(check_finite=check_finite)
    run = Run(runtime.resolve_threads(threads), progress, ready.indexes)
    x, y = ready.arrays
    _announce_csls(arguments, ready, 1 if both_given else neighborhood, run)
    backward: Any
    if source_radii is None and target_radii is None:
        found = ready.backend.csls_from_rows(x, y, k, neighborhood, True, run)
        forward, backward, radii, proved = found.forward, found.backward, found.radii, found.proved
    else:
        radii, proved = _radii(ready, neighborhood, source_radii, target_radii, run), None
        forward, backward = ready.backend.csls_both(x, y, k, *radii, run)
    there, back = Neighbors(*forward, "csls"), Neighbors(backward[0], backward[1], "csls")
    return CSLS(there, back, *radii, proved)


@distributed("_neighbors.mutual_nearest")
@served
def mutual_nearest(
    source: Any,
    target: Any,
    *,
    method: str = "csls",
    neighborhood: int = 10,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> Pairs:
    """Pairs of rows that are each other's nearest.

    Parameters
    ----------
    source : array of shape (n, d)
        See :func:`topk` for types.
    target : array of shape (m, d)
        The other side.
    method : {"csls", "nn"}, default "csls"
        Nearest by CSLS or by cosine.
    neighborhood : int, default 10
        K of the radii, for CSLS.
    check_finite, threads, progress
        As in :func:`topk`.

    Returns
    -------
    Pairs
        ``source`` and ``target`` row numbers, ascending in ``source``, and ``scores``.

    Notes
    -----
    O(n m d): see :func:`csls_both`.
    """
    arguments, neighborhood = mutual_arguments(source, target, method, neighborhood)
    ready = arguments.ready(check_finite=check_finite)
    run = Run(runtime.resolve_threads(threads), progress, ready.indexes)
    xp = arguments.array_namespace()
    x, y = ready.arrays
    if method == "csls":
        radii = ready.backend.csls_radii(x, y, neighborhood, run)
        forward, backward = ready.backend.csls_both(x, y, 1, *radii, run)
    else:
        forward, backward = both_by_cosine(arguments, ready, 1, run)
    there, back = forward[1][:, 0], backward[1][:, 0]
    rows = xp.arange(there.shape[0], dtype=there.dtype, **arguments.device_of(there))
    found = there >= 0
    returns = xp.take(back, xp.where(found, there, xp.zeros_like(there)))
    mutual = xp.nonzero(xp.logical_and(found, returns == rows))[0]
    scores = xp.take(forward[0][:, 0], mutual)
    return Pairs(mutual, xp.take(there, mutual), scores)


def both_by_cosine(
    arguments: _arrays.Arguments, ready: _arrays.Prepared, k: int, run: Run
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Give the `k` nearest of each row of both sides by cosine, from one pass."""
    xp = arguments.array_namespace()
    # With radii of zero CSLS is twice the cosine: the same order, ties included.
    x, y = ready.arrays
    source_radii, target_radii = (
        xp.zeros(side.shape[0], dtype=side.dtype, **arguments.device_of(side)) for side in (x, y)
    )
    forward, backward = ready.backend.csls_both(x, y, k, source_radii, target_radii, run)
    return (forward[0] / 2, forward[1]), (backward[0] / 2, backward[1])


def _budget(arguments: _arrays.Arguments, memory: Memory) -> int | None:
    """Give the bytes that a call may allocate, if it says so."""
    budget = _memory.parse(memory)
    if budget is not None:
        _streaming.require_numpy(arguments)
    return budget


def _announce(
    arguments: _arrays.Arguments, run: Run, part: Callable[[int, int], Callable[[], object]]
) -> None:
    """Tell how long a large search at once will take."""
    (n, d), (m, _) = arguments.shapes.values()
    _planning.announce(run, part, (n, m, d), (n, m), 1)


def _announce_csls(
    arguments: _arrays.Arguments, ready: _arrays.Prepared, neighborhood: int, run: Run
) -> None:
    def part(i: int, j: int) -> Callable[[], object]:
        x, y = (side[:rows] for side, rows in zip(ready.arrays, (i, j), strict=True))
        count = min(neighborhood, i, j)
        return lambda: ready.backend.csls_radii(x, y, count, Run(run.threads))

    _announce(arguments, run, part)


def _both(source_radii: Any, target_radii: Any) -> bool:
    return source_radii is not None and target_radii is not None


def topk_arguments(
    queries: Any, corpus: Any, k: int, metric: str, exclude_self: bool
) -> tuple[_arrays.Arguments, int]:
    """Check what :func:`topk` is given, but for values."""
    _checks.one_of("metric", metric, _METRICS)
    arguments = _arrays.Arguments(queries=queries, corpus=corpus)
    arguments.require_not_empty()
    arguments.require_same_columns("queries", "corpus")
    arguments.require_metric(metric, "corpus")
    n, m = arguments.shapes["queries"][0], arguments.shapes["corpus"][0]
    if exclude_self and n != m:
        raise ShapeError(
            f"queries: exclude_self leaves row i out for query i, so as many rows as corpus ({m}) "
            f"are expected, got {n}"
        )
    return arguments, _checks.integer("k", k, 1, m - bool(exclude_self), of="rows to choose from")


def csls_count(arguments: _arrays.Arguments, k: int, *, both: bool = False) -> int:
    """Check how many neighbours by CSLS are wanted, of rows of one side or of both."""
    n, m = arguments.shapes["source"][0], arguments.shapes["target"][0]
    if both:
        return _checks.integer("k", k, 1, min(n, m), of="rows of the smaller side")
    return _checks.integer("k", k, 1, m, of="rows of target")


def mutual_arguments(
    source: Any, target: Any, method: str, neighborhood: int
) -> tuple[_arrays.Arguments, int]:
    """Check what :func:`mutual_nearest` is given, but for values."""
    if method not in ("csls", "nn"):
        raise ValueError(f"method: expected 'csls' or 'nn', got {method!r}")
    return csls_arguments(source, target, neighborhood, both_given=method == "nn")


def csls_arguments(
    source: Any, target: Any, neighborhood: int, *, both_given: bool = False
) -> tuple[_arrays.Arguments, int]:
    """Check the two sides of CSLS, but for values, and the neighbourhood where it is needed."""
    arguments = _arrays.Arguments(source=source, target=target)
    arguments.require_not_empty()
    arguments.require_same_columns("source", "target")
    arguments.require_metric("cosine", "source", "target")
    if not both_given:
        fewest = min(arguments.shapes["source"][0], arguments.shapes["target"][0])
        neighborhood = _checks.integer(
            "neighborhood", neighborhood, 1, fewest, of="rows of the smaller side"
        )
    return arguments, neighborhood


def check_radii(arguments: _arrays.Arguments, source_radii: Any, target_radii: Any) -> None:
    """Raise unless the radii that are given have one value for each row of their side."""
    given = {
        f"{side}_radii": radii
        for side, radii in (("source", source_radii), ("target", target_radii))
        if radii is not None
    }
    if not given:
        return
    checked = _arrays.Arguments(ndim=1, **given)
    if checked.namespace is not arguments.namespace:
        raise DTypeError("source_radii, target_radii: expected arrays of the library of source")
    for name, shape in checked.shapes.items():
        side = name.removesuffix("_radii")
        rows = arguments.shapes[side][0]
        if shape != (rows,):
            raise ShapeError(f"{name}: expected shape ({rows},), one a row of {side}, got {shape}")


def _radii(
    ready: _arrays.Prepared, neighborhood: int, source_radii: Any, target_radii: Any, run: Run
) -> tuple[Any, Any]:
    """Give the radii that were given, made ready, and compute those that were not."""
    radii = [source_radii, target_radii]
    if source_radii is None or target_radii is None:
        x, y = ready.arrays
        computed = ready.backend.csls_radii(x, y, neighborhood, run)
        radii = [
            own if given is None else given for own, given in zip(computed, radii, strict=True)
        ]
    made = []
    for name, array in zip(("source_radii", "target_radii"), radii, strict=True):
        converted = ready.convert(array)
        if (row := ready.backend.first_nonfinite_row(converted[:, None])) is not None:
            raise NonFiniteError(f"{name}: entry {row} is NaN or infinite")
        made.append(converted)
    return made[0], made[1]
