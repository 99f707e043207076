"""RCSLS: the map whose translations CSLS finds, by descent on the criterion itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from isomorph import _arrays, _core, runtime
from isomorph._backends import Run
from isomorph._checks import integer, number
from isomorph._progress import reporting
from isomorph._warning import warn
from isomorph.align._maps import LinearMap
from isomorph.align._procrustes import procrustes
from isomorph.align._rcsls_objective import Judge, Objective, Spaces
from isomorph.align._rcsls_steps import SLOWEST, Each, Options, Path, Told, as_published, searched
from isomorph.align._rows import names_of
from isomorph.errors import ConvergenceWarning, ShapeError

if TYPE_CHECKING:
    from isomorph.align._methods import Problem

#: Iterations where the call names none: of the search, and of the published program.
ITERATIONS, PUBLISHED_ITERATIONS = 50, 10
#: The share of the sources by which the number of steps is chosen.
HELD_OUT = 0.2
#: Part of the objective that a step gains at least, where the call names none.
TOLERANCE = 1e-2


def fit(
    problem: Problem,
    *,
    source_space: Any = None,
    target_space: Any = None,
    neighborhood: int = 10,
    negatives: int = 200_000,
    spectral: bool = False,
    reg: float = 0.0,
    iterations: int | None = None,
    tolerance: float | None = None,
    held_out: float | None = None,
    seed: int = 0,
    start: Any = None,
    parity: bool = False,
    learning_rate: float = 1.0,
    batch_size: int | None = None,
    each: Each | None = None,
) -> LinearMap:
    """Descend from `start`, or from the orthogonal map of the pairs; of a stack, one by one."""
    from isomorph.align._methods import stacked

    if problem.translate:
        raise ValueError("translate: method 'rcsls' does not; centre both sides before")
    if not parity and learning_rate != 1.0:
        raise ValueError("learning_rate: expected parity=True with it; the search finds its own")
    if not parity and (batch_size is not None or each is not None):
        name = "each" if batch_size is None else "batch_size"
        raise ValueError(f"{name}: expected parity=True with it")
    if parity and held_out:
        raise ValueError("held_out: expected None with parity=True, which goes all the way")
    if parity and tolerance is not None:
        raise ValueError("tolerance: expected None with parity=True, which goes all the way")
    tolerance = TOLERANCE if tolerance is None else tolerance
    if held_out is None:
        held_out = HELD_OUT if start is None and not parity else 0.0
    if iterations is None:
        iterations = PUBLISHED_ITERATIONS if parity else ITERATIONS
    how = Options(
        neighborhood,
        bool(spectral),
        number("reg", reg, least=0),
        integer("iterations", iterations, 0),
        number("tolerance", tolerance, least=0),
        number("held_out", held_out, least=0, below=1),
        integer("seed", seed, 0),
        number("learning_rate", learning_rate, least=SLOWEST),
        bool(parity),
        None if batch_size is None else integer("batch_size", batch_size, 1),
    )
    spaces = {"source_space": source_space, "target_space": target_space}
    spaces = {name: space for name, space in spaces.items() if space is not None}
    arguments = _arrays.Arguments(
        ndim=(2, 3), source=problem.source, target=problem.target, **spaces
    )
    arguments.require_not_empty()
    for name in spaces:
        _check_space(arguments, name)
    most = integer("negatives", negatives, 1)
    spaces = {name: _first(arguments.arrays[name], most) for name in spaces}
    if start is not None:
        start = _given(arguments, start)
    if len(arguments.shapes["source"]) == 2:
        return _fit(problem, spaces, start, most, how, each)
    b = arguments.shapes["source"][0]
    maps = []
    for i in range(b):
        own = {
            name: space[i, ...] if len(space.shape) == 3 else space
            for name, space in spaces.items()
        }
        maps.append(_fit(problem.one(i, b), own, start, most, how, each))
    return stacked(maps)


def _fit(
    problem: Problem,
    given: dict[str, Any],
    start: Any,
    most: int,
    how: Options,
    each: Each | None,
) -> LinearMap:
    sides = {"source": problem.source, "target": problem.target}
    arguments = _arrays.Arguments(
        **sides,
        **{
            f"{name}_space": given.get(f"{name}_space", _first(sides[name], most)) for name in sides
        },
    )
    names = [name for name in arguments.shapes if name not in sides]
    negatives = [arguments.shapes[name][0] for name in names]
    k = integer("neighborhood", how.neighborhood, 1, min(negatives), of="rows of a space")
    ready = arguments.ready(
        check_finite=problem.check_finite, unchecked=[name for name in names if name not in given]
    )
    run = Run(runtime.resolve_threads(problem.threads))
    steps = how.iterations + 1
    with reporting(problem.progress, "RCSLS") as report:

        def told(taken: int) -> None:
            if report is not None:
                report(taken, 2 * steps)

        told(0)
        spaces = Spaces(arguments, ready, k, run)
        descent = _Descent(spaces, problem.weights, start, how)
        path, judged = descent.published(told, each) if how.parity else descent.chosen(told)
        told(2 * steps)
    if path.stopped == "iterations" and how.iterations > 0 and not how.parity:
        warn(
            f"rcsls stopped after {how.iterations} iterations with the objective still falling by "
            f"more than tolerance={how.tolerance:g} of itself in the last",
            ConvergenceWarning,
        )
    metrics = {
        "objective": path.objectives[-1],
        "objectives": path.objectives,
        "held_out_objectives": judged,
        "iterations": path.steps,
        "evaluations": spaces.evaluations,
        "converged": path.stopped in ("tolerance", "held-out pairs"),
        "stopped": path.stopped,
        "step": path.step,
    }
    provenance = {
        "isomorph": _core.build_info()["version"],
        "rows": arguments.shapes["source"][0],
        "negatives": negatives,
        **dataclasses.asdict(how),
        "neighborhood": k,
    }
    return LinearMap(
        ready.convert(path.matrix), method="rcsls", metrics=metrics, provenance=provenance
    )


class _Descent:
    """The descents of one call."""

    def __init__(self, spaces: Spaces, weights: Any, start: Any, how: Options) -> None:
        self.spaces, self.start, self.how = spaces, start, how
        self.weighted = weights is not None
        if weights is None:
            n = int(spaces.source.shape[0])
            weights = spaces.xp.ones(n, dtype=spaces.xp.float64, **spaces.double.device)
        self.weights = weights

    def published(self, told: Told, each: Each | None) -> tuple[Path, list[float]]:
        """Go as the published program does."""
        begin = self._begin(None)
        if self.how.batch_size is None:
            everything = self._objective(None)
            return as_published(lambda: everything, begin, self.how, told, each), []
        pairs = int(self.weights.shape[0])
        size = min(self.how.batch_size, pairs)
        draws = np.random.default_rng(self.how.seed)
        drawn = lambda: self._objective(draws.choice(pairs, size, replace=False))  # noqa: E731
        return as_published(drawn, begin, self.how, told, each), []

    def chosen(self, told: Told) -> tuple[Path, list[float]]:
        """Go as far as does pairs good that were held out; and what these said on the way."""
        everything = self._objective(None)
        parts = self._hold_out() if self.how.held_out > 0 and self.how.iterations > 0 else None
        if parts is None:
            return searched(everything, self._begin(None), self.how, told), []
        rest, judge = parts
        tried = searched(self._objective(rest), self._begin(rest), self.how, told, judge)
        judged = [float(np.mean(losses)) for losses in tried.judged]
        steps = tried.far_enough()
        as_far = dataclasses.replace(self.how, iterations=steps, tolerance=0.0)
        # The second half of what was promised.
        later = self.how.iterations + 1
        path = searched(everything, self._begin(None), as_far, lambda taken: told(later + taken))
        if path.stopped == "iterations":
            path.stopped = tried.stopped if steps == tried.steps else "held-out pairs"
        return path, judged

    def _objective(self, pairs: Any) -> Objective:
        return Objective(self.spaces, self.weights, pairs)

    def _begin(self, pairs: Any) -> Any:
        """Give the start in float64, fitted to the pairs unless it was given."""
        from isomorph.metrics._host import take_rows

        start = self.start
        if start is None:
            rows = self.spaces.source, self.spaces.target, self.weights
            if pairs is not None:
                rows = tuple(take_rows(array, pairs) for array in rows)
            start = procrustes(
                rows[0],
                rows[1],
                weights=rows[2] if self.weighted else None,
                check_finite=False,
                threads=self.spaces.run.threads,
            ).matrix
        return self.spaces.xp.astype(start, self.spaces.xp.float64)

    def _hold_out(self) -> tuple[Any, Judge] | None:
        """Draw sources, with all their pairs; those that count for nothing choose nothing."""
        from isomorph.metrics._host import to_numpy
        from isomorph.metrics.intervals import held_out

        (owner,) = names_of(to_numpy(self.spaces.source))
        counts = to_numpy(self.weights) > 0
        words = np.unique(owner[counts])
        drawn = words[held_out(len(words), self.how.held_out, self.how.seed)]
        if not len(drawn):
            return None
        out = counts & np.isin(owner, drawn)
        pairs = np.nonzero(out)[0]
        judge = Judge(self.spaces, self.weights, pairs, np.searchsorted(drawn, owner[pairs]))
        return np.nonzero(~out)[0], judge


def _first(rows: Any, most: int) -> Any:
    return rows[..., : min(most, rows.shape[-2]), :]


def _check_space(arguments: _arrays.Arguments, name: str) -> None:
    """Raise unless all rows of a space have the columns of its side, and its problems if any."""
    side = name.removesuffix("_space")
    arguments.require_same_columns(side, name)
    found, expected = arguments.shapes[name], arguments.shapes[side]
    if len(found) == 3 and found[:-2] != expected[:-2]:
        raise ShapeError(
            f"{name}: expected the rows of one space, or of one for each problem of {side} (shape "
            f"{expected}), got shape {found}"
        )


def _given(arguments: _arrays.Arguments, start: Any) -> Any:
    """Check the matrix to start from."""
    if isinstance(start, LinearMap):
        if start.source_mean is not None or start.target_mean is not None:
            raise ValueError("start: expected a map without means")
        start = start.matrix
    _arrays.Arguments(ndim=(2, 3), source=arguments.arrays["source"], start=start)
    checked = _arrays.Arguments(start=start)
    wanted = arguments.shapes["source"][-1], arguments.shapes["target"][-1]
    if checked.shapes["start"] != wanted:
        raise ShapeError(f"start: expected shape {wanted}, got {checked.shapes['start']}")
    matrix = checked.ready().arrays[0]
    if not bool(checked.array_namespace().any(matrix != 0)):
        raise ValueError("start: expected a matrix that is not zero")
    return matrix
