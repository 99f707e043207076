"""Generalised Procrustes: maps of many spaces into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isomorph import _arrays, _core, runtime
from isomorph._backends import Run
from isomorph._checks import integer, number
from isomorph._dlpack import served
from isomorph._moments._sums import tools_of
from isomorph._progress import Progress, reporting
from isomorph._warning import warn
from isomorph.align import LinearMap, fit_maps
from isomorph.align._methods import renamed
from isomorph.errors import ConvergenceWarning, DictionaryError
from isomorph.linalg import Moments
from isomorph.many_spaces import _inputs
from isomorph.many_spaces._common_space import CommonSpace
from isomorph.many_spaces._inputs import Shared
from isomorph.many_spaces._solver import Edge, Solver, iterate
from isomorph.metrics._host import take_rows


@served
def generalized_procrustes(
    spaces: Mapping[str, Any] | Sequence[Any],
    *,
    concepts: Mapping[str, Any] | Sequence[Any] | None = None,
    pairs: Mapping[tuple[str, str], Any] | None = None,
    pivot: str | None = None,
    scale: bool = False,
    translate: bool = False,
    allow_reflection: bool = True,
    max_iterations: int = 100,
    tol: float = 1e-6,
    check_finite: bool = True,
    threads: int | None = None,
    progress: Progress = None,
) -> CommonSpace:
    r"""Fit orthonormal maps of many spaces into one, in which what belongs together is near.

    .. math:: \min_{W, s, t} \sum_{i < j} \sum_{(x, y) \in P_{ij}} w_{xy}
              \left| s_i x W_i + t_i - s_j y W_j - t_j \right|^2

    over :math:`W_i` (d_i, h) with :math:`W_i W_i^T = I`, h the largest of the d_i. The pairs
    :math:`P_{ij}` come from

    * the rows themselves, by default: row r is the same thing in all spaces;
    * `concepts`: rows with one label are one concept, of which a space may have none or several
      (they count as their mean). A pair has the weight one over the number of spaces that hold
      the concept, which makes the sum that of Gower:
      :math:`\sum_c \sum_i |x_{ic} W_i - g_c|^2`, :math:`g_c` the mean over those spaces;
    * `pairs`: dictionaries between some spaces, as they are, all pairs with weight 1.

    Parameters
    ----------
    spaces : mapping of str to array of shape (n_i, d_i), or sequence of arrays
        Two or more; numbers of columns may differ. A sequence is named "0", "1" and so on.
        :class:`isomorph.io.Embeddings` count as their vectors.
    concepts : mapping of str to integers of shape (n_i,), or sequence, optional
        The label of each row, 0 or more; -1: none.
    pairs : mapping of (str, str) to Pairs or (rows, rows), optional
        Which rows of the first space belong to which of the second. Not all pairs of spaces need
        to be there, but they must be connected.
    pivot : str, optional
        Hub and this space are one: every other space is mapped onto it by itself
        (:func:`isomorph.procrustes` of its pairs with the pivot), and what other spaces share does
        not count. h is then the pivot's d. Default: all spaces together.
    scale : bool, default False
        Fit :math:`s_i \ge 0`, too. Without a pivot the sum of all squares is kept (else all would
        shrink to nothing) and the hub then has the scale of its first space.
    translate : bool, default False
        Fit :math:`t_i`, too; without it all are 0.
    allow_reflection : bool, default True
        If False, :math:`\det W_i = +1` where d_i = h.
    max_iterations : int, default 100
        Rounds over all spaces.
    tol : float, default 1e-6
        Stop when a round lowers the loss by no more than this part of it.
    check_finite : bool, default True
        Refuse NaN and infinities.
    threads : int, optional
        See :mod:`isomorph.runtime`. No byte of the answer depends on it.
    progress : bool or callable, optional
        True for a bar on standard error, or a callable of ``(done, total)``.

    Returns
    -------
    CommonSpace
        A LinearMap a space, the loss after each round (which never grows), and how well each pair
        of spaces fits. The hub has the coordinates of the space that shares most with the others
        among those of h columns (the pivot, if there is one): its map is the identity.

    Raises
    ------
    DictionaryError
        Spaces that nothing connects to the others, or to the pivot.
    ShapeError
        Different numbers of rows without `concepts` or `pairs`; labels of another length.
    DTypeError, NonFiniteError
        Not arrays of real floating point values; NaN or infinity.
    ValueError
        Fewer than two spaces, names that do not exist, rows that do not exist, values so near to
        the ends of float64's range that their squares leave it.

    Warns
    -----
    ConvergenceWarning
        `max_iterations` rounds were not enough for `tol`.

    Notes
    -----
    Each round finds, for one space after the other, the W_i and t_i that are best while the others
    stay (the polar factor of :math:`\sum_j P_{ij}`'s cross-moments times W_j), and then the best
    scales and translations of all for the maps as they are (an eigenvector and a linear system of K
    unknowns). So the loss never grows. It may end in a local minimum; the start, spaces placed one
    after the other beside those they share most with, is exact for spaces that can be brought to
    coincide. Nothing depends on the order in which spaces are given, but for ties and rounding.

    Two spaces: :func:`isomorph.procrustes`. Dictionaries that form a tree (all with English, say)
    have their minimum in the pairwise maps, found at once; only what closes a circle, concepts held
    by three spaces for instance, makes the joint fit differ from a pivot's.

    With K spaces, E pairs of them that share rows, n rows each: O(E n d^2) once, from
    :class:`isomorph.linalg.Moments`, then O(E d^3) a round whatever n is. Memory beyond the
    input: E d^2 numbers of float64, and the rows that two spaces share.

    References
    ----------
    J. C. Gower, "Generalized Procrustes analysis", Psychometrika 40 (1975); J. M. F. ten Berge,
    "Orthogonal Procrustes rotation for two or more matrices", Psychometrika 42 (1977): rounds and
    scales; J. J. F. Commandeur, "Matching configurations" (1991): missing rows.

    Examples
    --------
    >>> import numpy as np, isomorph as iso
    >>> rng = np.random.default_rng(0)
    >>> things = rng.standard_normal((100, 5))
    >>> turns = {name: iso.linalg.polar(rng.standard_normal((5, 5))).r for name in ("a", "b", "c")}
    >>> hub = iso.generalized_procrustes({name: things @ turn for name, turn in turns.items()})
    >>> np.allclose(hub.between("a", "c").matrix, turns["a"].T @ turns["c"])
    True
    """
    names, arguments = _inputs.vectors_of(spaces)
    rounds = integer("max_iterations", max_iterations, 1)
    least = number("tol", tol, least=0)
    if pivot is not None and pivot not in names:
        raise ValueError(f"pivot: expected one of {', '.join(names)}, got {pivot!r}")
    if concepts is not None and pairs is not None:
        raise ValueError("pairs: expected concepts or pairs, not both")
    run = Run(runtime.resolve_threads(threads))
    counts = [shape[0] for shape in arguments.shapes.values()]
    if concepts is not None:
        labels = _inputs.concept_labels(concepts, counts, names)
    rows = list(arguments.ready(check_finite=check_finite).arrays)
    if concepts is not None:
        merged = [_inputs.once_each(*side) for side in zip(rows, labels, strict=True)]
        rows = [side for side, _ in merged]
        shared = _inputs.from_concepts([held for _, held in merged])
    elif pairs is not None:
        shared = _inputs.from_pairs(pairs, counts, names)
    else:
        shared = _inputs.from_rows(counts, names)
    how = {"scale": bool(scale), "translate": bool(translate)}
    if pivot is not None:
        return _onto(pivot, names, rows, shared, bool(allow_reflection), how, run, progress)
    _inputs.require_connected(shared, names)
    dims = [int(side.shape[1]) for side in rows]
    with reporting(progress, "spaces") as report:
        total = len(shared) + rounds

        def tell(done: int) -> None:
            if report is not None:
                report(done, total)

        edges, centres = _moments(rows, names, shared, bool(translate), run, tell)
        solver = Solver(edges, dims, tools_of(edges[0].cross), run, bool(scale), bool(translate),
                        bool(allow_reflection))  # fmt: skip
        solver.start()
        losses, converged = iterate(solver, rounds, least, lambda done: tell(len(shared) + done))
        tell(total)
    if not converged:
        warn(
            f"the loss still fell after {rounds} rounds; raise max_iterations= or tol=",
            ConvergenceWarning,
        )
    solver.settle()
    return _common_space(solver, names, centres, arguments, losses, converged, allow_reflection)


def _sides(rows: Sequence[Any], edge: Shared) -> tuple[Any, Any]:
    """Give the rows that two spaces share."""
    left, right = (
        rows[space] if taken is None else take_rows(rows[space], taken)
        for space, taken in ((edge.first, edge.first_rows), (edge.second, edge.second_rows))
    )
    return left, right


def _moments(
    rows: Sequence[Any],
    names: Sequence[str],
    shared: Sequence[Shared],
    translate: bool,
    run: Run,
    tell: Any,
) -> tuple[list[Edge], list[Any]]:
    """Give the moments of all pairs of spaces about the mean of each space, and those means."""
    scatters = []
    for done, edge in enumerate(shared):
        left, right = _sides(rows, edge)
        moments = Moments(int(left.shape[1]), int(right.shape[1]))
        said = {side: f"spaces.{names[i]}" for side, i in (("x", edge.first), ("y", edge.second))}
        with renamed(said):
            moments.update(
                left, right, weights=edge.weights, check_finite=False, threads=run.threads
            )
        scatter = moments.scatter(translate=translate, threads=run.threads)
        if scatter.exponents != (0, 0):
            raise ValueError(
                f"spaces.{names[edge.first]}, spaces.{names[edge.second]}: expected values whose "
                "squares keep to float64's range; scale them"
            )
        scatters.append(scatter)
        tell(done + 1)
    xp = scatters[0].tools.xp
    totals: list[Any] = [0.0] * len(rows)
    weights = [0.0] * len(rows)
    for edge, scatter in zip(shared, scatters, strict=True):
        for space, mean in ((edge.first, scatter.x_mean), (edge.second, scatter.y_mean)):
            totals[space] = totals[space] + scatter.weight * mean
            weights[space] += scatter.weight
    centres = [
        (total / weight if translate else 0.0 * total)
        for total, weight in zip(totals, weights, strict=True)
    ]
    edges = []
    for edge, scatter in zip(shared, scatters, strict=True):
        # Not translated, all is about 0, and no sum is needed.
        x, y = (
            (mean - centres[space]) if translate else 0.0 * mean
            for space, mean in ((edge.first, scatter.x_mean), (edge.second, scatter.y_mean))
        )
        w = scatter.weight
        xx, yy = scatter.squares()
        edges.append(
            Edge(
                edge.first,
                edge.second,
                scatter.tools.contiguous(scatter.xy + (w * x)[:, None] * y[None, :]),
                w * x,
                w * y,
                xx + w * float(xp.sum(x * x)),
                yy + w * float(xp.sum(y * y)),
                w,
                scatter.rows,
            )
        )
    return edges, centres


def _common_space(
    solver: Solver,
    names: Sequence[str],
    centres: Sequence[Any],
    arguments: _arrays.Arguments,
    losses: list[float],
    converged: bool,
    allow_reflection: bool,
) -> CommonSpace:
    ready = solver.tools.prepared(arguments.dtype())
    root = solver.order[0]
    provenance = {
        "isomorph": _core.build_info()["version"],
        "spaces": list(names),
        "scale": solver.scale,
        "translate": solver.translate,
        "allow_reflection": bool(allow_reflection),
    }
    maps = {}
    for space, name in enumerate(names):
        # Shifts are those of rows about their means; the hub has the root's own origin.
        moved = solver.translate and space != root
        maps[name] = LinearMap(
            ready.convert(solver.tools.contiguous(solver.maps[space])),
            centres[space] if moved else None,
            solver.shifts[space] + centres[root] if moved else None,
            float(solver.scales[space]),
            orthogonal=True,
            method="generalized procrustes",
            metrics={"residual": solver.residual_of(space), "rank": solver.ranks[space]},
            provenance={
                **provenance,
                "pairs": sum(edge.pairs for edge in solver._beside[space]),
            },
        )
    return CommonSpace(
        maps,
        objective=tuple(losses),
        converged=converged,
        residuals={(names[i], names[j]): r for (i, j), r in solver.residuals().items()},
        provenance={**provenance, "identity": names[root]},
    )


def _onto(
    pivot: str,
    names: Sequence[str],
    rows: Sequence[Any],
    shared: Sequence[Shared],
    allow_reflection: bool,
    how: dict[str, bool],
    run: Run,
    progress: Progress,
) -> CommonSpace:
    """Fit every space onto the pivot by itself."""
    hub = names.index(pivot)
    problems = {}
    for edge in shared:
        if hub in (edge.first, edge.second):
            left, right = _sides(rows, edge)
            other = edge.second if edge.first == hub else edge.first
            problems[names[other]] = (right, left) if edge.first == hub else (left, right)
    if missing := [name for name in names if name != pivot and name not in problems]:
        raise DictionaryError(
            f"pivot: expected all spaces to share something with {pivot!r}; {', '.join(missing)} "
            "share nothing with it"
        )
    fitted = fit_maps(
        problems,
        method="procrustes" if allow_reflection else "rotation",
        check_finite=False,
        threads=run.threads,
        progress=progress,
        **how,
    )
    arguments = _arrays.Arguments(pivot=rows[hub])
    xp, d = arguments.array_namespace(), int(rows[hub].shape[1])
    identity = xp.eye(d, dtype=rows[hub].dtype, **arguments.device_of(rows[hub]))
    own = LinearMap(identity, orthogonal=True, method="identity")
    return CommonSpace(
        {name: own if name == pivot else fitted[name] for name in names},
        objective=(),
        converged=True,
        residuals={(name, pivot): fitted[name].metrics["residual"] for name in problems},
        provenance={
            "isomorph": _core.build_info()["version"],
            "spaces": list(names),
            "pivot": pivot,
            "allow_reflection": allow_reflection,
            "identity": pivot,
            **how,
        },
    )
